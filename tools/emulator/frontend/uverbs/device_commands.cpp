// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Opening the device and asking it about itself (verbs A1, A2.1, A6).
#include <fcntl.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "efa_uabi.h"
#include "frontend/uverbs/context.hpp"
#include "frontend/uverbs/uverbs_ids.hpp"

namespace efa::emu {

namespace {

constexpr std::uint8_t kPortActive = 4;
constexpr std::uint8_t kPhysLinkUp = 5;
constexpr std::uint8_t kNodeTypePort = 1;

struct PortSpeed {
  std::uint32_t at_least_gbps;
  std::uint8_t speed, width;  ///< as ib_port_speed / ib_port_width numbers
};

// verbs A1.1: fastest first; width 1X = 1, 4X = 2, 8X = 4, 12X = 8.
constexpr PortSpeed kPortSpeeds[] = {
    {400, 64, 4}, {200, 64, 2}, {120, 8, 8}, {100, 32, 2}, {60, 2, 8},
    {50, 64, 1},  {40, 8, 2},   {30, 1, 8},  {0, 32, 1},
};

std::uint32_t link_gbps(const DeviceAttributes& attributes) noexcept {
  const std::uint32_t gbps = attributes.device.max_link_speed_gbps;
  return gbps == 0 ? 100 : gbps;
}

/// ib_mtu number of the largest MTU that is not above `bytes`.
std::uint8_t mtu_number(std::uint32_t bytes) noexcept {
  std::uint8_t number = 1;
  for (std::uint32_t mtu = 512; number < 5 && mtu <= bytes; mtu <<= 1) ++number;
  return number;
}

std::uint32_t user_caps(const DeviceAttributes& attributes, bool events) noexcept {
  efa_uabi_query_device_resp caps{};
  efa_uabi_query_device_resp_set_rdma_read(&caps, attributes.has(EFA_DEVICE_ATTR_RDMA_READ_MASK));
  efa_uabi_query_device_resp_set_rnr_retry(&caps, attributes.has(EFA_DEVICE_ATTR_RNR_RETRY_MASK));
  efa_uabi_query_device_resp_set_cq_notifications(&caps, events);
  efa_uabi_query_device_resp_set_cq_with_sgid(&caps, 1);
  efa_uabi_query_device_resp_set_data_polling_128(
      &caps, attributes.has(EFA_DEVICE_ATTR_DATA_POLLING_128_MASK));
  efa_uabi_query_device_resp_set_rdma_write(&caps, attributes.has(EFA_DEVICE_ATTR_RDMA_WRITE_MASK));
  efa_uabi_query_device_resp_set_unsolicited_write_recv(
      &caps, attributes.has(EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK));
  efa_uabi_query_device_resp_set_cq_with_ext_mem(&caps, 1);
  efa_uabi_query_device_resp_set_comp_cntr(&caps,
                                           attributes.has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK));
  efa_uabi_query_device_resp_set_sq_64_bit_req_id(
      &caps, attributes.has(EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK));
  return caps.device_caps;
}

}  // namespace

int Context::get_context(Call& call) {
  if (opened_) return EINVAL;
  call.failures = &driver_.counters().alloc_ucontext_err;
  Input in;
  if (const int error = call.uhw_in(in)) return error;
  // Unknown bits, reserved bytes and any length are accepted (A3).
  efa_uabi_alloc_ucontext_cmd request{};
  std::memcpy(&request, in.bytes.data(), std::min(in.length, sizeof(request)));
  const DeviceAttributes& attributes = driver_.attributes();
  if ((attributes.queues.max_tx_batch != 0 && !efa_uabi_alloc_ucontext_cmd_tx_batch(&request)) ||
      (attributes.queues.min_sq_depth != 0 && !efa_uabi_alloc_ucontext_cmd_min_sq_wr(&request)))
    return EOPNOTSUPP;
  if (space_of(call.caller) == 0) return ENOMEM;

  efa_alloc_uar_cmd command{};
  efa_alloc_uar_resp allocated{};
  if (const int error = driver_.execute(EFA_AQ_OPCODE_ALLOC_UAR, command, allocated)) return error;
  uar_ = allocated.uar;
  opened_ = true;
  opener_ = 0;

  efa_uabi_alloc_ucontext_resp response{};
  efa_uabi_alloc_ucontext_resp_set_query_device(&response, 1);
  efa_uabi_alloc_ucontext_resp_set_create_ah(&response, 1);
  response.sub_cqs_per_cq = attributes.queues.sub_cqs_per_cq;
  response.inline_buf_size = static_cast<std::uint16_t>(attributes.queues.inline_buf_size);
  response.max_llq_size = attributes.queues.max_llq_size;
  response.max_tx_batch = attributes.queues.max_tx_batch;
  response.min_sq_wr = attributes.queues.min_sq_depth;
  response.inline_buf_size_ex = attributes.inline_buf_size_ex;
  if (const int error = call.uhw_out(response)) return error;
  const std::uint32_t vectors = driver_.completion_vectors();
  if (const int error = call.attributes.put(UVERBS_ATTR_GET_CONTEXT_NUM_COMP_VECTORS, vectors))
    return error;
  return call.attributes.put(UVERBS_ATTR_GET_CONTEXT_CORE_SUPPORT, kCoreSupportOptionalMrAccess);
}

int Context::alloc_async_event(Call& call) {
  if (async_write_end_ >= 0) return EINVAL;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno;
  // Readers wait: only our end is non-blocking.
  ::fcntl(ends[0], F_SETFL, 0);
  const int number = call.descriptors.give(ends[0]);
  ::close(ends[0]);
  if (number < 0) {
    ::close(ends[1]);
    return EMFILE;
  }
  async_write_end_ = ends[1];
  return call.attributes.put_handle(UVERBS_ATTR_ASYNC_EVENT_ALLOC_FD_HANDLE,
                                    static_cast<std::uint64_t>(number));
}

void Context::fill_device(ib_uverbs_query_device_resp& out) const {
  const DeviceAttributes& attributes = driver_.attributes();
  out = {};
  std::memcpy(&out.node_guid, &attributes.device.guid, sizeof(out.node_guid));
  out.max_mr_size = std::uint64_t{attributes.queues.max_mr_pages} * kPageSize;
  out.page_size_cap = attributes.device.page_size_cap;
  out.vendor_id = EFA_PCI_VENDOR;
  out.vendor_part_id = driver_.device().profile().pci_device;
  out.hw_ver = driver_.device().profile().pci_device;  // PCI subsystem device id
  out.max_qp = attributes.queues.max_qp;
  out.max_qp_wr = std::min(attributes.queues.max_sq_depth, attributes.queues.max_rq_depth);
  out.max_sge = std::min(attributes.queues.max_wr_send_sges, attributes.queues.max_wr_recv_sges);
  out.max_sge_rd = attributes.queues.max_wr_rdma_sges;
  out.max_cq = attributes.queues.max_cq;
  out.max_cqe = attributes.queues.max_cq_depth;
  out.max_mr = attributes.queues.max_mr;
  out.max_pd = attributes.queues.max_pd;
  out.max_ah = attributes.queues.max_ah;
  out.max_pkeys = 1;
  out.phys_port_cnt = 1;
}

int Context::query_device(Call& call) {
  ib_uverbs_query_device_resp response;
  fill_device(response);
  return call.core_out(response);
}

int Context::query_device_ex(Call& call) {
  Input private_in;
  if (const int error = call.uhw_in(private_in)) return error;
  if (!private_in.zero_from(0)) return EOPNOTSUPP;
  ib_uverbs_ex_query_device_resp response{};
  fill_device(response.base);
  response.response_length = static_cast<std::uint32_t>(
      std::min(sizeof(response), call.attributes.output_room(UVERBS_ATTR_CORE_OUT)));
  if (const int error = call.core_out(response)) return error;

  const DeviceAttributes& attributes = driver_.attributes();
  efa_uabi_query_device_resp device{};
  device.max_sq_wr = attributes.queues.max_sq_depth;
  device.max_rq_wr = attributes.queues.max_rq_depth;
  device.max_sq_sge = attributes.queues.max_wr_send_sges;
  device.max_rq_sge = attributes.queues.max_wr_recv_sges;
  device.max_rdma_size = attributes.device.max_rdma_size;
  device.device_caps = user_caps(attributes, driver_.has_events());
  return call.uhw_out(device);
}

int Context::query_port(Call& call) {
  std::uint8_t port = 0;
  if (const int error = call.attributes.get_constant(UVERBS_ATTR_QUERY_PORT_PORT_NUM, port))
    return error;
  if (port != 1) return EINVAL;
  const DeviceAttributes& attributes = driver_.attributes();
  ib_uverbs_query_port_resp_ex response{};
  ib_uverbs_query_port_resp& base = response.legacy_resp;
  base.max_msg_sz = attributes.network.mtu;
  base.gid_tbl_len = 1;
  base.pkey_tbl_len = 1;
  base.state = kPortActive;
  base.max_mtu = base.active_mtu = mtu_number(attributes.network.mtu);
  base.lmc = 1;
  base.max_vl_num = 1;
  base.phys_state = kPhysLinkUp;
  const std::uint32_t gbps = link_gbps(attributes);
  const auto speed = std::find_if(std::begin(kPortSpeeds), std::end(kPortSpeeds),
                                  [&](const PortSpeed& s) { return gbps >= s.at_least_gbps; });
  base.active_speed = speed->speed;
  base.active_width = speed->width;
  return call.attributes.put(UVERBS_ATTR_QUERY_PORT_RESP, response);
}

int Context::query_port_speed(Call& call) {
  std::uint32_t port = 0;
  if (const int error = call.attributes.get(kAttrPortSpeedPort, port)) return error;
  if (port != 1) return EINVAL;
  const std::uint64_t speed = std::uint64_t{link_gbps(driver_.attributes())} * 10;
  return call.attributes.put(kAttrPortSpeedResponse, speed);
}

ib_uverbs_gid_entry Context::gid_entry() const {
  ib_uverbs_gid_entry entry{};
  static_assert(sizeof(entry.gid) == sizeof(driver_.attributes().network.addr));
  std::memcpy(entry.gid, &driver_.attributes().network.addr, sizeof(entry.gid));
  entry.port_num = kNodeTypePort;
  return entry;
}

int Context::query_gid_table(Call& call) {
  std::uint64_t entry_size = 0;
  std::uint32_t flags = 0;
  if (const int error =
          call.attributes.get_constant(UVERBS_ATTR_QUERY_GID_TABLE_ENTRY_SIZE, entry_size))
    return error;
  if (const int error = call.attributes.get(UVERBS_ATTR_QUERY_GID_TABLE_FLAGS, flags)) return error;
  if (flags != 0 || entry_size == 0) return EINVAL;
  const std::size_t room = call.attributes.output_room(UVERBS_ATTR_QUERY_GID_TABLE_RESP_ENTRIES);
  if (room < entry_size) return EINVAL;
  // The caller's entries may be shorter or longer than ours.
  const ib_uverbs_gid_entry entry = gid_entry();
  if (const int error = call.attributes.put(UVERBS_ATTR_QUERY_GID_TABLE_RESP_ENTRIES, &entry,
                                            std::min<std::size_t>(sizeof(entry), entry_size)))
    return error;
  return call.attributes.put(UVERBS_ATTR_QUERY_GID_TABLE_RESP_NUM_ENTRIES, std::uint64_t{1});
}

int Context::query_gid_entry(Call& call) {
  std::uint32_t port = 0, index = 0, flags = 0;
  if (const int error = call.attributes.get_constant(UVERBS_ATTR_QUERY_GID_ENTRY_PORT, port))
    return error;
  if (const int error = call.attributes.get_constant(UVERBS_ATTR_QUERY_GID_ENTRY_GID_INDEX, index))
    return error;
  if (const int error = call.attributes.get(UVERBS_ATTR_QUERY_GID_ENTRY_FLAGS, flags)) return error;
  if (flags != 0 || port != 1 || index != 0) return EINVAL;
  return call.attributes.put(UVERBS_ATTR_QUERY_GID_ENTRY_RESP_ENTRY, gid_entry());
}

}  // namespace efa::emu
