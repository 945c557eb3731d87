#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: noted.sh FILE COMMAND [ARGUMENT]...
#
# Adds its process and the one that started it to FILE, for leaks.sh, then becomes COMMAND.
echo "$PPID $$" >>"$1" || exit 125
shift
exec "$@"
