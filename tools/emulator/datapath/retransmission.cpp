// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Messages on imperfect paths: SRD cut into packets, each sent until it is answered or the
/// transport time limit passes; what was executed once is only answered again. Datagrams take their
/// chance.
#include <algorithm>

#include "datapath/data_path.hpp"

namespace efa::emu {

namespace {

// Packets of one message that are under way at a time.
constexpr std::uint32_t kWindow = 64;
// Wait for an answer beyond the time at which it could be here; doubles with every attempt.
constexpr Nanoseconds kRetransmitAfter = 300'000;
constexpr std::uint32_t kMaxRetransmitShift = 8;
// Stands for "no part": the timer of a message that nobody can receive.
constexpr std::uint32_t kWholeMessage = ~std::uint32_t{0};

std::uint32_t part_length(const Message& message, std::uint32_t index) noexcept {
  return std::min(message.part_size, message.request.length - index * message.part_size);
}

/// Payload that the request of a part carries; that of a read travels the other way.
std::uint32_t request_bytes(const Message& message, std::uint32_t index) noexcept {
  return message.request.op == EFA_SEND_OP_TYPE_RDMA_READ ? 0 : part_length(message, index);
}

std::uint32_t reply_bytes(const Message& message, std::uint32_t index) noexcept {
  return part_length(message, index) - request_bytes(message, index);
}

}  // namespace

void DataPath::begin_datagram(Message& message) {
  SendRequest& request = message.request;
  device_.stats.tx_bytes += request.length;
  device_.stats.tx_pkts += 1;
  if (usable_directly(message)) {
    const MessageRef self = message.self;
    const auto status = deliver(message, 0, request.length, true);
    if (messages_.find(self) == nullptr) return;  // flushed: it went to its own queue pair
    // Only the sender's own fault shows: whatever the receiver did with it, it was sent (I9).
    return finish(message,
                  status == EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY ? status : EFA_COMP_STATUS_OK);
  }

  Buffer local;
  const auto status = resolve_local(message, 0, request.length, local);
  if (status != EFA_COMP_STATUS_OK) return finish(message, status);
  Fate fate;
  fate.lost = message.peer == nullptr || !message.peer->route.there->allowed() ||
              fabric_.deaf(*message.peer->responder);
  if (fate.lost) {
    ++drops_.unreachable;
  } else {
    fate = message.peer->route.there->next(request.length, fabric_.clock().now());
    if (fate.lost) ++fabric_.packets_lost;
  }
  if (fate.lost) return finish(message, EFA_COMP_STATUS_OK);

  // The CQE gives the buffer back to the sender: later arrivals need a copy. Never empty, so that
  // resolve_local() tells it from a message without one.
  Message& in_flight = messages_.allocate();
  in_flight.snapshot.resize(std::max<std::size_t>(request.length, 1));
  const bool copied =
      local.bytes != nullptr
          ? (std::copy_n(local.bytes, request.length, in_flight.snapshot.data()), true)
          : local.space->gather(local.segments, in_flight.snapshot.data());
  if (!copied) {
    messages_.release(in_flight);
    return finish(message, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  }
  in_flight.request = request;
  in_flight.request.is_inline = false;
  in_flight.peer = message.peer;
  in_flight.source_qp = message.source_qp;
  in_flight.transport = message.transport;
  in_flight.responder_life = message.responder_life;
  in_flight.unanswered = fate.duplicated ? 2 : 1;
  finish(message, EFA_COMP_STATUS_OK);

  Event event;
  event.kind = Event::Kind::kRequestArrives;
  event.message = in_flight.self;
  event.peer = this;
  DataPath& responder = *in_flight.peer->responder;
  fabric_.at(fate.arrival, responder, event);
  if (!fate.duplicated) return;
  ++fabric_.packets_duplicated;
  fabric_.at(fate.duplicate_arrival, responder, event);
}

void DataPath::datagram_arrived(DataPath& requester, Message& message) {
  if (!fabric_.deaf(*this)) requester.deliver(message, 0, message.request.length, true);
  if (--message.unanswered == 0) requester.messages_.release(message);
}

void DataPath::begin_parts(Message& message) {
  const Nanoseconds now = fabric_.clock().now();
  message.deadline = now + fabric_.topology().transport_timeout;
  if (message.peer == nullptr) {
    Event event;
    event.kind = Event::Kind::kRetransmit;
    event.message = message.self;
    event.part = kWholeMessage;
    fabric_.at(message.deadline, *this, event);
    return;
  }
  message.part_size = device_.profile().mtu;
  message.parts.resize(packets_of(message.request.length));
  pump(message);
}

void DataPath::pump(Message& message) {
  while (message.next_part < message.parts.size() && message.unanswered < kWindow) {
    ++message.unanswered;
    send_part(message, message.next_part++);
  }
}

void DataPath::send_part(Message& message, std::uint32_t index) {
  Part& part = message.parts[index];
  if (part.answered) return;
  const std::uint32_t bytes = request_bytes(message, index);
  device_.stats.tx_bytes += bytes;
  ++device_.stats.tx_pkts;
  ++part.attempt;

  const Peer& peer = *message.peer;
  const Nanoseconds now = fabric_.clock().now();
  const Fate fate = peer.route.there->next(bytes, now);
  Event event;
  event.kind = Event::Kind::kRequestArrives;
  event.message = message.self;
  event.part = index;
  event.attempt = part.attempt;
  event.peer = this;
  part.arrival = now;
  if (!peer.route.there->allowed()) {
    ++fabric_.packets_denied;
  } else if (fate.lost) {
    ++fabric_.packets_lost;
  } else {
    part.arrival = std::max(now, fate.arrival);
    fabric_.at(fate.arrival, *peer.responder, event);
    if (fate.duplicated) {
      ++fabric_.packets_duplicated;
      fabric_.at(fate.duplicate_arrival, *peer.responder, event);
    }
  }
  event.kind = Event::Kind::kRetransmit;
  const Nanoseconds patience = kRetransmitAfter << std::min(part.attempt - 1, kMaxRetransmitShift);
  fabric_.at(std::min(part.arrival + patience, std::max(message.deadline, now + 1)), *this, event);
}

void DataPath::request_arrived(const Event& event) {
  DataPath& requester = static_cast<DataPath&>(*event.peer);
  Message* message = requester.messages_.find(event.message);
  if (message != nullptr && message->part_size == 0) return datagram_arrived(requester, *message);
  if (fabric_.deaf(*this)) return;
  if (message == nullptr) {  // finished: the requester has its answer, or needs none any more
    ++drops_.duplicates;
    return;
  }
  const std::uint32_t bytes = reply_bytes(*message, event.part);
  const Part& part = message->parts[event.part];
  if (part.delivered) {
    ++drops_.duplicates;
    return reply(event, static_cast<efa_comp_status>(part.status), bytes);
  }
  const auto status = requester.deliver_part(*message, event.part);
  reply(event, status, status == EFA_COMP_STATUS_OK ? bytes : 0);
}

/// Has the responder execute a part that arrived there.
efa_comp_status DataPath::deliver_part(Message& message, std::uint32_t index) {
  const MessageRef self = message.self;
  // The one that completes the message, whichever it is.
  const bool last = message.delivered + 1 == message.parts.size();
  const auto status =
      deliver(message, index * message.part_size, part_length(message, index), last);
  if (status == EFA_COMP_STATUS_REMOTE_ERROR_RNR || messages_.find(self) == nullptr) return status;
  Part& part = message.parts[index];
  part.delivered = true;
  part.status = static_cast<std::uint8_t>(status);
  ++message.delivered;
  return status;
}

void DataPath::reply(const Event& request, efa_comp_status status, std::uint32_t bytes) {
  DataPath& requester = static_cast<DataPath&>(*request.peer);
  Path& back = *fabric_.route(*this, requester).there;
  const Fate fate = back.next(bytes, fabric_.clock().now());
  if (!back.allowed() || fate.lost) {
    ++(back.allowed() ? fabric_.packets_lost : fabric_.packets_denied);
    return;
  }
  Event event = request;
  event.kind = Event::Kind::kReplyArrives;
  event.status = static_cast<std::uint8_t>(status);
  event.peer = this;
  fabric_.at(fate.arrival, requester, event);
  if (Message* message = requester.messages_.find(request.message))
    message->parts[request.part].arrival = fate.arrival;
}

void DataPath::reply_arrived(const Event& event) {
  Message* message = messages_.find(event.message);
  if (message == nullptr || fabric_.deaf(*this)) return;
  Part& part = message->parts[event.part];
  if (part.answered) return;
  message->peer->heard = true;
  message->deadline = fabric_.clock().now() + fabric_.topology().transport_timeout;
  const auto status = static_cast<efa_comp_status>(event.status);
  if (status == EFA_COMP_STATUS_REMOTE_ERROR_RNR) return not_ready_reply(*message, event);
  if (status != EFA_COMP_STATUS_OK) return finish(*message, status);
  if (const std::uint32_t bytes = reply_bytes(*message, event.part); bytes != 0) {
    device_.stats.rx_bytes += bytes;
    ++device_.stats.rx_pkts;
  }
  part.answered = true;
  --message->unanswered;
  if (message->unanswered == 0 && message->next_part == message->parts.size())
    return finish(*message, EFA_COMP_STATUS_OK);
  pump(*message);
}

void DataPath::not_ready_reply(Message& message, const Event& event) {
  Part& part = message.parts[event.part];
  // Only one retry for each transmission, however many copies of it arrived.
  if (event.attempt != part.attempt) return;
  ++message.owner->qp.stats.rnr_retries;
  if (message.rnr_left == 0) return finish(message, EFA_COMP_STATUS_REMOTE_ERROR_RNR);
  if (message.rnr_left != kRnrForever) --message.rnr_left;
  ++part.attempt;  // the retransmission timer belongs to the attempt that was answered
  Event retry = event;
  retry.kind = Event::Kind::kRnrRetry;
  retry.attempt = part.attempt;
  fabric_.at(fabric_.clock().now() + fabric_.topology().rnr_backoff, *this, retry);
}

void DataPath::retransmit(const Event& event) {
  Message* message = messages_.find(event.message);
  if (message == nullptr) return;
  const bool nobody = event.part == kWholeMessage;
  if (!nobody) {
    const Part& part = message->parts[event.part];
    if (part.answered || part.attempt != event.attempt) return;
    // Still on its way over a long or narrow link: to send it again would only fill that.
    if (part.arrival > fabric_.clock().now())
      return fabric_.at(part.arrival + kRetransmitAfter, *this, event);
    ++device_.stats.retrans_timeout_events;
    if (fabric_.clock().now() < message->deadline) {
      device_.stats.retrans_bytes += request_bytes(*message, event.part);
      ++device_.stats.retrans_pkts;
      ++message->owner->qp.stats.retransmissions;
      return send_part(*message, event.part);
    }
  }
  ++device_.stats.unresponsive_remote_events;
  const bool heard = !nobody && message->peer->heard;
  finish(*message, heard ? EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE
                         : EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE);
}

}  // namespace efa::emu
