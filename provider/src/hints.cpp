// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "hints.hpp"

#include <strings.h>

#include <cstring>

#include "caps.hpp"
#include "mr_mode.hpp"

namespace efa::fi {
namespace {

/// Who asks for less locking than there is gets refused, hence an order from most to least.
int rank(fi_threading threading) {
  switch (static_cast<int>(threading)) {
    case FI_THREAD_SAFE:
      return 1;
    case FI_THREAD_FID:
      return 2;
    case FI_THREAD_ENDPOINT:
      return 3;
    case FI_THREAD_COMPLETION:
      return 4;
    case FI_THREAD_DOMAIN:
      return 5;
    default:
      return 6;
  }
}

/// AUTO, MANUAL and what came later are numbered in this order.
int rank(fi_progress progress) {
  return progress == FI_PROGRESS_UNSPEC ? 99 : progress;
}

int rank(fi_resource_mgmt management) {
  if (management == FI_RM_ENABLED) return 1;
  return management == FI_RM_DISABLED ? 2 : 3;
}

const char* caps_cure(uint64_t missing) {
  if (missing & FI_HMEM)
    return "ask without FI_HMEM: device memory is not supported, registering it as dmabuf neither";
  if (missing & FI_TAGGED) return "tagged messages are what FI_EP_RDM on the fabric efa is for";
  if (missing & FI_RMA) return "ask without FI_RMA, or for FI_EP_RDM on the fabric efa";
  return "ask without these";
}

void check_caps(Check& check, const fi_info& have, const fi_info& hints) {
  check.subset("caps", hints.caps, have.caps, FI_TYPE_CAPS, caps_cure(hints.caps & ~have.caps));
}

/// A mode that the provider needs has to be among those that the application can live with. Those
/// of an attribute are about this attribute, and count instead.
void check_mode(Check& check, const char* field, uint64_t needed, uint64_t accepted) {
  const uint64_t missing = needed & ~accepted;
  check.require(!missing, {field, text_of(accepted, FI_TYPE_MODE),
                           text_of(needed, FI_TYPE_MODE) + " that the application has to support",
                           "set these bits in the hints and do what they stand for"});
}

void check_modes(Check& check, const fi_info& have, const fi_info& hints) {
  const auto or_else = [](uint64_t own, uint64_t common) { return own ? own : common; };
  check_mode(check, "mode", have.mode, hints.mode);
  if (hints.tx_attr)
    check_mode(check, "tx_attr->mode", have.mode, or_else(hints.tx_attr->mode, hints.mode));
  if (hints.rx_attr)
    check_mode(check, "rx_attr->mode", have.mode, or_else(hints.rx_attr->mode, hints.mode));
}

void check_address_format(Check& check, const fi_info& hints) {
  const uint32_t format = hints.addr_format;
  check.require(format == FI_FORMAT_UNSPEC || format == FI_ADDR_EFA,
                {"addr_format", text_of(format, FI_TYPE_ADDR_FORMAT), "FI_ADDR_EFA",
                 "leave it unspecified and exchange the 32 bytes of fi_getname()"});
}

void check_endpoint_type(Check& check, const fi_info& have, const fi_info& hints) {
  if (!hints.ep_attr || hints.ep_attr->type == FI_EP_UNSPEC) return;
  check.require(
      hints.ep_attr->type == have.ep_attr->type,
      {"ep_attr->type", text_of(hints.ep_attr->type, FI_TYPE_EP_TYPE),
       text_of(have.ep_attr->type, FI_TYPE_EP_TYPE),
       "EFA has FI_EP_RDM and FI_EP_DGRAM; connected endpoints come from other providers"});
}

void check_fabric(Check& check, const fi_info& have, const Release& release, const fi_info& hints) {
  if (!hints.fabric_attr) return;
  const fi_fabric_attr& asked = *hints.fabric_attr;
  const fi_fabric_attr& offered = *have.fabric_attr;
  if (asked.prov_name)
    check.require(strcasestr(asked.prov_name, "efa"),
                  {"fabric_attr->prov_name", asked.prov_name, "efa", "ask for provider efa"});
  if (asked.name && release.compares_fabric)
    check.require(
        strcasecmp(asked.name, offered.name) == 0,
        {"fabric_attr->name", asked.name, offered.name, "fabrics are efa and efa-direct"});
  check.require(asked.prov_version <= offered.prov_version,
                {"fabric_attr->prov_version", version_text(asked.prov_version),
                 version_text(offered.prov_version), "leave it 0 or install a newer one"});
}

void check_model(Check& check, const fi_domain_attr& have, const fi_domain_attr& asked) {
  check.require(rank(asked.threading) >= rank(have.threading),
                {"domain_attr->threading", text_of(asked.threading, FI_TYPE_THREADING),
                 text_of(have.threading, FI_TYPE_THREADING),
                 "ask for that, which leaves locking to the application, or for nothing"});
  for (const auto& [field, wanted, offered] :
       {std::tuple{"domain_attr->control_progress", asked.control_progress, have.control_progress},
        std::tuple{"domain_attr->data_progress", asked.data_progress, have.data_progress}})
    check.require(rank(wanted) >= rank(offered),
                  {field, text_of(wanted, FI_TYPE_PROGRESS), text_of(offered, FI_TYPE_PROGRESS),
                   "ask for that and poll completion queues, or leave it unspecified"});
  const auto managed = [](fi_resource_mgmt value) {
    return value == FI_RM_ENABLED ? "FI_RM_ENABLED" : "FI_RM_DISABLED";
  };
  check.require(rank(asked.resource_mgmt) >= rank(have.resource_mgmt),
                {"domain_attr->resource_mgmt", managed(asked.resource_mgmt),
                 managed(have.resource_mgmt), "datagrams are not managed; ask for FI_EP_RDM"});
}

/// Members that applications of API versions before 1.5 do not have.
void check_newer(Check& check, const fi_domain_attr& have, const fi_domain_attr& asked) {
  check.at_most("domain_attr->cntr_cnt", asked.cntr_cnt, have.cntr_cnt,
                "leave it 0: counters are software and not limited");
  check.at_most("domain_attr->mr_iov_limit", asked.mr_iov_limit, have.mr_iov_limit,
                "register one segment at a time");
  check.at_most("domain_attr->mr_cnt", asked.mr_cnt, have.mr_cnt,
                "the device has no more registrations; register larger pieces");
  check.at_most("domain_attr->max_err_data", asked.max_err_data, have.max_err_data, "leave it 0");
  check.at_most("domain_attr->auth_key_size", asked.auth_key_size, 0,
                "EFA has no keys; leave it 0");
  check.subset("domain_attr->caps", asked.caps, have.caps, FI_TYPE_CAPS, "ask without these");
}

void check_domain(Check& check, uint32_t version, const fi_domain_attr& have,
                  const fi_domain_attr& asked) {
  if (asked.name)
    check.require(std::strcmp(asked.name, have.name) == 0,
                  {"domain_attr->name", asked.name, have.name,
                   "take the name of a device from ibv_devinfo, with -rdm or -dgrm behind it"});
  check_model(check, have, asked);
  check.at_most("domain_attr->cq_data_size", asked.cq_data_size, have.cq_data_size,
                "ask for that many bytes of CQ data or fewer");
  if (version >= FI_VERSION(1, 5)) check_newer(check, have, asked);
}

void check_order_sizes(Check& check, const fi_ep_attr& have, const fi_ep_attr& asked) {
  constexpr const char* kCure = "ask for less, or use messages, which are ordered at any size";
  check.at_most("ep_attr->max_order_raw_size", asked.max_order_raw_size, have.max_order_raw_size,
                kCure);
  check.at_most("ep_attr->max_order_war_size", asked.max_order_war_size, have.max_order_war_size,
                kCure);
  check.at_most("ep_attr->max_order_waw_size", asked.max_order_waw_size, have.max_order_waw_size,
                kCure);
}

void check_endpoint(Check& check, const fi_ep_attr& have, const fi_info& hints) {
  const fi_ep_attr& asked = *hints.ep_attr;
  check.require(asked.protocol == FI_PROTO_UNSPEC || asked.protocol == FI_PROTO_EFA,
                {"ep_attr->protocol", text_of(asked.protocol, FI_TYPE_PROTOCOL), "FI_PROTO_EFA",
                 "leave it unspecified"});
  check.at_most("ep_attr->protocol_version", asked.protocol_version, have.protocol_version,
                "leave it 0");
  check.at_most("ep_attr->max_msg_size", asked.max_msg_size, have.max_msg_size,
                "split messages, or use FI_EP_RDM on the fabric efa, which does it");
  check.at_most("ep_attr->tx_ctx_cnt", asked.tx_ctx_cnt, have.tx_ctx_cnt,
                "open several endpoints; contexts are neither shared nor scalable");
  check.at_most("ep_attr->rx_ctx_cnt", asked.rx_ctx_cnt, have.rx_ctx_cnt,
                "open several endpoints; contexts are neither shared nor scalable");
  check.at_most("ep_attr->auth_key_size", asked.auth_key_size, 0, "EFA has no keys; leave it 0");
  if (hints.caps & (FI_RMA | FI_ATOMIC)) check_order_sizes(check, have, asked);
}

constexpr const char* kDepthCure = "ask for less, or for 0 and read the value in the answer";
constexpr const char* kOrderCure = "ask for FI_ORDER_SAS and the order of atomics at most";

void check_tx(Check& check, const fi_tx_attr& have, const fi_tx_attr& asked) {
  check.subset("tx_attr->caps", asked.caps & ~(kRxCaps & ~kTxCaps), have.caps, FI_TYPE_CAPS,
               "ask without these");
  check.subset("tx_attr->op_flags", asked.op_flags, have.op_flags, FI_TYPE_OP_FLAGS,
               "ask without these");
  check.subset("tx_attr->msg_order", asked.msg_order, have.msg_order, FI_TYPE_MSG_ORDER,
               kOrderCure);
  check.subset("tx_attr->comp_order", asked.comp_order, 0, FI_TYPE_MSG_ORDER,
               "completions come in any order; leave it 0");
  check.at_most("tx_attr->inject_size", asked.inject_size, have.inject_size, kDepthCure);
  check.at_most("tx_attr->size", asked.size, have.size, kDepthCure);
  check.at_most("tx_attr->iov_limit", asked.iov_limit, have.iov_limit, "gather by copying");
  check.at_most("tx_attr->rma_iov_limit", asked.rma_iov_limit, have.rma_iov_limit,
                "one operation for each remote segment");
}

void check_rx(Check& check, const fi_rx_attr& have, const fi_rx_attr& asked) {
  check.subset("rx_attr->caps", asked.caps & ~(kTxCaps & ~kRxCaps), have.caps, FI_TYPE_CAPS,
               "ask without these");
  check.subset("rx_attr->op_flags", asked.op_flags, have.op_flags, FI_TYPE_OP_FLAGS,
               "ask without these");
  check.subset("rx_attr->msg_order", asked.msg_order, have.msg_order, FI_TYPE_MSG_ORDER,
               kOrderCure);
  check.subset("rx_attr->comp_order", asked.comp_order, 0, FI_TYPE_MSG_ORDER,
               "completions come in any order; leave it 0");
  check.at_most("rx_attr->total_buffered_recv", asked.total_buffered_recv, 0, "leave it 0");
  check.at_most("rx_attr->size", asked.size, have.size, kDepthCure);
  check.at_most("rx_attr->iov_limit", asked.iov_limit, have.iov_limit, "scatter by copying");
}

/// Only the bus number: that is what upstream compares, and what its users rely on (spec 3.1).
void check_nic(Check& check, const fid_nic& have, const fid_nic& asked) {
  if (!asked.bus_attr || asked.bus_attr->bus_type != FI_BUS_PCI) return;
  const int wanted = asked.bus_attr->attr.pci.bus_id;
  const int bus = have.bus_attr->attr.pci.bus_id;
  check.require(wanted == bus, {"nic->bus_attr->attr.pci.bus_id", std::to_string(wanted),
                                std::to_string(bus), "leave nic null to get every device"});
}

}  // namespace

std::optional<Refusal> check_hints(const Template& entry, const Release& release, uint32_t version,
                                   const fi_info& hints) {
  const fi_info& have = *entry.info;
  Check check;
  check_endpoint_type(check, have, hints);
  check_fabric(check, have, release, hints);
  check_address_format(check, hints);
  check_caps(check, have, hints);
  check_modes(check, have, hints);
  check_mr_mode(check, version, have, hints);
  if (hints.domain_attr) check_domain(check, version, *have.domain_attr, *hints.domain_attr);
  if (hints.ep_attr) check_endpoint(check, *have.ep_attr, hints);
  if (hints.tx_attr) check_tx(check, *have.tx_attr, *hints.tx_attr);
  if (hints.rx_attr) check_rx(check, *have.rx_attr, *hints.rx_attr);
  if (hints.nic) check_nic(check, *have.nic, *hints.nic);
  return std::move(check).result();
}

}  // namespace efa::fi
