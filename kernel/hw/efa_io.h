/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Data path: work queues, completions, doorbells (device-io). */
#ifndef EFA_IO_H
#define EFA_IO_H

#include "efa_const.h"
#include "efa_types.h"

enum efa_queue_type {
	EFA_QUEUE_TYPE_SEND_QUEUE = 1,
	EFA_QUEUE_TYPE_RECV_QUEUE = 2,
};

enum efa_send_op_type {
	EFA_SEND_OP_TYPE_SEND = 0,
	EFA_SEND_OP_TYPE_RDMA_READ = 1,
	EFA_SEND_OP_TYPE_RDMA_WRITE = 2,
	EFA_SEND_OP_TYPE_FAST_REG = 3,
	EFA_SEND_OP_TYPE_FAST_INV = 4,
};

/* I8: completion status */
enum efa_comp_status {
	EFA_COMP_STATUS_OK = 0,
	EFA_COMP_STATUS_FLUSHED = 1,
	EFA_COMP_STATUS_LOCAL_ERROR_QP_INTERNAL_ERROR = 2,
	EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP = 3,
	EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH = 4,
	EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY = 5,
	EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH = 6,
	EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS = 7,
	EFA_COMP_STATUS_REMOTE_ERROR_ABORT = 8,
	EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN = 9,
	EFA_COMP_STATUS_REMOTE_ERROR_RNR = 10,
	EFA_COMP_STATUS_REMOTE_ERROR_BAD_LENGTH = 11,
	EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS = 12,
	EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE = 13,
	EFA_COMP_STATUS_REMOTE_ERROR_UNKNOWN_PEER = 14,
	EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE = 15,
	EFA_COMP_STATUS_REMOTE_ERROR_FEATURE_MISMATCH = 18,
};

/* Bit mask in tx_meta_desc.ctrl3 */
enum efa_processing_hint {
	EFA_PROCESSING_HINT_BURST_PPS_SENSITIVE = 1,
};

/* A request id as four 16-bit words, low first; the upper three are newer. */
EFA_ACCESSOR uint64_t efa_req_id_join(efa_le16 w0, const efa_le16 ex[3])
{
	return (uint64_t)EFA_FROM_LE16(ex[2]) << 48 | (uint64_t)EFA_FROM_LE16(ex[1]) << 32 |
	       (uint64_t)EFA_FROM_LE16(ex[0]) << 16 | EFA_FROM_LE16(w0);
}

EFA_ACCESSOR void efa_req_id_split(uint64_t req_id, efa_le16 *w0, efa_le16 ex[3])
{
	*w0 = EFA_TO_LE16((uint16_t)req_id);
	ex[0] = EFA_TO_LE16((uint16_t)(req_id >> 16));
	ex[1] = EFA_TO_LE16((uint16_t)(req_id >> 32));
	ex[2] = EFA_TO_LE16((uint16_t)(req_id >> 48));
}

/* I2, I3: send work requests */

/*
 * First half of every send WQE. meta_desc, first, last and comp_req are always 1; the
 * device trusts the doorbell count, not the phase (I2.1).
 */
struct efa_tx_meta_desc {
	efa_le16 req_id;
	uint8_t ctrl1;
	uint8_t ctrl2;
	efa_le16 dest_qp_num;
	efa_le16 length;
	efa_le32 immediate_data;
	efa_le16 ah;
	uint8_t ctrl3;
	uint8_t reserved;
	efa_le32 qkey;
	efa_le16 reserved2[3];
	efa_le16 req_id_ex[3];
};

EFA_BITS8(tx_meta_desc, ctrl1, op_type, 0, 4, TX_META_DESC_OP_TYPE);
EFA_BITS8(tx_meta_desc, ctrl1, has_imm, 4, 1, TX_META_DESC_HAS_IMM);
EFA_BITS8(tx_meta_desc, ctrl1, inline_msg, 5, 1, TX_META_DESC_INLINE_MSG);
EFA_BITS8(tx_meta_desc, ctrl1, meta_extension, 6, 1, TX_META_DESC_META_EXTENSION);
EFA_BITS8(tx_meta_desc, ctrl1, meta_desc, 7, 1, TX_META_DESC_META_DESC);
EFA_BITS8(tx_meta_desc, ctrl2, phase, 0, 1, TX_META_DESC_PHASE);
EFA_BITS8(tx_meta_desc, ctrl2, first, 2, 1, TX_META_DESC_FIRST);
EFA_BITS8(tx_meta_desc, ctrl2, last, 3, 1, TX_META_DESC_LAST);
EFA_BITS8(tx_meta_desc, ctrl2, comp_req, 4, 1, TX_META_DESC_COMP_REQ);
EFA_BITS8(tx_meta_desc, ctrl3, processing_hints, 0, 2, TX_META_DESC_PROCESSING_HINTS);

EFA_ACCESSOR uint64_t efa_tx_meta_desc_req_id64(const struct efa_tx_meta_desc *p)
{
	return efa_req_id_join(p->req_id, p->req_id_ex);
}

EFA_ACCESSOR void efa_tx_meta_desc_set_req_id64(struct efa_tx_meta_desc *p, uint64_t req_id)
{
	efa_req_id_split(req_id, &p->req_id, p->req_id_ex);
}

/* Send SGE */
struct efa_tx_buf_desc {
	efa_le32 length;
	efa_le32 lkey;
	efa_le32 buf_addr_lo;
	efa_le32 buf_addr_hi;
};

EFA_BITS32(tx_buf_desc, lkey, lkey, 0, 24, TX_BUF_DESC_LKEY);

EFA_ACCESSOR uint64_t efa_tx_buf_desc_addr(const struct efa_tx_buf_desc *p)
{
	return efa_addr_join(p->buf_addr_lo, p->buf_addr_hi);
}

EFA_ACCESSOR void efa_tx_buf_desc_set_addr(struct efa_tx_buf_desc *p, uint64_t addr)
{
	efa_addr_split(addr, &p->buf_addr_lo, &p->buf_addr_hi);
}

/* Remote side of an RDMA operation; the rkey uses all 32 bits. */
struct efa_remote_mem_addr {
	efa_le32 length;
	efa_le32 rkey;
	efa_le32 buf_addr_lo;
	efa_le32 buf_addr_hi;
};

EFA_ACCESSOR uint64_t efa_remote_mem_addr_addr(const struct efa_remote_mem_addr *p)
{
	return efa_addr_join(p->buf_addr_lo, p->buf_addr_hi);
}

EFA_ACCESSOR void efa_remote_mem_addr_set_addr(struct efa_remote_mem_addr *p, uint64_t addr)
{
	efa_addr_split(addr, &p->buf_addr_lo, &p->buf_addr_hi);
}

/* RDMA body of a 64-byte WQE (I3.1) */
struct efa_rdma_req {
	struct efa_remote_mem_addr remote_mem;
	struct efa_tx_buf_desc local_mem;
};

/* RDMA body of a 128-byte WQE, which may carry the data of a write. */
struct efa_rdma_req_128 {
	struct efa_remote_mem_addr remote_mem;
	union {
		struct efa_tx_buf_desc local_mem;
		uint8_t inline_data[EFA_INLINE_128]; /* when inline_msg */
	};
};

enum efa_frwr_pbl_mode {
	EFA_FRWR_PBL_MODE_INLINE_PBL = 0,
	EFA_FRWR_PBL_MODE_DIRECT_PBL = 1,
};

/* Fast registration body (I3.4) */
struct efa_fast_mr_reg_req {
	efa_le32 lkey;
	uint8_t permissions;
	uint8_t flags;
	efa_le16 reserved;
	efa_le64 iova;
	efa_le64 mr_length;
	union {
		efa_le64 inline_array[EFA_FRWR_INLINE_PAGES];
		efa_le64 dma_addr;
	} pbl;
};

EFA_BITS8(fast_mr_reg_req, permissions, local_write_enable, 0, 1,
	  FAST_MR_REG_REQ_LOCAL_WRITE_ENABLE);
EFA_BITS8(fast_mr_reg_req, permissions, remote_write_enable, 1, 1,
	  FAST_MR_REG_REQ_REMOTE_WRITE_ENABLE);
EFA_BITS8(fast_mr_reg_req, permissions, remote_read_enable, 2, 1,
	  FAST_MR_REG_REQ_REMOTE_READ_ENABLE);
EFA_BITS8(fast_mr_reg_req, flags, phys_page_size_shift, 0, 5, FAST_MR_REG_REQ_PHYS_PAGE_SIZE_SHIFT);
EFA_BITS8(fast_mr_reg_req, flags, pbl_mode, 5, 2, FAST_MR_REG_REQ_PBL_MODE);

/* Fast invalidation body (I3.4) */
struct efa_fast_mr_inv_req {
	efa_le32 lkey;
	efa_le32 reserved[7];
};

/* 64-byte send WQE; the size is fixed per QP. */
struct efa_tx_wqe {
	struct efa_tx_meta_desc meta;
	union {
		struct efa_tx_buf_desc sgl[EFA_TX_SGES];
		uint8_t inline_data[EFA_INLINE_64];
		struct efa_rdma_req rdma_req;
		struct efa_fast_mr_reg_req reg_mr_req;
		struct efa_fast_mr_inv_req inv_mr_req;
	} data;
};

/* 128-byte send WQE */
struct efa_tx_wqe_128 {
	struct efa_tx_meta_desc meta;
	union {
		struct efa_tx_buf_desc sgl[EFA_TX_SGES];
		uint8_t inline_data[EFA_INLINE_128];
		struct efa_rdma_req_128 rdma_req;
	} data;
};

/* I5: receive work requests */

/*
 * Receive descriptor. A WQE ends at the descriptor with last; first and req_id may be
 * set in all of them, so only the first req_id counts.
 */
struct efa_rx_desc {
	efa_le32 buf_addr_lo;
	efa_le32 buf_addr_hi;
	efa_le16 req_id;
	efa_le16 length;
	efa_le32 lkey_ctrl;
};

EFA_BITS32(rx_desc, lkey_ctrl, lkey, 0, 24, RX_DESC_LKEY);
EFA_BITS32(rx_desc, lkey_ctrl, first, 30, 1, RX_DESC_FIRST);
EFA_BITS32(rx_desc, lkey_ctrl, last, 31, 1, RX_DESC_LAST);

EFA_ACCESSOR uint64_t efa_rx_desc_addr(const struct efa_rx_desc *p)
{
	return efa_addr_join(p->buf_addr_lo, p->buf_addr_hi);
}

EFA_ACCESSOR void efa_rx_desc_set_addr(struct efa_rx_desc *p, uint64_t addr)
{
	efa_addr_split(addr, &p->buf_addr_lo, &p->buf_addr_hi);
}

/* I7: completions */

/* Start of every CQE; the byte with the phase is written last. */
struct efa_cdesc_common {
	efa_le16 req_id;
	uint8_t status; /* enum efa_comp_status */
	uint8_t flags;
	efa_le16 qp_num;
};

EFA_BITS8(cdesc_common, flags, phase, 0, 1, CDESC_COMMON_PHASE);
EFA_BITS8(cdesc_common, flags, q_type, 1, 2, CDESC_COMMON_Q_TYPE);
EFA_BITS8(cdesc_common, flags, has_imm, 3, 1, CDESC_COMMON_HAS_IMM);
EFA_BITS8(cdesc_common, flags, op_type, 4, 3, CDESC_COMMON_OP_TYPE);
EFA_BITS8(cdesc_common, flags, unsolicited, 7, 1, CDESC_COMMON_UNSOLICITED);

/* Send CQE; the rest of the entry is 0. */
struct efa_tx_cdesc {
	struct efa_cdesc_common common;
	efa_le16 req_id_ex[3];
	efa_le32 reserved;
};

EFA_ACCESSOR uint64_t efa_tx_cdesc_req_id64(const struct efa_tx_cdesc *p)
{
	return efa_req_id_join(p->common.req_id, p->req_id_ex);
}

EFA_ACCESSOR void efa_tx_cdesc_set_req_id64(struct efa_tx_cdesc *p, uint64_t req_id)
{
	efa_req_id_split(req_id, &p->common.req_id, p->req_id_ex);
}

/* Receive CQE */
struct efa_rx_cdesc {
	struct efa_cdesc_common common;
	efa_le16 length;
	efa_le16 ah;
	efa_le16 src_qp_num;
	efa_le32 imm;
};

/* Receive CQE of 32 bytes */
struct efa_rx_cdesc_ex {
	struct efa_rx_cdesc base;
	union {
		struct {
			efa_le16 length_hi;
		} rdma_write;
		uint8_t src_addr[EFA_GID_SIZE]; /* when ah is EFA_AH_INVALID */
	} u;
};

/* Doorbells are bare 32-bit words in the doorbell BAR (device-regs R6, I6, I7). */
EFA_WORD_BITS(sq_doorbell, pc, 0, 16, SQ_DOORBELL_PC);
EFA_WORD_BITS(rq_doorbell, pc, 0, 16, RQ_DOORBELL_PC);
EFA_WORD_BITS(cq_doorbell, consumer_index, 0, 16, CQ_DOORBELL_CONSUMER_INDEX);
EFA_WORD_BITS(cq_doorbell, cmd_sn, 29, 2, CQ_DOORBELL_CMD_SN);
EFA_WORD_BITS(cq_doorbell, arm, 31, 1, CQ_DOORBELL_ARM);

#endif
