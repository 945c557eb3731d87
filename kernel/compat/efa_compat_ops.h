/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Members of ib_device_ops whose form depends on the release. The driver defines the
 * functions in the shape of release 7.3; EFA_COMPAT_OPS, an initialiser, enters them,
 * through adapters where the kernel is older. Include it once, where ib_device_ops is
 * filled, after efa_verbs.h declared the functions.
 */
#ifndef EFA_COMPAT_OPS_H
#define EFA_COMPAT_OPS_H

#include "efa_compat.h"
#include "efa_verbs.h"

#if defined(EFA_HAVE_CREATE_USER_CQ)
#define EFA_OPS_CREATE_CQ .create_user_cq = efa_create_user_cq
#elif defined(EFA_HAVE_CREATE_CQ_ATTRS)
#define EFA_OPS_CREATE_CQ .create_cq = efa_create_user_cq
#else
static int efa_compat_create_cq(struct ib_cq *cq, const struct ib_cq_init_attr *attr,
				struct ib_udata *udata)
{
	if (!udata)
		return -EOPNOTSUPP;
	return efa_create_user_cq(cq, attr, rdma_udata_to_uverbs_attr_bundle(udata));
}

#define EFA_OPS_CREATE_CQ .create_cq = efa_compat_create_cq
#endif

#if defined(EFA_HAVE_REG_MR_DMAH)
#define EFA_OPS_REG_MR                                                                             \
	.reg_user_mr = efa_reg_user_mr, .reg_user_mr_dmabuf = efa_reg_user_mr_dmabuf
#else
static struct ib_mr *efa_compat_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 virt_addr,
					    int access, struct ib_udata *udata)
{
	return efa_reg_user_mr(pd, start, length, virt_addr, access, NULL, udata);
}

#if defined(EFA_HAVE_REG_DMABUF_ATTRS)
static struct ib_mr *efa_compat_reg_dmabuf(struct ib_pd *pd, u64 offset, u64 length, u64 virt_addr,
					   int fd, int access, struct uverbs_attr_bundle *attrs)
{
	return efa_reg_user_mr_dmabuf(pd, offset, length, virt_addr, fd, access, NULL, attrs);
}
#else
/* Here udata is that of the bundle, or NULL. */
static struct ib_mr *efa_compat_reg_dmabuf(struct ib_pd *pd, u64 offset, u64 length, u64 virt_addr,
					   int fd, int access, struct ib_udata *udata)
{
	struct uverbs_attr_bundle *attrs = udata ? rdma_udata_to_uverbs_attr_bundle(udata) : NULL;

	return efa_reg_user_mr_dmabuf(pd, offset, length, virt_addr, fd, access, NULL, attrs);
}
#endif

#define EFA_OPS_REG_MR                                                                             \
	.reg_user_mr = efa_compat_reg_user_mr, .reg_user_mr_dmabuf = efa_compat_reg_dmabuf
#endif

#if defined(EFA_HAVE_QUERY_PORT_SPEED)
#define EFA_OPS_PORT_SPEED .query_port_speed = efa_query_port_speed,
#else
#define EFA_OPS_PORT_SPEED
#endif

#if defined(EFA_HAVE_ROBUST_UDATA)
#define EFA_OPS_ROBUST_UDATA .uverbs_robust_udata = 1,
#else
#define EFA_OPS_ROBUST_UDATA
#endif

#if defined(EFA_HAVE_COMP_CNTR)
#define EFA_OPS_COMP_CNTR                                                                          \
	.create_comp_cntr = efa_create_comp_cntr, .destroy_comp_cntr = efa_destroy_comp_cntr,      \
	.modify_comp_cntr = efa_modify_comp_cntr, .qp_attach_comp_cntr = efa_qp_attach_comp_cntr,  \
	.query_comp_cntr_caps = efa_query_comp_cntr_caps,                                          \
	INIT_RDMA_OBJ_SIZE(ib_comp_cntr, efa_comp_cntr, ib),
#else
#define EFA_OPS_COMP_CNTR
#endif

#define EFA_COMPAT_OPS                                                                             \
	EFA_OPS_ROBUST_UDATA EFA_OPS_PORT_SPEED EFA_OPS_COMP_CNTR EFA_OPS_CREATE_CQ, EFA_OPS_REG_MR

#endif
