// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The device on which the specification's answers were recorded (spec libfabric-api, terms).
#pragma once

#include <vector>

#include "getinfo.hpp"
#include "hint_sets.hpp"

namespace efa::fi::test {

enum class Rdma { none, read, write, unsolicited };

inline Device recorded_device(Rdma rdma = Rdma::none) {
  Device device;
  device.name = "efa_0";
  device.device_id = "0xefa1";
  device.vendor_id = "0x1d0f";
  device.version = "1";
  device.driver = "efa";
  device.firmware = "0.0.0.0";
  device.pci = {0, 16, 27, 0};
  device.gid = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x04, 0xa5, 0x28, 0xff, 0xfe, 0x98, 0xe5, 0x00};
  device.speed = 100'000'000'000;
  device.link = FI_LINK_UP;
  device.mtu = 8928;
  device.max_sq_wr = 4096;
  device.max_rq_wr = 32768;
  device.max_sq_sge = 2;
  device.max_rq_sge = 4;
  device.inline_size = 32;
  device.max_rdma_size = 0x40000000;
  device.max_qp = 256;
  device.max_cq = 512;
  device.max_mr = 131072;
  device.rdma_read = rdma >= Rdma::read;
  device.rdma_write = rdma >= Rdma::write;
  device.unsolicited_write_recv = rdma >= Rdma::unsolicited;
  return device;
}

inline Catalogue machine(const Release& release, Rdma rdma = Rdma::none) {
  return make_catalogue(release, {recorded_device(rdma)}, {}, release.builtin_version + 100);
}

inline Result ask(const Catalogue& catalogue, const fi_info* hints,
                  uint32_t version = FI_VERSION(1, 17)) {
  return get_info(catalogue, {.version = version, .hints = hints});
}

inline Result ask(const Catalogue& catalogue, std::string_view set,
                  uint32_t version = FI_VERSION(1, 17)) {
  return ask(catalogue, make_hints(set).get(), version);
}

/// "direct rdm datagram": the entries of an answer, in their order.
inline std::string kinds(const Result& result) {
  std::string text;
  for (const fi_info* info = result.list.get(); info; info = info->next) {
    if (!text.empty()) text += ' ';
    if (info->ep_attr->type == FI_EP_DGRAM)
      text += "datagram";
    else
      text += std::string_view(info->fabric_attr->name) == "efa-direct" ? "direct" : "rdm";
  }
  return text;
}

/// An entry of kind, which has to be there.
inline const fi_info& entry(const Catalogue& catalogue, Kind kind) {
  for (const Template& one : catalogue.templates)
    if (one.kind == kind) return *one.info;
  std::abort();
}

}  // namespace efa::fi::test
