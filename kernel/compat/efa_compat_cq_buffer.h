/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * CREATE_CQ takes the ring's memory from its caller by four attributes that cores before
 * 6.17 do not know. A driver may add attributes to a method of the core (verbs A15, rule 5).
 */
#ifndef EFA_COMPAT_CQ_BUFFER_H
#define EFA_COMPAT_CQ_BUFFER_H

#ifndef UVERBS_MODULE_NAME
#define UVERBS_MODULE_NAME efa_ib
#endif

#include <rdma/uverbs_named_ioctl.h>
#include <rdma/uverbs_std_types.h>
#include <rdma/uverbs_types.h>

ADD_UVERBS_ATTRIBUTES_SIMPLE(efa_compat_cq_buffer, UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE,
			     UVERBS_ATTR_PTR_IN(UVERBS_ATTR_CREATE_CQ_BUFFER_VA,
						UVERBS_ATTR_TYPE(u64), UA_OPTIONAL),
			     UVERBS_ATTR_PTR_IN(UVERBS_ATTR_CREATE_CQ_BUFFER_LENGTH,
						UVERBS_ATTR_TYPE(u64), UA_OPTIONAL),
			     UVERBS_ATTR_RAW_FD(UVERBS_ATTR_CREATE_CQ_BUFFER_FD, UA_OPTIONAL),
			     UVERBS_ATTR_PTR_IN(UVERBS_ATTR_CREATE_CQ_BUFFER_OFFSET,
						UVERBS_ATTR_TYPE(u64), UA_OPTIONAL))

#endif
