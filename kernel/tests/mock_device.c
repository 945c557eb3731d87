// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A device made of memory: registers and the admin queue. See mock_device.h. */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "mock_device.h"

#define MOCK_CHECKSUM_AT 4 /* of a completion and of a v2 command (device-admin A2) */

u16 mock_crc16(const void *data, size_t size)
{
	const u8 *bytes = data;
	u16 crc = 0xffff;
	int bit;

	while (size--) {
		crc ^= *bytes++;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
	}
	return ~crc;
}

static void *mock_ring(struct mock_device *mock, enum efa_reg lo, enum efa_reg hi)
{
	u64 addr = (u64)mock->regs[hi / 4] << 32 | mock->regs[lo / 4];

	return addr ? phys_to_virt(addr) : NULL;
}

static unsigned int mock_depth(struct mock_device *mock)
{
	return efa_reg_aq_caps_aq_depth(mock->regs[EFA_REG_AQ_CAPS / 4]);
}

/* The same command whatever the format; only the place of the body differs. */
static void mock_decode(struct mock_device *mock, const void *entry, struct mock_cmd *cmd)
{
	const struct efa_aq_common_desc *desc = entry;
	size_t size = efa_reg_aq_caps_aq_entry_size(mock->regs[EFA_REG_AQ_CAPS / 4]);
	u8 copy[EFA_AQ_ENTRY_SIZE_V2];

	memset(cmd, 0, sizeof(*cmd));
	cmd->id = efa_aq_common_desc_command_id(desc);
	cmd->opcode = desc->opcode;
	cmd->flags = desc->flags;
	cmd->checksum_ok = true;
	if (size == EFA_AQ_ENTRY_SIZE_V1) {
		memcpy(cmd->body, entry + sizeof(*desc), size - sizeof(*desc));
		return;
	}
	memcpy(copy, entry, size);
	memset(copy + MOCK_CHECKSUM_AT, 0, sizeof(u16));
	cmd->checksum_ok = mock_crc16(copy, size) ==
			   le16_to_cpu(((const struct efa_aq_entry_v2 *)entry)->checksum);
	memcpy(cmd->body, ((const struct efa_aq_entry_v2 *)entry)->request_payload,
	       sizeof(cmd->body));
}

static void mock_fetch_one(struct mock_device *mock)
{
	size_t size = efa_reg_aq_caps_aq_entry_size(mock->regs[EFA_REG_AQ_CAPS / 4]);
	unsigned int depth = mock_depth(mock);
	const void *entry = mock_ring(mock, EFA_REG_AQ_BASE_LO, EFA_REG_AQ_BASE_HI) +
			    mock->taken % depth * size;

	if (efa_aq_common_desc_phase(entry) != !(mock->taken / depth & 1))
		mock->bad_phase = true;
	mock_decode(mock, entry, &mock->last);
	mock->queue[mock->queued++] = mock->last;
	mock->taken++;
	mock->total++;
}

/* Device-admin A3 step 6. */
static void mock_doorbell(struct mock_device *mock, u16 producer)
{
	unsigned long flags;

	spin_lock_irqsave(&mock->lock, flags);
	if ((u16)(producer - mock->taken) > mock_depth(mock))
		mock->overrun = true;
	while (mock->taken != producer && mock->queued < ARRAY_SIZE(mock->queue))
		mock_fetch_one(mock);
	spin_unlock_irqrestore(&mock->lock, flags);
	queue_work(system_highpri_wq, &mock->serve);
}

/* Body first, the word with the phase bit last (device-admin A3 step 7). */
static void mock_write_cqe(struct mock_device *mock, struct efa_acq_entry *cqe, bool phase)
{
	struct efa_acq_entry *ring = mock_ring(mock, EFA_REG_ACQ_BASE_LO, EFA_REG_ACQ_BASE_HI);
	struct efa_acq_entry *slot = &ring[mock->written % mock_depth(mock)];
	__le16 *checksum = &((struct efa_acq_common_desc_02 *)cqe)->checksum;

	efa_acq_common_desc_set_phase(&cqe->acq_common_desc, phase);
	if (mock->api_version >= EFA_API_VERSION_ACQ_CRC) {
		*checksum = 0;
		*checksum = cpu_to_le16(mock_crc16(cqe, sizeof(*cqe)));
		if (mock->fault == MOCK_FAULT_BAD_CHECKSUM && mock->faults)
			*checksum ^= cpu_to_le16(0x0100);
	}
	memcpy((void *)slot + sizeof(u32), (void *)cqe + sizeof(u32), sizeof(*cqe) - sizeof(u32));
	smp_wmb(); /* the driver may look as soon as the phase is right */
	WRITE_ONCE(*(u32 *)slot, *(u32 *)cqe);
}

static void mock_post(struct mock_device *mock, struct efa_acq_entry *cqe)
{
	mock_write_cqe(mock, cqe, !(mock->written / mock_depth(mock) & 1));
	mock->written++;
}

/* A completion in good order, but for the fault. Under the lock. */
static void mock_post_faulty(struct mock_device *mock, struct efa_acq_entry *cqe)
{
	u16 id = efa_acq_common_desc_command_id(&cqe->acq_common_desc);

	switch (mock->fault) {
	case MOCK_FAULT_NO_ANSWER:
		return;
	case MOCK_FAULT_UNKNOWN_ID:
		/* device-admin A3: the low 5 bits select a slot; take one that is not in use */
		efa_acq_common_desc_set_command_id(&cqe->acq_common_desc, id ^ 0x1f);
		break;
	case MOCK_FAULT_STALE_ID:
		efa_acq_common_desc_set_command_id(&cqe->acq_common_desc, id ^ 0x20);
		break;
	case MOCK_FAULT_TWICE:
		mock_post(mock, cqe);
		break;
	case MOCK_FAULT_STALE_PHASE:
		mock_write_cqe(mock, cqe, mock->written / mock_depth(mock) & 1);
		return;
	case MOCK_FAULT_GARBAGE:
		memset(cqe, 0xff, sizeof(*cqe));
		break;
	default:
		break;
	}
	mock_post(mock, cqe);
}

/* Answers one command. Returns whether the driver is to be interrupted. */
static bool mock_answer_one(struct mock_device *mock, const struct mock_cmd *cmd)
{
	struct efa_acq_entry cqe = {};
	bool silent = false;

	efa_acq_common_desc_set_command_id(&cqe.acq_common_desc, cmd->id);
	mock->answer(mock, cmd, &cqe);
	if (mock->faults) {
		mock_post_faulty(mock, &cqe);
		silent = mock->fault == MOCK_FAULT_NO_INTERRUPT;
		mock->faults--;
	} else {
		mock_post(mock, &cqe);
	}
	return !silent;
}

static void mock_serve(struct work_struct *work)
{
	struct mock_device *mock = container_of(work, struct mock_device, serve);
	bool interrupt = false;

	spin_lock_irq(&mock->lock);
	if (mock->queued < mock->hold) {
		spin_unlock_irq(&mock->lock);
		return;
	}
	mock->hold = 0;
	while (mock->queued)
		interrupt |= mock_answer_one(mock, &mock->queue[--mock->queued]);
	spin_unlock_irq(&mock->lock);
	if (interrupt && !READ_ONCE(mock->dev.aq.polling))
		efa_aq_scan(&mock->dev);
}

void mock_set_fault(struct mock_device *mock, enum mock_fault fault, unsigned int commands)
{
	spin_lock_irq(&mock->lock);
	mock->fault = fault;
	mock->faults = commands;
	spin_unlock_irq(&mock->lock);
}

void mock_set_hold(struct mock_device *mock, unsigned int commands)
{
	spin_lock_irq(&mock->lock);
	mock->hold = commands;
	spin_unlock_irq(&mock->lock);
}

void mock_settle(struct mock_device *mock)
{
	flush_work(&mock->serve);
}

void mock_complete(struct mock_device *mock, u16 command_id, u8 status)
{
	struct efa_acq_entry cqe = {};

	efa_acq_common_desc_set_command_id(&cqe.acq_common_desc, command_id);
	cqe.acq_common_desc.status = status;
	spin_lock_irq(&mock->lock);
	mock_post(mock, &cqe);
	spin_unlock_irq(&mock->lock);
	efa_aq_scan(&mock->dev);
}

/* ---- what efa_mmio.c gives the driver ---- */

u32 efa_mmio_read(struct efa_dev *dev, enum efa_reg reg)
{
	return mock_of(dev)->regs[reg / 4];
}

void efa_mmio_write(struct efa_dev *dev, enum efa_reg reg, u32 value)
{
	struct mock_device *mock = mock_of(dev);

	mock->regs[reg / 4] = value;
	if (reg == EFA_REG_AQ_PROD_DB)
		mock_doorbell(mock, value);
}

/* ---- and efa_recovery.c: here only counted ---- */

void efa_device_failed(struct efa_dev *dev, enum efa_reset_reason reason)
{
	if (READ_ONCE(dev->state) != EFA_DEV_RUNNING)
		return;
	mock_of(dev)->failures++;
	WRITE_ONCE(dev->state, EFA_DEV_FAILED);
	efa_aq_stop(dev);
}

bool efa_wait_quiesced(struct efa_dev *dev)
{
	mock_of(dev)->quiesce_waits++;
	return true;
}

int efa_destroy_outcome(struct efa_dev *dev, int err)
{
	return err;
}

bool efa_gone(struct efa_dev *dev)
{
	return READ_ONCE(mock_of(dev)->gone);
}

static void mock_release(struct device *dev)
{
}

static void mock_init_pci(struct mock_device *mock)
{
	struct pci_dev *pdev = kunit_kzalloc(mock->test, sizeof(*pdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(mock->test, pdev);
	device_initialize(&pdev->dev);
	pdev->dev.release = mock_release;
	KUNIT_ASSERT_EQ(mock->test, 0, dev_set_name(&pdev->dev, "mock-efa"));
	pdev->dev.dma_mask = &pdev->dma_mask;
	KUNIT_ASSERT_EQ(mock->test, 0, dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(48)));
	mock->dev.pdev = pdev;
}

struct mock_device *mock_create(struct kunit *test, u32 api_version)
{
	struct mock_device *mock = kunit_kzalloc(test, sizeof(*mock), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mock);
	mock->test = test;
	mock->api_version = api_version;
	mock->answer = mock_answer_default;
	mock_features_default(&mock->features);
	spin_lock_init(&mock->lock);
	INIT_WORK(&mock->serve, mock_serve);
	efa_aq_prepare(&mock->dev);
	mock->dev.api_version = api_version;
	mock->dev.aq.timeout_us = EFA_ADMIN_TIMEOUT_US;
	mutex_init(&mock->dev.life);
	init_completion(&mock->dev.quiesced);
	xa_init(&mock->dev.cqs);
	mock_init_pci(mock);
	mock->regs[EFA_REG_VERSION / 4] = api_version;
	mock->regs[EFA_REG_CONTROLLER_VERSION / 4] = EFA_CONTROLLER_VERSION_MIN;
	mock->regs[EFA_REG_CAPS / 4] =
		efa_reg_caps_set_dma_addr_width(efa_reg_caps_set_reset_timeout(0, 10), 48);
	mock->regs[EFA_REG_DEV_STS / 4] = EFA_REG_DEV_STS_READY_MASK;
	test->priv = mock;
	return mock;
}

struct mock_device *mock_create_running(struct kunit *test, u32 api_version)
{
	struct mock_device *mock = mock_create(test, api_version);

	KUNIT_ASSERT_EQ(test, 0, efa_aq_init(&mock->dev));
	efa_aq_start_interrupts(&mock->dev);
	WRITE_ONCE(mock->dev.state, EFA_DEV_RUNNING);
	return mock;
}

void mock_destroy(struct kunit *test)
{
	struct mock_device *mock = test->priv;

	if (!mock)
		return;
	flush_work(&mock->serve);
	if (mock->dev.aq.sq)
		efa_aq_exit(&mock->dev);
	xa_destroy(&mock->dev.cqs);
	put_device(&mock->dev.pdev->dev);
	test->priv = NULL; /* cases with parameters share the test */
}
