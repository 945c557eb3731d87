// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A process that opened the device: capability negotiation and its UAR (verbs A2.1, A8.1). */
#include <linux/module.h>

#include "efa_uabi.h"
#include "efa_verbs.h"

/* The device has limits that an old provider would break unknowingly (verbs A3). */
static int check_caps(struct ib_device *ib, const struct efa_uabi_alloc_ucontext_cmd *cmd)
{
	const struct efa_attr *attr = &to_efa_dev(ib)->attr;

	if (attr->max_tx_batch && !efa_uabi_alloc_ucontext_cmd_tx_batch(cmd)) {
		efa_user_error(ib,
			       "open: sends are limited to batches of %u here and this libefa does not know the limit; update rdma-core",
			       attr->max_tx_batch);
		return -EOPNOTSUPP;
	}
	if (attr->min_sq_depth && !efa_uabi_alloc_ucontext_cmd_min_sq_wr(cmd)) {
		efa_user_error(ib,
			       "open: send queues have at least %u entries here and this libefa does not know the limit; update rdma-core",
			       attr->min_sq_depth);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int respond(struct efa_dev *dev, struct ib_udata *udata)
{
	const struct efa_attr *attr = &dev->attr;
	struct efa_uabi_alloc_ucontext_resp resp = {
		.cmds_supp_udata_mask = EFA_UABI_ALLOC_UCONTEXT_RESP_QUERY_DEVICE_MASK |
					EFA_UABI_ALLOC_UCONTEXT_RESP_CREATE_AH_MASK,
		.sub_cqs_per_cq = attr->sub_cqs_per_cq,
		.inline_buf_size = attr->inline_buf_size,
		.max_llq_size = attr->max_llq_size,
		.max_tx_batch = attr->max_tx_batch,
		.min_sq_wr = attr->min_sq_depth,
		.inline_buf_size_ex = attr->inline_buf_size_ex,
	};

	return ib_respond_udata(udata, resp);
}

static int open_device(struct ib_ucontext *ib, struct ib_udata *udata)
{
	struct efa_ucontext *ucontext = to_efa_ucontext(ib);
	struct efa_dev *dev = to_efa_dev(ib->device);
	struct efa_uabi_alloc_ucontext_cmd cmd = {};
	int err;

	/* Any length and any unknown bit is fine here: it is how versions meet. */
	err = ib_copy_from_udata(&cmd, udata, min(sizeof(cmd), udata->inlen));
	if (err)
		return err;

	err = check_caps(ib->device, &cmd);
	if (err)
		return err;

	err = efa_cmd_alloc_uar(dev, &ucontext->uarn);
	if (err) {
		efa_user_error(ib->device, "open: the device gave no user access region (%d); %s", err,
			       err == -ENOMEM ? "close other programs that use it" :
						"the kernel log says why");
		return err;
	}

	err = respond(dev, udata);
	if (err)
		efa_cmd_dealloc_uar(dev, ucontext->uarn);
	return err;
}

/*
 * With disassociation the core holds no reference of the module. Unbinding is meant to
 * take the device away from programs, rmmod is not (verbs A12).
 */
int efa_alloc_ucontext(struct ib_ucontext *ib, struct ib_udata *udata)
{
	int err = -ENODEV;

	if (!try_module_get(THIS_MODULE))
		goto err_count;

	err = open_device(ib, udata);
	if (err)
		goto err_module;
	return 0;

err_module:
	module_put(THIS_MODULE);
err_count:
	efa_count(to_efa_dev(ib->device), EFA_STAT_ALLOC_UCONTEXT_ERR);
	return err;
}

/* The process is gone whatever the device says (verbs A8.1). */
void efa_dealloc_ucontext(struct ib_ucontext *ib)
{
	efa_cmd_dealloc_uar(to_efa_dev(ib->device), to_efa_ucontext(ib)->uarn);
	/* Unloading waits for the core to come back from here. */
	module_put(THIS_MODULE);
}

/*
 * That this operation exists lets the core take the device away from open contexts:
 * it replaces the I/O mappings and destroys the objects itself (verbs D4). Rings in
 * host memory stay mapped; the mappings own their pages.
 */
void efa_disassociate_ucontext(struct ib_ucontext *ib)
{
}
