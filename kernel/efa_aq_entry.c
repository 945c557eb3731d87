// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Admin entries: the two formats, checksums, status codes (device-admin A2, A4). */

#include <linux/crc16.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "efa_aq.h"

#define EFA_AQ_HEADER_SIZE sizeof(struct efa_aq_common_desc)

/* CRC-16/USB; the field that holds it counts as 0 and must be 0 here. */
static u16 efa_crc(const void *bytes, size_t size)
{
	return ~crc16(0xffff, bytes, size);
}

/*
 * Writes a command, given in format v1, to a ring entry. Format v2 has 8 more bytes of
 * header, among them the checksum.
 */
void efa_aq_entry_fill(void *entry, u16 entry_size, const void *cmd, size_t cmd_size)
{
	struct efa_aq_entry_v2 *v2 = entry;

	if (entry_size == EFA_AQ_ENTRY_SIZE_V1) {
		memcpy(entry, cmd, cmd_size);
		memset(entry + cmd_size, 0, entry_size - cmd_size);
		return;
	}
	memset(entry, 0, entry_size);
	memcpy(&v2->aq_common_desc, cmd, EFA_AQ_HEADER_SIZE);
	memcpy(v2->request_payload, cmd + EFA_AQ_HEADER_SIZE, cmd_size - EFA_AQ_HEADER_SIZE);
	v2->checksum = cpu_to_le16(efa_crc(v2, sizeof(*v2)));
}

/* API 0.2 and later: does the checksum fit? */
bool efa_acq_entry_intact(const struct efa_acq_entry *entry)
{
	struct efa_acq_entry copy = *entry;
	struct efa_acq_common_desc_02 *desc = (void *)&copy.acq_common_desc;
	u16 claimed = le16_to_cpu(desc->checksum);

	desc->checksum = 0;
	return efa_crc(&copy, sizeof(copy)) == claimed;
}

const char *efa_aq_opcode_name(u8 opcode)
{
	static const char *const names[] = {
		[EFA_AQ_OPCODE_CREATE_QP] = "CREATE_QP",
		[EFA_AQ_OPCODE_MODIFY_QP] = "MODIFY_QP",
		[EFA_AQ_OPCODE_QUERY_QP] = "QUERY_QP",
		[EFA_AQ_OPCODE_DESTROY_QP] = "DESTROY_QP",
		[EFA_AQ_OPCODE_CREATE_AH] = "CREATE_AH",
		[EFA_AQ_OPCODE_DESTROY_AH] = "DESTROY_AH",
		[EFA_AQ_OPCODE_REG_MR] = "REG_MR",
		[EFA_AQ_OPCODE_DEREG_MR] = "DEREG_MR",
		[EFA_AQ_OPCODE_CREATE_CQ] = "CREATE_CQ",
		[EFA_AQ_OPCODE_DESTROY_CQ] = "DESTROY_CQ",
		[EFA_AQ_OPCODE_GET_FEATURE] = "GET_FEATURE",
		[EFA_AQ_OPCODE_SET_FEATURE] = "SET_FEATURE",
		[EFA_AQ_OPCODE_GET_STATS] = "GET_STATS",
		[EFA_AQ_OPCODE_ALLOC_PD] = "ALLOC_PD",
		[EFA_AQ_OPCODE_DEALLOC_PD] = "DEALLOC_PD",
		[EFA_AQ_OPCODE_ALLOC_UAR] = "ALLOC_UAR",
		[EFA_AQ_OPCODE_DEALLOC_UAR] = "DEALLOC_UAR",
		[EFA_AQ_OPCODE_CREATE_EQ] = "CREATE_EQ",
		[EFA_AQ_OPCODE_DESTROY_EQ] = "DESTROY_EQ",
		[EFA_AQ_OPCODE_ALLOC_MR] = "ALLOC_MR",
		[EFA_AQ_OPCODE_CREATE_EVENT_COUNTER] = "CREATE_EVENT_COUNTER",
		[EFA_AQ_OPCODE_DESTROY_EVENT_COUNTER] = "DESTROY_EVENT_COUNTER",
		[EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER] = "ATTACH_EVENT_COUNTER",
		[EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER] = "MODIFY_EVENT_COUNTER",
		[EFA_AQ_OPCODE_DETACH_EVENT_COUNTER] = "DETACH_EVENT_COUNTER",
	};

	return opcode < ARRAY_SIZE(names) && names[opcode] ? names[opcode] : "unknown opcode";
}

const char *efa_aq_status_name(u8 status)
{
	static const char *const names[] = {
		[EFA_AQ_COMPLETION_STATUS_SUCCESS] = "SUCCESS",
		[EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE] = "RESOURCE_ALLOCATION_FAILURE",
		[EFA_AQ_COMPLETION_STATUS_BAD_OPCODE] = "BAD_OPCODE",
		[EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE] = "UNSUPPORTED_OPCODE",
		[EFA_AQ_COMPLETION_STATUS_MALFORMED_REQUEST] = "MALFORMED_REQUEST",
		[EFA_AQ_COMPLETION_STATUS_ILLEGAL_PARAMETER] = "ILLEGAL_PARAMETER",
		[EFA_AQ_COMPLETION_STATUS_UNKNOWN_ERROR] = "UNKNOWN_ERROR",
		[EFA_AQ_COMPLETION_STATUS_RESOURCE_BUSY] = "RESOURCE_BUSY",
	};

	return status < ARRAY_SIZE(names) ? names[status] : "unknown status";
}

/* verbs A8.9 */
int efa_aq_status_to_errno(u8 status)
{
	switch (status) {
	case EFA_AQ_COMPLETION_STATUS_SUCCESS:
		return 0;
	case EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE:
		return -ENOMEM;
	case EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}
