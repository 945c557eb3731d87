/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What GET_FEATURE, SET_FEATURE and GET_STATS carry (device-admin A9.13, A9.14). */
#ifndef EFA_FEATURES_H
#define EFA_FEATURES_H

#include "efa_const.h"
#include "efa_types.h"

enum efa_feature_id {
	EFA_FEATURE_ID_DEVICE_ATTR = 1,
	EFA_FEATURE_ID_AENQ_CONFIG = 2,
	EFA_FEATURE_ID_NETWORK_ATTR = 3,
	EFA_FEATURE_ID_QUEUE_ATTR_1 = 4,
	EFA_FEATURE_ID_HW_HINTS = 5,
	EFA_FEATURE_ID_HOST_INFO = 6,
	EFA_FEATURE_ID_EVENT_QUEUE_ATTR = 7,
	EFA_FEATURE_ID_QUEUE_ATTR_2 = 9,
};

/* Selects the feature of a GET_FEATURE or SET_FEATURE command. */
struct efa_feature_common {
	uint8_t reserved0;
	uint8_t feature_id; /* enum efa_feature_id */
	efa_le16 reserved16;
};

/* DEVICE_ATTR: identity and capabilities. guid is raw: its bytes are big-endian. */
struct efa_device_attr {
	efa_le64 supported_features;
	efa_le64 page_size_cap;
	efa_le32 fw_version;
	efa_le32 admin_api_version;
	efa_le32 device_version;
	efa_le16 db_bar;
	uint8_t phys_addr_width;
	uint8_t virt_addr_width;
	efa_le32 device_caps;
	efa_le32 max_rdma_size;
	efa_le64 guid;
	efa_le16 max_link_speed_gbps;
	efa_le16 reserved0;
	efa_le32 reserved1;
};

EFA_BITS32(device_attr, device_caps, rdma_read, 0, 1, DEVICE_ATTR_RDMA_READ);
EFA_BITS32(device_attr, device_caps, rnr_retry, 1, 1, DEVICE_ATTR_RNR_RETRY);
EFA_BITS32(device_attr, device_caps, data_polling_128, 2, 1, DEVICE_ATTR_DATA_POLLING_128);
EFA_BITS32(device_attr, device_caps, rdma_write, 3, 1, DEVICE_ATTR_RDMA_WRITE);
EFA_BITS32(device_attr, device_caps, unsolicited_write_recv, 4, 1,
	   DEVICE_ATTR_UNSOLICITED_WRITE_RECV);
EFA_BITS32(device_attr, device_caps, event_counters, 5, 1, DEVICE_ATTR_EVENT_COUNTERS);
EFA_BITS32(device_attr, device_caps, sq_64_bit_req_id, 10, 1, DEVICE_ATTR_SQ_64_BIT_REQ_ID);

/* QUEUE_ATTR_1: limits of all objects. */
struct efa_queue_attr_1 {
	efa_le32 max_qp;
	efa_le32 max_sq_depth;
	efa_le32 inline_buf_size;
	efa_le32 max_rq_depth;
	efa_le32 max_cq;
	efa_le32 max_cq_depth;
	efa_le16 sub_cqs_per_cq;
	efa_le16 min_sq_depth;
	efa_le16 max_wr_send_sges;
	efa_le16 max_wr_recv_sges;
	efa_le32 max_mr;
	efa_le32 max_mr_pages;
	efa_le32 max_pd;
	efa_le32 max_ah;
	efa_le32 max_llq_size;
	efa_le16 max_wr_rdma_sges;
	efa_le16 max_tx_batch;
};

/* QUEUE_ATTR_2; older devices fill only the first field. */
struct efa_queue_attr_2 {
	efa_le16 inline_buf_size_ex;
	efa_le16 reserved[3];
	efa_le32 supported_event_counter_qp_events; /* bits: enum efa_event_counter_qp_event */
	efa_le32 max_event_counters;
	efa_le64 event_counter_max_val;
};

/* EVENT_QUEUE_ATTR: limits of completion event queues. */
struct efa_event_queue_attr {
	efa_le32 max_eq;
	efa_le32 max_eq_depth;
	efa_le32 event_bitmask;
};

/* AENQ_CONFIG: bit n stands for enum efa_aenq_group n (device-admin A6). */
struct efa_aenq_config {
	efa_le32 supported_groups;
	efa_le32 enabled_groups;
};

/* NETWORK_ATTR: the GID of the port and its MTU. */
struct efa_network_attr {
	uint8_t addr[EFA_GID_SIZE]; /* network order */
	efa_le32 mtu;
};

/* HW_HINTS, in ms; 0 keeps the driver default (device-admin A5). */
struct efa_hw_hints {
	efa_le16 mmio_read_timeout;
	efa_le16 driver_watchdog_timeout;
	efa_le16 admin_completion_timeout;
	efa_le16 poll_interval;
};

enum efa_os_type {
	EFA_OS_TYPE_LINUX = 0,
};

/* HOST_INFO travels in a control buffer, not in the command. */
struct efa_host_info {
	char os_dist_str[128];
	efa_le32 os_type; /* enum efa_os_type */
	char kernel_ver_str[32];
	efa_le32 kernel_ver;
	efa_le32 driver_ver;
	efa_le16 bdf;
	efa_le16 spec_ver;
	efa_le32 flags;
};

EFA_BITS32(host_info, driver_ver, driver_module_type, 0, 8, HOST_INFO_DRIVER_MODULE_TYPE);
EFA_BITS32(host_info, driver_ver, driver_sub_minor, 8, 8, HOST_INFO_DRIVER_SUB_MINOR);
EFA_BITS32(host_info, driver_ver, driver_minor, 16, 8, HOST_INFO_DRIVER_MINOR);
EFA_BITS32(host_info, driver_ver, driver_major, 24, 8, HOST_INFO_DRIVER_MAJOR);
EFA_BITS16(host_info, bdf, function, 0, 3, HOST_INFO_FUNCTION);
EFA_BITS16(host_info, bdf, device, 3, 5, HOST_INFO_DEVICE);
EFA_BITS16(host_info, bdf, bus, 8, 8, HOST_INFO_BUS);
EFA_BITS16(host_info, spec_ver, spec_minor, 0, 8, HOST_INFO_SPEC_MINOR);
EFA_BITS16(host_info, spec_ver, spec_major, 8, 8, HOST_INFO_SPEC_MAJOR);
EFA_BITS32(host_info, flags, intree, 0, 1, HOST_INFO_INTREE);
EFA_BITS32(host_info, flags, gdr, 1, 1, HOST_INFO_GDR);

enum efa_get_stats_type {
	EFA_GET_STATS_TYPE_BASIC = 0,
	EFA_GET_STATS_TYPE_MESSAGES = 1,
	EFA_GET_STATS_TYPE_RDMA_READ = 2,
	EFA_GET_STATS_TYPE_RDMA_WRITE = 3,
	EFA_GET_STATS_TYPE_NETWORK = 4,
};

enum efa_get_stats_scope {
	EFA_GET_STATS_SCOPE_ALL = 0,
	EFA_GET_STATS_SCOPE_QUEUE = 1,
};

/* GET_STATS type BASIC (A9.14) */
struct efa_basic_stats {
	efa_le64 tx_bytes;
	efa_le64 tx_pkts;
	efa_le64 rx_bytes;
	efa_le64 rx_pkts;
	efa_le64 rx_drops;
	efa_le64 qkey_viol;
};

/* GET_STATS type MESSAGES (A9.14) */
struct efa_messages_stats {
	efa_le64 send_bytes;
	efa_le64 send_wrs;
	efa_le64 recv_bytes;
	efa_le64 recv_wrs;
};

/* GET_STATS type RDMA_READ (A9.14) */
struct efa_rdma_read_stats {
	efa_le64 read_wrs;
	efa_le64 read_bytes;
	efa_le64 read_wr_err;
	efa_le64 read_resp_bytes;
};

/* GET_STATS type RDMA_WRITE (A9.14) */
struct efa_rdma_write_stats {
	efa_le64 write_wrs;
	efa_le64 write_bytes;
	efa_le64 write_wr_err;
	efa_le64 write_recv_bytes;
};

/* GET_STATS type NETWORK (A9.14) */
struct efa_network_stats {
	efa_le64 retrans_bytes;
	efa_le64 retrans_pkts;
	efa_le64 retrans_timeout_events;
	efa_le64 unresponsive_remote_events;
	efa_le64 impaired_remote_conn_events;
};

#endif
