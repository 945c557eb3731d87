// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "efadv_c.c" // NOLINT: the same checks, in the other language
