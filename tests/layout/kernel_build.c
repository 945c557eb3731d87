// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The headers as kernel C. The stub makes the little-endian types structs, so a
 * missing conversion is an error here without sparse.
 */
#include "efa_hw.h"
#include "efa_uabi.h"

_Static_assert(sizeof(struct efa_tx_wqe) == 64, "same layout as in user space");
_Static_assert(sizeof(struct efa_host_info) == 180, "same layout as in user space");
_Static_assert(sizeof(struct efa_uabi_create_qp_resp) == 64, "same layout as in user space");
