// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Completion queues and their events (verbs A8.2, device-admin A7, A9.3). */
#include "efa_uabi.h"
#include "efa_verbs.h"

#define EFA_CQ_FLAGS                                                                               \
	(EFA_UABI_CREATE_CQ_COMPLETION_CHANNEL_MASK | EFA_UABI_CREATE_CQ_SGID_MASK |               \
	 EFA_UABI_CREATE_CQ_SQ_COMP_64_BIT_REQ_ID_MASK)

/* An unknown flag is a promise that nobody would keep (A16 K3). */
static int check_flags(struct ib_device *ib, const struct efa_uabi_create_cq *cmd)
{
	struct efa_dev *dev = to_efa_dev(ib);

	if (cmd->flags & ~EFA_CQ_FLAGS) {
		efa_user_error(ib, "create_cq: flags %#x are not known; update the driver",
			       cmd->flags & ~EFA_CQ_FLAGS);
		return -EOPNOTSUPP;
	}
	if (efa_uabi_create_cq_sq_comp_64_bit_req_id(cmd) && !efa_has(dev, SQ_64_BIT_REQ_ID)) {
		efa_user_error(ib, "create_cq: this device has no 64-bit request ids");
		return -EOPNOTSUPP;
	}
	if (efa_uabi_create_cq_completion_channel(cmd) && !dev->num_eqs) {
		efa_user_error(ib,
			       "create_cq: completion events need an event queue and there is none; poll the CQ");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int check_shape(struct ib_device *ib, const struct efa_uabi_create_cq *cmd)
{
	u16 sub_cqs = to_efa_dev(ib)->attr.sub_cqs_per_cq;
	bool sgid = efa_uabi_create_cq_sgid(cmd);

	if (cmd->cq_entry_size != sizeof(struct efa_rx_cdesc_ex) &&
	    (cmd->cq_entry_size != sizeof(struct efa_rx_cdesc) || sgid)) {
		efa_user_error(ib,
			       "create_cq: entries of %u bytes; there are those of 32 and, without source GIDs, of 16",
			       cmd->cq_entry_size);
		return -EINVAL;
	}
	if (cmd->num_sub_cqs != sub_cqs) {
		efa_user_error(ib, "create_cq: %u sub-CQs; this device has %u in each CQ",
			       cmd->num_sub_cqs, sub_cqs);
		return -EINVAL;
	}
	return 0;
}

static int cq_read_request(struct ib_device *ib, const struct ib_cq_init_attr *attr,
			struct ib_udata *udata, struct efa_uabi_create_cq *cmd)
{
	u32 max_depth = min_t(u32, to_efa_dev(ib)->attr.max_cq_depth, U16_MAX);
	int err;

	if (attr->cqe > max_depth) {
		efa_over_limit(ib, "create_cq", "entries", attr->cqe, max_depth,
			       "use several CQs or fewer work requests");
		return -EINVAL;
	}

	err = ib_copy_validate_udata_in_cm(udata, *cmd, num_sub_cqs, 0);
	if (!err && memchr_inv(cmd->reserved_58, 0, sizeof(cmd->reserved_58)))
		err = -EINVAL;
	if (err) {
		efa_user_error(ib,
			       "create_cq: private request of %zu bytes is malformed or newer than the driver (%d)",
			       udata->inlen, err);
		return err;
	}

	err = check_shape(ib, cmd);
	return err ?: check_flags(ib, cmd);
}

/* The device takes one address for the whole ring. */
static int use_callers_memory(struct efa_cq *cq, struct ib_umem *umem)
{
	if (!ib_umem_is_contiguous(umem)) {
		efa_user_error(cq->ib.device,
			       "create_cq: the ring's memory is not contiguous for DMA; take it from one huge page or from the device that exports it");
		ib_umem_release(umem);
		return -EINVAL;
	}
	cq->umem = umem;
	cq->ring.dma = ib_umem_start_dma_addr(umem);
	return 0;
}

static int get_ring(struct efa_cq *cq, size_t bytes, struct uverbs_attr_bundle *attrs)
{
	struct ib_device *ib = cq->ib.device;
	struct ib_umem *umem;
	int err;

	umem = ib_umem_get_cq_buf(ib, attrs, PAGE_ALIGN(bytes), IB_ACCESS_LOCAL_WRITE);
	if (IS_ERR(umem)) {
		efa_user_error(ib,
			       "create_cq: memory of the caller cannot be used (%ld); %lu bytes are needed",
			       PTR_ERR(umem), PAGE_ALIGN(bytes));
		return PTR_ERR(umem);
	}
	if (umem)
		return use_callers_memory(cq, umem);

	err = efa_ring_alloc(to_efa_dev(ib), &cq->ring, bytes, DMA_FROM_DEVICE);
	if (err)
		efa_user_error(ib,
			       "create_cq: no contiguous memory for a ring of %zu bytes; use a shorter CQ",
			       bytes);
	return err;
}

static void put_ring(struct efa_cq *cq)
{
	if (cq->umem)
		ib_umem_release(cq->umem);
	else
		efa_ring_free(to_efa_dev(cq->ib.device), &cq->ring);
}

static int cq_create_on_device(struct efa_cq *cq, const struct efa_uabi_create_cq *cmd, u16 depth,
			    struct efa_ucontext *ucontext, struct efa_create_cq_result *result)
{
	struct efa_dev *dev = to_efa_dev(cq->ib.device);
	struct efa_create_cq_params params = {
		.ring = cq->ring.dma,
		.depth = depth,
		.num_sub_cqs = cmd->num_sub_cqs,
		.uarn = ucontext->uarn,
		.eqn = cq->eq ? cq->eq->eqn : 0,
		.entry_size = cmd->cq_entry_size,
		.events = cq->eq,
		.sgid = efa_uabi_create_cq_sgid(cmd),
		.req_id_64 = efa_uabi_create_cq_sq_comp_64_bit_req_id(cmd),
	};
	int err;

	err = efa_cmd_create_cq(dev, &params, result);
	if (err) {
		efa_user_error(cq->ib.device,
			       "create_cq: %u entries: failed (%d), the device has %u CQs; destroy unused ones",
			       depth, err, dev->attr.max_cq);
		return err;
	}
	/* Providers use the depth that they asked for, so this ends in lost completions. */
	if (result->depth != depth)
		efa_warn_rl(dev, "the device gave CQ %u %u entries, %u were asked; report it\n",
			    result->cqn, result->depth, depth);
	cq->cqn = result->cqn;
	cq->ib.cqe = result->depth;
	return 0;
}

/* Ring, then doorbell (verbs A4); a doorbell also for the caller's memory (A16 K8). */
static int make_mappings(struct efa_cq *cq, struct efa_ucontext *ucontext,
			 const struct efa_create_cq_result *result,
			 struct efa_uabi_create_cq_resp *resp)
{
	struct efa_dev *dev = to_efa_dev(cq->ib.device);

	resp->cq_idx = cq->cqn;
	if (!cq->umem) {
		cq->ring_entry = efa_mmap_ring(ucontext, &cq->ring);
		if (IS_ERR(cq->ring_entry))
			return PTR_ERR(cq->ring_entry);
		resp->q_mmap_key = efa_mmap_key(cq->ring_entry);
		resp->q_mmap_size = cq->ring.size;
	}
	if (result->db_valid) {
		cq->db_entry = efa_mmap_bar(ucontext, dev->attr.db_bar, result->db_offset,
					    sizeof(u32), EFA_MMAP_IO_NC);
		if (IS_ERR(cq->db_entry))
			return PTR_ERR(cq->db_entry);
		efa_uabi_create_cq_resp_set_db_off(resp, 1);
		resp->db_off = offset_in_page(result->db_offset);
		resp->db_mmap_key = efa_mmap_key(cq->db_entry);
	}
	return 0;
}

static void cq_drop_mappings(struct efa_cq *cq)
{
	efa_mmap_remove(cq->db_entry);
	efa_mmap_remove(cq->ring_entry);
}

/*
 * From here on events find the CQ, if it has any; the table is not for others. The device must
 * not give a number twice.
 */
static int enter_table(struct efa_cq *cq)
{
	struct efa_dev *dev = to_efa_dev(cq->ib.device);
	int err;

	if (!cq->eq)
		return 0;
	err = xa_insert(&dev->cqs, cq->cqn, cq, GFP_KERNEL);
	if (err != -EBUSY)
		return err;
	efa_err_rl(dev, "the device gave the number %u of a live CQ to another one\n", cq->cqn);
	return -EPROTO;
}

/* Afterwards no interrupt handler looks at the CQ. */
static void leave_table(struct efa_cq *cq)
{
	if (!cq->eq)
		return;
	xa_erase(&to_efa_dev(cq->ib.device)->cqs, cq->cqn);
	synchronize_irq(cq->eq->irq);
}

/*
 * The core destroys the CQ whatever is said here (verbs A8.2). If a living device
 * refused, it may go on writing: then the memory is given up, not reused.
 */
static bool cq_destroyed_on_device(struct efa_cq *cq)
{
	struct efa_dev *dev = to_efa_dev(cq->ib.device);
	int err;

	err = efa_destroy_outcome(dev, efa_cmd_destroy_cq(dev, cq->cqn));
	if (!err)
		return true;
	efa_err_rl(dev, "destroy_cq: the device refused to destroy CQ %u (%d); its ring is lost until reboot\n",
		   cq->cqn, err);
	return false;
}

static int make_cq(struct efa_cq *cq, const struct efa_uabi_create_cq *cmd, u16 depth,
		   struct uverbs_attr_bundle *attrs)
{
	struct ib_udata *udata = &attrs->driver_udata;
	struct efa_ucontext *ucontext = rdma_udata_to_drv_context(udata, struct efa_ucontext, ib);
	struct efa_dev *dev = to_efa_dev(cq->ib.device);
	struct efa_uabi_create_cq_resp resp = {};
	struct efa_create_cq_result result;
	int err;

	err = get_ring(cq, array3_size(cmd->cq_entry_size, depth, cmd->num_sub_cqs), attrs);
	if (err)
		return err;

	err = cq_create_on_device(cq, cmd, depth, ucontext, &result);
	if (err && efa_let_go(dev, err))
		goto err_ring;
	if (err)
		return err;

	err = make_mappings(cq, ucontext, &result, &resp);
	if (err)
		goto err_mappings;

	err = enter_table(cq);
	if (err)
		goto err_mappings;

	err = ib_respond_udata(udata, resp);
	if (err)
		goto err_table;
	return 0;

err_table:
	leave_table(cq);
err_mappings:
	cq_drop_mappings(cq);
	if (!cq_destroyed_on_device(cq))
		return err;
err_ring:
	put_ring(cq);
	return err;
}

int efa_create_user_cq(struct ib_cq *ib, const struct ib_cq_init_attr *attr,
		       struct uverbs_attr_bundle *attrs)
{
	struct efa_dev *dev = to_efa_dev(ib->device);
	struct efa_uabi_create_cq cmd = {};
	struct efa_cq *cq = to_efa_cq(ib);
	int err;

	if (attr->flags) {
		efa_user_error(ib->device,
			       "create_cq: flags %#x are not supported: no timestamps, no overrun to ignore",
			       attr->flags);
		return -EOPNOTSUPP;
	}
	if (!attr->cqe)
		return -EINVAL;

	err = cq_read_request(ib->device, attr, &attrs->driver_udata, &cmd);
	if (err)
		goto err_count;

	/* The flag decides, not whether there is a channel. */
	if (efa_uabi_create_cq_completion_channel(&cmd))
		cq->eq = &dev->eqs[attr->comp_vector];

	err = make_cq(cq, &cmd, attr->cqe, attrs);
	if (err)
		goto err_count;
	return 0;

err_count:
	efa_count(dev, EFA_STAT_CREATE_CQ_ERR);
	return err;
}

int efa_destroy_cq(struct ib_cq *ib, struct ib_udata *udata)
{
	struct efa_cq *cq = to_efa_cq(ib);
	bool idle;

	idle = cq_destroyed_on_device(cq);
	cq_drop_mappings(cq);
	leave_table(cq);
	if (idle)
		put_ring(cq);
	return 0;
}

/* Interrupt context; leave_table() waits for it. */
void efa_cq_event(struct efa_dev *dev, u16 cqn)
{
	struct efa_cq *cq = xa_load(&dev->cqs, cqn);

	if (unlikely(!cq)) {
		efa_err_rl(dev, "event for CQ %u, which does not exist or has none\n", cqn);
		return;
	}
	cq->ib.comp_handler(&cq->ib, cq->ib.cq_context);
}
