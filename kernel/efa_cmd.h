/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Typed admin commands (device-admin A9): one function a command, host-order
 * arguments, answers already checked (an offset lies inside its BAR, a number is in
 * range, else -EPROTO). All sleep. Errors: efa_aq_execute().
 */
#ifndef EFA_CMD_H
#define EFA_CMD_H

#include <linux/types.h>

#include "efa_hw.h"

struct efa_dev;

int efa_cmd_alloc_pd(struct efa_dev *dev, u16 *pdn);
int efa_cmd_dealloc_pd(struct efa_dev *dev, u16 pdn);
int efa_cmd_alloc_uar(struct efa_dev *dev, u16 *uarn);
int efa_cmd_dealloc_uar(struct efa_dev *dev, u16 uarn);

struct efa_create_cq_params {
	dma_addr_t ring;
	u16 depth; /* CQEs of each sub-CQ */
	u16 num_sub_cqs;
	u16 uarn;
	u16 eqn; /* if events */
	u8 entry_size; /* bytes */
	bool events;
	bool sgid;
	bool req_id_64;
};

struct efa_create_cq_result {
	u16 cqn;
	u16 depth;
	u32 db_offset; /* in the doorbell BAR, if db_valid */
	bool db_valid;
};

int efa_cmd_create_cq(struct efa_dev *dev, const struct efa_create_cq_params *params,
		      struct efa_create_cq_result *result);
int efa_cmd_destroy_cq(struct efa_dev *dev, u16 cqn);

struct efa_create_qp_params {
	dma_addr_t rq; /* 0 if there is none */
	u32 sq_ring_size; /* bytes */
	u32 sq_depth;	  /* WQEs */
	u32 rq_ring_size;
	u32 rq_depth;
	u16 send_cqn;
	u16 recv_cqn;
	u16 pdn;
	u16 uarn;
	enum efa_qp_type type;
	u8 sl;
	bool unsolicited_write_recv;
	bool req_id_64;
};

struct efa_create_qp_result {
	u32 handle;
	u16 qpn;
	u16 send_sub_cq;
	u16 recv_sub_cq;
	u32 sq_db_offset; /* in the doorbell BAR */
	u32 rq_db_offset;
	u32 llq_offset; /* in BAR 2; the whole ring lies inside */
};

int efa_cmd_create_qp(struct efa_dev *dev, const struct efa_create_qp_params *params,
		      struct efa_create_qp_result *result);
int efa_cmd_destroy_qp(struct efa_dev *dev, u32 handle);

/* Which members count: EFA_MODIFY_QP_CMD_*_MASK in mask. */
struct efa_modify_qp_params {
	u32 handle;
	u32 mask;
	enum efa_qp_state state;
	enum efa_qp_state cur_state;
	u32 qkey;
	u32 sq_psn;
	u8 sq_drained_notify;
	u8 rnr_retry;
};

int efa_cmd_modify_qp(struct efa_dev *dev, const struct efa_modify_qp_params *params);

struct efa_query_qp_result {
	enum efa_qp_state state;
	u32 qkey;
	u32 sq_psn;
	bool draining;
	u8 rnr_retry;
};

int efa_cmd_query_qp(struct efa_dev *dev, u32 handle, struct efa_query_qp_result *result);

int efa_cmd_create_ah(struct efa_dev *dev, u16 pdn, const u8 *gid, u16 *ahn);
int efa_cmd_destroy_ah(struct efa_dev *dev, u16 pdn, u16 ahn);

/* A page list as the device takes it (A9.10, A10); exactly one form is set. */
struct efa_reg_mr_params {
	u64 iova;
	u64 length;
	u16 pdn;
	u8 page_shift;
	u8 permissions; /* EFA_REG_MR_CMD_*_ENABLE_MASK */
	unsigned int inline_pages; /* 1..EFA_PBL_INLINE_PAGES: pages holds the list */
	const __le64 *pages;
	dma_addr_t pbl;	 /* else: list (direct) or first chunk (indirect) */
	u32 pbl_length;	 /* bytes of the list or used in the first chunk */
	bool indirect;
};

struct efa_reg_mr_result {
	u32 lkey;
	u32 rkey;
	bool recv_valid, rdma_read_valid, rdma_recv_valid;
	u8 recv_ic, rdma_read_ic, rdma_recv_ic; /* interconnect ids */
};

int efa_cmd_reg_mr(struct efa_dev *dev, const struct efa_reg_mr_params *params,
		   struct efa_reg_mr_result *result);
int efa_cmd_dereg_mr(struct efa_dev *dev, u32 lkey);

struct efa_stats_block {
	union {
		struct efa_basic_stats basic;
		struct efa_messages_stats messages;
		struct efa_rdma_read_stats rdma_read;
		struct efa_rdma_write_stats rdma_write;
		struct efa_network_stats network;
	};
};

int efa_cmd_get_stats(struct efa_dev *dev, enum efa_get_stats_type type,
		      struct efa_stats_block *block);

int efa_cmd_create_counter(struct efa_dev *dev, u16 uarn, dma_addr_t addr, u32 *handle);
int efa_cmd_destroy_counter(struct efa_dev *dev, u32 handle);
int efa_cmd_attach_counter(struct efa_dev *dev, u32 handle, u32 qp_handle, u32 events);
int efa_cmd_detach_counter(struct efa_dev *dev, u32 handle, u32 qp_handle, u32 events);
int efa_cmd_modify_counter(struct efa_dev *dev, u32 handle, enum efa_event_counter_modify_op op,
			   u64 value);

int efa_cmd_create_eq(struct efa_dev *dev, dma_addr_t ring, u16 depth, u8 vector, u16 *eqn);
int efa_cmd_destroy_eq(struct efa_dev *dev, u16 eqn);

int efa_cmd_get_feature(struct efa_dev *dev, enum efa_feature_id id,
			struct efa_get_feature_resp *resp);
int efa_cmd_set_aenq_config(struct efa_dev *dev, u32 groups);
int efa_cmd_set_host_info(struct efa_dev *dev, dma_addr_t info, u32 length);

#endif
