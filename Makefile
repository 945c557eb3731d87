# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# The front door. CMake and the scripts do the work; everything that is built goes to build/.

PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := all
.PHONY: all run run-native run-vm run-job dkms-deb libefa-deb provider-deb test test-driver test-package test-kernels test-interop test-square test-fabric test-lab test-kunit test-debug-kernel test-sanitizers test-fuzz-smoke fuzz bench lint format install clean distclean deps help

all: ## build everything in build/default (installs missing packages first)
	scripts/install-deps.sh build test
	scripts/build.sh

run: ## build, then show devices, latency, bandwidth, libfabric, MPI up to 128 ranks on emulated hosts; then with the driver in VMs
	scripts/run-demo.sh
	scripts/run-job.sh
	scripts/run-vm-demo.sh

run-native: ## the first part of it: emulated hosts, no VMs
	scripts/run-demo.sh

run-vm: ## the second part: two VMs, the driver installed from its package
	scripts/run-vm-demo.sh

run-job: ## 128 MPI ranks on 64 emulated hosts, checked
	scripts/run-job.sh

dkms-deb: ## the driver as a Debian package for DKMS: build/packages/efa-dkms_*.deb
	scripts/dkms-deb.sh

libefa-deb: ## libefa as Debian packages: build/packages/libefa-open1_*.deb and -dev
	scripts/libefa-deb.sh

provider-deb: ## the libfabric provider as a Debian package: build/packages/libfabric-efa-open_*.deb
	scripts/provider-deb.sh

test: ## all tests, also under sanitizers, and a short run of the fuzzers
	scripts/test.sh

test-driver: ## efa.ko in guests of the VM lab, kernel 6.1 (10 minutes)
	scripts/test.sh driver

test-package: ## the lives of the Debian packages efa-dkms, libefa-open1, libfabric-efa-open: install to purge
	scripts/test.sh package

test-kernels: ## efa.ko on every supported kernel: build with W=1 and sparse, boot, test; docs/kernels.md
	scripts/test-kernels.sh

test-interop: ## the distribution's own efa driver through the same tests; docs/driver-differences.md
	scripts/test-interop.sh

test-square: ## {our, the distribution's} driver and native mode x {our, the distribution's} libefa; docs/interop.md
	scripts/test-square.sh

test-fabric: ## the libfabric provider: fabtests, interop with upstream's, work requests per message; docs/fabtests.md
	scripts/test-fabric.sh

test-lab: ## tests of the VM lab itself (boots guests; some minutes)
	scripts/test.sh lab

test-debug-kernel: ## KUnit, kselftest and faults in every allocation, in VMs with KASAN, lockdep, kmemleak
	scripts/test-debug-kernel.sh

test-sanitizers: ## only the unit tests under ASan+UBSan and TSan
	scripts/test.sh sanitizers

test-kunit: ## KUnit suites of the driver, in seconds, on a user-mode kernel (built once: 10 minutes of CPU)
	scripts/test-kunit.sh um

test-fuzz-smoke: ## only the short run of the fuzzers (20 seconds each)
	scripts/test.sh fuzz

fuzz: ## fuzz for long: FUZZ_SECONDS (600) for each fuzzer
	scripts/fuzz.sh all $(FUZZ_SECONDS)

bench: ## benchmarks; docs/benchmarks.md explains them
	scripts/bench.sh $(BENCH_ARGS)

lint: ## check format, clang-tidy, shell and Python scripts, licence lines
	scripts/lint.sh

format: ## let clang-format change the sources
	scripts/lint.sh format

install: ## install efa-emu, libefa and the libfabric provider below DESTDIR/PREFIX (/usr/local)
	scripts/install-deps.sh build test
	scripts/build.sh
	DESTDIR=$(DESTDIR) cmake --install build/default --prefix $(PREFIX)

clean: ## remove what was built, keep what was fetched
	rm -rf build/default build/tsan build/fuzz build/bench build/run build/pycache

distclean: ## remove all of build/
	rm -rf build

deps: ## install every Debian package that any target needs
	scripts/install-deps.sh

help: ## this list
	@sed -n 's/^\([a-z-]*\): ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26
