/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the driver adds to uverbs depending on the release. Include it once, in the file
 * that defines its uapi_definition array, after UVERBS_MODULE_NAME.
 */
#ifndef EFA_COMPAT_UAPI_H
#define EFA_COMPAT_UAPI_H

#include "efa_compat.h"
#include "efa_verbs.h"

#ifndef EFA_HAVE_CQ_BUFFER_ATTRS
#include "efa_compat_cq_buffer.h"
#endif

static const struct uapi_definition efa_compat_uapi_defs[] = {
#ifndef EFA_HAVE_CQ_BUFFER_ATTRS
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_CQ, &efa_compat_cq_buffer),
#endif
#ifdef EFA_HAVE_COMP_CNTR
	UAPI_DEF_CHAIN(efa_counter_uapi_defs),
#endif
	{},
};

#endif
