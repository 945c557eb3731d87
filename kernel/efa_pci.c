// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The PCI function: probe, remove, shutdown (verbs A12). */

#include <linux/slab.h>

#include "efa_dev.h"
#include "efa_log.h"

#define EFA_PROBE_BARS	 (BIT(EFA_BAR_REGISTERS) | BIT(EFA_BAR_LLQ))
#define EFA_REGISTER_LEN (EFA_REG_EQ_DB + sizeof(u32))

/* ---- BARs ---- */

static void efa_bars_measure(struct efa_dev *dev)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dev->bar_phys); i++) {
		if (!(pci_resource_flags(dev->pdev, i) & IORESOURCE_MEM))
			continue;
		dev->bar_phys[i] = pci_resource_start(dev->pdev, i);
		dev->bar_len[i] = pci_resource_len(dev->pdev, i);
	}
}

static int efa_bars_check(struct efa_dev *dev)
{
	if (dev->bar_len[EFA_BAR_REGISTERS] >= EFA_REGISTER_LEN && dev->bar_len[EFA_BAR_LLQ])
		return 0;
	efa_err(dev,
		"BAR %u (registers) has %llu bytes, BAR %u (send queues) %llu; this is no EFA device\n",
		EFA_BAR_REGISTERS, (unsigned long long)dev->bar_len[EFA_BAR_REGISTERS],
		EFA_BAR_LLQ, (unsigned long long)dev->bar_len[EFA_BAR_LLQ]);
	return -ENODEV;
}

static int efa_bars_map(struct efa_dev *dev)
{
	int err;

	efa_bars_measure(dev);
	err = efa_bars_check(dev);
	if (err)
		return err;
	err = pci_request_selected_regions(dev->pdev, EFA_PROBE_BARS, KBUILD_MODNAME);
	if (err) {
		efa_err(dev, "BARs 0 and 2 are not to be had: %d; does another driver hold them?\n",
			err);
		return err;
	}
	dev->mmio.regs = pci_ioremap_bar(dev->pdev, EFA_BAR_REGISTERS);
	if (dev->mmio.regs)
		return 0;
	pci_release_selected_regions(dev->pdev, EFA_PROBE_BARS);
	return -EFAULT;
}

static void efa_bars_unmap(struct efa_dev *dev)
{
	iounmap(dev->mmio.regs);
	pci_release_selected_regions(dev->pdev, EFA_PROBE_BARS);
}

/* ---- attach, detach: what lives as long as the driver is bound ---- */

static int efa_attach(struct efa_dev *dev)
{
	int err;

	err = pci_enable_device_mem(dev->pdev);
	if (err) {
		efa_err(dev, "enabling the PCI function failed: %d\n", err);
		return err;
	}
	err = efa_bars_map(dev);
	if (err)
		goto err_enable;
	pci_set_master(dev->pdev);
	err = efa_mmio_init(dev);
	if (err)
		goto err_bars;
	return 0;

err_bars:
	efa_bars_unmap(dev);
err_enable:
	pci_disable_device(dev->pdev);
	return err;
}

static void efa_detach(struct efa_dev *dev)
{
	efa_mmio_exit(dev);
	efa_bars_unmap(dev);
	pci_disable_device(dev->pdev);
}

static struct efa_dev *efa_dev_alloc(struct pci_dev *pdev)
{
	struct efa_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	dev->pdev = pdev;
	xa_init(&dev->cqs);
	efa_aq_prepare(dev);
	efa_recovery_init(dev);
	pci_set_drvdata(pdev, dev);
	return dev;
}

static void efa_dev_free(struct efa_dev *dev)
{
	xa_destroy(&dev->cqs);
	kfree(dev);
}

/* Ends recovery for good; then nothing but the caller works on the device. */
static void efa_retire(struct efa_dev *dev, enum efa_reset_reason reason)
{
	WRITE_ONCE(dev->removing, true);
	mutex_lock(&dev->life);
	if (dev->ibdev && reason != EFA_RESET_REASON_SHUTDOWN)
		efa_verbs_unregister(dev);
	efa_device_stop(dev, reason);
	mutex_unlock(&dev->life);
	efa_recovery_cancel(dev);
}

static int efa_bring_up(struct efa_dev *dev)
{
	int err;

	mutex_lock(&dev->life);
	err = efa_device_start(dev, EFA_RESET_REASON_NORMAL);
	if (!err)
		err = efa_verbs_register(dev);
	mutex_unlock(&dev->life);
	return err;
}

/* ---- operations of the PCI driver (efa_module.c) ---- */

int efa_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct efa_dev *dev;
	int err;

	dev = efa_dev_alloc(pdev);
	if (!dev)
		return -ENOMEM;
	err = efa_attach(dev);
	if (err)
		goto err_dev;
	err = efa_bring_up(dev);
	if (err)
		goto err_attach;
	return 0;

err_attach:
	efa_retire(dev, EFA_RESET_REASON_INIT_ERR);
	efa_detach(dev);
err_dev:
	efa_dev_free(dev);
	if (err != -EAGAIN)
		return err;
	dev_info(&pdev->dev, "it may not be up yet; it is probed again later\n");
	return -EPROBE_DEFER;
}

void efa_remove(struct pci_dev *pdev)
{
	struct efa_dev *dev = pci_get_drvdata(pdev);

	efa_retire(dev, EFA_RESET_REASON_NORMAL);
	efa_detach(dev);
	efa_dev_free(dev);
}

/* Programs are gone; the device must be quiet when the next kernel starts. */
void efa_shutdown(struct pci_dev *pdev)
{
	efa_retire(pci_get_drvdata(pdev), EFA_RESET_REASON_SHUTDOWN);
}

/* The administrator reset the function by sysfs: it forgot everything. */
void efa_reset_done(struct pci_dev *pdev)
{
	efa_device_failed(pci_get_drvdata(pdev), EFA_RESET_REASON_OS_TRIGGER);
}
