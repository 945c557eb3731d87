// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Completion counters: two event counters of the device, for successes and for errors,
 * which it writes to memory of the caller (verbs A5.1, device-admin A9.16). Built where
 * the core knows them.
 */
#define UVERBS_MODULE_NAME efa_ib

#include <rdma/uverbs_named_ioctl.h>
#include <rdma/uverbs_std_types.h>
#include <rdma/uverbs_types.h>

#include "efa_uabi.h"
#include "efa_verbs.h"

#define EVENT(name) BIT(EFA_EVENT_COUNTER_QP_EVENT_##name)

/* What an operation counts; error is 0 for those that a peer does. */
static const struct {
	u32 op;
	u32 success;
	u32 error;
} op_events[] = {
	{ IB_UVERBS_QP_ATTACH_COMP_CNTR_OP_SEND, EVENT(SEND_COMP), EVENT(SEND_COMP_ERR) },
	{ IB_UVERBS_QP_ATTACH_COMP_CNTR_OP_RECV, EVENT(RECV_COMP), EVENT(RECV_COMP_ERR) },
	{ IB_UVERBS_QP_ATTACH_COMP_CNTR_OP_RDMA_READ, EVENT(READ_COMP), EVENT(READ_COMP_ERR) },
	{ IB_UVERBS_QP_ATTACH_COMP_CNTR_OP_REMOTE_RDMA_READ, EVENT(REMOTE_READ_COMP), 0 },
	{ IB_UVERBS_QP_ATTACH_COMP_CNTR_OP_RDMA_WRITE, EVENT(WRITE_COMP), EVENT(WRITE_COMP_ERR) },
	{ IB_UVERBS_QP_ATTACH_COMP_CNTR_OP_REMOTE_RDMA_WRITE, EVENT(REMOTE_WRITE_COMP), 0 },
};

static u32 supported_ops(struct efa_dev *dev)
{
	u32 events = dev->attr.counter_events;
	unsigned int i;
	u32 ops = 0;

	for (i = 0; i < ARRAY_SIZE(op_events); i++)
		if (!((op_events[i].success | op_events[i].error) & ~events))
			ops |= op_events[i].op;
	return ops;
}

int efa_query_comp_cntr_caps(struct ib_device *ib, struct ib_comp_cntr_caps *caps,
			     struct uverbs_attr_bundle *attrs)
{
	struct efa_dev *dev = to_efa_dev(ib);

	if (!efa_has(dev, EVENT_COUNTERS))
		return -EOPNOTSUPP;
	caps->max_counters = dev->attr.max_counters / 2;
	caps->max_value = dev->attr.counter_max_val;
	caps->supported_qp_attach_ops = supported_ops(dev);
	return 0;
}

static int create_event_counter(struct efa_ucontext *ucontext, struct uverbs_attr_bundle *attrs,
				u16 attr_id, struct efa_event_counter *counter)
{
	struct ib_device *ib = ucontext->ib.device;
	struct efa_dev *dev = to_efa_dev(ib);
	struct ib_umem *umem;
	int err = -EINVAL;

	umem = ib_umem_get_attr(ib, attrs, attr_id, sizeof(u64), IB_ACCESS_LOCAL_WRITE);
	if (IS_ERR_OR_NULL(umem)) {
		err = umem ? PTR_ERR(umem) : -EINVAL;
		efa_user_error(ib, "create_comp_cntr: cannot use the memory of a counter (%d)",
			       err);
		return err;
	}
	if (!IS_ALIGNED(ib_umem_start_dma_addr(umem), sizeof(u64))) {
		efa_user_error(ib, "create_comp_cntr: a counter's memory must be 8-byte aligned");
		goto err_umem;
	}

	err = efa_cmd_create_counter(dev, ucontext->uarn, ib_umem_start_dma_addr(umem),
				     &counter->handle);
	if (err) {
		efa_user_error(ib,
			       "create_comp_cntr: failed (%d), the device has %u; destroy unused ones",
			       err, dev->attr.max_counters / 2);
		goto err_umem;
	}
	counter->umem = umem;
	return 0;

err_umem:
	if (efa_let_go(dev, err))
		ib_umem_release(umem);
	return err;
}

/* While a living device refuses, it may write: the memory stays pinned for good. */
static void destroy_event_counter(struct efa_dev *dev, struct efa_event_counter *counter)
{
	int err;

	err = efa_destroy_outcome(dev, efa_cmd_destroy_counter(dev, counter->handle));
	if (!err)
		ib_umem_release(counter->umem);
	else
		efa_err_rl(dev, "the device refused to destroy counter %u (%d); its page stays pinned\n",
			   counter->handle, err);
}

int efa_create_comp_cntr(struct ib_comp_cntr *ib, struct uverbs_attr_bundle *attrs)
{
	struct efa_ucontext *ucontext = to_efa_ucontext(attrs->context);
	struct efa_comp_cntr *cntr = to_efa_comp_cntr(ib);
	struct efa_dev *dev = to_efa_dev(ib->device);
	int err;

	if (!efa_has(dev, EVENT_COUNTERS))
		return -EOPNOTSUPP;

	err = create_event_counter(ucontext, attrs,
				   EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_COMP_BUFFER, &cntr->success);
	if (err)
		return err;

	err = create_event_counter(ucontext, attrs, EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_ERR_BUFFER,
				   &cntr->error);
	if (err)
		goto err_success;
	return 0;

err_success:
	destroy_event_counter(dev, &cntr->success);
	return err;
}

int efa_destroy_comp_cntr(struct ib_comp_cntr *ib)
{
	struct efa_comp_cntr *cntr = to_efa_comp_cntr(ib);
	struct efa_dev *dev = to_efa_dev(ib->device);

	destroy_event_counter(dev, &cntr->error);
	destroy_event_counter(dev, &cntr->success);
	return 0;
}

/* Only what the interface defines (A16 K7). */
int efa_modify_comp_cntr(struct ib_comp_cntr *ib, enum ib_comp_cntr_entry entry,
			 enum ib_comp_cntr_modify_op op, u64 value)
{
	struct efa_comp_cntr *cntr = to_efa_comp_cntr(ib);
	struct efa_event_counter *counter;

	if (entry != IB_COMP_CNTR_ENTRY_COMP && entry != IB_COMP_CNTR_ENTRY_ERR)
		return -EINVAL;
	if (op != IB_COMP_CNTR_MODIFY_OP_SET && op != IB_COMP_CNTR_MODIFY_OP_INC)
		return -EINVAL;

	counter = entry == IB_COMP_CNTR_ENTRY_COMP ? &cntr->success : &cntr->error;
	return efa_cmd_modify_counter(to_efa_dev(ib->device), counter->handle,
				      op == IB_COMP_CNTR_MODIFY_OP_SET ?
					      EFA_EVENT_COUNTER_MODIFY_OP_SET :
					      EFA_EVENT_COUNTER_MODIFY_OP_ADD,
				      value);
}

/* A set of events that is empty is not attached at all (A16 K6). */
static int attach(struct efa_dev *dev, struct efa_comp_cntr *cntr, struct efa_qp *qp, u32 success,
		  u32 error)
{
	int err;

	err = efa_cmd_attach_counter(dev, cntr->success.handle, qp->handle, success);
	if (err || !error)
		return err;
	err = efa_cmd_attach_counter(dev, cntr->error.handle, qp->handle, error);
	if (err)
		efa_cmd_detach_counter(dev, cntr->success.handle, qp->handle, success);
	return err;
}

static int attach_in_state(struct efa_qp *qp, struct efa_comp_cntr *cntr, u32 success, u32 error)
{
	struct efa_dev *dev = to_efa_dev(qp->ib.device);

	if (qp->state != IB_QPS_RESET && qp->state != IB_QPS_INIT) {
		efa_user_error(qp->ib.device,
			       "attach_comp_cntr: QP %u is in use already; attach while it is in RESET or INIT",
			       qp->ib.qp_num);
		return -EINVAL;
	}
	return attach(dev, cntr, qp, success, error);
}

int efa_qp_attach_comp_cntr(struct ib_qp *ib, struct ib_comp_cntr *ib_cntr,
			    struct ib_qp_attach_comp_cntr_attr *attr)
{
	struct efa_dev *dev = to_efa_dev(ib->device);
	u32 unsupported = attr->op_mask & ~supported_ops(dev);
	struct efa_qp *qp = to_efa_qp(ib);
	u32 success = 0, error = 0;
	unsigned int i;
	int err;

	if (unsupported) {
		efa_user_error(ib->device,
			       "attach_comp_cntr: operations %#x cannot be counted here, %#x can",
			       unsupported, supported_ops(dev));
		return -EOPNOTSUPP;
	}
	for (i = 0; i < ARRAY_SIZE(op_events); i++) {
		if (attr->op_mask & op_events[i].op) {
			success |= op_events[i].success;
			error |= op_events[i].error;
		}
	}

	mutex_lock(&qp->modify_lock);
	err = attach_in_state(qp, to_efa_comp_cntr(ib_cntr), success, error);
	mutex_unlock(&qp->modify_lock);
	return err;
}

ADD_UVERBS_ATTRIBUTES_SIMPLE(efa_comp_cntr_create, UVERBS_OBJECT_COMP_CNTR,
			     UVERBS_METHOD_COMP_CNTR_CREATE,
			     UVERBS_ATTR_UMEM(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_COMP_BUFFER,
					      UA_MANDATORY),
			     UVERBS_ATTR_UMEM(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_ERR_BUFFER,
					      UA_MANDATORY));

const struct uapi_definition efa_counter_uapi_defs[] = {
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_COMP_CNTR, &efa_comp_cntr_create),
	{},
};
