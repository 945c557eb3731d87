/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Members of ib_device_ops whose form depends on the release. The driver defines the
 * functions in the shape of release 7.3; efa_compat_ops enters them, through adapters
 * where the kernel is older. Include it once, where the operations are set.
 */
#ifndef EFA_COMPAT_OPS_H
#define EFA_COMPAT_OPS_H

#include "efa_compat.h"
#include "efa_verbs.h"

#if !defined(EFA_HAVE_CREATE_USER_CQ) && !defined(EFA_HAVE_CREATE_CQ_ATTRS)
static int efa_compat_create_cq(struct ib_cq *cq, const struct ib_cq_init_attr *attr,
				struct ib_udata *udata)
{
	if (!udata)
		return -EOPNOTSUPP;
	return efa_create_user_cq(cq, attr, rdma_udata_to_uverbs_attr_bundle(udata));
}
#endif

#ifndef EFA_HAVE_REG_MR_DMAH
static struct ib_mr *efa_compat_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 virt_addr,
					    int access, struct ib_udata *udata)
{
	return efa_reg_user_mr(pd, start, length, virt_addr, access, NULL, udata);
}

#ifdef EFA_HAVE_REG_DMABUF_ATTRS
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
#endif

static const struct ib_device_ops efa_compat_ops = {
#if defined(EFA_HAVE_CREATE_USER_CQ)
	.create_user_cq = efa_create_user_cq,
#elif defined(EFA_HAVE_CREATE_CQ_ATTRS)
	.create_cq = efa_create_user_cq,
#else
	.create_cq = efa_compat_create_cq,
#endif

#ifdef EFA_HAVE_REG_MR_DMAH
	.reg_user_mr = efa_reg_user_mr,
	.reg_user_mr_dmabuf = efa_reg_user_mr_dmabuf,
#else
	.reg_user_mr = efa_compat_reg_user_mr,
	.reg_user_mr_dmabuf = efa_compat_reg_dmabuf,
#endif

#ifdef EFA_HAVE_QUERY_PORT_SPEED
	.query_port_speed = efa_query_port_speed,
#endif

#ifdef EFA_HAVE_ROBUST_UDATA
	.uverbs_robust_udata = 1,
#endif

#ifdef EFA_HAVE_COMP_CNTR
	.create_comp_cntr = efa_create_comp_cntr,
	.destroy_comp_cntr = efa_destroy_comp_cntr,
	.modify_comp_cntr = efa_modify_comp_cntr,
	.qp_attach_comp_cntr = efa_qp_attach_comp_cntr,
	.query_comp_cntr_caps = efa_query_comp_cntr_caps,
	INIT_RDMA_OBJ_SIZE(ib_comp_cntr, efa_comp_cntr, ib),
#endif
};

#endif
