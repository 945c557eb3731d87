// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Attributes of the device and of its port, all from memory (verbs A1, A6). */
#include "efa_uabi.h"
#include "efa_verbs.h"

/* DEVICE_ATTR capability bit to bit of the answer (verbs A2.2). */
static const struct {
	u32 device;
	u32 user;
} caps[] = {
	{ EFA_DEVICE_ATTR_RDMA_READ_MASK, EFA_UABI_QUERY_DEVICE_RESP_RDMA_READ_MASK },
	{ EFA_DEVICE_ATTR_RNR_RETRY_MASK, EFA_UABI_QUERY_DEVICE_RESP_RNR_RETRY_MASK },
	{ EFA_DEVICE_ATTR_DATA_POLLING_128_MASK, EFA_UABI_QUERY_DEVICE_RESP_DATA_POLLING_128_MASK },
	{ EFA_DEVICE_ATTR_RDMA_WRITE_MASK, EFA_UABI_QUERY_DEVICE_RESP_RDMA_WRITE_MASK },
	{ EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK,
	  EFA_UABI_QUERY_DEVICE_RESP_UNSOLICITED_WRITE_RECV_MASK },
	{ EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK, EFA_UABI_QUERY_DEVICE_RESP_SQ_64_BIT_REQ_ID_MASK },
};

static u32 user_caps(struct efa_dev *dev)
{
	u32 user = EFA_UABI_QUERY_DEVICE_RESP_CQ_WITH_SGID_MASK |
		   EFA_UABI_QUERY_DEVICE_RESP_CQ_WITH_EXT_MEM_MASK;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (dev->attr.device_caps & caps[i].device)
			user |= caps[i].user;
	if (dev->num_eqs)
		user |= EFA_UABI_QUERY_DEVICE_RESP_CQ_NOTIFICATIONS_MASK;
	if (EFA_CORE_HAS_COMP_CNTR && efa_has(dev, EVENT_COUNTERS))
		user |= EFA_UABI_QUERY_DEVICE_RESP_COMP_CNTR_MASK;
	return user;
}

static void fill_device_attr(struct efa_dev *dev, struct ib_device_attr *attr)
{
	const struct efa_attr *limit = &dev->attr;

	memset(attr, 0, sizeof(*attr));
	attr->max_mr_size = (u64)limit->max_mr_pages * PAGE_SIZE;
	attr->page_size_cap = limit->page_size_cap;
	attr->vendor_id = dev->pdev->vendor;
	attr->vendor_part_id = dev->pdev->device;
	attr->hw_ver = dev->pdev->subsystem_device;
	attr->max_qp = limit->max_qp;
	attr->max_cq = limit->max_cq;
	attr->max_pd = limit->max_pd;
	attr->max_mr = limit->max_mr;
	attr->max_ah = limit->max_ah;
	attr->max_cqe = limit->max_cq_depth;
	attr->max_qp_wr = min(limit->max_sq_depth, limit->max_rq_depth);
	attr->max_send_sge = limit->max_wr_send_sges;
	attr->max_recv_sge = limit->max_wr_recv_sges;
	attr->max_sge_rd = limit->max_wr_rdma_sges;
	attr->max_pkeys = 1;
}

/* At registration the core asks without udata. */
int efa_query_device(struct ib_device *ib, struct ib_device_attr *attr, struct ib_udata *udata)
{
	struct efa_dev *dev = to_efa_dev(ib);
	struct efa_uabi_query_device_resp resp = {
		.max_sq_wr = dev->attr.max_sq_depth,
		.max_rq_wr = dev->attr.max_rq_depth,
		.max_sq_sge = dev->attr.max_wr_send_sges,
		.max_rq_sge = dev->attr.max_wr_recv_sges,
		.max_rdma_size = dev->attr.max_rdma_size,
		.device_caps = user_caps(dev),
	};
	int err;

	err = efa_check_no_input(ib, "query_device", udata);
	if (err)
		return err;

	fill_device_attr(dev, attr);
	return udata ? ib_respond_udata(udata, resp) : 0;
}

/* The closest pair of what verbs can express (verbs A1.1). */
static const struct {
	u32 gbps; /* from this on */
	u16 speed;
	u8 width;
} link_rates[] = {
	{ 1600, IB_SPEED_XDR, IB_WIDTH_8X }, { 800, IB_SPEED_NDR, IB_WIDTH_8X },
	{ 400, IB_SPEED_HDR, IB_WIDTH_8X },  { 200, IB_SPEED_HDR, IB_WIDTH_4X },
	{ 120, IB_SPEED_FDR10, IB_WIDTH_12X }, { 100, IB_SPEED_EDR, IB_WIDTH_4X },
	{ 60, IB_SPEED_DDR, IB_WIDTH_12X },  { 50, IB_SPEED_HDR, IB_WIDTH_1X },
	{ 40, IB_SPEED_FDR10, IB_WIDTH_4X }, { 30, IB_SPEED_SDR, IB_WIDTH_12X },
	{ 0, IB_SPEED_EDR, IB_WIDTH_1X },
};

/* Old devices do not tell: 100 Gbit/s. */
static u32 link_gbps(struct efa_dev *dev)
{
	return dev->attr.max_link_speed_gbps ?: 100;
}

static void fill_link_rate(struct efa_dev *dev, struct ib_port_attr *attr)
{
	unsigned int i = 0;

	while (link_gbps(dev) < link_rates[i].gbps)
		i++;
	attr->active_speed = link_rates[i].speed;
	attr->active_width = link_rates[i].width;
}

int efa_query_port(struct ib_device *ib, u32 port, struct ib_port_attr *attr)
{
	struct efa_dev *dev = to_efa_dev(ib);

	attr->state = IB_PORT_ACTIVE;
	attr->phys_state = IB_PORT_PHYS_STATE_LINK_UP;
	attr->lmc = 1;
	attr->gid_tbl_len = 1;
	attr->pkey_tbl_len = 1;
	attr->max_vl_num = 1;
	attr->max_mtu = ib_mtu_int_to_enum(dev->attr.mtu);
	attr->active_mtu = attr->max_mtu;
	attr->max_msg_sz = dev->attr.mtu;
	fill_link_rate(dev, attr);
	return 0;
}

/* In units of 100 Mbit/s. */
int efa_query_port_speed(struct ib_device *ib, u32 port, u64 *speed)
{
	*speed = (u64)link_gbps(to_efa_dev(ib)) * 10;
	return 0;
}

/* There is one GID, whatever the index (verbs A1.1). */
int efa_query_gid(struct ib_device *ib, u32 port, int index, union ib_gid *gid)
{
	memcpy(gid->raw, to_efa_dev(ib)->attr.gid, sizeof(gid->raw));
	return 0;
}

int efa_query_pkey(struct ib_device *ib, u32 port, u16 index, u16 *pkey)
{
	if (index > 0)
		return -EINVAL;
	*pkey = 0xffff;
	return 0;
}

/* No capability flag of a protocol: MAD, CM and their like stay away. */
int efa_get_port_immutable(struct ib_device *ib, u32 port, struct ib_port_immutable *immutable)
{
	immutable->pkey_tbl_len = 1;
	immutable->gid_tbl_len = 1;
	return 0;
}

enum rdma_link_layer efa_get_link_layer(struct ib_device *ib, u32 port)
{
	return IB_LINK_LAYER_UNSPECIFIED;
}
