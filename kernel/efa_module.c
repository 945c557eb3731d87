// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the kernel's tools look for by name: the module, its PCI driver, the devices that it is
 * for. An object of its own; see Kbuild.
 */

#include <linux/module.h>

#include "efa_dev.h"
#include "efa_version.h"

static const struct pci_device_id efa_pci_ids[] = {
	{ PCI_DEVICE(EFA_PCI_VENDOR, EFA_PCI_DEVICE_EFA0) },
	{ PCI_DEVICE(EFA_PCI_VENDOR, EFA_PCI_DEVICE_EFA1) },
	{ PCI_DEVICE(EFA_PCI_VENDOR, EFA_PCI_DEVICE_EFA2) },
	{ PCI_DEVICE(EFA_PCI_VENDOR, EFA_PCI_DEVICE_EFA3) },
	{ PCI_DEVICE(EFA_PCI_VENDOR, EFA_PCI_DEVICE_EFA4) },
	{}
};
MODULE_DEVICE_TABLE(pci, efa_pci_ids);

static const struct pci_error_handlers efa_error_handlers = {
	.reset_done = efa_reset_done,
};

static struct pci_driver efa_pci_driver = {
	.name = KBUILD_MODNAME,
	.id_table = efa_pci_ids,
	.probe = efa_probe,
	.remove = efa_remove,
	.shutdown = efa_shutdown,
	.err_handler = &efa_error_handlers,
};

module_pci_driver(efa_pci_driver);

MODULE_DESCRIPTION("Elastic Fabric Adapter (EFA)");
MODULE_AUTHOR("The efa-stack authors");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION(EFA_VERSION);
MODULE_SOFTDEP("pre: ib_uverbs");
