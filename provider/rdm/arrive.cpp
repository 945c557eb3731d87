// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A packet of the network: whose it is, and who takes it (spec efa-rdm-protocol 8, 18).
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <algorithm>

#include "rdm/engine.hpp"

namespace efa::rdm {
namespace {

// The AH number of a completion whose sender the device has no address handle of.
constexpr std::uint16_t kUnknownHandle = 0xffff;

}  // namespace

// Section 8. A packet's connid decides between endpoints that had the same numbers one after the
// other; a raw address is authoritative.
inline Peer* Engine::sender_of(const Packet& packet, std::uint16_t ahn, std::uint32_t qpn,
                               ibv_cq_ex& cq) {
  const std::optional<std::uint32_t> connid = packet.connid();
  Peer* candidate = ahn != kUnknownHandle ? peers_.find_sender(ahn, qpn) : nullptr;
  if (candidate != nullptr && (!connid || candidate->connid == *connid)) [[likely]]
    return candidate;
  return other_sender_of(packet, ahn, qpn, cq);
}

// Of a packet that is not of the newest endpoint with these numbers.
Peer* Engine::other_sender_of(const Packet& packet, std::uint16_t ahn, std::uint32_t qpn,
                              ibv_cq_ex& cq) {
  const std::optional<std::uint32_t> connid = packet.connid();
  if (connid && ahn != kUnknownHandle && peers_.find_sender(ahn, qpn) != nullptr) {
    Peer* previous = peers_.find_previous(ahn, qpn, *connid);
    if (previous != nullptr) return previous;
  }
  RawAddress address{};
  if (const auto raw = packet.raw_address()) {
    address = *raw;
  } else {
    Gid gid;
    if (!connid || ahn != kUnknownHandle || !host_.sender_gid(cq, gid)) return nullptr;
    address = {gid, static_cast<std::uint16_t>(qpn), 0, *connid, 0};
  }
  return implicit_peer(address);
}

void Engine::arrived(RxPacket& packet, ibv_cq_ex& cq, bool immediate) {
  --receives_posted_;
  to_post_.push_back(&packet);  // what is to be kept is copied
  if (immediate) return arrived_immediate(cq);
  const std::span<const std::byte> bytes(packet.buffer,
                                         std::min(ibv_wc_read_byte_len(&cq), packet.capacity));
  const Parsed parsed = parse(bytes);
  if (!parsed) {
    const Malformed& error = parsed.error();
    return bad_packet(nullptr, error.code,
                      std::string(error.subject) + " is " + std::to_string(error.value) +
                          ", the limit " + std::to_string(error.limit));
  }
  Peer* peer = sender_of(*parsed, static_cast<std::uint16_t>(ibv_wc_read_slid(&cq)),
                         ibv_wc_read_src_qp(&cq), cq);
  if (peer == nullptr || peer->gone) return;
  if (!peer->handshake_sent) send_handshake(*peer);
  dispatch(*peer, *parsed, bytes);
}

void Engine::dispatch(Peer& peer, const Packet& packet, std::span<const std::byte> bytes) {
  // Almost all packets: a whole message, in its turn.
  if (packet.kind() == Kind::kEager && peer.order.classify(packet.msg_id()) == Arrival::kNow)
    return in_turn(peer, packet, bytes);
  switch (packet.kind()) {
    case Kind::kCts:
      return on_cts(peer, packet);
    case Kind::kCtsData:
      return on_data(peer, packet);
    case Kind::kReadRsp:
      return on_read_response(peer, packet);
    case Kind::kEor:
      return on_eor(peer, packet);
    case Kind::kAtomRsp:
      return on_atomic_response(peer, packet);
    case Kind::kHandshake:
      return on_handshake(peer, packet);
    case Kind::kReceipt:
      return on_receipt(peer, packet);
    case Kind::kReadNack:
      return on_read_nack(peer, packet);
    case Kind::kPeerError:
      return on_peer_error(peer, packet);
    case Kind::kEagerWrite:
    case Kind::kLongCtsWrite:
    case Kind::kLongReadWrite:
      return on_write(peer, packet);
    case Kind::kShortRead:
    case Kind::kLongCtsRead:
      return on_read(peer, packet);
    case Kind::kNone:
    case Kind::kRetired:
      return;
    default:
      return on_ordered(peer, packet, bytes);
  }
}

// Nothing of the application is hurt by it: dropped, and told.
void Engine::bad_packet(const Peer* peer, ProviderErrno code, const std::string& why) {
  const int number = static_cast<int>(code);
  host_.report(error_of(number), number,
               (peer != nullptr ? "packet of " + name_of(peer->address) : std::string("packet")) +
                   " dropped: " + text_of_errno(number) + ": " + why);
}

}  // namespace efa::rdm
