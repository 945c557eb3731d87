#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage, in a guest: kunit.sh FILE
#
# Loads the modules named in FILE, the KUnit suites last, and prints the kernel's log, which has their
# results, and what kmemleak found after they were unloaded.
set -u
while read -r module; do
	insmod "$module" || echo "init: could not load $module"
done <"$1"
dmesg
rmmod efa_kunit
"$(dirname "$0")/leaks.sh"
