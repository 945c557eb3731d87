// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reset of the device (device-regs R5), and how it is kept from memory when that fails. */

#include <linux/delay.h>
#include <linux/jiffies.h>

#include "efa_dev.h"
#include "efa_log.h"

/* CAPS counts its limits in units of this. */
#define EFA_CAPS_UNIT_MS 100

/* Where the limit could not be read. */
#define EFA_RESET_POLLS_DEFAULT 10

/* Has the function left the bus? Then it stays gone until it is probed again. */
bool efa_gone(struct efa_dev *dev)
{
	if (!dev->gone && !pci_device_is_present(dev->pdev))
		dev->gone = true;
	return dev->gone;
}

static int efa_read(struct efa_dev *dev, enum efa_reg reg, u32 *value)
{
	*value = efa_mmio_read(dev, reg);
	return *value == EFA_READLESS_INVALID ? -ETIME : 0;
}

static int efa_read_caps(struct efa_dev *dev)
{
	u32 limit;
	u32 caps;
	int err;

	err = efa_read(dev, EFA_REG_CAPS, &caps);
	if (err)
		return err;

	dev->reset_polls = efa_reg_caps_reset_timeout(caps);
	if (!dev->reset_polls) {
		efa_err(dev, "the device says reset_timeout = 0; it cannot be reset\n");
		return -EINVAL;
	}
	dev->dma_addr_width = efa_reg_caps_dma_addr_width(caps);
	limit = efa_reg_caps_admin_cmd_to(caps) * EFA_CAPS_UNIT_MS;
	dev->aq.timeout_us = limit ? limit * USEC_PER_MSEC : EFA_ADMIN_TIMEOUT_US;
	return 0;
}

static int efa_check_ready(struct efa_dev *dev)
{
	u32 status;
	int err;

	err = efa_read(dev, EFA_REG_DEV_STS, &status);
	if (err)
		return err;
	if (efa_reg_dev_sts_ready(status))
		return 0;
	efa_err(dev, "the device is not ready (status %#x); it cannot be reset\n", status);
	return -EINVAL;
}

/* Unhurried towards the end, so that a fast device does not cost 100 ms. */
static int efa_wait_reset(struct efa_dev *dev, bool in_progress)
{
	unsigned int limit_ms = (dev->reset_polls ?: EFA_RESET_POLLS_DEFAULT) * EFA_CAPS_UNIT_MS;
	unsigned long deadline = jiffies + msecs_to_jiffies(limit_ms);
	unsigned int pause_ms = 1;
	u32 status;

	for (;;) {
		/* An answer that does not come must not look like one. */
		if (!efa_read(dev, EFA_REG_DEV_STS, &status) &&
		    efa_reg_dev_sts_reset_in_progress(status) == in_progress)
			return 0;
		if (time_after(jiffies, deadline) || efa_gone(dev))
			break;
		msleep(pause_ms);
		pause_ms = min(pause_ms * 2, (unsigned int)EFA_CAPS_UNIT_MS);
	}
	efa_err(dev, "reset did not %s within %u ms\n", in_progress ? "begin" : "end", limit_ms);
	return -ETIME;
}

/* From its end on, the device touches no memory and raises no interrupt (R5, step 6). */
static int efa_hold_in_reset(struct efa_dev *dev, enum efa_reset_reason reason)
{
	u32 control = efa_reg_dev_ctl_set_dev_reset(0, 1);

	efa_mmio_write(dev, EFA_REG_DEV_CTL, efa_reg_dev_ctl_set_reset_reason(control, reason));
	efa_mmio_program(dev); /* reset clears it */
	return efa_wait_reset(dev, true);
}

static int efa_reset_locked(struct efa_dev *dev, enum efa_reset_reason reason)
{
	int err;

	err = efa_check_ready(dev);
	if (!err)
		err = efa_read_caps(dev);
	if (!err)
		err = efa_hold_in_reset(dev, reason);
	if (err)
		return err;
	efa_mmio_write(dev, EFA_REG_DEV_CTL, 0);
	return efa_wait_reset(dev, false);
}

int efa_reset(struct efa_dev *dev, enum efa_reset_reason reason)
{
	int err;

	mutex_lock(&dev->reset_lock);
	err = efa_reset_locked(dev, reason);
	mutex_unlock(&dev->reset_lock);
	return err;
}

/* PCI's own reset, for a device that does not obey its registers. */
static int efa_function_reset(struct efa_dev *dev)
{
	int err;

	pci_save_state(dev->pdev);
	err = pcie_reset_flr(dev->pdev, PCI_RESET_DO_RESET);
	pci_restore_state(dev->pdev);
	return err;
}

/*
 * Without bus mastering nothing reaches memory. If the function cannot be reset at all, it
 * must never get it back: the memory that it knows will belong to others.
 */
static void efa_cut_off(struct efa_dev *dev)
{
	pci_clear_master(dev->pdev);
	dev->cut_off = efa_function_reset(dev);
	if (dev->cut_off)
		efa_err(dev, "the device does not reset; it was cut off from memory for good\n");
	else
		efa_warn(dev, "the device does not reset; its PCI function was reset instead\n");
}

/*
 * Afterwards the device cannot touch host memory: it is in reset, or may not master the
 * bus, or is no longer there.
 */
void efa_quiesce(struct efa_dev *dev, enum efa_reset_reason reason)
{
	mutex_lock(&dev->reset_lock);
	if (!completion_done(&dev->quiesced)) {
		if (!efa_gone(dev) && efa_hold_in_reset(dev, reason) && !efa_gone(dev))
			efa_cut_off(dev);
		cmpxchg(&dev->state, EFA_DEV_FAILED, EFA_DEV_QUIESCED);
		complete_all(&dev->quiesced);
	}
	mutex_unlock(&dev->reset_lock);
}
