// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What the mock device answers when nothing is wrong. */
#include "mock_device.h"

void mock_features_default(struct mock_features *features)
{
	*features = (struct mock_features){
		.device = {
			.supported_features = cpu_to_le64(0x2fe),
			.page_size_cap = cpu_to_le64(0xfffff000),
			.fw_version = cpu_to_le32(1),
			.admin_api_version = cpu_to_le32(EFA_API_VERSION_BASE),
			.device_version = cpu_to_le32(2),
			.db_bar = cpu_to_le16(EFA_BAR_REGISTERS),
			.phys_addr_width = 48,
			.virt_addr_width = 57,
			.device_caps = cpu_to_le32(EFA_DEVICE_ATTR_RDMA_READ_MASK |
						   EFA_DEVICE_ATTR_RDMA_WRITE_MASK |
						   EFA_DEVICE_ATTR_RNR_RETRY_MASK |
						   EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK),
			.max_rdma_size = cpu_to_le32(1U << 30),
			.guid = cpu_to_le64(0x1122334455667788),
			.max_link_speed_gbps = cpu_to_le16(200),
		},
		.queues = {
			.max_qp = cpu_to_le32(256),
			.max_sq_depth = cpu_to_le32(4096),
			.inline_buf_size = cpu_to_le32(EFA_INLINE_64),
			.max_rq_depth = cpu_to_le32(32768),
			.max_cq = cpu_to_le32(512),
			.max_cq_depth = cpu_to_le32(32768),
			.sub_cqs_per_cq = cpu_to_le16(1),
			.max_wr_send_sges = cpu_to_le16(EFA_TX_SGES),
			.max_wr_recv_sges = cpu_to_le16(3),
			.max_mr = cpu_to_le32(256 * 1024),
			.max_mr_pages = cpu_to_le32(1 << 26),
			.max_pd = cpu_to_le32(256),
			.max_ah = cpu_to_le32(16384),
			.max_llq_size = cpu_to_le32(4096 * 128),
			.max_wr_rdma_sges = cpu_to_le16(EFA_TX_RDMA_SGES),
		},
		.queues2 = {
			.inline_buf_size_ex = cpu_to_le16(EFA_INLINE_128),
			.supported_event_counter_qp_events = cpu_to_le32(0x3ff),
			.max_event_counters = cpu_to_le32(64),
			.event_counter_max_val = cpu_to_le64(U64_MAX),
		},
		.event_queues = {
			.max_eq = cpu_to_le32(8),
			.max_eq_depth = cpu_to_le32(4096),
			.event_bitmask = cpu_to_le32(1),
		},
		.aenq = { .supported_groups = cpu_to_le32(0x1e) },
		.network = {
			.addr = { 0xfe, 0x80, [15] = 0x01 },
			.mtu = cpu_to_le32(8928),
		},
	};
}

static void mock_get_feature(struct mock_device *mock, const struct mock_cmd *cmd,
			     struct efa_acq_entry *cqe)
{
	/* byte 17 of the v1 form: the feature id */
	const u8 id = cmd->body[offsetof(struct efa_get_feature_cmd, feature_common) +
				offsetof(struct efa_feature_common, feature_id) -
				sizeof(struct efa_aq_common_desc)];
	void *body = cqe->response_specific_data;

	switch (id) {
	case EFA_FEATURE_ID_DEVICE_ATTR:
		memcpy(body, &mock->features.device, sizeof(mock->features.device));
		break;
	case EFA_FEATURE_ID_AENQ_CONFIG:
		memcpy(body, &mock->features.aenq, sizeof(mock->features.aenq));
		break;
	case EFA_FEATURE_ID_NETWORK_ATTR:
		memcpy(body, &mock->features.network, sizeof(mock->features.network));
		break;
	case EFA_FEATURE_ID_QUEUE_ATTR_1:
		memcpy(body, &mock->features.queues, sizeof(mock->features.queues));
		break;
	case EFA_FEATURE_ID_HW_HINTS:
		memcpy(body, &mock->features.hints, sizeof(mock->features.hints));
		break;
	case EFA_FEATURE_ID_EVENT_QUEUE_ATTR:
		memcpy(body, &mock->features.event_queues, sizeof(mock->features.event_queues));
		break;
	case EFA_FEATURE_ID_QUEUE_ATTR_2:
		memcpy(body, &mock->features.queues2, sizeof(mock->features.queues2));
		break;
	default:
		cqe->acq_common_desc.status = EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE;
	}
}

void mock_answer_default(struct mock_device *mock, const struct mock_cmd *cmd,
			 struct efa_acq_entry *cqe)
{
	if (!cmd->checksum_ok)
		cqe->acq_common_desc.status = EFA_AQ_COMPLETION_STATUS_MALFORMED_REQUEST;
	else if (cmd->opcode == EFA_AQ_OPCODE_GET_FEATURE)
		mock_get_feature(mock, cmd, cqe);
}
