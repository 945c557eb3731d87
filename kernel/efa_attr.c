// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the device offers (device-admin A9.13). Every number is checked before anybody
 * uses it: a device whose limits make no sense is refused with a sentence that names the
 * limit, since a later failure would be hard to explain.
 */

#include <linux/log2.h>

#include "efa_cmd.h"
#include "efa_dev.h"
#include "efa_log.h"

#define EFA_MANDATORY_FEATURES                                                                     \
	(BIT(EFA_FEATURE_ID_AENQ_CONFIG) | BIT(EFA_FEATURE_ID_NETWORK_ATTR) |                      \
	 BIT(EFA_FEATURE_ID_QUEUE_ATTR_1) | BIT(EFA_FEATURE_ID_HW_HINTS))

/* Numbers of QPs, CQs, PDs travel in 16 bits; depths are powers of two in 16 bits. */
#define EFA_MAX_NUMBERS	   65536
#define EFA_MAX_DEPTH	   32768
#define EFA_MAX_INLINE	   128	   /* bytes of the largest WQE */
#define EFA_MAX_SGES	   255	   /* no WQE has room for more */
#define EFA_MAX_COUNT	   INT_MAX /* cores up to 7.2 keep limits in an int */
#define EFA_DEFAULT_SPEED  100	   /* Gbit/s, where the device says 0 */
#define EFA_MIN_MTU	   256
#define EFA_MAX_MTU	   65535
#define EFA_MAX_MMIO_HINT  1000	   /* ms; a register read holds up recovery */

struct efa_bound {
	const char *name;
	u64 value;
	u64 min;
	u64 max;
};

static int efa_check_bounds(struct efa_dev *dev, const struct efa_bound *bounds, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (bounds[i].value >= bounds[i].min && bounds[i].value <= bounds[i].max)
			continue;
		efa_err(dev, "the device says %s = %llu, outside of %llu to %llu; it is not used\n",
			bounds[i].name, bounds[i].value, bounds[i].min, bounds[i].max);
		return -EINVAL;
	}
	return 0;
}

static int efa_get(struct efa_dev *dev, enum efa_feature_id id, const char *name,
		   struct efa_get_feature_resp *resp)
{
	int err = efa_cmd_get_feature(dev, id, resp);

	if (err)
		efa_err(dev, "reading feature %s failed: %d\n", name, err);
	return err;
}

/* ---- DEVICE_ATTR ---- */

static int efa_check_features(struct efa_dev *dev)
{
	u64 missing = EFA_MANDATORY_FEATURES & ~dev->attr.supported_features;

	if (!missing)
		return 0;
	efa_err(dev, "the device lacks features that every EFA device has (mask %#llx)\n", missing);
	return -EOPNOTSUPP;
}

static int efa_check_page_sizes(struct efa_dev *dev)
{
	if (dev->attr.page_size_cap & GENMASK_ULL(PAGE_SHIFT, 12))
		return 0;
	efa_err(dev, "the device knows no page size up to this kernel's %lu (mask %#llx)\n",
		PAGE_SIZE, dev->attr.page_size_cap);
	return -EINVAL;
}

static int efa_check_db_bar(struct efa_dev *dev, u16 bar)
{
	if (bar < ARRAY_SIZE(dev->bar_phys) && dev->bar_len[bar])
		return 0;
	efa_err(dev, "the device says that its doorbells are in BAR %u, which is no memory BAR\n",
		bar);
	return -ENODEV;
}

static int efa_query_device_attr(struct efa_dev *dev)
{
	struct efa_attr *attr = &dev->attr;
	struct efa_get_feature_resp resp;
	const struct efa_device_attr *in = &resp.device_attr;
	int err;

	err = efa_get(dev, EFA_FEATURE_ID_DEVICE_ATTR, "DEVICE_ATTR", &resp);
	if (err)
		return err;
	if (!in->admin_api_version) {
		efa_err(dev, "the device says admin_api_version = 0; 1 or later is needed\n");
		return -EINVAL;
	}

	attr->supported_features = le64_to_cpu(in->supported_features);
	attr->page_size_cap = le64_to_cpu(in->page_size_cap);
	attr->fw_version = le32_to_cpu(in->fw_version);
	attr->device_version = le32_to_cpu(in->device_version);
	attr->device_caps = le32_to_cpu(in->device_caps);
	attr->max_rdma_size = le32_to_cpu(in->max_rdma_size);
	/* Copied raw: its bytes are in network order already. */
	attr->guid = (__force __be64)in->guid;
	attr->max_link_speed_gbps = le16_to_cpu(in->max_link_speed_gbps) ?: EFA_DEFAULT_SPEED;

	err = efa_check_features(dev);
	if (!err)
		err = efa_check_page_sizes(dev);
	if (!err)
		err = efa_check_db_bar(dev, le16_to_cpu(in->db_bar));
	if (err)
		return err;
	attr->db_bar = le16_to_cpu(in->db_bar);
	return 0;
}

/* ---- QUEUE_ATTR_1, QUEUE_ATTR_2 ---- */

static int efa_check_queue_attr(struct efa_dev *dev)
{
	const struct efa_attr *attr = &dev->attr;
	const struct efa_bound bounds[] = {
		{ "max_qp", attr->max_qp, 1, EFA_MAX_NUMBERS },
		{ "max_cq", attr->max_cq, 1, EFA_MAX_NUMBERS },
		{ "max_pd", attr->max_pd, 1, EFA_MAX_NUMBERS },
		{ "max_ah", attr->max_ah, 1, EFA_MAX_COUNT },
		{ "max_mr", attr->max_mr, 1, EFA_MAX_COUNT },
		{ "max_mr_pages", attr->max_mr_pages, 1, U32_MAX },
		{ "max_sq_depth", attr->max_sq_depth, 1, EFA_MAX_DEPTH },
		{ "max_rq_depth", attr->max_rq_depth, 1, EFA_MAX_DEPTH },
		{ "max_cq_depth", attr->max_cq_depth, 1, EFA_MAX_NUMBERS - 1 },
		{ "sub_cqs_per_cq", attr->sub_cqs_per_cq, 1, EFA_MAX_DEPTH },
		{ "min_sq_depth", attr->min_sq_depth, 0, attr->max_sq_depth },
		{ "max_wr_send_sges", attr->max_wr_send_sges, 1, EFA_MAX_SGES },
		{ "max_wr_recv_sges", attr->max_wr_recv_sges, 1, EFA_MAX_SGES },
		{ "max_wr_rdma_sges", attr->max_wr_rdma_sges, 0, EFA_MAX_SGES },
		{ "inline_buf_size", attr->inline_buf_size, 0, EFA_MAX_INLINE },
		{ "max_llq_size", attr->max_llq_size, 1, dev->bar_len[EFA_BAR_LLQ] },
	};

	return efa_check_bounds(dev, bounds, ARRAY_SIZE(bounds));
}

static int efa_query_queue_attr_1(struct efa_dev *dev)
{
	struct efa_attr *attr = &dev->attr;
	struct efa_get_feature_resp resp;
	const struct efa_queue_attr_1 *in = &resp.queue_attr_1;
	int err;

	err = efa_get(dev, EFA_FEATURE_ID_QUEUE_ATTR_1, "QUEUE_ATTR_1", &resp);
	if (err)
		return err;

	attr->max_qp = le32_to_cpu(in->max_qp);
	attr->max_sq_depth = le32_to_cpu(in->max_sq_depth);
	attr->max_rq_depth = le32_to_cpu(in->max_rq_depth);
	attr->max_cq = le32_to_cpu(in->max_cq);
	attr->max_cq_depth = le32_to_cpu(in->max_cq_depth);
	attr->inline_buf_size = le32_to_cpu(in->inline_buf_size);
	attr->sub_cqs_per_cq = le16_to_cpu(in->sub_cqs_per_cq);
	attr->min_sq_depth = le16_to_cpu(in->min_sq_depth);
	attr->max_wr_send_sges = le16_to_cpu(in->max_wr_send_sges);
	attr->max_wr_recv_sges = le16_to_cpu(in->max_wr_recv_sges);
	attr->max_wr_rdma_sges = le16_to_cpu(in->max_wr_rdma_sges);
	attr->max_tx_batch = le16_to_cpu(in->max_tx_batch);
	attr->max_mr = le32_to_cpu(in->max_mr);
	attr->max_mr_pages = le32_to_cpu(in->max_mr_pages);
	attr->max_pd = le32_to_cpu(in->max_pd);
	attr->max_ah = le32_to_cpu(in->max_ah);
	attr->max_llq_size = le32_to_cpu(in->max_llq_size);
	return efa_check_queue_attr(dev);
}

static int efa_check_queue_attr_2(struct efa_dev *dev)
{
	const struct efa_attr *attr = &dev->attr;
	const struct efa_bound bounds[] = {
		{ "inline_buf_size_ex", attr->inline_buf_size_ex, attr->inline_buf_size,
		  EFA_MAX_INLINE },
		{ "max_event_counters", attr->max_counters, 0, EFA_MAX_COUNT },
	};

	return efa_check_bounds(dev, bounds, ARRAY_SIZE(bounds));
}

/* A verbs counter takes two counters of the device (A9.16); without them there are none. */
static void efa_check_counters(struct efa_dev *dev)
{
	struct efa_attr *attr = &dev->attr;

	if (!efa_has(dev, EVENT_COUNTERS))
		return;
	if (attr->max_counters >= 2 && attr->counter_events && attr->counter_max_val)
		return;
	efa_warn(dev,
		 "the device says that it has event counters, but max_event_counters = %u, events = %#x, event_counter_max_val = %llu; completion counters are not offered\n",
		 attr->max_counters, attr->counter_events, attr->counter_max_val);
	attr->device_caps &= ~EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK;
}

static int efa_query_queue_attr_2(struct efa_dev *dev)
{
	struct efa_attr *attr = &dev->attr;
	struct efa_get_feature_resp resp;
	const struct efa_queue_attr_2 *in = &resp.queue_attr_2;
	int err;

	attr->inline_buf_size_ex = attr->inline_buf_size;
	attr->counter_events = 0;
	attr->max_counters = 0;
	attr->counter_max_val = 0;

	if (attr->supported_features & BIT(EFA_FEATURE_ID_QUEUE_ATTR_2)) {
		err = efa_get(dev, EFA_FEATURE_ID_QUEUE_ATTR_2, "QUEUE_ATTR_2", &resp);
		if (err)
			return err;
		attr->inline_buf_size_ex = le16_to_cpu(in->inline_buf_size_ex) ?:
						   attr->inline_buf_size;
		attr->counter_events = le32_to_cpu(in->supported_event_counter_qp_events);
		attr->max_counters = le32_to_cpu(in->max_event_counters);
		attr->counter_max_val = le64_to_cpu(in->event_counter_max_val);
	}
	efa_check_counters(dev);
	return efa_check_queue_attr_2(dev);
}

/* ---- EVENT_QUEUE_ATTR ---- */

static int efa_query_event_queue_attr(struct efa_dev *dev)
{
	struct efa_attr *attr = &dev->attr;
	struct efa_get_feature_resp resp;
	u32 depth;
	int err;

	attr->max_eq = 0;
	attr->max_eq_depth = 0;
	if (!(attr->supported_features & BIT(EFA_FEATURE_ID_EVENT_QUEUE_ATTR)))
		return 0;

	err = efa_get(dev, EFA_FEATURE_ID_EVENT_QUEUE_ATTR, "EVENT_QUEUE_ATTR", &resp);
	if (err)
		return err;

	depth = le32_to_cpu(resp.event_queue_attr.max_eq_depth);
	attr->max_eq = le32_to_cpu(resp.event_queue_attr.max_eq);
	if (attr->max_eq && !depth) {
		efa_err(dev, "the device says max_eq = %u with max_eq_depth = 0; it is not used\n",
			attr->max_eq);
		return -EINVAL;
	}
	/* A power of two of 16 bits (A7). */
	if (attr->max_eq)
		attr->max_eq_depth = rounddown_pow_of_two(min_t(u32, depth, EFA_MAX_DEPTH));
	return 0;
}

/* ---- NETWORK_ATTR, HW_HINTS ---- */

static int efa_query_network_attr(struct efa_dev *dev)
{
	struct efa_get_feature_resp resp;
	struct efa_bound mtu = { "mtu", 0, EFA_MIN_MTU, EFA_MAX_MTU };
	int err;

	err = efa_get(dev, EFA_FEATURE_ID_NETWORK_ATTR, "NETWORK_ATTR", &resp);
	if (err)
		return err;

	memcpy(dev->attr.gid, resp.network_attr.addr, sizeof(dev->attr.gid));
	dev->attr.mtu = le32_to_cpu(resp.network_attr.mtu);
	mtu.value = dev->attr.mtu;
	return efa_check_bounds(dev, &mtu, 1);
}

/* All hints are in milliseconds (A9.13); 0 keeps what there is. */
static int efa_apply_hints(struct efa_dev *dev)
{
	struct efa_get_feature_resp resp;
	u32 mmio, admin, poll;
	int err;

	err = efa_cmd_get_feature(dev, EFA_FEATURE_ID_HW_HINTS, &resp);
	if (err == -EOPNOTSUPP)
		return 0;
	if (err) {
		efa_err(dev, "reading feature HW_HINTS failed: %d\n", err);
		return err;
	}

	mmio = min_t(u32, le16_to_cpu(resp.hw_hints.mmio_read_timeout), EFA_MAX_MMIO_HINT);
	admin = le16_to_cpu(resp.hw_hints.admin_completion_timeout);
	poll = le16_to_cpu(resp.hw_hints.poll_interval);
	if (mmio)
		dev->mmio.timeout_us = mmio * USEC_PER_MSEC;
	if (admin)
		dev->aq.timeout_us = admin * USEC_PER_MSEC;
	if (poll)
		dev->aq.poll_interval_ms = poll;
	return 0;
}

/* Order of device.md 7.1, steps 11 to 17. */
int efa_attr_query(struct efa_dev *dev)
{
	int err;

	err = efa_query_device_attr(dev);
	if (!err)
		err = efa_query_queue_attr_1(dev);
	if (!err)
		err = efa_query_queue_attr_2(dev);
	if (!err)
		err = efa_query_network_attr(dev);
	if (!err)
		err = efa_query_event_queue_attr(dev);
	if (!err)
		err = efa_apply_hints(dev);
	return err;
}
