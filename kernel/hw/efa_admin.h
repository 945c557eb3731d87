/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Admin queue: entries, commands and responses (device-admin A2 to A5, A8 to A10).
 *
 * Commands are laid out as in entry format v1. Format v2 moves everything after
 * the header up by 8 bytes; responses are the same in both. A response type that
 * holds just the header exists so that every command has one.
 */
#ifndef EFA_ADMIN_H
#define EFA_ADMIN_H

#include "efa_const.h"
#include "efa_features.h"
#include "efa_types.h"

/* A8: opcodes 22 to 24 are not assigned. */
enum efa_aq_opcode {
	EFA_AQ_OPCODE_CREATE_QP = 1,
	EFA_AQ_OPCODE_MODIFY_QP = 2,
	EFA_AQ_OPCODE_QUERY_QP = 3,
	EFA_AQ_OPCODE_DESTROY_QP = 4,
	EFA_AQ_OPCODE_CREATE_AH = 5,
	EFA_AQ_OPCODE_DESTROY_AH = 6,
	EFA_AQ_OPCODE_REG_MR = 7,
	EFA_AQ_OPCODE_DEREG_MR = 8,
	EFA_AQ_OPCODE_CREATE_CQ = 9,
	EFA_AQ_OPCODE_DESTROY_CQ = 10,
	EFA_AQ_OPCODE_GET_FEATURE = 11,
	EFA_AQ_OPCODE_SET_FEATURE = 12,
	EFA_AQ_OPCODE_GET_STATS = 13,
	EFA_AQ_OPCODE_ALLOC_PD = 14,
	EFA_AQ_OPCODE_DEALLOC_PD = 15,
	EFA_AQ_OPCODE_ALLOC_UAR = 16,
	EFA_AQ_OPCODE_DEALLOC_UAR = 17,
	EFA_AQ_OPCODE_CREATE_EQ = 18,
	EFA_AQ_OPCODE_DESTROY_EQ = 19,
	EFA_AQ_OPCODE_ALLOC_MR = 20,
	EFA_AQ_OPCODE_SERVICE = 21,
	EFA_AQ_OPCODE_CREATE_EVENT_COUNTER = 25,
	EFA_AQ_OPCODE_DESTROY_EVENT_COUNTER = 26,
	EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER = 27,
	EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER = 28,
	EFA_AQ_OPCODE_DETACH_EVENT_COUNTER = 29,
};

/* A4: completion status */
enum efa_aq_completion_status {
	EFA_AQ_COMPLETION_STATUS_SUCCESS = 0,
	EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE = 1,
	EFA_AQ_COMPLETION_STATUS_BAD_OPCODE = 2,
	EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE = 3,
	EFA_AQ_COMPLETION_STATUS_MALFORMED_REQUEST = 4,
	EFA_AQ_COMPLETION_STATUS_ILLEGAL_PARAMETER = 5,
	EFA_AQ_COMPLETION_STATUS_UNKNOWN_ERROR = 6,
	EFA_AQ_COMPLETION_STATUS_RESOURCE_BUSY = 7,
};

/* A2: entry formats */

/* DMA address as two words, so that it may lie at any multiple of 4. */
struct efa_mem_addr {
	efa_le32 mem_addr_low;
	efa_le32 mem_addr_high;
};

EFA_ACCESSOR uint64_t efa_mem_addr_get(const struct efa_mem_addr *p)
{
	return efa_addr_join(p->mem_addr_low, p->mem_addr_high);
}

EFA_ACCESSOR void efa_mem_addr_set(struct efa_mem_addr *p, uint64_t addr)
{
	efa_addr_split(addr, &p->mem_addr_low, &p->mem_addr_high);
}

/* Control buffer pointer; also the link at the end of a page-list chunk (A10). */
struct efa_ctrl_buff_info {
	efa_le32 length;
	struct efa_mem_addr address;
};

/* Command header of both entry formats. */
struct efa_aq_common_desc {
	efa_le16 command_id;
	uint8_t opcode; /* enum efa_aq_opcode */
	uint8_t flags;
};

EFA_BITS16(aq_common_desc, command_id, command_id, 0, 12, AQ_COMMON_DESC_COMMAND_ID);
EFA_BITS8(aq_common_desc, flags, phase, 0, 1, AQ_COMMON_DESC_PHASE);
EFA_BITS8(aq_common_desc, flags, ctrl_data, 1, 1, AQ_COMMON_DESC_CTRL_DATA);
EFA_BITS8(aq_common_desc, flags, ctrl_data_indirect, 2, 1, AQ_COMMON_DESC_CTRL_DATA_INDIRECT);

/* Admin SQ entry of API 0.1 and 0.2; the payload is bytes 4 to 63. */
struct efa_aq_entry_v1 {
	struct efa_aq_common_desc aq_common_desc;
	struct efa_ctrl_buff_info control_buffer; /* payload when not flags.ctrl_data */
	efa_le32 inline_data_w4[12];
};

/*
 * Admin SQ entry of API 0.3; the checksum is CRC-16/USB over all 128 bytes with
 * itself taken as 0. request_payload holds bytes 4 to 63 of the v1 form.
 */
struct efa_aq_entry_v2 {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 checksum;
	uint8_t payload_ver;
	uint8_t reserved[5];
	efa_le32 request_payload[29];
};

/* Completion header of API 0.1; the byte with the phase is written last. */
struct efa_acq_common_desc {
	efa_le16 command;
	uint8_t status; /* enum efa_aq_completion_status */
	uint8_t flags;
	efa_le16 extended_status;
	efa_le16 sq_head_indx;
};

EFA_BITS16(acq_common_desc, command, command_id, 0, 12, ACQ_COMMON_DESC_COMMAND_ID);
EFA_BITS8(acq_common_desc, flags, phase, 0, 1, ACQ_COMMON_DESC_PHASE);

/*
 * Completion header from API 0.2 on, checksum over all 64 bytes. The bits are those
 * of efa_acq_common_desc.
 */
struct efa_acq_common_desc_02 {
	efa_le16 command;
	uint8_t status;
	uint8_t flags;
	efa_le16 checksum;
	efa_le16 reserved;
};

/* Admin CQ entry; the part a response does not use is 0. */
struct efa_acq_entry {
	struct efa_acq_common_desc acq_common_desc;
	efa_le32 response_specific_data[14];
};

/* A9.1: protection domains */

struct efa_alloc_pd_cmd {
	struct efa_aq_common_desc aq_common_desc;
};

struct efa_alloc_pd_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le16 pd;
	efa_le16 reserved;
};

struct efa_dealloc_pd_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 pd;
	efa_le16 reserved;
};

struct efa_dealloc_pd_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* A9.2: user access regions */

struct efa_alloc_uar_cmd {
	struct efa_aq_common_desc aq_common_desc;
};

struct efa_alloc_uar_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le16 uar;
	efa_le16 reserved;
};

struct efa_dealloc_uar_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 uar;
	efa_le16 reserved;
};

struct efa_dealloc_uar_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* A9.3, A9.4: completion queues */

/*
 * The capability is itself called set_src_addr, so its setter is
 * efa_create_cq_cmd_set_set_src_addr().
 */
struct efa_create_cq_cmd {
	struct efa_aq_common_desc aq_common_desc;
	uint8_t cq_caps_1;
	uint8_t cq_caps_2;
	efa_le16 sub_cq_depth;
	efa_le16 eqn;
	efa_le16 reserved;
	struct efa_mem_addr cq_ba;
	efa_le32 l_key;
	efa_le16 num_sub_cqs;
	efa_le16 uar;
};

EFA_BITS8(create_cq_cmd, cq_caps_1, interrupt_mode_enabled, 5, 1,
	  CREATE_CQ_CMD_INTERRUPT_MODE_ENABLED);
EFA_BITS8(create_cq_cmd, cq_caps_1, virt, 6, 1, CREATE_CQ_CMD_VIRT);
EFA_BITS8(create_cq_cmd, cq_caps_2, cq_entry_size_words, 0, 5, CREATE_CQ_CMD_CQ_ENTRY_SIZE_WORDS);
EFA_BITS8(create_cq_cmd, cq_caps_2, set_src_addr, 5, 1, CREATE_CQ_CMD_SET_SRC_ADDR);
EFA_BITS8(create_cq_cmd, cq_caps_2, sq_comp_64_bit_req_id, 6, 1,
	  CREATE_CQ_CMD_SQ_COMP_64_BIT_REQ_ID);

/* The doorbell is at db_offset of the doorbell BAR, if flags.db_valid. */
struct efa_create_cq_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le16 cq_idx;
	efa_le16 sub_cq_actual_depth;
	efa_le32 db_offset;
	efa_le32 flags;
};

EFA_BITS32(create_cq_resp, flags, db_valid, 0, 1, CREATE_CQ_RESP_DB_VALID);

struct efa_destroy_cq_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 cq_idx;
	efa_le16 reserved1;
};

struct efa_destroy_cq_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* A9.5 to A9.8: queue pairs */

enum efa_qp_type {
	EFA_QP_TYPE_UD = 1,
	EFA_QP_TYPE_SRD = 2,
};

enum efa_qp_state {
	EFA_QP_STATE_RESET = 0,
	EFA_QP_STATE_INIT = 1,
	EFA_QP_STATE_RTR = 2,
	EFA_QP_STATE_RTS = 3,
	EFA_QP_STATE_SQD = 4,
	EFA_QP_STATE_SQE = 5,
	EFA_QP_STATE_ERR = 6,
};

/* Ring sizes of CREATE_QP, in bytes and in WQEs (RQ bytes count descriptors). */
struct efa_qp_alloc_size {
	efa_le32 send_queue_ring_size;
	efa_le32 send_queue_depth;
	efa_le32 recv_queue_ring_size;
	efa_le32 recv_queue_depth;
};

/* sq_base_addr and the two keys stay 0: the SQ lives in LLQ memory. */
struct efa_create_qp_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 pd;
	uint8_t qp_type; /* enum efa_qp_type */
	uint8_t flags;
	efa_le64 sq_base_addr;
	efa_le64 rq_base_addr;
	efa_le32 send_cq_idx;
	efa_le32 recv_cq_idx;
	efa_le32 sq_l_key;
	efa_le32 rq_l_key;
	struct efa_qp_alloc_size qp_alloc_size;
	efa_le16 uar;
	uint8_t sl;
	uint8_t reserved;
	efa_le32 reserved2;
};

EFA_BITS8(create_qp_cmd, flags, sq_virt, 0, 1, CREATE_QP_CMD_SQ_VIRT);
EFA_BITS8(create_qp_cmd, flags, rq_virt, 1, 1, CREATE_QP_CMD_RQ_VIRT);
EFA_BITS8(create_qp_cmd, flags, unsolicited_write_recv, 2, 1, CREATE_QP_CMD_UNSOLICITED_WRITE_RECV);
EFA_BITS8(create_qp_cmd, flags, sq_64_bit_req_id, 3, 1, CREATE_QP_CMD_SQ_64_BIT_REQ_ID);

/*
 * qp_num goes on the wire, qp_handle into later admin commands. The SQ ring is at
 * llq_descriptors_offset of EFA_BAR_LLQ.
 */
struct efa_create_qp_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le32 qp_handle;
	efa_le16 qp_num;
	efa_le16 reserved;
	efa_le16 send_sub_cq_idx;
	efa_le16 recv_sub_cq_idx;
	efa_le32 sq_db_offset;
	efa_le32 rq_db_offset;
	efa_le32 llq_descriptors_offset;
};

/* modify_mask says which of the fields count. */
struct efa_modify_qp_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le32 modify_mask;
	efa_le32 qp_handle;
	efa_le32 qp_state; /* enum efa_qp_state */
	efa_le32 cur_qp_state;
	efa_le32 qkey;
	efa_le32 sq_psn;
	uint8_t sq_drained_async_notify;
	uint8_t rnr_retry;
	efa_le16 reserved2;
};

EFA_BITS32(modify_qp_cmd, modify_mask, qp_state, 0, 1, MODIFY_QP_CMD_QP_STATE);
EFA_BITS32(modify_qp_cmd, modify_mask, cur_qp_state, 1, 1, MODIFY_QP_CMD_CUR_QP_STATE);
EFA_BITS32(modify_qp_cmd, modify_mask, qkey, 2, 1, MODIFY_QP_CMD_QKEY);
EFA_BITS32(modify_qp_cmd, modify_mask, sq_psn, 3, 1, MODIFY_QP_CMD_SQ_PSN);
EFA_BITS32(modify_qp_cmd, modify_mask, sq_drained_async_notify, 4, 1,
	   MODIFY_QP_CMD_SQ_DRAINED_ASYNC_NOTIFY);
EFA_BITS32(modify_qp_cmd, modify_mask, rnr_retry, 5, 1, MODIFY_QP_CMD_RNR_RETRY);

struct efa_modify_qp_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* Asks for the state of a QP. */
struct efa_query_qp_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le32 qp_handle;
};

struct efa_query_qp_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le32 qp_state;
	efa_le32 qkey;
	efa_le32 sq_psn;
	uint8_t sq_draining;
	uint8_t rnr_retry;
	efa_le16 reserved2;
};

struct efa_destroy_qp_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le32 qp_handle;
};

struct efa_destroy_qp_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* A9.9: address handles */

/* Address handle for the destination GID. */
struct efa_create_ah_cmd {
	struct efa_aq_common_desc aq_common_desc;
	uint8_t dest_addr[EFA_GID_SIZE]; /* network order */
	efa_le16 pd;
	efa_le16 reserved;
};

struct efa_create_ah_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le16 ah;
	efa_le16 reserved;
};

struct efa_destroy_ah_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 ah;
	efa_le16 pd;
};

struct efa_destroy_ah_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* A9.10 to A9.12, A10: memory regions */

/*
 * The page list is inline, or behind pbl.pbl when flags.ctrl_data. API 0.1 knows 5
 * bits of page shift; the newest interface widened it by the reserved bit above.
 */
struct efa_reg_mr_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 pd;
	efa_le16 reserved16_w1;
	union {
		efa_le64 inline_pbl_array[EFA_PBL_INLINE_PAGES];
		struct efa_ctrl_buff_info pbl; /* when flags.ctrl_data */
	} pbl;
	efa_le64 mr_length;
	uint8_t flags;
	uint8_t permissions;
	efa_le16 reserved16_w5;
	efa_le32 page_num;
	efa_le64 iova;
};

EFA_BITS8(reg_mr_cmd, flags, phys_page_size_shift, 0, 5, REG_MR_CMD_PHYS_PAGE_SIZE_SHIFT);
EFA_BITS8(reg_mr_cmd, flags, mem_addr_phy_mode_en, 7, 1, REG_MR_CMD_MEM_ADDR_PHY_MODE_EN);
EFA_BITS8(reg_mr_cmd, flags, phys_page_size_shift_wide, 0, 6, REG_MR_CMD_PHYS_PAGE_SIZE_SHIFT_WIDE);
EFA_BITS8(reg_mr_cmd, permissions, local_write_enable, 0, 1, REG_MR_CMD_LOCAL_WRITE_ENABLE);
EFA_BITS8(reg_mr_cmd, permissions, remote_write_enable, 1, 1, REG_MR_CMD_REMOTE_WRITE_ENABLE);
EFA_BITS8(reg_mr_cmd, permissions, remote_read_enable, 2, 1, REG_MR_CMD_REMOTE_READ_ENABLE);

/* The validity bits say which of the interconnect ids count. */
struct efa_reg_mr_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le32 l_key;
	efa_le32 r_key;
	uint8_t validity;
	uint8_t recv_ic_id;
	uint8_t rdma_read_ic_id;
	uint8_t rdma_recv_ic_id;
};

EFA_BITS8(reg_mr_resp, validity, recv_ic_id, 0, 1, REG_MR_RESP_RECV_IC_ID);
EFA_BITS8(reg_mr_resp, validity, rdma_read_ic_id, 1, 1, REG_MR_RESP_RDMA_READ_IC_ID);
EFA_BITS8(reg_mr_resp, validity, rdma_recv_ic_id, 2, 1, REG_MR_RESP_RDMA_RECV_IC_ID);

struct efa_dereg_mr_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le32 l_key;
};

struct efa_dereg_mr_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* MR for later fast registration by a kernel client. */
struct efa_alloc_mr_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 pd;
	efa_le16 reserved1;
	efa_le32 max_pages;
};

struct efa_alloc_mr_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le32 l_key;
	efa_le32 r_key;
};

/*
 * Chunk of an indirect page list. Lengths are hints: the device derives all counts
 * from iova, mr_length and the page size (A10).
 */
struct efa_pbl_chunk {
	efa_le64 page_list_ptr[EFA_PBL_PTRS_PER_CHUNK];
	struct efa_ctrl_buff_info next;
	efa_le32 pad;
};

/* A9.13: features */

/* Asks for one feature block. */
struct efa_get_feature_cmd {
	struct efa_aq_common_desc aq_common_desc;
	struct efa_ctrl_buff_info control_buffer;
	struct efa_feature_common feature_common;
	efa_le32 raw[11];
};

/* The feature block that fits feature_id. */
struct efa_get_feature_resp {
	struct efa_acq_common_desc acq_common_desc;
	union {
		efa_le32 raw[14];
		struct efa_device_attr device_attr;
		struct efa_queue_attr_1 queue_attr_1;
		struct efa_queue_attr_2 queue_attr_2;
		struct efa_event_queue_attr event_queue_attr;
		struct efa_aenq_config aenq_config;
		struct efa_network_attr network_attr;
		struct efa_hw_hints hw_hints;
	};
};

/* HOST_INFO uses the control buffer, AENQ_CONFIG the command itself. */
struct efa_set_feature_cmd {
	struct efa_aq_common_desc aq_common_desc;
	struct efa_ctrl_buff_info control_buffer;
	struct efa_feature_common feature_common;
	union {
		efa_le32 raw[11];
		struct efa_aenq_config aenq;
	};
};

struct efa_set_feature_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le32 raw[14];
};

/* A9.14: statistics */

/* Asks for one block of counters. */
struct efa_get_stats_cmd {
	struct efa_aq_common_desc aq_common_desc;
	struct efa_ctrl_buff_info control_buffer;
	uint8_t type;  /* enum efa_get_stats_type */
	uint8_t scope; /* enum efa_get_stats_scope */
	efa_le16 scope_modifier;
};

/* The block that fits the requested type. */
struct efa_get_stats_resp {
	struct efa_acq_common_desc acq_common_desc;
	union {
		struct efa_basic_stats basic_stats;
		struct efa_messages_stats messages_stats;
		struct efa_rdma_read_stats rdma_read_stats;
		struct efa_rdma_write_stats rdma_write_stats;
		struct efa_network_stats network_stats;
	} stats;
};

/* A9.15: SERVICE */

/* Opaque; no driver sends it. */
struct efa_service_cmd {
	struct efa_aq_common_desc aq_common_desc;
	uint8_t buffer[60];
};

struct efa_service_resp {
	struct efa_acq_common_desc acq_common_desc;
	uint8_t buffer[56];
};

/* A9.16: event counters, only with DEVICE_ATTR capability event_counters */

enum efa_event_counter_attach_type {
	EFA_EVENT_COUNTER_ATTACH_TYPE_QP_EVENTS = 0,
};

enum efa_event_counter_modify_op {
	EFA_EVENT_COUNTER_MODIFY_OP_SET = 0,
	EFA_EVENT_COUNTER_MODIFY_OP_ADD = 1,
};

/* Bit numbers of qp_events.events */
enum efa_event_counter_qp_event {
	EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP = 0,
	EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP_ERR = 1,
	EFA_EVENT_COUNTER_QP_EVENT_RECV_COMP = 2,
	EFA_EVENT_COUNTER_QP_EVENT_RECV_COMP_ERR = 3,
	EFA_EVENT_COUNTER_QP_EVENT_READ_COMP = 4,
	EFA_EVENT_COUNTER_QP_EVENT_READ_COMP_ERR = 5,
	EFA_EVENT_COUNTER_QP_EVENT_WRITE_COMP = 6,
	EFA_EVENT_COUNTER_QP_EVENT_WRITE_COMP_ERR = 7,
	EFA_EVENT_COUNTER_QP_EVENT_REMOTE_READ_COMP = 8,
	EFA_EVENT_COUNTER_QP_EVENT_REMOTE_WRITE_COMP = 9,
};

/* Which events of which QP a counter counts; bits: enum efa_event_counter_qp_event. */
struct efa_qp_events {
	efa_le32 qp_handle;
	efa_le32 events;
};

/* The device alone writes the counter at paddr. */
struct efa_create_event_counter_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 uar;
	efa_le16 reserved;
	efa_le64 paddr;
};

struct efa_create_event_counter_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le32 cntr_handle;
	efa_le32 reserved;
};

struct efa_destroy_event_counter_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le32 cntr_handle;
};

struct efa_destroy_event_counter_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* ATTACH_EVENT_COUNTER and DETACH_EVENT_COUNTER share one form. */
struct efa_attach_detach_event_counter_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le32 cntr_handle;
	uint8_t attach_type; /* enum efa_event_counter_attach_type */
	uint8_t reserved[3];
	struct efa_qp_events qp_events;
};

struct efa_attach_detach_event_counter_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* Sets a counter or adds to it. */
struct efa_modify_event_counter_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le32 cntr_handle;
	uint8_t operation; /* enum efa_event_counter_modify_op */
	uint8_t reserved[7];
	efa_le64 value;
};

struct efa_modify_event_counter_resp {
	struct efa_acq_common_desc acq_common_desc;
};

/* A9.17: event queues */

/* Completion event queue with its own MSI-X vector. */
struct efa_create_eq_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 depth;
	uint8_t msix_vec;
	uint8_t caps;
	struct efa_mem_addr ba;
	efa_le32 event_bitmask;
	efa_le32 reserved;
};

EFA_BITS8(create_eq_cmd, caps, entry_size_words, 0, 5, CREATE_EQ_CMD_ENTRY_SIZE_WORDS);
EFA_BITS32(create_eq_cmd, event_bitmask, completion_events, 0, 1, CREATE_EQ_CMD_COMPLETION_EVENTS);

struct efa_create_eq_resp {
	struct efa_acq_common_desc acq_common_desc;
	efa_le16 eqn;
	efa_le16 reserved;
};

struct efa_destroy_eq_cmd {
	struct efa_aq_common_desc aq_common_desc;
	efa_le16 eqn;
	efa_le16 reserved;
};

struct efa_destroy_eq_resp {
	struct efa_acq_common_desc acq_common_desc;
};

#endif
