// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "answer.hpp"

#include "caps.hpp"
#include "mr_mode.hpp"

namespace efa::fi {
namespace {

template <class Value>
void take_hint(Value& value, Value hint) {
  if (hint != Value{}) value = hint;
}

/// Directions to add because the application left them open.
uint64_t open_directions(uint64_t asked, uint64_t classes, uint64_t directions) {
  return (asked & classes) && !(asked & directions) ? directions : 0;
}

/// Capabilities of the answer: those asked, in all directions if none is named, and the secondary
/// ones, some of them only on request.
uint64_t answered_caps(uint64_t offered, uint64_t asked, const Release& release) {
  if (!asked) return offered;
  uint64_t secondary = kSecondaryCaps;
  if (release.hinted_comm_caps) secondary &= ~kCommCaps;
  const uint64_t directions = open_directions(asked, FI_MSG | FI_TAGGED, kMessageDirections) |
                              open_directions(asked, FI_RMA | FI_ATOMIC, kRmaDirections);
  return offered & (asked | directions | secondary);
}

/// Without what is only there on request. An application that asks for remote peers only gets
/// endpoints that do not look for local ones.
uint64_t without_unasked(uint64_t caps, uint64_t asked, const Release& release) {
  if ((asked & kCommCaps) == FI_REMOTE_COMM) caps &= ~FI_LOCAL_COMM;
  if (release.hinted_source && asked && !(asked & FI_SOURCE)) caps &= ~FI_SOURCE;
  return caps;
}

uint64_t domain_caps(uint64_t offered, const fi_info& hints, const Release& release) {
  if (!release.hinted_comm_caps) return offered;
  if (hints.domain_attr && hints.domain_attr->caps) return offered & hints.domain_attr->caps;
  return hints.caps ? hints.caps & kCommCaps : offered;
}

/// The same for one side of an endpoint, where bits of the other side say nothing.
uint64_t side_caps(uint64_t offered, uint64_t own, uint64_t common, uint64_t side,
                   const Release& release) {
  const uint64_t asked = own ? own : common;
  if (!asked) return offered;
  // Bits of neither side, so that "nothing for this side" is not "no hint".
  const uint64_t caps = answered_caps(offered, (asked & side) | FI_PROV_ATTR_ONLY, release);
  return without_unasked(caps, own, release);
}

void answer_tx(fi_tx_attr& tx, const fi_info& hints, uint64_t caps, const Release& release) {
  tx.caps = side_caps(tx.caps, hints.tx_attr ? hints.tx_attr->caps : 0, caps, kTxCaps, release);
  if (!hints.tx_attr) return;
  const fi_tx_attr& asked = *hints.tx_attr;
  tx.op_flags = asked.op_flags;
  if (release.hinted_order) tx.msg_order &= asked.msg_order;
  take_hint(tx.inject_size, asked.inject_size);
  take_hint(tx.size, asked.size);
  take_hint(tx.iov_limit, asked.iov_limit);
  take_hint(tx.rma_iov_limit, asked.rma_iov_limit);
}

void answer_rx(fi_rx_attr& rx, const fi_info& hints, uint64_t caps, const Release& release) {
  rx.caps = side_caps(rx.caps, hints.rx_attr ? hints.rx_attr->caps : 0, caps, kRxCaps, release);
  if (!hints.rx_attr) return;
  const fi_rx_attr& asked = *hints.rx_attr;
  rx.op_flags = asked.op_flags;
  if (release.hinted_order) rx.msg_order &= asked.msg_order;
  take_hint(rx.size, asked.size);
  take_hint(rx.iov_limit, asked.iov_limit);
}

/// Sizes up to which an order holds, if the order itself was asked for (spec 3.3).
void answer_order(fi_ep_attr& ep, const fi_info& hints, const Release& release) {
  if (!hints.tx_attr) return;
  const uint64_t order = hints.tx_attr->msg_order;
  if (!(order & FI_ORDER_ATOMIC_RAW)) ep.max_order_raw_size = 0;
  if (!release.packet_order) return;
  if (!(order & FI_ORDER_ATOMIC_WAR)) ep.max_order_war_size = 0;
  if (!(order & FI_ORDER_ATOMIC_WAW)) ep.max_order_waw_size = 0;
}

void answer_endpoint(fi_ep_attr& ep, const fi_ep_attr& asked) {
  take_hint(ep.max_order_raw_size, asked.max_order_raw_size);
  take_hint(ep.max_order_war_size, asked.max_order_war_size);
  take_hint(ep.max_order_waw_size, asked.max_order_waw_size);
  take_hint(ep.tx_ctx_cnt, asked.tx_ctx_cnt);
  take_hint(ep.rx_ctx_cnt, asked.rx_ctx_cnt);
}

void answer_domain(fi_domain_attr& domain, const fi_domain_attr& asked) {
  take_hint(domain.threading, asked.threading);
  take_hint(domain.control_progress, asked.control_progress);
  take_hint(domain.data_progress, asked.data_progress);
  take_hint(domain.resource_mgmt, asked.resource_mgmt);
  take_hint(domain.av_type, asked.av_type);
}

/// Applications may keep room for headers in front of their buffers; the protocol says how much.
void accept_prefix(fi_info& info, const Release& release) {
  for (uint64_t* mode : {&info.mode, &info.tx_attr->mode, &info.rx_attr->mode})
    *mode |= FI_MSG_PREFIX;
  info.ep_attr->msg_prefix_size = release.rdm_prefix;
}

void adapt_rdm(fi_info& info, const Release& release, const fi_info& hints) {
  if (hints.mode & FI_MSG_PREFIX) accept_prefix(info, release);
  if (hints.domain_attr && (hints.domain_attr->mr_mode & FI_MR_LOCAL))
    info.domain_attr->mr_mode |= FI_MR_LOCAL;
  answer_order(*info.ep_attr, hints, release);
  if (release.rma_is_manual && (hints.caps & FI_RMA)) {
    info.domain_attr->control_progress = FI_PROGRESS_MANUAL;
    info.domain_attr->data_progress = FI_PROGRESS_MANUAL;
  }
}

void adapt_direct(fi_info& info, const Device& device, const fi_info& hints) {
  if (!(hints.caps & FI_RMA)) info.ep_attr->max_msg_size = device.mtu;
}

void follow_hints(fi_info& info, const Release& release, bool target, const fi_info& hints) {
  const uint64_t side = target ? hints.caps : hints.caps & ~kTargetCaps;
  info.caps = without_unasked(answered_caps(info.caps, hints.caps, release), hints.caps, release);
  info.domain_attr->caps = domain_caps(info.domain_attr->caps, hints, release);
  answer_tx(*info.tx_attr, hints, side, release);
  answer_rx(*info.rx_attr, hints, side, release);
  if (hints.ep_attr) answer_endpoint(*info.ep_attr, *hints.ep_attr);
  if (hints.domain_attr) answer_domain(*info.domain_attr, *hints.domain_attr);
}

}  // namespace

std::optional<Refusal> check_kind(const Template& entry, const fi_info& hints) {
  Check check;
  const bool messages_only = entry.kind == Kind::direct && !(hints.caps & FI_RMA);
  if (messages_only && hints.ep_attr)
    check.at_most("ep_attr->max_msg_size", hints.ep_attr->max_msg_size, entry.device->mtu,
                  "one message is one packet on efa-direct; the fabric efa splits messages");
  return std::move(check).result();
}

InfoPtr answer(const Template& entry, const Release& release, uint32_t version,
               const fi_info* hints) {
  InfoPtr copy = duplicate(*entry.info);
  if (!copy) return copy;
  fi_info& info = *copy;
  info.fabric_attr->api_version = version;
  if (hints && entry.kind == Kind::rdm) adapt_rdm(info, release, *hints);
  if (hints && entry.kind == Kind::direct) adapt_direct(info, *entry.device, *hints);
  const bool target = can_be_target(version, hints);
  if (!target) info.caps &= ~kTargetCaps;
  if (hints) follow_hints(info, release, target, *hints);

  const int modes = info.domain_attr->mr_mode;
  info.domain_attr->mr_mode = answered_mr_mode(version, modes, hints);
  // The old way to say FI_MR_LOCAL.
  if (info.domain_attr->mr_mode == kMrBasic && (modes & FI_MR_LOCAL)) info.mode |= kLocalMr;
  return copy;
}

}  // namespace efa::fi
