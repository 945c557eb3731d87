// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* GET_FEATURE and SET_FEATURE (device-admin A9.13). */

#include "efa_cmd.h"
#include "efa_cmd_run.h"

/* DEVICE_ATTR itself tells which others there are. */
static bool efa_has_feature(struct efa_dev *dev, enum efa_feature_id id)
{
	return id == EFA_FEATURE_ID_DEVICE_ATTR || dev->attr.supported_features & BIT(id);
}

int efa_cmd_get_feature(struct efa_dev *dev, enum efa_feature_id id,
			struct efa_get_feature_resp *resp)
{
	struct efa_get_feature_cmd cmd = { .feature_common.feature_id = id };

	if (!efa_has_feature(dev, id))
		return -EOPNOTSUPP;
	return EFA_CMD_RUN(dev, GET_FEATURE, cmd, *resp);
}

int efa_cmd_set_aenq_config(struct efa_dev *dev, u32 groups)
{
	struct efa_set_feature_cmd cmd = {
		.feature_common.feature_id = EFA_FEATURE_ID_AENQ_CONFIG,
		.aenq.enabled_groups = cpu_to_le32(groups),
	};
	struct efa_set_feature_resp resp;

	if (!efa_has_feature(dev, EFA_FEATURE_ID_AENQ_CONFIG))
		return -EOPNOTSUPP;
	return EFA_CMD_RUN(dev, SET_FEATURE, cmd, resp);
}

int efa_cmd_set_host_info(struct efa_dev *dev, dma_addr_t info, u32 length)
{
	struct efa_set_feature_cmd cmd = {
		.feature_common.feature_id = EFA_FEATURE_ID_HOST_INFO,
		.control_buffer.length = cpu_to_le32(length),
	};
	struct efa_set_feature_resp resp;

	if (!efa_has_feature(dev, EFA_FEATURE_ID_HOST_INFO))
		return -EOPNOTSUPP;
	efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 1);
	efa_mem_addr_set(&cmd.control_buffer.address, info);
	return EFA_CMD_RUN(dev, SET_FEATURE, cmd, resp);
}
