// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The driver in one piece, lowest stratum first (see efa_dev.h); Kbuild says why. */

#include "efa_log.c"

#include "efa_mmio.c"
#include "efa_aq_entry.c"
#include "efa_aq.c"
#include "efa_cmd.c"
#include "efa_cmd_queue.c"
#include "efa_cmd_feature.c"
#include "efa_attr.c"
#include "efa_aenq.c"
#include "efa_eq.c"
#include "efa_reset.c"
#include "efa_host.c"
#include "efa_device.c"
#include "efa_recovery.c"

#include "compat/efa_compat_udata.c"
#include "efa_verbs.c"
#include "efa_query.c"
#include "efa_ucontext.c"
#include "efa_mmap.c"
#include "efa_ring.c"
#include "efa_pd.c"
#include "efa_ah.c"
#include "efa_pbl.c"
#include "efa_mr.c"
#include "efa_cq.c"
#include "efa_qp.c"
#include "efa_qp_state.c"
#include "efa_qp_modify.c"
#include "efa_stats.c"
#include "efa_uapi.c"
#if EFA_CORE_HAS_COMP_CNTR
#include "efa_counter.c"
#endif

#include "efa_pci.c"
