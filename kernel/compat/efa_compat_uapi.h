/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Entries of the driver's struct uapi_definition array that depend on the release.
 * Include it once, in the file that defines the array, after UVERBS_MODULE_NAME.
 */
#ifndef EFA_COMPAT_UAPI_H
#define EFA_COMPAT_UAPI_H

#include "efa_compat.h"

#if defined(EFA_HAVE_CQ_BUFFER_ATTRS)
#define EFA_UAPI_CQ_BUFFER
#else
#include "efa_compat_cq_buffer.h"
#define EFA_UAPI_CQ_BUFFER UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_CQ, &efa_compat_cq_buffer),
#endif

#if defined(EFA_HAVE_COMP_CNTR)
#define EFA_UAPI_COMP_CNTR UAPI_DEF_CHAIN(efa_counter_uapi_defs),
#else
#define EFA_UAPI_COMP_CNTR
#endif

/* They bring their own commas. */
#define EFA_COMPAT_UAPI_DEFS EFA_UAPI_CQ_BUFFER EFA_UAPI_COMP_CNTR

#endif
