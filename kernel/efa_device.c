// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The function between "bound" and "usable" (device.md 7.1, 7.3). Start takes all that a
 * reset device needs, stop gives all of it back, so that recovery is a stop and a start.
 * Both run under dev->life.
 */

#include <linux/cpumask.h>
#include <linux/dma-mapping.h>

#include "efa_cmd.h"
#include "efa_dev.h"
#include "efa_log.h"

/* ---- versions, DMA width ---- */

static int efa_check_api(struct efa_dev *dev)
{
	dev->api_version = efa_mmio_read(dev, EFA_REG_VERSION);
	if (dev->api_version >= EFA_API_VERSION_BASE && dev->api_version <= U16_MAX)
		return 0;
	efa_err(dev, "admin interface %#x of the device is not known; 0.1 and later are\n",
		dev->api_version);
	return -EOPNOTSUPP;
}

/* device-regs R4: any of the three bytes will do. */
static int efa_check_controller(struct efa_dev *dev)
{
	u32 version = efa_mmio_read(dev, EFA_REG_CONTROLLER_VERSION);

	if (version != EFA_READLESS_INVALID && (efa_reg_controller_version_major_version(version) |
						efa_reg_controller_version_minor_version(version) |
						efa_reg_controller_version_subminor_version(version)))
		return 0;
	efa_err(dev, "controller version %#x of the device is not known; 0.0.1 and later are\n",
		version);
	return -EOPNOTSUPP;
}

static int efa_set_dma_width(struct efa_dev *dev)
{
	u8 width = dev->dma_addr_width;
	int err;

	if (width < 32 || width > 64) {
		efa_err(dev, "the device says dma_addr_width = %u, outside of 32 to 64\n", width);
		return -EINVAL;
	}
	err = dma_set_mask_and_coherent(&dev->pdev->dev, DMA_BIT_MASK(width));
	if (err) {
		efa_err(dev, "no DMA with addresses of %u bits on this host: %d\n", width, err);
		return err;
	}
	dma_set_max_seg_size(&dev->pdev->dev, UINT_MAX);
	return 0;
}

static int efa_device_identify(struct efa_dev *dev)
{
	int err;

	err = efa_check_api(dev);
	if (!err)
		err = efa_check_controller(dev);
	if (!err)
		err = efa_set_dma_width(dev);
	return err;
}

/* ---- management interrupt ---- */

static irqreturn_t efa_mgmt_interrupt(int irq, void *data)
{
	struct efa_dev *dev = data;

	efa_aq_scan(dev);
	efa_aenq_scan(dev);
	return IRQ_HANDLED;
}

static int efa_vectors_alloc(struct efa_dev *dev)
{
	int wanted = min_t(int, pci_msix_vec_count(dev->pdev),
			   num_online_cpus() + EFA_FIRST_EQ_MSIX_VECTOR);
	int granted;

	if (wanted < 1) {
		efa_err(dev, "the device has no MSI-X interrupts\n");
		return -ENOSPC;
	}
	granted = pci_alloc_irq_vectors(dev->pdev, 1, wanted, PCI_IRQ_MSIX);
	if (granted < 0) {
		efa_err(dev, "no MSI-X interrupts to be had (%d wanted): %d\n", wanted, granted);
		return granted;
	}
	if (granted < wanted)
		efa_warn(dev, "%d of %d interrupts granted; there are fewer completion channels\n",
			 granted, wanted);
	dev->num_vectors = granted;
	return 0;
}

static int efa_mgmt_irq_request(struct efa_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int err;

	dev->mgmt_irq = pci_irq_vector(pdev, EFA_MGMT_MSIX_VECTOR);
	snprintf(dev->mgmt_irq_name, sizeof(dev->mgmt_irq_name), "efa-mgmnt@pci:%s",
		 pci_name(pdev));
	err = request_irq(dev->mgmt_irq, efa_mgmt_interrupt, 0, dev->mgmt_irq_name, dev);
	if (err) {
		efa_err(dev, "interrupt %u (%s) is not to be had: %d\n", dev->mgmt_irq,
			dev->mgmt_irq_name, err);
		return err;
	}
	irq_update_affinity_hint(dev->mgmt_irq, cpumask_of(cpumask_local_spread(0, NUMA_NO_NODE)));
	return 0;
}

static void efa_mgmt_irq_free(struct efa_dev *dev)
{
	irq_update_affinity_hint(dev->mgmt_irq, NULL);
	free_irq(dev->mgmt_irq, dev);
}

/* ---- admin queue, async events, their interrupt ---- */

/* Before memory of the rings goes; the reset may have been done by recovery. */
static void efa_device_silence(struct efa_dev *dev, enum efa_reset_reason reason)
{
	if (completion_done(&dev->quiesced))
		return;
	if (!efa_gone(dev) && !efa_reset(dev, reason))
		complete_all(&dev->quiesced);
	else
		efa_quiesce(dev, reason);
}

static int efa_mgmt_start(struct efa_dev *dev)
{
	int err;

	err = efa_vectors_alloc(dev);
	if (err)
		return err;
	/* From here on the device may write to host memory. */
	reinit_completion(&dev->quiesced);
	err = efa_aq_init(dev);
	if (err)
		goto err_vectors;
	err = efa_aenq_init(dev);
	if (err)
		goto err_aq;
	err = efa_mgmt_irq_request(dev);
	if (err)
		goto err_aenq;
	efa_aq_start_interrupts(dev);
	return 0;

err_aenq:
	efa_device_silence(dev, EFA_RESET_REASON_INIT_ERR);
	efa_aenq_exit(dev);
err_aq:
	efa_device_silence(dev, EFA_RESET_REASON_INIT_ERR);
	efa_aq_exit(dev);
err_vectors:
	efa_device_silence(dev, EFA_RESET_REASON_INIT_ERR);
	pci_free_irq_vectors(dev->pdev);
	return err;
}

/* The device is silent. */
static void efa_mgmt_stop(struct efa_dev *dev)
{
	efa_aq_stop(dev);
	efa_mgmt_irq_free(dev);
	efa_aenq_exit(dev);
	efa_aq_exit(dev);
	pci_free_irq_vectors(dev->pdev);
}

/* ---- doorbell BAR ---- */

static int efa_db_bar_request(struct efa_dev *dev)
{
	u8 bar = dev->attr.db_bar;
	int err;

	if (bar == EFA_BAR_REGISTERS || bar == EFA_BAR_LLQ)
		return 0; /* requested at probe */
	err = pci_request_selected_regions(dev->pdev, BIT(bar), KBUILD_MODNAME);
	if (err) {
		efa_err(dev, "BAR %u with the doorbells is not to be had: %d\n", bar, err);
		return err;
	}
	dev->db_bar_requested = true;
	return 0;
}

static void efa_db_bar_release(struct efa_dev *dev)
{
	if (dev->db_bar_requested)
		pci_release_selected_regions(dev->pdev, BIT(dev->attr.db_bar));
	dev->db_bar_requested = false;
}

/* ---- start, stop ---- */

static int efa_device_configure(struct efa_dev *dev)
{
	int err;

	err = efa_attr_query(dev);
	if (!err)
		err = efa_db_bar_request(dev);
	if (!err)
		err = efa_aenq_enable(dev);
	if (!err)
		err = efa_eqs_create(dev);
	if (!err)
		efa_host_info_send(dev);
	return err;
}

static void efa_device_describe(struct efa_dev *dev)
{
	efa_info(dev, "irq %u for management, %u event queues; admin interface %u.%u, firmware %#x\n",
		 dev->mgmt_irq, dev->num_eqs, efa_reg_version_major_version(dev->api_version),
		 efa_reg_version_minor_version(dev->api_version), dev->attr.fw_version);
}

/* The reverse of start, from any point after the management rings were set up. */
static void efa_device_release(struct efa_dev *dev, enum efa_reset_reason reason)
{
	efa_eqs_destroy(dev);
	efa_aq_stop(dev);
	efa_device_silence(dev, reason);
	efa_eqs_free(dev);
	efa_db_bar_release(dev);
	efa_mgmt_stop(dev);
}

int efa_device_start(struct efa_dev *dev, enum efa_reset_reason reason)
{
	int err;

	if (dev->cut_off)
		return -EIO;
	pci_set_master(dev->pdev);
	efa_mmio_program(dev);
	err = efa_reset(dev, reason);
	if (err == -ETIME)
		return -EAGAIN; /* it may not be up yet */
	if (!err)
		err = efa_device_identify(dev);
	if (!err)
		err = efa_mgmt_start(dev);
	if (err)
		return err;

	err = efa_device_configure(dev);
	if (err) {
		efa_device_release(dev, EFA_RESET_REASON_INIT_ERR);
		return err;
	}
	efa_device_describe(dev);
	dev->started = true;
	WRITE_ONCE(dev->state, EFA_DEV_RUNNING);
	efa_recovery_watch(dev);
	return 0;
}

/* Of a device that failed, too: its commands fail at once, its reset was done. */
void efa_device_stop(struct efa_dev *dev, enum efa_reset_reason reason)
{
	if (!dev->started)
		return;
	efa_eqs_destroy(dev);
	WRITE_ONCE(dev->state, EFA_DEV_STOPPED);
	efa_device_release(dev, reason);
	dev->started = false;
}
