// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "wire/choose.hpp"

#include <algorithm>

namespace efa::rdm {

namespace {

using How = Choice::How;

constexpr std::uint32_t kFirstDevice = 0xefa0;

constexpr Choice packets(PacketType type, std::uint64_t runt_length = 0) {
  return {How::kPackets, type, runt_length};
}

bool both_have(const Question& q, std::uint64_t feature) {
  return q.own.features.has(feature) && q.peer.side.features.has(feature);
}

// "Read possible" (10.1). Of an unknown peer it is assumed: what it is good for needs the
// handshake, and then the question is asked again.
bool read_possible(const Question& q) {
  if (!q.p2p || !q.registrable || !q.own.features.has(Features::kRdmaRead)) return false;
  return !q.peer.known || (both_have(q, Features::kRdmaRead) &&
                           devices_interoperate(q.own.device, q.peer.side.device));
}

// Types with a feature wait for the handshake that tells whether the peer has it (7.4).
Choice when_known(const Question& q, const Choice& choice) {
  const std::uint64_t required = required_features(choice.type);
  if (required == 0) return choice;
  if (!q.peer.known) return {How::kWait};
  return q.peer.side.features.has(required) ? choice : Choice{How::kUnsupported};
}

bool wants_receipt(const Question& q) {
  return q.delivery_complete && !q.inject;
}

// Section 10.2, "runt bytes".
std::uint64_t runt_bytes(const Question& q) {
  if (q.runt_bytes_in_flight >= q.limits.runt_size) return 0;
  const std::uint64_t bytes = std::min(q.limits.runt_size - q.runt_bytes_in_flight, q.length);
  return bytes - bytes % q.limits.alignment;
}

Choice read_based_send(const Question& q) {
  const std::uint64_t runt = runt_bytes(q);
  const bool peer_runts = !q.peer.known || q.peer.side.features.has(Features::kRunt);
  if (!q.read_in_flight && runt > 0 && !wants_receipt(q) && peer_runts)
    return packets(tagged_form(PacketType::kRuntReadMsgRtm, q.tagged), runt);
  // With delivery-complete too: EOR implies delivery.
  return packets(tagged_form(PacketType::kLongReadMsgRtm, q.tagged));
}

PacketType packet_based_send(const Question& q) {
  const bool dc = wants_receipt(q);
  const auto form = [&](PacketType plain, PacketType dc_form) {
    return tagged_form(dc ? dc_form : plain, q.tagged);
  };
  const PacketType eager = form(PacketType::kEagerMsgRtm, PacketType::kDcEagerMsgRtm);
  if (q.length <= payload_capacity(q.mtu, eager, q.option_flags)) return eager;
  if (q.length <= q.limits.max_medium)
    return form(PacketType::kMediumMsgRtm, PacketType::kDcMediumMsgRtm);
  return form(PacketType::kLongCtsMsgRtm, PacketType::kDcLongCtsMsgRtm);
}

// Section 10.3, 1. The immediate carries 32 bits and makes one completion, so data has to be one
// WR, and both sides have to agree on whether it consumes a receive buffer (section 17).
bool device_write_possible(const Question& q) {
  if (!q.p2p || !(q.peer.self || both_have(q, Features::kRdmaWrite))) return false;
  if ((q.option_flags & kReqCqData) == 0) return true;
  constexpr std::uint64_t unsolicited = Features::kUnsolicitedWriteRecv;
  return q.local_iovs == 1 && q.rma_iovs == 1 &&
         q.own.features.has(unsolicited) == q.peer.side.features.has(unsolicited);
}

}  // namespace

bool devices_interoperate(std::uint32_t own, std::uint32_t peer) {
  return (own == kFirstDevice) == (peer == kFirstDevice);
}

Choice choose_send(const Question& q) {
  if (q.peer.known && q.peer.side.features.has(Features::kUserRecvQp))
    return {q.length <= q.mtu ? How::kBare : How::kTooLong};
  if (q.length >= q.limits.min_read_message && read_possible(q))
    return when_known(q, read_based_send(q));
  return when_known(q, packets(packet_based_send(q)));
}

Choice choose_write(const Question& q) {
  if (!q.peer.known) return {How::kWait};
  if (device_write_possible(q)) return {How::kDeviceWrite};
  if (q.length >= q.limits.min_read_write && read_possible(q))
    return when_known(q, packets(PacketType::kLongReadRtw));
  const bool dc = wants_receipt(q);
  const PacketType eager = dc ? PacketType::kDcEagerRtw : PacketType::kEagerRtw;
  if (q.length <= payload_capacity(q.mtu, eager, q.option_flags, q.rma_iovs))
    return when_known(q, packets(eager));
  return when_known(q, packets(dc ? PacketType::kDcLongCtsRtw : PacketType::kLongCtsRtw));
}

Choice choose_read(const Question& q) {
  if (!q.peer.known) return {How::kWait};
  if (q.p2p && both_have(q, Features::kRdmaRead) &&
      devices_interoperate(q.own.device, q.peer.side.device))
    return {How::kDeviceRead};
  const bool one_response = q.length < payload_capacity(q.mtu, PacketType::kReadRsp, kFlagConnid);
  return packets(one_response ? PacketType::kShortRtr : PacketType::kLongCtsRtr);
}

Choice choose_atomic(const Question& q, AtomicForm form) {
  if (q.length > max_atomic_bytes(q.mtu, form == AtomicForm::kCompare)) return {How::kTooLong};
  if (form == AtomicForm::kFetch) return packets(PacketType::kFetchRta);
  if (form == AtomicForm::kCompare) return packets(PacketType::kCompareRta);
  return when_known(q, packets(wants_receipt(q) ? PacketType::kDcWriteRta : PacketType::kWriteRta));
}

MediumPlan plan_medium(std::uint64_t length, std::uint64_t capacity, std::uint32_t alignment) {
  const std::uint64_t packets_needed = (length + capacity - 1) / capacity;
  std::uint64_t size = (length + packets_needed - 1) / packets_needed;
  if (size >= alignment) size -= size % alignment;
  const std::uint64_t full = length / size;
  const std::uint64_t rest = length % size;
  if (rest == 0) return {full, size, size};
  if (size + rest <= capacity) return {full, size, size + rest};
  return {full + 1, size, rest};
}

}  // namespace efa::rdm
