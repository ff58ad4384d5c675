# A thin front to Meson. `make` builds, and says what it lacks; what runs something installs that itself.

.PHONY: all release asan run cluster check lint test test-cluster nightly simulate simulate-cluster simulate-link mutants tsan fuzz fuzz-corpus soak bench format clean
.PHONY: install uninstall deb package-test equipped

all: release

release:
	@scripts/setup check build
	@test -f build/release/build.ninja || meson setup build/release -Db_lto=true >/dev/null
	@# A folder that was set up before libnats-dev was there remembers that, and has no --cluster.
	@grep -q nats_link build/release/build.ninja || grep -q 'nats = disabled' build/release/meson-private/cmd_line.txt || \
		meson setup --wipe build/release >/dev/null
	@ninja -C build/release --quiet

# The same where it may install what it lacks.
equipped:
	@scripts/setup build
	@$(MAKE) --no-print-directory release

asan:
	@scripts/setup units
	@test -f build/asan/build.ninja || meson setup build/asan --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dunit_tests=true -Dbenchmarks=true >/dev/null
	@ninja -C build/asan --quiet

# Binary, manual page, unit and examples, below PREFIX (/usr/local), and that below DESTDIR if it is set.
# Make hands variables of its command line on. Nothing is built anew for it.
install:
	@scripts/install put

uninstall:
	@scripts/install remove

# build/deb/party-sockets_VERSION_ARCHITECTURE.deb
deb:
	@scripts/setup package
	@scripts/make-deb

# Rooms are there again after Ctrl-C and another `make run`.
run: equipped
	@STATE_DIR="$${STATE_DIR:-build/state}" exec build/release/party-sockets

# Two nodes behind HAProxy, with nats-server, until Ctrl-C.
cluster:
	@scripts/setup cluster
	@$(MAKE) --no-print-directory release
	@exec scripts/cluster

# Says within seconds of a change whether the code is sound. It needs no browser, no proxy and no network.
check: asan
	@tests/run check

# What is found without running anything: formatting, clang's warnings, two analysers.
lint:
	@scripts/setup lint
	@scripts/lint

# Ends with one line: N passed, N failed, N skipped.
test: equipped asan
	@scripts/setup test
	@tests/run

# The black box against three nodes of a cluster, which a nats-server joins. Ends with the same line.
test-cluster: asan
	@scripts/setup test
	@tests/run cluster

# The Dockerfile's steps, make deb, the .deb and the README's commands in clean Debians, as root; one of them
# with ONLY=dockerfile, deb or newcomer. Ends with the same line.
package-test: equipped
	@scripts/setup test
	@scripts/setup package-test
	@tests/run packages $(ONLY)

# Everything there is, for hours.
nightly:
	@tests/nightly

# Servers in a simulated network: SEEDS=1000 of them from a random seed on, or SEED=n alone with a trace.
simulate:
	@scripts/setup build
	@test -f build/simulate/build.ninja || meson setup build/simulate -Dsimulation=true >/dev/null
	@ninja -C build/simulate --quiet tests/simulate
	@build/simulate/tests/simulate $(if $(SEED),--seed $(SEED) --trace,--seeds $(or $(SEEDS),1000))

# The nodes of a cluster in a simulated engine, in the same way.
simulate-cluster:
	@scripts/setup build
	@test -f build/simulate/build.ninja || meson setup build/simulate -Dsimulation=true >/dev/null
	@ninja -C build/simulate --quiet tests/cluster_simulate
	@build/simulate/tests/cluster_simulate $(if $(SEED),--seed $(SEED) --trace,--seeds $(or $(SEEDS),1000))

# The two ends of a link over a bad network, in the same way.
simulate-link:
	@scripts/setup build
	@test -f build/simulate/build.ninja || meson setup build/simulate -Dsimulation=true >/dev/null
	@ninja -C build/simulate --quiet tests/link_simulate
	@build/simulate/tests/link_simulate $(if $(SEED),--seed $(SEED) --trace,--seeds $(or $(SEEDS),1000))

# Plants faults in the sources, one by one, and sees whether the simulations find them: some minutes.
mutants:
	@scripts/setup build
	@tests/simulation/mutants

# The black box with four loops under ThreadSanitizer.
tsan:
	@scripts/setup blackbox
	@test -f build/tsan/build.ninja || meson setup build/tsan --buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false >/dev/null
	@ninja -C build/tsan --quiet
	@tests/run tsan

# make fuzz T=json SECONDS=60; without T it says which there are.
fuzz:
	@tests/fuzz/run fuzz "$(T)" $(or $(SECONDS),60)

# Takes what the runs found into the committed corpus, as little of it as covers the same.
fuzz-corpus:
	@tests/fuzz/run fuzz-corpus "$(T)"

# Hundreds of clients for ten minutes, or for SECONDS. Ends with one line: N passed, N failed.
soak: equipped
	@scripts/setup blackbox
	@node tests/soak/soak.mjs

# The tables of docs/benchmarks.md; a part of them with OPTIONS="--only lockstep --rounds 3".
bench: equipped
	@meson configure build/release -Dbenchmarks=true
	@ninja -C build/release --quiet
	@bench/run $(OPTIONS)

format:
	@clang-format -i $$(git ls-files --cached --others --exclude-standard '*.c' '*.h')

clean:
	@rm -rf build
