#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: build.sh [TARGET...]     Configures and builds build/default.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
step "Build in build/default"
build_tree default "${*:-all}"
