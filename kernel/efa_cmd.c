// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Admin commands for PDs, UARs, AHs, MRs, statistics (device-admin A9). */

#include <linux/string.h>

#include "efa_cmd.h"
#include "efa_cmd_run.h"

int efa_cmd_alloc_pd(struct efa_dev *dev, u16 *pdn)
{
	struct efa_alloc_pd_cmd cmd = {};
	struct efa_alloc_pd_resp resp;
	int err;

	err = EFA_CMD_RUN(dev, ALLOC_PD, cmd, resp);
	if (err)
		return err;
	*pdn = le16_to_cpu(resp.pd);
	return 0;
}

int efa_cmd_dealloc_pd(struct efa_dev *dev, u16 pdn)
{
	struct efa_dealloc_pd_cmd cmd = { .pd = cpu_to_le16(pdn) };
	struct efa_dealloc_pd_resp resp;

	return EFA_CMD_RUN(dev, DEALLOC_PD, cmd, resp);
}

int efa_cmd_alloc_uar(struct efa_dev *dev, u16 *uarn)
{
	struct efa_alloc_uar_cmd cmd = {};
	struct efa_alloc_uar_resp resp;
	int err;

	err = EFA_CMD_RUN(dev, ALLOC_UAR, cmd, resp);
	if (err)
		return err;
	*uarn = le16_to_cpu(resp.uar);
	return 0;
}

int efa_cmd_dealloc_uar(struct efa_dev *dev, u16 uarn)
{
	struct efa_dealloc_uar_cmd cmd = { .uar = cpu_to_le16(uarn) };
	struct efa_dealloc_uar_resp resp;

	return EFA_CMD_RUN(dev, DEALLOC_UAR, cmd, resp);
}

int efa_cmd_create_ah(struct efa_dev *dev, u16 pdn, const u8 *gid, u16 *ahn)
{
	struct efa_create_ah_cmd cmd = { .pd = cpu_to_le16(pdn) };
	struct efa_create_ah_resp resp;
	int err;

	memcpy(cmd.dest_addr, gid, sizeof(cmd.dest_addr));
	err = EFA_CMD_RUN(dev, CREATE_AH, cmd, resp);
	if (err)
		return err;
	*ahn = le16_to_cpu(resp.ah);
	return 0;
}

int efa_cmd_destroy_ah(struct efa_dev *dev, u16 pdn, u16 ahn)
{
	struct efa_destroy_ah_cmd cmd = { .ah = cpu_to_le16(ahn), .pd = cpu_to_le16(pdn) };
	struct efa_destroy_ah_resp resp;

	return EFA_CMD_RUN(dev, DESTROY_AH, cmd, resp);
}

/* A9.10: the list inside the command, or a pointer to it. */
static void efa_fill_page_list(struct efa_reg_mr_cmd *cmd, const struct efa_reg_mr_params *params)
{
	struct efa_ctrl_buff_info *pbl = &cmd->pbl.pbl;

	if (params->inline_pages) {
		memcpy(cmd->pbl.inline_pbl_array, params->pages,
		       params->inline_pages * sizeof(*params->pages));
		return;
	}
	efa_aq_common_desc_set_ctrl_data(&cmd->aq_common_desc, 1);
	efa_aq_common_desc_set_ctrl_data_indirect(&cmd->aq_common_desc, params->indirect);
	pbl->length = cpu_to_le32(params->pbl_length);
	efa_mem_addr_set(&pbl->address, params->pbl);
}

int efa_cmd_reg_mr(struct efa_dev *dev, const struct efa_reg_mr_params *params,
		   struct efa_reg_mr_result *result)
{
	struct efa_reg_mr_cmd cmd = {
		.pd = cpu_to_le16(params->pdn),
		.mr_length = cpu_to_le64(params->length),
		.permissions = params->permissions,
		.iova = cpu_to_le64(params->iova),
	};
	struct efa_reg_mr_resp resp;
	int err;

	if (WARN_ON_ONCE(params->inline_pages > EFA_PBL_INLINE_PAGES))
		return -EINVAL;
	/* page_num stays 0: the device computes it (A9.10). */
	efa_reg_mr_cmd_set_phys_page_size_shift(&cmd, params->page_shift);
	efa_fill_page_list(&cmd, params);
	err = EFA_CMD_RUN(dev, REG_MR, cmd, resp);
	if (err)
		return err;

	*result = (struct efa_reg_mr_result){
		.lkey = le32_to_cpu(resp.l_key),
		.rkey = le32_to_cpu(resp.r_key),
		.recv_valid = efa_reg_mr_resp_recv_ic_id(&resp),
		.rdma_read_valid = efa_reg_mr_resp_rdma_read_ic_id(&resp),
		.rdma_recv_valid = efa_reg_mr_resp_rdma_recv_ic_id(&resp),
		.recv_ic = resp.recv_ic_id,
		.rdma_read_ic = resp.rdma_read_ic_id,
		.rdma_recv_ic = resp.rdma_recv_ic_id,
	};
	return 0;
}

int efa_cmd_dereg_mr(struct efa_dev *dev, u32 lkey)
{
	struct efa_dereg_mr_cmd cmd = { .l_key = cpu_to_le32(lkey) };
	struct efa_dereg_mr_resp resp;

	return EFA_CMD_RUN(dev, DEREG_MR, cmd, resp);
}

int efa_cmd_get_stats(struct efa_dev *dev, enum efa_get_stats_type type,
		      struct efa_stats_block *block)
{
	struct efa_get_stats_cmd cmd = { .type = type, .scope = EFA_GET_STATS_SCOPE_ALL };
	struct efa_get_stats_resp resp;
	int err;

	BUILD_BUG_ON(sizeof(*block) != sizeof(resp.stats));
	err = EFA_CMD_RUN(dev, GET_STATS, cmd, resp);
	if (err)
		return err;
	memcpy(block, &resp.stats, sizeof(*block));
	return 0;
}
