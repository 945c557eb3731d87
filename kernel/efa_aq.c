// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Transport of admin commands (device-admin A1 to A5).
 *
 * At most EFA_ADMIN_QUEUE_DEPTH commands are on their way; each has a slot whose number
 * is in the low bits of its command id. Whatever does not carry the id of a command that
 * waits (unknown, duplicate, late) is dropped. A queue that missed one answer is not used
 * again before the device was reset: the device may still act on the command.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/log2.h>

#include "efa_dev.h"
#include "efa_log.h"
#include "efa_trace.h"

#define EFA_AQ_SLOT_BITS ilog2(EFA_ADMIN_QUEUE_DEPTH)
#define EFA_AQ_SLOT_MASK (EFA_ADMIN_QUEUE_DEPTH - 1)

/*
 * A waiter looks at the ring and at the bus this often, so that a lost interrupt costs half
 * a second and a device that was pulled out is noticed soon.
 */
#define EFA_AQ_LOOK_MS 500

/* This many answers in a row without an interrupt: the interrupt does not work. */
#define EFA_AQ_LOST_LIMIT 3

#define EFA_AQ_POLL_MIN_US 50

static u8 efa_aq_phase(u16 count)
{
	return !((count / EFA_ADMIN_QUEUE_DEPTH) & 1);
}

/* ---- rings ---- */

void efa_aq_prepare(struct efa_dev *dev)
{
	struct efa_aq *aq = &dev->aq;
	unsigned int i;

	spin_lock_init(&aq->lock);
	sema_init(&aq->free, EFA_ADMIN_QUEUE_DEPTH);
	for (i = 0; i < EFA_ADMIN_QUEUE_DEPTH; i++)
		init_completion(&aq->slots[i].done);
}

static size_t efa_aq_sq_size(const struct efa_aq *aq)
{
	return EFA_ADMIN_QUEUE_DEPTH * aq->entry_size;
}

static size_t efa_aq_cq_size(void)
{
	return EFA_ADMIN_QUEUE_DEPTH * sizeof(struct efa_acq_entry);
}

/* Zeroed memory, so that no entry has the phase of the first round. */
static int efa_aq_alloc(struct efa_dev *dev)
{
	struct efa_aq *aq = &dev->aq;

	aq->sq = dma_alloc_coherent(&dev->pdev->dev, efa_aq_sq_size(aq), &aq->sq_dma, GFP_KERNEL);
	if (!aq->sq)
		return -ENOMEM;

	aq->cq = dma_alloc_coherent(&dev->pdev->dev, efa_aq_cq_size(), &aq->cq_dma, GFP_KERNEL);
	if (!aq->cq)
		goto err_sq;
	return 0;

err_sq:
	dma_free_coherent(&dev->pdev->dev, efa_aq_sq_size(aq), aq->sq, aq->sq_dma);
	return -ENOMEM;
}

/* A1: bases first, a ring lives as soon as its CAPS register was written. */
static void efa_aq_program(struct efa_dev *dev)
{
	struct efa_aq *aq = &dev->aq;
	u32 caps;

	efa_mmio_write(dev, EFA_REG_AQ_BASE_LO, lower_32_bits(aq->sq_dma));
	efa_mmio_write(dev, EFA_REG_AQ_BASE_HI, upper_32_bits(aq->sq_dma));
	caps = efa_reg_aq_caps_set_aq_depth(0, EFA_ADMIN_QUEUE_DEPTH);
	caps = efa_reg_aq_caps_set_aq_entry_size(caps, aq->entry_size);
	efa_mmio_write(dev, EFA_REG_AQ_CAPS, caps);

	efa_mmio_write(dev, EFA_REG_ACQ_BASE_LO, lower_32_bits(aq->cq_dma));
	efa_mmio_write(dev, EFA_REG_ACQ_BASE_HI, upper_32_bits(aq->cq_dma));
	caps = efa_reg_acq_caps_set_acq_depth(0, EFA_ADMIN_QUEUE_DEPTH);
	caps = efa_reg_acq_caps_set_acq_entry_size(caps, sizeof(struct efa_acq_entry));
	caps = efa_reg_acq_caps_set_acq_msix_vector(caps, EFA_MGMT_MSIX_VECTOR);
	efa_mmio_write(dev, EFA_REG_ACQ_CAPS, caps);
}

/* After a reset; dev->api_version was read. */
int efa_aq_init(struct efa_dev *dev)
{
	struct efa_aq *aq = &dev->aq;
	unsigned long flags;
	int err;

	aq->entry_size = dev->api_version >= EFA_API_VERSION_AQ_V2 ? EFA_AQ_ENTRY_SIZE_V2 :
								     EFA_AQ_ENTRY_SIZE_V1;
	aq->check_crc = dev->api_version >= EFA_API_VERSION_ACQ_CRC;
	err = efa_aq_alloc(dev);
	if (err)
		return err;

	efa_aq_program(dev);
	spin_lock_irqsave(&aq->lock, flags);
	aq->pc = 0;
	aq->cc = 0;
	aq->polling = true; /* until efa_aq_start_interrupts() */
	aq->lost_interrupts = 0;
	aq->poll_interval_ms = EFA_POLL_INTERVAL_MS;
	aq->running = true;
	spin_unlock_irqrestore(&aq->lock, flags);
	return 0;
}

/* The device is quiet and the management interrupt was freed. */
void efa_aq_exit(struct efa_dev *dev)
{
	struct efa_aq *aq = &dev->aq;
	struct efa_acq_entry *cq;
	unsigned long flags;

	efa_aq_stop(dev);
	/* A waiter may be about to scan. */
	spin_lock_irqsave(&aq->lock, flags);
	cq = aq->cq;
	aq->cq = NULL;
	spin_unlock_irqrestore(&aq->lock, flags);
	dma_free_coherent(&dev->pdev->dev, efa_aq_cq_size(), cq, aq->cq_dma);
	dma_free_coherent(&dev->pdev->dev, efa_aq_sq_size(aq), aq->sq, aq->sq_dma);
	aq->sq = NULL;
}

void efa_aq_start_interrupts(struct efa_dev *dev)
{
	dev->aq.polling = false;
	efa_mmio_write(dev, EFA_REG_INTR_MASK, efa_reg_intr_mask_set_en(0, 0));
}

/* Any context. */
void efa_aq_stop(struct efa_dev *dev)
{
	struct efa_aq *aq = &dev->aq;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&aq->lock, flags);
	aq->running = false;
	for (i = 0; i < EFA_ADMIN_QUEUE_DEPTH; i++)
		if (aq->slots[i].busy)
			complete(&aq->slots[i].done);
	spin_unlock_irqrestore(&aq->lock, flags);
}

/* ---- answers ---- */

static void efa_aq_match(struct efa_dev *dev, const struct efa_acq_entry *entry)
{
	u16 id = efa_acq_common_desc_command_id(&entry->acq_common_desc);
	struct efa_aq_slot *slot = &dev->aq.slots[id & EFA_AQ_SLOT_MASK];

	if (!slot->busy || slot->answered || slot->command_id != id) {
		efa_warn_rl(dev, "admin completion %#x fits no command that waits; dropped\n", id);
		return;
	}
	memcpy(slot->resp, entry, slot->resp_size);
	slot->status = entry->acq_common_desc.status;
	smp_store_release(&slot->answered, true);
	efa_count(dev, EFA_STAT_COMPLETED_CMDS);
	complete(&slot->done);
}

/* Takes the next answer out of the ring, if there is one. */
static bool efa_aq_take(struct efa_dev *dev)
{
	struct efa_aq *aq = &dev->aq;
	struct efa_acq_entry *ring = &aq->cq[aq->cc & EFA_AQ_SLOT_MASK];
	struct efa_acq_entry entry;
	u8 flags = READ_ONCE(ring->acq_common_desc.flags);

	if ((flags & EFA_ACQ_COMMON_DESC_PHASE_MASK) != efa_aq_phase(aq->cc))
		return false;

	/* The rest was written before the byte with the phase (A3, step 7). */
	dma_rmb();
	entry = *ring;
	aq->cc++;
	if (aq->check_crc && !efa_acq_entry_intact(&entry))
		efa_warn_rl(dev, "admin completion %#x has a bad checksum; dropped\n",
			    efa_acq_common_desc_command_id(&entry.acq_common_desc));
	else
		efa_aq_match(dev, &entry);
	return true;
}

/* From the management interrupt, and from waiters that miss it. */
void efa_aq_scan(struct efa_dev *dev)
{
	struct efa_aq *aq = &dev->aq;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&aq->lock, flags);
	/* Bounded, whatever the device writes. */
	for (i = 0; i < EFA_ADMIN_QUEUE_DEPTH; i++)
		if (!aq->cq || !efa_aq_take(dev))
			break;
	spin_unlock_irqrestore(&aq->lock, flags);
}

/* ---- commands ---- */

static struct efa_aq_slot *efa_aq_free_slot(struct efa_aq *aq)
{
	unsigned int i;

	/* The semaphore says that there is one. */
	for (i = 0; smp_load_acquire(&aq->slots[i].busy); i++)
		;
	return &aq->slots[i];
}

static struct efa_aq_slot *efa_aq_post(struct efa_dev *dev, void *cmd, size_t cmd_size, void *resp,
				       size_t resp_size)
{
	struct efa_aq_common_desc *desc = cmd;
	struct efa_aq *aq = &dev->aq;
	struct efa_aq_slot *slot;
	unsigned long flags;
	u16 id;

	spin_lock_irqsave(&aq->lock, flags);
	if (!aq->running) {
		spin_unlock_irqrestore(&aq->lock, flags);
		return NULL;
	}

	slot = efa_aq_free_slot(aq);
	id = (slot - aq->slots) | aq->pc << EFA_AQ_SLOT_BITS;
	desc->command_id = 0;
	efa_aq_common_desc_set_command_id(desc, id);
	efa_aq_common_desc_set_phase(desc, efa_aq_phase(aq->pc));

	slot->resp = resp;
	slot->resp_size = resp_size;
	slot->status = EFA_AQ_COMPLETION_STATUS_SUCCESS;
	slot->command_id = efa_aq_common_desc_command_id(desc);
	slot->answered = false;
	slot->busy = true;
	reinit_completion(&slot->done);

	efa_aq_entry_fill(aq->sq + (aq->pc & EFA_AQ_SLOT_MASK) * aq->entry_size, aq->entry_size,
			  cmd, cmd_size);
	aq->pc++;
	trace_efa_cmd_submit(dev, slot->command_id, desc->opcode);
	efa_mmio_write(dev, EFA_REG_AQ_PROD_DB, aq->pc);
	spin_unlock_irqrestore(&aq->lock, flags);

	efa_count(dev, EFA_STAT_SUBMITTED_CMDS);
	return slot;
}

/* The answer is complete when the slot says so. */
static bool efa_aq_answered(struct efa_aq_slot *slot)
{
	return smp_load_acquire(&slot->answered);
}

/* An answer lay in the ring and nobody had been told. It counts; say so once. */
static void efa_aq_lost_interrupt(struct efa_dev *dev, u8 opcode)
{
	struct efa_aq *aq = &dev->aq;

	if (!aq->lost_interrupts++)
		efa_warn(dev, "%s was answered without an interrupt; the answer is used\n",
			 efa_aq_opcode_name(opcode));
	if (aq->lost_interrupts < EFA_AQ_LOST_LIMIT)
		return;
	aq->polling = true;
	efa_warn(dev,
		 "the management interrupt (irq %u) does not arrive; admin commands are polled from now on, which is slower. Compare /proc/interrupts\n",
		 dev->mgmt_irq);
}

/* Sleeps until the answer may be there, the queue was stopped, or it is time to look. */
static bool efa_aq_sleep(struct efa_aq *aq, struct efa_aq_slot *slot, unsigned long *poll_us)
{
	if (!aq->polling)
		return wait_for_completion_timeout(&slot->done, msecs_to_jiffies(EFA_AQ_LOOK_MS));

	usleep_range(*poll_us, *poll_us * 2);
	*poll_us = min_t(unsigned long, *poll_us * 2, aq->poll_interval_ms * USEC_PER_MSEC);
	return false;
}

/* Return: 0 if there is an answer. */
static int efa_aq_wait(struct efa_dev *dev, struct efa_aq_slot *slot, u8 opcode)
{
	struct efa_aq *aq = &dev->aq;
	unsigned long start = jiffies;
	unsigned long look = start + msecs_to_jiffies(EFA_AQ_LOOK_MS);
	unsigned long poll_us = EFA_AQ_POLL_MIN_US;
	bool polled;

	for (;;) {
		polled = aq->polling;
		if (efa_aq_sleep(aq, slot, &poll_us)) {
			if (!efa_aq_answered(slot))
				return -ENODEV; /* stopped */
			aq->lost_interrupts = 0;
			return 0;
		}
		efa_aq_scan(dev);
		if (efa_aq_answered(slot)) {
			if (!polled)
				efa_aq_lost_interrupt(dev, opcode);
			return 0;
		}
		if (!READ_ONCE(aq->running))
			return -ENODEV;
		if (time_after_eq(jiffies, look)) {
			if (efa_gone(dev))
				return -ENODEV;
			look = jiffies + msecs_to_jiffies(EFA_AQ_LOOK_MS);
		}
		if (time_after(jiffies, start + usecs_to_jiffies(aq->timeout_us)))
			return -ETIME;
	}
}

static void efa_aq_no_answer(struct efa_dev *dev, struct efa_aq_slot *slot, u8 opcode, int err)
{
	efa_count(dev, EFA_STAT_NO_COMPLETION_CMDS);
	if (err == -ETIME)
		efa_err(dev, "%s (command %#x) had no answer in %u ms\n",
			efa_aq_opcode_name(opcode), slot->command_id,
			dev->aq.timeout_us / (u32)USEC_PER_MSEC);
	efa_device_failed(dev, EFA_RESET_REASON_ADMIN_TO);
	efa_aq_stop(dev);
}

/*
 * A slot is answered once; then nobody but the waiter uses it. Without an answer, the lock makes
 * sure that a late one does not find the waiter, whose memory is about to go.
 */
static void efa_aq_release(struct efa_aq *aq, struct efa_aq_slot *slot)
{
	unsigned long flags;

	if (efa_aq_answered(slot)) {
		smp_store_release(&slot->busy, false);
		return;
	}
	spin_lock_irqsave(&aq->lock, flags);
	slot->busy = false;
	spin_unlock_irqrestore(&aq->lock, flags);
}

/* Refusals that the caller expects and handles are no news for the administrator. */
static bool efa_aq_refusal_is_usual(u8 opcode, u8 status)
{
	return opcode == EFA_AQ_OPCODE_CREATE_AH ||
	       status == EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE;
}

static int efa_aq_outcome(struct efa_dev *dev, const struct efa_aq_slot *slot, u8 opcode)
{
	u8 status = slot->status;
	int err = efa_aq_status_to_errno(status);

	if (!err)
		return 0;
	if (efa_aq_refusal_is_usual(opcode, status))
		efa_dbg(dev, "%s refused by the device: status %u (%s)\n",
			efa_aq_opcode_name(opcode), status, efa_aq_status_name(status));
	else
		efa_warn_rl(dev, "%s refused by the device: status %u (%s)\n",
			    efa_aq_opcode_name(opcode), status, efa_aq_status_name(status));
	return err;
}

static int efa_aq_run(struct efa_dev *dev, void *cmd, size_t cmd_size, void *resp, size_t resp_size)
{
	u8 opcode = ((struct efa_aq_common_desc *)cmd)->opcode;
	struct efa_aq_slot *slot;
	int err;

	slot = efa_aq_post(dev, cmd, cmd_size, resp, resp_size);
	if (!slot)
		return -ENODEV;

	err = efa_aq_wait(dev, slot, opcode);
	if (err)
		efa_aq_no_answer(dev, slot, opcode, err);
	else
		err = efa_aq_outcome(dev, slot, opcode);
	trace_efa_cmd_complete(dev, slot->command_id, opcode, slot->status, err);
	efa_aq_release(&dev->aq, slot);
	return err;
}

int efa_aq_execute(struct efa_dev *dev, void *cmd, size_t cmd_size, void *resp, size_t resp_size)
{
	int err;

	if (WARN_ON_ONCE(cmd_size > EFA_AQ_ENTRY_SIZE_V1 || resp_size > EFA_ACQ_ENTRY_SIZE))
		return -EINVAL;

	/* With all slots taken this waits for as long as the commands ahead may take. */
	down(&dev->aq.free);
	err = efa_aq_run(dev, cmd, cmd_size, resp, resp_size);
	up(&dev->aq.free);
	if (!err)
		return 0;

	efa_count(dev, EFA_STAT_CMDS_ERR);
	/* The device may act on a command that it did not answer until it is quiet. */
	if (err == -ETIME || err == -ENODEV)
		efa_wait_quiesced(dev);
	return err;
}
