// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "catalogue.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "caps.hpp"
#include "nic.hpp"

namespace efa::fi {
namespace {

constexpr uint64_t kMessageCaps =
    FI_MSG | FI_SEND | FI_RECV | FI_LOCAL_COMM | FI_REMOTE_COMM | FI_SOURCE;
constexpr uint64_t kRmaCaps = FI_RMA | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
constexpr uint64_t kProtocolCaps = FI_TAGGED | FI_ATOMIC | FI_MULTI_RECV | FI_DIRECTED_RECV;
constexpr uint64_t kAtomicOrders =
    FI_ORDER_ATOMIC_RAR | FI_ORDER_ATOMIC_RAW | FI_ORDER_ATOMIC_WAR | FI_ORDER_ATOMIC_WAW;
constexpr uint64_t kSendFlags =
    FI_COMPLETION | FI_INJECT | FI_TRANSMIT_COMPLETE | FI_DELIVERY_COMPLETE;

/// Segments that the protocol takes, whatever the device does with one work request.
constexpr size_t kProtocolSegments = 4;
/// Bytes that a UD receive buffer begins with (spec 2.2).
constexpr size_t kGrhSize = 40;

uint64_t caps_of(Kind kind, const Device& device) {
  switch (kind) {
    case Kind::rdm:
      return kMessageCaps | kRmaCaps | kProtocolCaps;
    case Kind::direct:
      // A write with immediate takes a posted receive unless the device can do without, and 2.1 has
      // no mode bit to say so (spec 3.3).
      if (device.rdma_read && device.rdma_write && device.unsolicited_write_recv)
        return kMessageCaps | kRmaCaps;
      return kMessageCaps;
    case Kind::datagram:
      return kMessageCaps;
  }
  std::abort();
}

uint64_t mode_of(Kind kind, const Release& release) {
  if (kind == Kind::direct) return FI_CONTEXT2;
  if (kind == Kind::rdm) return 0;
  return FI_MSG_PREFIX | (release.datagram_context ? FI_CONTEXT2 : 0);
}

size_t depth(size_t limit, size_t wanted) {
  const size_t depth = wanted ? std::min(wanted, limit) : limit;
  return depth ? std::bit_floor(depth) : 0;
}

size_t inject_size(Kind kind, const Device& device, const Release& release) {
  if (kind == Kind::rdm)
    return std::min<size_t>(release.rdm_inject_limit, device.mtu) - release.rdm_inject_header;
  if (kind == Kind::datagram && !release.datagram_inject) return 0;
  return device.inline_size;
}

void fill_tx(fi_tx_attr& tx, Kind kind, const Device& device, const Release& release,
             Depths depths) {
  tx.op_flags = kind == Kind::datagram ? FI_TRANSMIT_COMPLETE : kSendFlags;
  tx.msg_order = kind == Kind::rdm ? FI_ORDER_SAS | kAtomicOrders : 0;
  tx.inject_size = inject_size(kind, device, release);
  tx.size = depth(device.max_sq_wr, depths.tx);
  tx.iov_limit = kind == Kind::rdm ? kProtocolSegments : device.max_sq_sge;
  tx.rma_iov_limit = kind == Kind::datagram ? 0 : 1;
}

void fill_rx(fi_rx_attr& rx, Kind kind, const Device& device, Depths depths) {
  rx.op_flags = kind == Kind::datagram ? 0 : FI_COMPLETION;
  if (kind == Kind::rdm) rx.op_flags |= FI_MULTI_RECV;
  rx.msg_order = kind == Kind::rdm ? FI_ORDER_SAS | kAtomicOrders : 0;
  // The device counts descriptors, and a receive may need one for each of its segments.
  rx.size = depth(device.max_rq_wr / std::max<size_t>(device.max_rq_sge, 1), depths.rx);
  rx.iov_limit = kind == Kind::rdm ? kProtocolSegments : device.max_rq_sge;
}

size_t max_message(const Template& entry) {
  if (entry.kind == Kind::rdm) return UINT64_MAX;
  return entry.info->caps & FI_RMA ? entry.device->max_rdma_size : entry.device->mtu;
}

void fill_order(fi_ep_attr& ep, Kind kind, const Device& device, const Release& release) {
  const size_t packet = device.mtu - kAtomicHeader;
  if (kind == Kind::direct || (kind == Kind::datagram && !release.datagram_order)) return;
  ep.max_order_raw_size = kind == Kind::rdm ? packet : device.mtu;
  ep.max_order_war_size = release.packet_order ? packet : 0;
  ep.max_order_waw_size = release.packet_order ? packet : device.mtu;
}

void fill_endpoint(fi_ep_attr& ep, const Template& entry, const Release& release) {
  ep.type = entry.kind == Kind::datagram ? FI_EP_DGRAM : FI_EP_RDM;
  ep.protocol = FI_PROTO_EFA;
  ep.protocol_version = entry.kind == Kind::rdm ? 4 : 1;
  ep.max_msg_size = max_message(entry);
  ep.msg_prefix_size = entry.kind == Kind::datagram ? kGrhSize : 0;
  ep.mem_tag_format = entry.kind == Kind::rdm ? 0xaaaaaaaaaaaaaaaa : 0;
  ep.tx_ctx_cnt = 1;
  ep.rx_ctx_cnt = 1;
  fill_order(ep, entry.kind, *entry.device, release);
}

/// What the application has to expect about locks, progress and buffers.
void fill_model(fi_domain_attr& domain, Kind kind, const Release& release) {
  const bool datagram = kind == Kind::datagram;
  domain.threading = datagram ? FI_THREAD_DOMAIN : FI_THREAD_SAFE;
  domain.control_progress = kind == Kind::rdm ? release.rdm_progress : FI_PROGRESS_AUTO;
  domain.data_progress = domain.control_progress;
  domain.resource_mgmt = datagram ? FI_RM_DISABLED : FI_RM_ENABLED;
  domain.av_type = datagram ? FI_AV_UNSPEC : FI_AV_TABLE;
  domain.mr_mode = kTargetMr | (kind == Kind::rdm ? 0 : FI_MR_LOCAL);
}

void fill_domain(fi_domain_attr& domain, Kind kind, const Device& device, const Release& release) {
  domain.name = c_text(device.name + (kind == Kind::datagram ? "-dgrm" : "-rdm"));
  domain.mr_key_size = 4;
  domain.cq_data_size = kind == Kind::rdm        ? release.rdm_cq_data
                        : kind == Kind::datagram ? release.datagram_cq_data
                                                 : 4;
  domain.cq_cnt = device.max_cq;
  domain.ep_cnt = device.max_qp;
  domain.tx_ctx_cnt = std::min<size_t>(1024, device.max_qp);
  domain.rx_ctx_cnt = domain.tx_ctx_cnt;
  domain.max_ep_tx_ctx = 1;
  domain.max_ep_rx_ctx = 1;
  domain.mr_iov_limit = 1;
  domain.mr_cnt = device.max_mr;
  domain.caps = FI_LOCAL_COMM | FI_REMOTE_COMM;
  fill_model(domain, kind, release);
}

void fill_source(fi_info& info, const Device& device) {
  const Address address{.gid = device.gid};
  info.addr_format = FI_ADDR_EFA;
  info.src_addrlen = sizeof address;
  info.src_addr = c_bytes(&address, sizeof address);
}

Template make_template(Kind kind, const Device& device, const Release& release, Depths depths,
                       uint32_t own_version) {
  Template entry{kind, &device, make_info()};
  fi_info& info = *entry.info;
  info.caps = caps_of(kind, device);
  info.mode = mode_of(kind, release);
  info.tx_attr->caps = info.caps & kTxCaps;
  info.rx_attr->caps = info.caps & kRxCaps;
  info.tx_attr->mode = info.mode;
  info.rx_attr->mode = info.mode;
  fill_source(info, device);
  fill_tx(*info.tx_attr, kind, device, release, depths);
  fill_rx(*info.rx_attr, kind, device, depths);
  fill_endpoint(*info.ep_attr, entry, release);
  fill_domain(*info.domain_attr, kind, device, release);
  info.fabric_attr->name = c_text(kind == Kind::direct ? "efa-direct" : "efa");
  // prov_name stays null: libfabric puts the name there, or behind what it finds.
  info.fabric_attr->prov_version = own_version;
  info.nic = make_nic(device);
  return entry;
}

}  // namespace

const char* kind_text(Kind kind) {
  switch (kind) {
    case Kind::direct:
      return "efa-direct";
    case Kind::rdm:
      return "efa FI_EP_RDM";
    case Kind::datagram:
      return "efa FI_EP_DGRAM";
  }
  std::abort();
}

Catalogue make_catalogue(const Release& release, std::vector<Device> devices, Depths depths,
                         uint32_t own_version) {
  Catalogue catalogue{&release, std::move(devices), {}};
  for (const Kind kind : {Kind::direct, Kind::rdm, Kind::datagram}) {
    if (kind == Kind::direct && !release.direct) continue;
    for (const Device& device : catalogue.devices)
      catalogue.templates.push_back(make_template(kind, device, release, depths, own_version));
  }
  return catalogue;
}

}  // namespace efa::fi
