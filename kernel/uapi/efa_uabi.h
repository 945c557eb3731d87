/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Private part of the uverbs commands between kernel driver and provider
 * (device.md appendix U). Integers are in host order; every reserved field and
 * every unknown bit of a request is 0.
 */
#ifndef EFA_UABI_H
#define EFA_UABI_H

#include "efa_types.h"

/* uverbs ids; the driver's own ones start at 4096 in each namespace. */
enum efa_uabi_ids {
	EFA_UABI_IDS_METHOD_MR_QUERY = 4096,
	EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE = 4096,
	EFA_UABI_IDS_ATTR_QUERY_MR_RESP_IC_ID_VALIDITY = 4097,
	EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RECV_IC_ID = 4098,
	EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_READ_IC_ID = 4099,
	EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_RECV_IC_ID = 4100,
	EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_COMP_BUFFER = 4096,
	EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_ERR_BUFFER = 4097,
};

/* Open device. The driver refuses callers that do not know a limit it has. */
struct efa_uabi_alloc_ucontext_cmd {
	uint32_t supported_caps;
	uint32_t reserved_20;
};

EFA_HOST_BITS32(uabi_alloc_ucontext_cmd, supported_caps, tx_batch, 0, 1,
		UABI_ALLOC_UCONTEXT_CMD_TX_BATCH);
EFA_HOST_BITS32(uabi_alloc_ucontext_cmd, supported_caps, min_sq_wr, 1, 1,
		UABI_ALLOC_UCONTEXT_CMD_MIN_SQ_WR);

/* Limits the provider needs before it can ask for a device query. */
struct efa_uabi_alloc_ucontext_resp {
	uint32_t comp_mask;
	uint32_t cmds_supp_udata_mask;
	uint16_t sub_cqs_per_cq;
	uint16_t inline_buf_size;
	uint32_t max_llq_size;
	uint16_t max_tx_batch;
	uint16_t min_sq_wr;
	uint16_t inline_buf_size_ex;
	uint16_t reserved_b0;
};

EFA_HOST_BITS32(uabi_alloc_ucontext_resp, cmds_supp_udata_mask, query_device, 0, 1,
		UABI_ALLOC_UCONTEXT_RESP_QUERY_DEVICE);
EFA_HOST_BITS32(uabi_alloc_ucontext_resp, cmds_supp_udata_mask, create_ah, 1, 1,
		UABI_ALLOC_UCONTEXT_RESP_CREATE_AH);

/* Allocate PD */
struct efa_uabi_alloc_pd_resp {
	uint32_t comp_mask;
	uint16_t pdn;
	uint16_t reserved_30;
};

/* Create CQ */
struct efa_uabi_create_cq {
	uint32_t comp_mask;
	uint32_t cq_entry_size;
	uint16_t num_sub_cqs;
	uint8_t flags;
	uint8_t reserved_58[5];
};

EFA_BITS8(uabi_create_cq, flags, completion_channel, 0, 1, UABI_CREATE_CQ_COMPLETION_CHANNEL);
EFA_BITS8(uabi_create_cq, flags, sgid, 1, 1, UABI_CREATE_CQ_SGID);
EFA_BITS8(uabi_create_cq, flags, sq_comp_64_bit_req_id, 2, 1, UABI_CREATE_CQ_SQ_COMP_64_BIT_REQ_ID);

/* Keys are mmap offsets; doorbell fields count only with comp_mask.db_off. */
struct efa_uabi_create_cq_resp {
	uint32_t comp_mask;
	uint32_t reserved_20;
	uint64_t q_mmap_key;
	uint64_t q_mmap_size;
	uint16_t cq_idx;
	uint16_t reserved_d0;
	uint32_t db_off;
	uint64_t db_mmap_key;
};

EFA_HOST_BITS32(uabi_create_cq_resp, comp_mask, db_off, 0, 1, UABI_CREATE_CQ_RESP_DB_OFF);

/* Create QP; driver_qp_type 0 is SRD. */
struct efa_uabi_create_qp {
	uint32_t comp_mask;
	uint32_t rq_ring_size;
	uint32_t sq_ring_size;
	uint32_t driver_qp_type;
	uint16_t flags;
	uint8_t sl;
	uint8_t reserved_98[5];
};

EFA_HOST_BITS16(uabi_create_qp, flags, unsolicited_write_recv, 0, 1,
		UABI_CREATE_QP_UNSOLICITED_WRITE_RECV);
EFA_HOST_BITS16(uabi_create_qp, flags, sq_64_bit_req_id, 1, 1, UABI_CREATE_QP_SQ_64_BIT_REQ_ID);

/* Keys are mmap offsets; the other offsets lie inside the mapped page. */
struct efa_uabi_create_qp_resp {
	uint32_t comp_mask;
	uint32_t rq_db_offset;
	uint32_t sq_db_offset;
	uint32_t llq_desc_offset;
	uint64_t rq_mmap_key;
	uint64_t rq_mmap_size;
	uint64_t rq_db_mmap_key;
	uint64_t sq_db_mmap_key;
	uint64_t llq_desc_mmap_key;
	uint16_t send_sub_cq_idx;
	uint16_t recv_sub_cq_idx;
	uint32_t reserved_1e0;
};

/* Create AH */
struct efa_uabi_create_ah_resp {
	uint32_t comp_mask;
	uint16_t efa_address_handle;
	uint16_t reserved_30;
};

/* Query device (extended) */
struct efa_uabi_query_device_resp {
	uint32_t comp_mask;
	uint32_t max_sq_wr;
	uint32_t max_rq_wr;
	uint16_t max_sq_sge;
	uint16_t max_rq_sge;
	uint32_t max_rdma_size;
	uint32_t device_caps;
};

EFA_HOST_BITS32(uabi_query_device_resp, device_caps, rdma_read, 0, 1,
		UABI_QUERY_DEVICE_RESP_RDMA_READ);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, rnr_retry, 1, 1,
		UABI_QUERY_DEVICE_RESP_RNR_RETRY);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, cq_notifications, 2, 1,
		UABI_QUERY_DEVICE_RESP_CQ_NOTIFICATIONS);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, cq_with_sgid, 3, 1,
		UABI_QUERY_DEVICE_RESP_CQ_WITH_SGID);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, data_polling_128, 4, 1,
		UABI_QUERY_DEVICE_RESP_DATA_POLLING_128);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, rdma_write, 5, 1,
		UABI_QUERY_DEVICE_RESP_RDMA_WRITE);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, unsolicited_write_recv, 6, 1,
		UABI_QUERY_DEVICE_RESP_UNSOLICITED_WRITE_RECV);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, cq_with_ext_mem, 7, 1,
		UABI_QUERY_DEVICE_RESP_CQ_WITH_EXT_MEM);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, comp_cntr, 8, 1,
		UABI_QUERY_DEVICE_RESP_COMP_CNTR);
EFA_HOST_BITS32(uabi_query_device_resp, device_caps, sq_64_bit_req_id, 9, 1,
		UABI_QUERY_DEVICE_RESP_SQ_64_BIT_REQ_ID);

#endif
