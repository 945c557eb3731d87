#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: release_2.sh COMPILER PEERS_DIRECTORY
#
# The provider's sources compile for libfabric 2.1, whose headers come from trixie's source package.
set -euo pipefail
compiler=$1 peers=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
"$root/scripts/fetch-source.sh" libfabric trixie "$peers"
headers=$peers/libfabric/include
grep -q '^#define FI_MAJOR_VERSION 2$' "$headers/rdma/fabric.h"
for source in "$root"/provider/src/*.cpp; do
	echo "${source##*/}"
	"$compiler" -std=c++20 -Wall -Wextra -Werror -fno-exceptions -fno-rtti -fsyntax-only \
		-I "$headers" "$source"
done
