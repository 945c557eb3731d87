#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: efadv_releases.sh EFADV_H DIRECTORY
#
# Compares our efadv.h with those of rdma-core 56 (Debian 13) and 65 (forky), whose sources are kept
# below DIRECTORY; then compiles the examples of the man pages that need the latter.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
header=$1 directory=$2
declare -A folders=([trixie]=$directory [forky]=$directory/forky)
for suite in trixie forky; do
	"$here/../../scripts/fetch-source.sh" rdma-core $suite "${folders[$suite]}"
	echo "rdma-core of $suite:"
	"$here/efadv_layout.py" compare-tree "$header" "${folders[$suite]}/rdma-core"
done
"$here/../packaging/man_pages.py" "$here/../../packaging/man" "$(dirname "$header")/.." \
	"${folders[forky]}/rdma-core"
