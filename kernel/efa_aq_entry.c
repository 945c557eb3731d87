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

	memset(entry, 0, entry_size);
	if (entry_size == EFA_AQ_ENTRY_SIZE_V1) {
		memcpy(entry, cmd, cmd_size);
		return;
	}
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

#define EFA_NAME(prefix, name) [prefix##name] = #name

const char *efa_aq_opcode_name(u8 opcode)
{
	static const char *const names[] = {
		EFA_NAME(EFA_AQ_OPCODE_, CREATE_QP),
		EFA_NAME(EFA_AQ_OPCODE_, MODIFY_QP),
		EFA_NAME(EFA_AQ_OPCODE_, QUERY_QP),
		EFA_NAME(EFA_AQ_OPCODE_, DESTROY_QP),
		EFA_NAME(EFA_AQ_OPCODE_, CREATE_AH),
		EFA_NAME(EFA_AQ_OPCODE_, DESTROY_AH),
		EFA_NAME(EFA_AQ_OPCODE_, REG_MR),
		EFA_NAME(EFA_AQ_OPCODE_, DEREG_MR),
		EFA_NAME(EFA_AQ_OPCODE_, CREATE_CQ),
		EFA_NAME(EFA_AQ_OPCODE_, DESTROY_CQ),
		EFA_NAME(EFA_AQ_OPCODE_, GET_FEATURE),
		EFA_NAME(EFA_AQ_OPCODE_, SET_FEATURE),
		EFA_NAME(EFA_AQ_OPCODE_, GET_STATS),
		EFA_NAME(EFA_AQ_OPCODE_, ALLOC_PD),
		EFA_NAME(EFA_AQ_OPCODE_, DEALLOC_PD),
		EFA_NAME(EFA_AQ_OPCODE_, ALLOC_UAR),
		EFA_NAME(EFA_AQ_OPCODE_, DEALLOC_UAR),
		EFA_NAME(EFA_AQ_OPCODE_, CREATE_EQ),
		EFA_NAME(EFA_AQ_OPCODE_, DESTROY_EQ),
		EFA_NAME(EFA_AQ_OPCODE_, ALLOC_MR),
		EFA_NAME(EFA_AQ_OPCODE_, CREATE_EVENT_COUNTER),
		EFA_NAME(EFA_AQ_OPCODE_, DESTROY_EVENT_COUNTER),
		EFA_NAME(EFA_AQ_OPCODE_, ATTACH_EVENT_COUNTER),
		EFA_NAME(EFA_AQ_OPCODE_, MODIFY_EVENT_COUNTER),
		EFA_NAME(EFA_AQ_OPCODE_, DETACH_EVENT_COUNTER),
	};

	return opcode < ARRAY_SIZE(names) && names[opcode] ? names[opcode] : "unknown opcode";
}

const char *efa_aq_status_name(u8 status)
{
	static const char *const names[] = {
		EFA_NAME(EFA_AQ_COMPLETION_STATUS_, SUCCESS),
		EFA_NAME(EFA_AQ_COMPLETION_STATUS_, RESOURCE_ALLOCATION_FAILURE),
		EFA_NAME(EFA_AQ_COMPLETION_STATUS_, BAD_OPCODE),
		EFA_NAME(EFA_AQ_COMPLETION_STATUS_, UNSUPPORTED_OPCODE),
		EFA_NAME(EFA_AQ_COMPLETION_STATUS_, MALFORMED_REQUEST),
		EFA_NAME(EFA_AQ_COMPLETION_STATUS_, ILLEGAL_PARAMETER),
		EFA_NAME(EFA_AQ_COMPLETION_STATUS_, UNKNOWN_ERROR),
		EFA_NAME(EFA_AQ_COMPLETION_STATUS_, RESOURCE_BUSY),
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
