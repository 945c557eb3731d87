// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Admin commands for CQs, QPs, EQs and event counters (device-admin A9). Users get pages
 * of BARs mapped at offsets which the device names here, so each is checked.
 */

#include <linux/mm.h>

#include "efa_cmd.h"
#include "efa_cmd_run.h"
#include "efa_log.h"

/* A WQE is written in bursts of this size (device-io I2). */
#define EFA_LLQ_ALIGN 64

/* One doorbell: inside its BAR, aligned, on no page that holds a register. */
static bool efa_doorbell_ok(struct efa_dev *dev, const char *what, u32 offset)
{
	u8 bar = dev->attr.db_bar;

	if (offset % sizeof(u32) == 0 && (u64)offset + sizeof(u32) <= dev->bar_len[bar] &&
	    (bar != EFA_BAR_REGISTERS || offset >= PAGE_SIZE))
		return true;
	efa_err_rl(dev, "the device put the %s doorbell at %#x of BAR %u, which has %llu bytes\n",
		   what, offset, bar, (unsigned long long)dev->bar_len[bar]);
	return false;
}

/* Whole pages are mapped, so these must lie inside the BAR too. */
static bool efa_llq_ok(struct efa_dev *dev, u32 offset, u32 size)
{
	u64 end = PAGE_ALIGN((u64)offset + size);

	if (IS_ALIGNED(offset, EFA_LLQ_ALIGN) && end <= dev->bar_len[EFA_BAR_LLQ])
		return true;
	efa_err_rl(dev, "the device put an SQ of %u bytes at %#x of BAR %u, which has %llu bytes\n",
		   size, offset, EFA_BAR_LLQ, (unsigned long long)dev->bar_len[EFA_BAR_LLQ]);
	return false;
}

static bool efa_cq_answer_ok(struct efa_dev *dev, const struct efa_create_cq_params *params,
			     const struct efa_create_cq_result *result)
{
	if (result->depth > params->depth) {
		efa_err_rl(dev, "the device gave a CQ of %u entries, %u were asked\n",
			   result->depth, params->depth);
		return false;
	}
	if (params->events && !result->db_valid) {
		efa_err_rl(dev, "the device gave a CQ with events no doorbell\n");
		return false;
	}
	return !result->db_valid || efa_doorbell_ok(dev, "CQ", result->db_offset);
}

int efa_cmd_create_cq(struct efa_dev *dev, const struct efa_create_cq_params *params,
		      struct efa_create_cq_result *result)
{
	struct efa_create_cq_cmd cmd = {
		.sub_cq_depth = cpu_to_le16(params->depth),
		.num_sub_cqs = cpu_to_le16(params->num_sub_cqs),
		.uar = cpu_to_le16(params->uarn),
	};
	struct efa_create_cq_resp resp;
	int err;

	efa_mem_addr_set(&cmd.cq_ba, params->ring);
	efa_create_cq_cmd_set_cq_entry_size_words(&cmd, params->entry_size / sizeof(u32));
	efa_create_cq_cmd_set_set_src_addr(&cmd, params->sgid);
	efa_create_cq_cmd_set_sq_comp_64_bit_req_id(&cmd, params->req_id_64);
	if (params->events) {
		efa_create_cq_cmd_set_interrupt_mode_enabled(&cmd, 1);
		cmd.eqn = cpu_to_le16(params->eqn);
	}
	err = EFA_CMD_RUN(dev, CREATE_CQ, cmd, resp);
	if (err)
		return err;

	*result = (struct efa_create_cq_result){
		.cqn = le16_to_cpu(resp.cq_idx),
		.depth = le16_to_cpu(resp.sub_cq_actual_depth),
		.db_offset = le32_to_cpu(resp.db_offset),
		.db_valid = efa_create_cq_resp_db_valid(&resp),
	};
	if (efa_cq_answer_ok(dev, params, result))
		return 0;
	efa_cmd_destroy_cq(dev, result->cqn);
	return -EPROTO;
}

int efa_cmd_destroy_cq(struct efa_dev *dev, u16 cqn)
{
	struct efa_destroy_cq_cmd cmd = { .cq_idx = cpu_to_le16(cqn) };
	struct efa_destroy_cq_resp resp;

	return EFA_CMD_RUN(dev, DESTROY_CQ, cmd, resp);
}

static bool efa_sub_cqs_ok(struct efa_dev *dev, const struct efa_create_qp_result *result)
{
	u16 sub_cqs = dev->attr.sub_cqs_per_cq;

	if (result->send_sub_cq < sub_cqs && result->recv_sub_cq < sub_cqs)
		return true;
	efa_err_rl(dev, "the device chose sub-CQs %u and %u, a CQ has %u\n", result->send_sub_cq,
		   result->recv_sub_cq, sub_cqs);
	return false;
}

static bool efa_qp_answer_ok(struct efa_dev *dev, const struct efa_create_qp_params *params,
			     const struct efa_create_qp_result *result)
{
	return efa_sub_cqs_ok(dev, result) &&
	       (!params->sq_ring_size ||
		(efa_doorbell_ok(dev, "SQ", result->sq_db_offset) &&
		 efa_llq_ok(dev, result->llq_offset, params->sq_ring_size))) &&
	       (!params->rq_ring_size || efa_doorbell_ok(dev, "RQ", result->rq_db_offset));
}

int efa_cmd_create_qp(struct efa_dev *dev, const struct efa_create_qp_params *params,
		      struct efa_create_qp_result *result)
{
	struct efa_create_qp_cmd cmd = {
		.pd = cpu_to_le16(params->pdn),
		.qp_type = params->type,
		.rq_base_addr = cpu_to_le64(params->rq),
		.send_cq_idx = cpu_to_le32(params->send_cqn),
		.recv_cq_idx = cpu_to_le32(params->recv_cqn),
		.qp_alloc_size.send_queue_ring_size = cpu_to_le32(params->sq_ring_size),
		.qp_alloc_size.send_queue_depth = cpu_to_le32(params->sq_depth),
		.qp_alloc_size.recv_queue_ring_size = cpu_to_le32(params->rq_ring_size),
		.qp_alloc_size.recv_queue_depth = cpu_to_le32(params->rq_depth),
		.uar = cpu_to_le16(params->uarn),
		.sl = params->sl,
	};
	struct efa_create_qp_resp resp;
	int err;

	efa_create_qp_cmd_set_unsolicited_write_recv(&cmd, params->unsolicited_write_recv);
	efa_create_qp_cmd_set_sq_64_bit_req_id(&cmd, params->req_id_64);
	err = EFA_CMD_RUN(dev, CREATE_QP, cmd, resp);
	if (err)
		return err;

	*result = (struct efa_create_qp_result){
		.handle = le32_to_cpu(resp.qp_handle),
		.qpn = le16_to_cpu(resp.qp_num),
		.send_sub_cq = le16_to_cpu(resp.send_sub_cq_idx),
		.recv_sub_cq = le16_to_cpu(resp.recv_sub_cq_idx),
		.sq_db_offset = le32_to_cpu(resp.sq_db_offset),
		.rq_db_offset = le32_to_cpu(resp.rq_db_offset),
		.llq_offset = le32_to_cpu(resp.llq_descriptors_offset),
	};
	if (efa_qp_answer_ok(dev, params, result))
		return 0;
	efa_cmd_destroy_qp(dev, result->handle);
	return -EPROTO;
}

int efa_cmd_destroy_qp(struct efa_dev *dev, u32 handle)
{
	struct efa_destroy_qp_cmd cmd = { .qp_handle = cpu_to_le32(handle) };
	struct efa_destroy_qp_resp resp;

	return EFA_CMD_RUN(dev, DESTROY_QP, cmd, resp);
}

int efa_cmd_modify_qp(struct efa_dev *dev, const struct efa_modify_qp_params *params)
{
	struct efa_modify_qp_cmd cmd = {
		.modify_mask = cpu_to_le32(params->mask),
		.qp_handle = cpu_to_le32(params->handle),
		.qp_state = cpu_to_le32(params->state),
		.cur_qp_state = cpu_to_le32(params->cur_state),
		.qkey = cpu_to_le32(params->qkey),
		.sq_psn = cpu_to_le32(params->sq_psn),
		.sq_drained_async_notify = params->sq_drained_notify,
		.rnr_retry = params->rnr_retry,
	};
	struct efa_modify_qp_resp resp;

	return EFA_CMD_RUN(dev, MODIFY_QP, cmd, resp);
}

int efa_cmd_query_qp(struct efa_dev *dev, u32 handle, struct efa_query_qp_result *result)
{
	struct efa_query_qp_cmd cmd = { .qp_handle = cpu_to_le32(handle) };
	struct efa_query_qp_resp resp;
	u32 state;
	int err;

	err = EFA_CMD_RUN(dev, QUERY_QP, cmd, resp);
	if (err)
		return err;

	state = le32_to_cpu(resp.qp_state);
	if (state > EFA_QP_STATE_ERR) {
		efa_err_rl(dev, "the device says that a QP is in state %u, which does not exist\n",
			   state);
		return -EPROTO;
	}
	*result = (struct efa_query_qp_result){
		.state = state,
		.qkey = le32_to_cpu(resp.qkey),
		.sq_psn = le32_to_cpu(resp.sq_psn),
		.draining = resp.sq_draining,
		.rnr_retry = resp.rnr_retry,
	};
	return 0;
}

int efa_cmd_create_eq(struct efa_dev *dev, dma_addr_t ring, u16 depth, u8 vector, u16 *eqn)
{
	struct efa_create_eq_cmd cmd = {
		.depth = cpu_to_le16(depth),
		.msix_vec = vector,
	};
	struct efa_create_eq_resp resp;
	int err;

	efa_mem_addr_set(&cmd.ba, ring);
	efa_create_eq_cmd_set_entry_size_words(&cmd, sizeof(struct efa_eqe) / sizeof(u32));
	efa_create_eq_cmd_set_completion_events(&cmd, 1);
	err = EFA_CMD_RUN(dev, CREATE_EQ, cmd, resp);
	if (err)
		return err;
	*eqn = le16_to_cpu(resp.eqn);
	return 0;
}

int efa_cmd_destroy_eq(struct efa_dev *dev, u16 eqn)
{
	struct efa_destroy_eq_cmd cmd = { .eqn = cpu_to_le16(eqn) };
	struct efa_destroy_eq_resp resp;

	return EFA_CMD_RUN(dev, DESTROY_EQ, cmd, resp);
}

int efa_cmd_create_counter(struct efa_dev *dev, u16 uarn, dma_addr_t addr, u32 *handle)
{
	struct efa_create_event_counter_cmd cmd = {
		.uar = cpu_to_le16(uarn),
		.paddr = cpu_to_le64(addr),
	};
	struct efa_create_event_counter_resp resp;
	int err;

	err = EFA_CMD_RUN(dev, CREATE_EVENT_COUNTER, cmd, resp);
	if (err)
		return err;
	*handle = le32_to_cpu(resp.cntr_handle);
	return 0;
}

int efa_cmd_destroy_counter(struct efa_dev *dev, u32 handle)
{
	struct efa_destroy_event_counter_cmd cmd = { .cntr_handle = cpu_to_le32(handle) };
	struct efa_destroy_event_counter_resp resp;

	return EFA_CMD_RUN(dev, DESTROY_EVENT_COUNTER, cmd, resp);
}

static void efa_fill_attach(struct efa_attach_detach_event_counter_cmd *cmd, u32 handle,
			    u32 qp_handle, u32 events)
{
	cmd->cntr_handle = cpu_to_le32(handle);
	cmd->attach_type = EFA_EVENT_COUNTER_ATTACH_TYPE_QP_EVENTS;
	cmd->qp_events.qp_handle = cpu_to_le32(qp_handle);
	cmd->qp_events.events = cpu_to_le32(events);
}

int efa_cmd_attach_counter(struct efa_dev *dev, u32 handle, u32 qp_handle, u32 events)
{
	struct efa_attach_detach_event_counter_cmd cmd = {};
	struct efa_attach_detach_event_counter_resp resp;

	efa_fill_attach(&cmd, handle, qp_handle, events);
	return EFA_CMD_RUN(dev, ATTACH_EVENT_COUNTER, cmd, resp);
}

int efa_cmd_detach_counter(struct efa_dev *dev, u32 handle, u32 qp_handle, u32 events)
{
	struct efa_attach_detach_event_counter_cmd cmd = {};
	struct efa_attach_detach_event_counter_resp resp;

	efa_fill_attach(&cmd, handle, qp_handle, events);
	return EFA_CMD_RUN(dev, DETACH_EVENT_COUNTER, cmd, resp);
}

int efa_cmd_modify_counter(struct efa_dev *dev, u32 handle, enum efa_event_counter_modify_op op,
			   u64 value)
{
	struct efa_modify_event_counter_cmd cmd = {
		.cntr_handle = cpu_to_le32(handle),
		.operation = op,
		.value = cpu_to_le64(value),
	};
	struct efa_modify_event_counter_resp resp;

	return EFA_CMD_RUN(dev, MODIFY_EVENT_COUNTER, cmd, resp);
}
