// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Methods and attributes that the driver adds to uverbs (verbs A5). */
#define UVERBS_MODULE_NAME efa_ib

#include <rdma/uverbs_named_ioctl.h>
#include <rdma/uverbs_std_types.h>
#include <rdma/uverbs_types.h>

#include "efa_compat_uapi.h"
#include "efa_uabi.h"
#include "efa_verbs.h"

static u16 ic_id_validity(const struct efa_reg_mr_result *keys)
{
	return keys->recv_valid << EFA_REG_MR_RESP_RECV_IC_ID_SHIFT |
	       keys->rdma_read_valid << EFA_REG_MR_RESP_RDMA_READ_IC_ID_SHIFT |
	       keys->rdma_recv_valid << EFA_REG_MR_RESP_RDMA_RECV_IC_ID_SHIFT;
}

static int put_u16(const struct uverbs_attr_bundle *attrs, size_t id, u16 value)
{
	return uverbs_copy_to(attrs, id, &value, sizeof(value));
}

/* Which interconnects of the device lead to the region's memory. */
static int UVERBS_HANDLER(EFA_UABI_IDS_METHOD_MR_QUERY)(struct uverbs_attr_bundle *attrs)
{
	struct ib_mr *mr = uverbs_attr_get_obj(attrs, EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE);
	const struct efa_reg_mr_result *keys = &to_efa_mr(mr)->keys;
	int err;

	err = put_u16(attrs, EFA_UABI_IDS_ATTR_QUERY_MR_RESP_IC_ID_VALIDITY, ic_id_validity(keys));
	if (err)
		return err;
	err = put_u16(attrs, EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RECV_IC_ID, keys->recv_ic);
	if (err)
		return err;
	err = put_u16(attrs, EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_READ_IC_ID, keys->rdma_read_ic);
	if (err)
		return err;
	return put_u16(attrs, EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_RECV_IC_ID, keys->rdma_recv_ic);
}

DECLARE_UVERBS_NAMED_METHOD(EFA_UABI_IDS_METHOD_MR_QUERY,
			    UVERBS_ATTR_IDR(EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE, UVERBS_OBJECT_MR,
					    UVERBS_ACCESS_READ, UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_IC_ID_VALIDITY,
						UVERBS_ATTR_TYPE(u16), UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RECV_IC_ID,
						UVERBS_ATTR_TYPE(u16), UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_READ_IC_ID,
						UVERBS_ATTR_TYPE(u16), UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_RECV_IC_ID,
						UVERBS_ATTR_TYPE(u16), UA_MANDATORY));

ADD_UVERBS_METHODS(efa_mr_methods, UVERBS_OBJECT_MR,
		   &UVERBS_METHOD(EFA_UABI_IDS_METHOD_MR_QUERY));

const struct uapi_definition efa_uapi_defs[] = {
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_MR, &efa_mr_methods),
	UAPI_DEF_CHAIN(efa_compat_uapi_defs),
	{},
};
