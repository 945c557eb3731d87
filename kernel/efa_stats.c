// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* hw_counters of the device and of its port; tools know the names (verbs A10). */
#include "efa_verbs.h"

static const struct rdma_stat_desc device_descs[] = {
	[EFA_STAT_SUBMITTED_CMDS].name = "submitted_cmds",
	[EFA_STAT_COMPLETED_CMDS].name = "completed_cmds",
	[EFA_STAT_CMDS_ERR].name = "cmds_err",
	[EFA_STAT_NO_COMPLETION_CMDS].name = "no_completion_cmds",
	[EFA_STAT_KEEP_ALIVE_RCVD].name = "keep_alive_rcvd",
	[EFA_STAT_ALLOC_PD_ERR].name = "alloc_pd_err",
	[EFA_STAT_CREATE_QP_ERR].name = "create_qp_err",
	[EFA_STAT_CREATE_CQ_ERR].name = "create_cq_err",
	[EFA_STAT_REG_MR_ERR].name = "reg_mr_err",
	[EFA_STAT_ALLOC_UCONTEXT_ERR].name = "alloc_ucontext_err",
	[EFA_STAT_CREATE_AH_ERR].name = "create_ah_err",
	[EFA_STAT_MMAP_ERR].name = "mmap_err",
	[EFA_STAT_FATAL_EVENTS].name = "fatal_events",
	[EFA_STAT_DEVICE_RESETS].name = "device_resets",
};

static_assert(ARRAY_SIZE(device_descs) == EFA_STAT_COUNT);

/* name, GET_STATS type, member of the answer; counters of one type stand together. */
#define EFA_PORT_COUNTERS(COUNTER)                                                                 \
	COUNTER(tx_bytes, BASIC, basic.tx_bytes)                                                   \
	COUNTER(tx_pkts, BASIC, basic.tx_pkts)                                                     \
	COUNTER(rx_bytes, BASIC, basic.rx_bytes)                                                   \
	COUNTER(rx_pkts, BASIC, basic.rx_pkts)                                                     \
	COUNTER(rx_drops, BASIC, basic.rx_drops)                                                   \
	COUNTER(send_bytes, MESSAGES, messages.send_bytes)                                         \
	COUNTER(send_wrs, MESSAGES, messages.send_wrs)                                             \
	COUNTER(recv_bytes, MESSAGES, messages.recv_bytes)                                         \
	COUNTER(recv_wrs, MESSAGES, messages.recv_wrs)                                             \
	COUNTER(rdma_read_wrs, RDMA_READ, rdma_read.read_wrs)                                      \
	COUNTER(rdma_read_bytes, RDMA_READ, rdma_read.read_bytes)                                  \
	COUNTER(rdma_read_wr_err, RDMA_READ, rdma_read.read_wr_err)                                \
	COUNTER(rdma_read_resp_bytes, RDMA_READ, rdma_read.read_resp_bytes)                        \
	COUNTER(rdma_write_wrs, RDMA_WRITE, rdma_write.write_wrs)                                  \
	COUNTER(rdma_write_bytes, RDMA_WRITE, rdma_write.write_bytes)                              \
	COUNTER(rdma_write_wr_err, RDMA_WRITE, rdma_write.write_wr_err)                            \
	COUNTER(rdma_write_recv_bytes, RDMA_WRITE, rdma_write.write_recv_bytes)                    \
	COUNTER(retrans_bytes, NETWORK, network.retrans_bytes)                                     \
	COUNTER(retrans_pkts, NETWORK, network.retrans_pkts)                                       \
	COUNTER(retrans_timeout_events, NETWORK, network.retrans_timeout_events)                   \
	COUNTER(unresponsive_remote_events, NETWORK, network.unresponsive_remote_events)           \
	COUNTER(impaired_remote_conn_events, NETWORK, network.impaired_remote_conn_events)

#define EFA_PORT_COUNTER_NAME(counter, stats_type, member) { .name = #counter },
static const struct rdma_stat_desc port_descs[] = { EFA_PORT_COUNTERS(EFA_PORT_COUNTER_NAME) };

/* Where it comes from: a 64-bit word of the answer to one GET_STATS type. */
struct efa_port_source {
	u8 type;
	u8 offset;
};

#define EFA_PORT_COUNTER_SOURCE(counter, stats_type, member)                                       \
	{ EFA_GET_STATS_TYPE_##stats_type, offsetof(struct efa_stats_block, member) },
static const struct efa_port_source port_sources[] = { EFA_PORT_COUNTERS(EFA_PORT_COUNTER_SOURCE) };

struct rdma_hw_stats *efa_alloc_hw_device_stats(struct ib_device *ib)
{
	return rdma_alloc_hw_stats_struct(device_descs, ARRAY_SIZE(device_descs),
					  RDMA_HW_STATS_DEFAULT_LIFESPAN);
}

struct rdma_hw_stats *efa_alloc_hw_port_stats(struct ib_device *ib, u32 port)
{
	return rdma_alloc_hw_stats_struct(port_descs, ARRAY_SIZE(port_descs),
					  RDMA_HW_STATS_DEFAULT_LIFESPAN);
}

static int read_device_counters(struct efa_dev *dev, struct rdma_hw_stats *stats)
{
	unsigned int i;

	for (i = 0; i < EFA_STAT_COUNT; i++)
		stats->value[i] = atomic64_read(&dev->stats[i]);
	return EFA_STAT_COUNT;
}

/*
 * A kind of counters that the device does not have reads 0 (A16 K5). It says so, or, when
 * asked for those that came last, that it does not understand.
 */
static bool unknown_kind(enum efa_get_stats_type type, int err)
{
	return err == -EOPNOTSUPP || (err == -EINVAL && type == EFA_GET_STATS_TYPE_NETWORK);
}

static int get_block(struct efa_dev *dev, enum efa_get_stats_type type,
		     struct efa_stats_block *block)
{
	int err;

	memset(block, 0, sizeof(*block));
	if (type == EFA_GET_STATS_TYPE_RDMA_WRITE && !efa_has(dev, RDMA_WRITE))
		return 0;
	err = efa_cmd_get_stats(dev, type, block);
	return unknown_kind(type, err) ? 0 : err;
}

static int read_port_counters(struct efa_dev *dev, struct rdma_hw_stats *stats)
{
	const struct efa_port_source *source, *last = NULL;
	struct efa_stats_block block;
	unsigned int i;
	__le64 value;
	int err;

	for (i = 0; i < ARRAY_SIZE(port_descs); i++, last = source) {
		source = &port_sources[i];
		if (!last || source->type != last->type) {
			err = get_block(dev, source->type, &block);
			if (err)
				return err;
		}
		memcpy(&value, (const u8 *)&block + source->offset, sizeof(value));
		stats->value[i] = le64_to_cpu(value);
	}
	return ARRAY_SIZE(port_descs);
}

/*
 * All at once, whichever was asked for; port 0 stands for the device. While the core registers
 * the device it asks for all, to find out whether that works, and keeps the answer for 10 ms.
 * Nobody sees it, so the device is not bothered: the counters are 0.
 */
int efa_get_hw_stats(struct ib_device *ib, struct rdma_hw_stats *stats, u32 port, int index)
{
	struct efa_dev *dev = to_efa_dev(ib);

	if (!READ_ONCE(dev->ibdev))
		return stats->num_counters;
	return port ? read_port_counters(dev, stats) : read_device_counters(dev, stats);
}
