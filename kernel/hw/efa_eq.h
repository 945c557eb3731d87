/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Async event queue (device-admin A6) and completion event queues (A7). */
#ifndef EFA_EQ_H
#define EFA_EQ_H

#include "efa_types.h"

/* Bit n of AENQ_CONFIG.supported_groups and enabled_groups is group n. */
enum efa_aenq_group {
	EFA_AENQ_GROUP_FATAL_ERROR = 1,
	EFA_AENQ_GROUP_WARNING = 2,
	EFA_AENQ_GROUP_NOTIFICATION = 3,
	EFA_AENQ_GROUP_KEEP_ALIVE = 4,
};

/* Header of an async event. syndrome and timestamps have no public meaning. */
struct efa_aenq_common_desc {
	efa_le16 group; /* enum efa_aenq_group */
	efa_le16 syndrome;
	uint8_t flags;
	uint8_t reserved1[3];
	efa_le32 timestamp_low;
	efa_le32 timestamp_high;
};

EFA_BITS8(aenq_common_desc, flags, phase, 0, 1, AENQ_COMMON_DESC_PHASE);

/* Async event; drivers act on the header only. */
struct efa_aenq_entry {
	struct efa_aenq_common_desc aenq_common_desc;
	efa_le32 inline_data_w4[12];
};

enum efa_eqe_event_type {
	EFA_EQE_EVENT_TYPE_COMPLETION = 0,
};

/* Tells that CQ comp_event.cqn has something; phase is written last. */
struct efa_eqe {
	efa_le32 common;
	efa_le32 reserved;
	struct {
		efa_le16 cqn;
		efa_le16 reserved;
		efa_le32 reserved2;
	} comp_event;
};

EFA_BITS32(eqe, common, phase, 0, 1, EQE_PHASE);
EFA_BITS32(eqe, common, event_type, 1, 8, EQE_EVENT_TYPE);

#endif
