#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: bench.sh [--job]     Builds the benchmarks in build/bench and runs them (tests/bench/bench.py).
set -euo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root"
scripts/install-deps.sh build bench
step "Build in build/bench"
build_tree bench all -DCMAKE_BUILD_TYPE=Release -DEFA_BENCH=ON -DBUILD_TESTING=OFF
step "Benchmarks"
python3 tests/bench/bench.py build/bench "$@"
