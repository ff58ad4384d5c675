# docker build --tag party-sockets .
# docker run --publish 3000:3000 --volume party-sockets:/var/lib/party-sockets party-sockets
#
# Options are environment variables (--env MAX_ROOMS=1000), which the health check is given as well.
# docs/operations.md has more.
#
# The binary is linked as everywhere, and beside it are the few shared libraries that it needs. It is not
# static as a whole: Debian has no static libqrencode, and a static libc looks up fewer names. libnats and its
# libraries are among them; they are loaded for a cluster alone.

FROM debian:bookworm-slim AS build
WORKDIR /source
# Apart, so that the packages are installed anew only when their list changes.
COPY scripts/setup scripts/setup
RUN scripts/setup build
COPY . .
RUN meson setup build/release -Db_lto=true -Dnats=enabled && ninja -C build/release party-sockets
RUN scripts/image-root build/release/party-sockets /image
RUN mkdir -p /image/var/lib && install -d -m 700 /state/party-sockets

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /state /var/lib
# Nobody's: neither root nor anybody else on the machine.
USER 65532:65532
EXPOSE 3000
# Rooms outlive the container where this is a volume that the next one has, too.
ENV STATE_DIR=/var/lib/party-sockets
VOLUME /var/lib/party-sockets
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/party-sockets", "--check-health"]
ENTRYPOINT ["/party-sockets"]
