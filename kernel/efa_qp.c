// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Queue pairs, UD and SRD: creation and destruction (verbs A8.3, device-admin A9.5). */
#include <linux/log2.h>

#include "efa_uabi.h"
#include "efa_verbs.h"

#define EFA_SQ_WQE_MIN 64 /* the smaller of the two WQE sizes (device-io I2) */

static u16 supported_flags(struct efa_dev *dev)
{
	u16 flags = 0;

	if (efa_has(dev, UNSOLICITED_WRITE_RECV))
		flags |= EFA_UABI_CREATE_QP_UNSOLICITED_WRITE_RECV_MASK;
	if (efa_has(dev, SQ_64_BIT_REQ_ID))
		flags |= EFA_UABI_CREATE_QP_SQ_64_BIT_REQ_ID_MASK;
	return flags;
}

static int qp_read_request(struct ib_device *ib, struct ib_udata *udata,
			struct efa_uabi_create_qp *cmd)
{
	u16 supported = supported_flags(to_efa_dev(ib));
	int err;

	err = ib_copy_validate_udata_in_cm(udata, *cmd, driver_qp_type, 0);
	if (!err && memchr_inv(cmd->reserved_98, 0, sizeof(cmd->reserved_98)))
		err = -EINVAL;
	if (err) {
		efa_user_error(ib,
			       "create_qp: private request of %zu bytes is malformed or newer than the driver (%d)",
			       udata->inlen, err);
		return err;
	}
	if (cmd->flags & ~supported) {
		efa_user_error(ib, "create_qp: flags %#x are not supported, this device has %#x",
			       cmd->flags & ~supported, supported);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Says so if value exceeds limit. */
static bool over(struct ib_device *ib, const char *what, u64 value, u64 limit, const char *cure)
{
	if (value <= limit)
		return false;
	efa_over_limit(ib, "create_qp", what, value, limit, cure);
	return true;
}

static bool sends_fit(struct ib_device *ib, const struct ib_qp_cap *cap,
		      const struct efa_uabi_create_qp *cmd)
{
	const struct efa_attr *limit = &to_efa_dev(ib)->attr;

	return !over(ib, "send WQEs", cap->max_send_wr, limit->max_sq_depth, "ask for fewer") &&
	       !over(ib, "bytes of send queue", cmd->sq_ring_size, limit->max_llq_size,
		     "ask for fewer send WQEs or less inline data");
}

static bool receives_fit(struct ib_device *ib, const struct ib_qp_cap *cap)
{
	const struct efa_attr *limit = &to_efa_dev(ib)->attr;

	return !over(ib, "receive WQEs", cap->max_recv_wr, limit->max_rq_depth, "ask for fewer");
}

static bool segments_fit(struct ib_device *ib, const struct ib_qp_cap *cap)
{
	const struct efa_attr *limit = &to_efa_dev(ib)->attr;

	return !over(ib, "segments of a send", cap->max_send_sge, limit->max_wr_send_sges,
		     "ask for fewer and gather in memory") &&
	       !over(ib, "segments of a receive", cap->max_recv_sge, limit->max_wr_recv_sges,
		     "ask for fewer") &&
	       !over(ib, "bytes of inline data", cap->max_inline_data, limit->inline_buf_size_ex,
		     "send larger messages from registered memory");
}

/*
 * Ring sizes that contradict the depths: a send ring shorter than its WQEs, and a
 * receive ring so large that its page-aligned size would wrap to 0 (A16 K2).
 */
static bool rings_fit(struct ib_device *ib, const struct ib_qp_cap *cap,
		      const struct efa_uabi_create_qp *cmd)
{
	const struct efa_attr *limit = &to_efa_dev(ib)->attr;
	u64 max_rq = (u64)roundup_pow_of_two(max(limit->max_rq_depth, 1U)) *
		     max_t(u64, limit->max_wr_recv_sges, 1) * sizeof(struct efa_rx_desc);

	if (over(ib, "bytes of receive queue", cmd->rq_ring_size, max_rq,
		 "ask for fewer receive WQEs"))
		return false;
	if (cmd->sq_ring_size % EFA_SQ_WQE_MIN == 0 &&
	    cmd->sq_ring_size >= (u64)cap->max_send_wr * EFA_SQ_WQE_MIN)
		return true;
	efa_user_error(ib,
		       "create_qp: a send queue of %u bytes for %u WQEs; it needs a multiple of %u and as much for each WQE",
		       cmd->sq_ring_size, cap->max_send_wr, EFA_SQ_WQE_MIN);
	return false;
}

static int check_kind(struct ib_device *ib, const struct ib_qp_init_attr *attr,
		      const struct efa_uabi_create_qp *cmd)
{
	const char *what = NULL;

	if (attr->qp_type != IB_QPT_UD && attr->qp_type != IB_QPT_DRIVER)
		what = "only UD and SRD (a driver type) exist; RC and others need another device";
	else if (attr->srq)
		what = "there are no shared receive queues";
	else if (attr->create_flags)
		what = "creation flags are not supported";
	else if (attr->qp_type == IB_QPT_DRIVER && cmd->driver_qp_type)
		what = "the only driver type is SRD (0)";
	if (!what)
		return 0;
	efa_user_error(ib, "create_qp: type %u: %s", attr->qp_type, what);
	return -EOPNOTSUPP;
}

static int qp_check_request(struct ib_device *ib, const struct ib_qp_init_attr *attr,
			 const struct efa_uabi_create_qp *cmd)
{
	int err;

	if (!sends_fit(ib, &attr->cap, cmd) || !receives_fit(ib, &attr->cap) ||
	    !segments_fit(ib, &attr->cap))
		return -EINVAL;
	err = check_kind(ib, attr, cmd);
	if (err)
		return err;
	return rings_fit(ib, &attr->cap, cmd) ? 0 : -EINVAL;
}

static int get_rq(struct efa_qp *qp, u32 bytes)
{
	int err;

	if (!bytes)
		return 0;
	err = efa_ring_alloc(to_efa_dev(qp->ib.device), &qp->rq, bytes, DMA_TO_DEVICE);
	if (err)
		efa_user_error(qp->ib.device,
			       "create_qp: no contiguous memory for a receive queue of %u bytes; ask for fewer receive WQEs",
			       bytes);
	return err;
}

static int qp_create_on_device(struct efa_qp *qp, const struct efa_uabi_create_qp *cmd,
			    const struct ib_qp_init_attr *attr, struct efa_ucontext *ucontext,
			    struct efa_create_qp_result *result)
{
	struct efa_dev *dev = to_efa_dev(qp->ib.device);
	struct efa_create_qp_params params = {
		.rq = qp->rq.mem ? qp->rq.dma : 0,
		.sq_ring_size = cmd->sq_ring_size,
		.sq_depth = attr->cap.max_send_wr,
		.rq_ring_size = cmd->rq_ring_size,
		.rq_depth = attr->cap.max_recv_wr,
		.send_cqn = to_efa_cq(attr->send_cq)->cqn,
		.recv_cqn = to_efa_cq(attr->recv_cq)->cqn,
		.pdn = to_efa_pd(qp->ib.pd)->pdn,
		.uarn = ucontext->uarn,
		.type = attr->qp_type == IB_QPT_UD ? EFA_QP_TYPE_UD : EFA_QP_TYPE_SRD,
		.sl = cmd->sl,
		.unsolicited_write_recv = efa_uabi_create_qp_unsolicited_write_recv(cmd),
		.req_id_64 = efa_uabi_create_qp_sq_64_bit_req_id(cmd),
	};
	int err;

	err = efa_cmd_create_qp(dev, &params, result);
	if (err) {
		efa_user_error(qp->ib.device,
			       "create_qp: %u sends, %u receives, service level %u: failed (%d), the device has %u QPs; destroy unused ones, use powers of two as depths",
			       params.sq_depth, params.rq_depth, params.sl, err, dev->attr.max_qp);
		return err;
	}
	qp->handle = result->handle;
	return 0;
}

static int map_sq(struct efa_qp *qp, struct efa_ucontext *ucontext, u32 ring_size,
		  const struct efa_create_qp_result *result, struct efa_uabi_create_qp_resp *resp)
{
	u8 db_bar = to_efa_dev(qp->ib.device)->attr.db_bar;

	qp->sq_db_entry = efa_mmap_bar(ucontext, db_bar, result->sq_db_offset, sizeof(u32),
				       EFA_MMAP_IO_NC);
	if (IS_ERR(qp->sq_db_entry))
		return PTR_ERR(qp->sq_db_entry);
	resp->sq_db_mmap_key = efa_mmap_key(qp->sq_db_entry);
	resp->sq_db_offset = offset_in_page(result->sq_db_offset);

	qp->sq_entry = efa_mmap_bar(ucontext, EFA_BAR_LLQ, result->llq_offset, ring_size,
				    EFA_MMAP_IO_WC);
	if (IS_ERR(qp->sq_entry))
		return PTR_ERR(qp->sq_entry);
	resp->llq_desc_mmap_key = efa_mmap_key(qp->sq_entry);
	resp->llq_desc_offset = offset_in_page(result->llq_offset);
	return 0;
}

static int map_rq(struct efa_qp *qp, struct efa_ucontext *ucontext,
		  const struct efa_create_qp_result *result, struct efa_uabi_create_qp_resp *resp)
{
	u8 db_bar = to_efa_dev(qp->ib.device)->attr.db_bar;

	if (!qp->rq.mem)
		return 0;

	qp->rq_db_entry = efa_mmap_bar(ucontext, db_bar, result->rq_db_offset, sizeof(u32),
				       EFA_MMAP_IO_NC);
	if (IS_ERR(qp->rq_db_entry))
		return PTR_ERR(qp->rq_db_entry);
	resp->rq_db_mmap_key = efa_mmap_key(qp->rq_db_entry);
	resp->rq_db_offset = offset_in_page(result->rq_db_offset);

	qp->rq_entry = efa_mmap_ring(ucontext, &qp->rq);
	if (IS_ERR(qp->rq_entry))
		return PTR_ERR(qp->rq_entry);
	resp->rq_mmap_key = efa_mmap_key(qp->rq_entry);
	resp->rq_mmap_size = qp->rq.size;
	return 0;
}

static void qp_drop_mappings(struct efa_qp *qp)
{
	efa_mmap_remove(qp->rq_entry);
	efa_mmap_remove(qp->rq_db_entry);
	efa_mmap_remove(qp->sq_entry);
	efa_mmap_remove(qp->sq_db_entry);
}

static int qp_destroy_on_device(struct efa_qp *qp)
{
	struct efa_dev *dev = to_efa_dev(qp->ib.device);

	return efa_destroy_outcome(dev, efa_cmd_destroy_qp(dev, qp->handle));
}

static int make_qp(struct efa_qp *qp, const struct efa_uabi_create_qp *cmd,
		   struct ib_qp_init_attr *attr, struct ib_udata *udata)
{
	struct efa_ucontext *ucontext = rdma_udata_to_drv_context(udata, struct efa_ucontext, ib);
	struct efa_dev *dev = to_efa_dev(qp->ib.device);
	struct efa_uabi_create_qp_resp resp = {};
	struct efa_create_qp_result result;
	int err;

	err = get_rq(qp, cmd->rq_ring_size);
	if (err)
		return err;

	err = qp_create_on_device(qp, cmd, attr, ucontext, &result);
	if (err && efa_let_go(dev, err))
		goto err_rq;
	if (err)
		return err;

	err = map_sq(qp, ucontext, cmd->sq_ring_size, &result, &resp);
	if (err)
		goto err_mappings;

	err = map_rq(qp, ucontext, &result, &resp);
	if (err)
		goto err_mappings;

	resp.send_sub_cq_idx = result.send_sub_cq;
	resp.recv_sub_cq_idx = result.recv_sub_cq;
	qp->ib.qp_num = result.qpn;
	err = ib_respond_udata(udata, resp);
	if (err)
		goto err_mappings;
	return 0;

err_mappings:
	qp_drop_mappings(qp);
	if (qp_destroy_on_device(qp))
		return err; /* the device may still read the receive queue: it is given up */
err_rq:
	efa_ring_free(dev, &qp->rq);
	return err;
}

int efa_create_qp(struct ib_qp *ib, struct ib_qp_init_attr *attr, struct ib_udata *udata)
{
	struct efa_uabi_create_qp cmd = {};
	struct efa_qp *qp = to_efa_qp(ib);
	int err;

	mutex_init(&qp->modify_lock);
	qp->state = IB_QPS_RESET;
	qp->type = attr->qp_type;
	qp->cap = attr->cap;

	err = qp_read_request(ib->device, udata, &cmd);
	if (err)
		goto err_count;
	err = qp_check_request(ib->device, attr, &cmd);
	if (err)
		goto err_count;
	err = make_qp(qp, &cmd, attr, udata);
	if (err)
		goto err_count;
	return 0;

err_count:
	mutex_destroy(&qp->modify_lock);
	efa_count(to_efa_dev(ib->device), EFA_STAT_CREATE_QP_ERR);
	return err;
}

/* While the device may read the receive queue nothing is freed (verbs A8.3). */
int efa_destroy_qp(struct ib_qp *ib, struct ib_udata *udata)
{
	struct efa_qp *qp = to_efa_qp(ib);
	int err;

	err = qp_destroy_on_device(qp);
	if (err) {
		efa_user_error(ib->device, "destroy_qp: QP %u: the device refused (%d)",
			       ib->qp_num, err);
		return err;
	}
	qp_drop_mappings(qp);
	efa_ring_free(to_efa_dev(ib->device), &qp->rq);
	mutex_destroy(&qp->modify_lock);
	return 0;
}
