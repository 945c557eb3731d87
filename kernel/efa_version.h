/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Version of the driver: modinfo, and host information of the device. */
#ifndef EFA_VERSION_H
#define EFA_VERSION_H

#include <linux/stringify.h>

#define EFA_VERSION_MAJOR 0
#define EFA_VERSION_MINOR 1
#define EFA_VERSION_PATCH 0
#define EFA_VERSION                                                                                \
	__stringify(EFA_VERSION_MAJOR) "." __stringify(EFA_VERSION_MINOR) "." __stringify(         \
		EFA_VERSION_PATCH)

/* host_info.driver_ver: a module that is built outside of the kernel's tree */
#define EFA_MODULE_TYPE 'g'

#endif
