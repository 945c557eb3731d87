/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Transport of admin commands (device-admin A1 to A5): rings, matching, time limits. */
#ifndef EFA_AQ_H
#define EFA_AQ_H

#include <linux/completion.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "efa_hw.h"

struct efa_dev;

/* One command on its way. */
struct efa_aq_slot {
	struct completion done;
	void *resp; /* the waiter's, filled when the answer was matched */
	size_t resp_size;
	u16 command_id;
	u8 status; /* of the answer */
	bool busy;
	bool answered;
};

struct efa_aq {
	void *sq;
	dma_addr_t sq_dma;
	struct efa_acq_entry *cq;
	dma_addr_t cq_dma;
	u16 entry_size; /* EFA_AQ_ENTRY_SIZE_V1 or _V2 */
	bool check_crc; /* API 0.2 and later */
	u16 pc;		/* producer count, free running */
	u16 cc;		/* consumer count of the admin CQ */
	bool polling;	/* the management interrupt does not come */
	bool running;
	u8 lost_interrupts; /* in a row */
	u32 timeout_us;
	u32 poll_interval_ms;
	spinlock_t lock;       /* all of the above, slots are taken, answered and given up under it */
	struct semaphore free; /* slots */
	struct efa_aq_slot slots[EFA_ADMIN_QUEUE_DEPTH];
};

void efa_aq_prepare(struct efa_dev *dev); /* once, before anything else */
int efa_aq_init(struct efa_dev *dev);
void efa_aq_exit(struct efa_dev *dev);
void efa_aq_start_interrupts(struct efa_dev *dev);
void efa_aq_stop(struct efa_dev *dev); /* fails commands in flight and all later ones */
void efa_aq_scan(struct efa_dev *dev); /* management interrupt */

/* ---- entry formats and checksums (efa_aq_entry.c) ---- */
void efa_aq_entry_fill(void *entry, u16 entry_size, const void *cmd, size_t cmd_size);
bool efa_acq_entry_intact(const struct efa_acq_entry *entry);
__visible const char *efa_aq_opcode_name(u8 opcode);
const char *efa_aq_status_name(u8 status);
int efa_aq_status_to_errno(u8 status);

/**
 * efa_aq_execute() - send one command and wait for its answer
 * @dev: device
 * @cmd: command in entry format v1, header first; command id, phase and, in format
 *	v2, the checksum are filled in here
 * @cmd_size: bytes, at most 64
 * @resp: where the answer goes, header first
 * @resp_size: bytes, at most 64
 *
 * Sleeps. When it fails for want of an answer, the device cannot touch host memory any
 * more on return (recovery was started), so the caller may free what the command named.
 *
 * Return: 0, or per verbs A8.9 -ENOMEM, -EOPNOTSUPP, -EINVAL (the device refused), -ETIME
 * (no answer in time), -ENODEV (the queue is not running).
 */
int efa_aq_execute(struct efa_dev *dev, void *cmd, size_t cmd_size, void *resp, size_t resp_size);

#endif
