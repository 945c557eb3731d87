/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel's RDMA interface in the shape of release 7.3. Where the kernel at hand is
 * older, the same names are given to adapters. Only this folder knows about releases
 * (verbs A15); efa_config.h is written by configure.sh.
 */
#ifndef EFA_COMPAT_H
#define EFA_COMPAT_H

#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>
#include <rdma/iter.h>
#include <rdma/uverbs_ioctl.h>

#include "efa_config.h"

#include "efa_compat_types.h"
#include "efa_compat_udata.h"
#include "efa_compat_umem.h"

#endif
