/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Types and constants of release 7.3 that older kernels lack. */
#ifndef EFA_COMPAT_TYPES_H
#define EFA_COMPAT_TYPES_H

#ifndef EFA_HAVE_REG_MR_DMAH
struct ib_dmah; /* DMA handle: always NULL where the core has none */
#endif

#ifndef EFA_HAVE_SYSTEM_DFL_WQ
#define system_dfl_wq system_unbound_wq
#endif

#ifndef EFA_HAVE_SPEED_XDR
#define IB_SPEED_XDR 256
#endif

#ifndef EFA_HAVE_CQ_BUFFER_ATTRS
/* Attributes of CREATE_CQ; efa_compat_cq_buffer.h adds them to the method. */
enum {
	UVERBS_ATTR_CREATE_CQ_BUFFER_VA = 8,
	UVERBS_ATTR_CREATE_CQ_BUFFER_LENGTH,
	UVERBS_ATTR_CREATE_CQ_BUFFER_FD,
	UVERBS_ATTR_CREATE_CQ_BUFFER_OFFSET,
};
#endif

#ifdef EFA_HAVE_COMP_CNTR
#define EFA_CORE_HAS_COMP_CNTR 1
#else
#define EFA_CORE_HAS_COMP_CNTR 0
/* Enough to declare, never instantiated: efa_counter.c is not built here. */
struct ib_comp_cntr {
	struct ib_device *device;
};

struct ib_comp_cntr_caps;
struct ib_qp_attach_comp_cntr_attr;
enum ib_comp_cntr_entry { IB_COMP_CNTR_ENTRY_COMP, IB_COMP_CNTR_ENTRY_ERR };
enum ib_comp_cntr_modify_op { IB_COMP_CNTR_MODIFY_OP_SET, IB_COMP_CNTR_MODIFY_OP_INC };
#endif

#endif
