// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The driver's source as it is, in this module. */
#include "../efa_log.c"
