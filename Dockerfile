# docker build --tag party-sockets .
# docker run --publish 3000:3000 party-sockets
#
# Options are environment variables (--env MAX_ROOMS=1000), which the health check is given as well.
# docs/operations.md has more.

FROM debian:bookworm-slim AS build
WORKDIR /source
# Apart, so that the packages are installed anew only when their list changes.
COPY scripts/setup scripts/setup
RUN scripts/setup build
COPY . .
RUN meson setup build/static -Db_lto=true -Dstatic=true && ninja -C build/static party-sockets
RUN strip build/static/party-sockets

FROM scratch
COPY --from=build /source/build/static/party-sockets /party-sockets
# Nobody's: neither root nor anybody else on the machine.
USER 65532:65532
EXPOSE 3000
# Lets running rooms end: docker stop --time 310.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/party-sockets", "--check-health"]
ENTRYPOINT ["/party-sockets"]
