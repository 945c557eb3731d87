// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Tells the device who drives it (device-admin A9.13, HOST_INFO). */

#include <linux/dma-mapping.h>
#include <linux/utsname.h>
#include <linux/version.h>

#include "efa_cmd.h"
#include "efa_dev.h"
#include "efa_log.h"
#include "efa_version.h"

static void efa_host_info_fill(struct efa_dev *dev, struct efa_host_info *info)
{
	struct pci_dev *pdev = dev->pdev;

	strscpy(info->os_dist_str, utsname()->release, sizeof(info->os_dist_str));
	strscpy(info->kernel_ver_str, utsname()->version, sizeof(info->kernel_ver_str));
	info->os_type = cpu_to_le32(EFA_OS_TYPE_LINUX);
	info->kernel_ver = cpu_to_le32(LINUX_VERSION_CODE);
	efa_host_info_set_driver_major(info, EFA_VERSION_MAJOR);
	efa_host_info_set_driver_minor(info, EFA_VERSION_MINOR);
	efa_host_info_set_driver_sub_minor(info, EFA_VERSION_PATCH);
	efa_host_info_set_driver_module_type(info, EFA_MODULE_TYPE);
	efa_host_info_set_bus(info, pdev->bus->number);
	efa_host_info_set_device(info, PCI_SLOT(pdev->devfn));
	efa_host_info_set_function(info, PCI_FUNC(pdev->devfn));
	efa_host_info_set_spec_major(info, EFA_SPEC_VERSION_MAJOR);
	efa_host_info_set_spec_minor(info, EFA_SPEC_VERSION_MINOR);
}

/* Nothing depends on it, so a failure is no more than noted. */
void efa_host_info_send(struct efa_dev *dev)
{
	struct efa_host_info *info;
	dma_addr_t dma;
	int err;

	if (!(dev->attr.supported_features & BIT(EFA_FEATURE_ID_HOST_INFO)))
		return;
	info = dma_alloc_coherent(&dev->pdev->dev, sizeof(*info), &dma, GFP_KERNEL);
	if (!info)
		return;
	efa_host_info_fill(dev, info);
	err = efa_cmd_set_host_info(dev, dma, sizeof(*info));
	if (err)
		efa_dbg(dev, "host information was not taken: %d\n", err);
	dma_free_coherent(&dev->pdev->dev, sizeof(*info), info, dma);
}
