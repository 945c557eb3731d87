// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Messages on imperfect paths: SRD cut into packets, each sent until it is answered or the
/// transport time limit passes; the responder recognises what it has already done. Datagrams take
/// their chance.
#include <algorithm>

#include "datapath/data_path.hpp"

namespace efa::emu {

namespace {

// Packets of one message that are under way at a time.
constexpr std::uint32_t kWindow = 64;
// Wait for an answer beyond the time at which it could be here; doubles with every attempt.
constexpr Nanoseconds kRetransmitAfter = 300'000;
constexpr unsigned kMaxRetransmitShift = 8;
// Stands for "no part": the timer of a message that nobody can receive.
constexpr std::uint32_t kWholeMessage = ~std::uint32_t{0};

/// Messages whose delivery must not happen twice; the others only place the same bytes again.
bool delivers_once(const SendRequest& request, bool last) noexcept {
  return request.op == EFA_SEND_OP_TYPE_SEND || (request.has_imm && last);
}

}  // namespace

void DataPath::begin_datagram(Message& message) {
  SendRequest& request = message.request;
  Buffer local;
  auto status = resolve_local(message, 0, request.length, local);
  if (status != EFA_COMP_STATUS_OK) return finish(message, status);
  device_.stats.tx_bytes += request.length;
  device_.stats.tx_pkts += 1;

  if (usable_directly(message)) {
    status = message.peer->responder->accept(
        {request, *this, EFA_QP_TYPE_UD, message.source_qp, 0, request.length, true, local});
    // Only the sender's own fault shows: whatever the receiver did with it, it was sent (I9).
    return finish(message,
                  status == EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY ? status : EFA_COMP_STATUS_OK);
  }

  const Nanoseconds now = fabric_.clock().now();
  Fate fate;
  fate.lost = message.peer == nullptr || !message.peer->route.there->allowed() ||
              fabric_.deaf(*message.peer->responder);
  if (fate.lost) {
    ++drops_.unreachable;
  } else {
    fate = message.peer->route.there->next(request.length, now);
    if (fate.lost) ++fabric_.packets_lost;
  }
  if (fate.lost) return finish(message, EFA_COMP_STATUS_OK);

  // The CQE gives the buffer back to the sender: later arrivals need a copy. Never empty, so that
  // resolve_local() tells it from a message without one.
  message.snapshot.resize(std::max<std::size_t>(request.length, 1));
  const bool copied =
      local.bytes != nullptr
          ? (std::copy_n(local.bytes, request.length, message.snapshot.data()), true)
          : local.space->gather(local.segments, message.snapshot.data());
  if (!copied) return finish(message, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  Message& in_flight = messages_.allocate();
  in_flight.request = request;
  in_flight.snapshot = std::move(message.snapshot);
  in_flight.peer = message.peer;
  in_flight.source_qp = message.source_qp;
  finish(message, EFA_COMP_STATUS_OK);

  Event event;
  event.kind = Event::Kind::kRequestArrives;
  event.message = in_flight.self;
  event.peer = this;
  event.part = fate.duplicated ? 1 : 0;  // copies still to come after this one
  DataPath& responder = *in_flight.peer->responder;
  fabric_.at(fate.arrival, responder, event);
  if (fate.duplicated) {
    ++fabric_.packets_duplicated;
    fabric_.at(fate.duplicate_arrival, responder, event);
    in_flight.unanswered = 2;
  } else {
    in_flight.unanswered = 1;
  }
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
  message.unanswered = 0;
  message.parts.resize(packets_of(message.request.length));
  message.sequence = message.peer->next_sequence++;
  message.peer->outstanding.insert(message.sequence);
  pump(message);
}

void DataPath::pump(Message& message) {
  const auto count = static_cast<std::uint32_t>(message.parts.size());
  const bool ends_alone = message.request.has_imm && count > 1;
  while (message.next_part < count && message.unanswered < kWindow) {
    // The receive completion of a write tells that all of it is there: its packet goes last.
    if (ends_alone && message.next_part == count - 1 && message.unanswered != 0) return;
    ++message.unanswered;
    send_part(message, message.next_part++);
  }
}

void DataPath::send_part(Message& message, std::uint32_t index) {
  Part& part = message.parts[index];
  if (part.answered) return;
  const SendRequest& request = message.request;
  const std::uint32_t offset = index * message.part_size;
  const std::uint32_t length = std::min(message.part_size, request.length - offset);
  const Nanoseconds now = fabric_.clock().now();
  const std::uint32_t bytes = request.op == EFA_SEND_OP_TYPE_RDMA_READ ? 0 : length;

  Statistics& stats = device_.stats;
  stats.tx_bytes += bytes;
  ++stats.tx_pkts;
  if (part.sent) {
    stats.retrans_bytes += bytes;
    ++stats.retrans_pkts;
    ++message.owner->qp.stats.retransmissions;
  }
  part.sent = true;
  part.transmissions = static_cast<std::uint8_t>(part.transmissions + 1);

  Peer& peer = *message.peer;
  const Fate fate = peer.route.there->next(length, now);
  Event event;
  event.kind = Event::Kind::kRequestArrives;
  event.message = message.self;
  event.part = index;
  event.sequence = message.sequence;
  event.oldest = *peer.outstanding.begin();
  event.peer = this;
  Nanoseconds expected = now;
  if (!peer.route.there->allowed()) {
    ++fabric_.packets_denied;
  } else if (fate.lost) {
    ++fabric_.packets_lost;
  } else {
    expected = std::max(expected, fate.arrival);
    fabric_.at(fate.arrival, *peer.responder, event);
  }
  if (fate.duplicated && !fate.lost && peer.route.there->allowed()) {
    ++fabric_.packets_duplicated;
    fabric_.at(fate.duplicate_arrival, *peer.responder, event);
  }
  event.kind = Event::Kind::kRetransmit;
  event.status = part.transmissions;
  const unsigned shift = std::min<unsigned>(part.transmissions - 1u, kMaxRetransmitShift);
  fabric_.at(std::min(expected + (kRetransmitAfter << shift), std::max(message.deadline, now + 1)),
             *this, event);
}

void DataPath::request_arrived(const Event& event) {
  DataPath& requester = static_cast<DataPath&>(*event.peer);
  const bool deaf = fabric_.deaf(*this);
  Message* message = requester.messages_.find(event.message);
  if (message != nullptr && message->part_size == 0) {  // a datagram
    const SendRequest& request = message->request;
    if (!deaf)
      accept({request,
              requester,
              EFA_QP_TYPE_UD,
              message->source_qp,
              0,
              request.length,
              true,
              {nullptr, {}, message->snapshot.data(), request.length}});
    if (--message->unanswered == 0) requester.messages_.release(*message);
    return;
  }

  if (deaf) return;
  DoneSet& done = done_[requester.port()];
  if (event.oldest > done.floor) {
    done.floor = event.oldest;
    std::erase_if(done.status, [&](const auto& entry) { return entry.first < done.floor; });
  }
  const auto known = done.status.find(event.sequence);
  if (event.sequence < done.floor) {
    ++drops_.duplicates;  // finished long ago: the requester has its answer
    return;
  }
  // A message that the requester gave up (queue pair gone) leaves nothing to deliver.
  if (message == nullptr) {
    if (known != done.status.end()) ++drops_.duplicates;
    return;
  }
  const SendRequest& request = message->request;
  const bool last = event.part + 1 == message->parts.size();
  const bool once = delivers_once(request, last);
  if (once && known != done.status.end()) {
    ++drops_.duplicates;
    return reply(event, static_cast<efa_comp_status>(known->second));
  }

  const std::uint32_t offset = event.part * message->part_size;
  const std::uint32_t length = std::min(message->part_size, request.length - offset);
  Buffer local;
  auto status = requester.resolve_local(*message, offset, length, local);
  if (status == EFA_COMP_STATUS_OK)
    status = accept(
        {request, requester, EFA_QP_TYPE_SRD, message->source_qp, offset, length, last, local});
  if (once && status != EFA_COMP_STATUS_REMOTE_ERROR_RNR)
    done.status[event.sequence] = static_cast<std::uint8_t>(status);
  reply(event, status);
}

void DataPath::reply(const Event& request, efa_comp_status status) {
  DataPath& requester = static_cast<DataPath&>(*request.peer);
  Path& back = *fabric_.route(*this, requester).there;
  const Fate fate = back.next(0, fabric_.clock().now());
  if (!back.allowed() || fate.lost) {
    ++(back.allowed() ? fabric_.packets_lost : fabric_.packets_denied);
    return;
  }
  Event event = request;
  event.kind = Event::Kind::kReplyArrives;
  event.status = static_cast<std::uint8_t>(status);
  event.peer = this;
  fabric_.at(fate.arrival, requester, event);
}

void DataPath::reply_arrived(const Event& event) {
  Message* message = messages_.find(event.message);
  if (message == nullptr || fabric_.deaf(*this)) return;
  Part& part = message->parts[event.part];
  if (part.answered) return;
  message->peer->heard = true;
  message->deadline = fabric_.clock().now() + fabric_.topology().transport_timeout;
  const auto status = static_cast<efa_comp_status>(event.status);
  if (status == EFA_COMP_STATUS_REMOTE_ERROR_RNR) {
    QueuePair& qp = message->owner->qp;
    ++qp.stats.rnr_retries;
    if (message->rnr_left == 0) return finish(*message, status);
    if (message->rnr_left != kRnrForever) --message->rnr_left;
    // Cancels the pending retransmission timer: it carries the number of the last transmission.
    ++part.transmissions;
    Event retry = event;
    retry.kind = Event::Kind::kRnrRetry;
    fabric_.at(fabric_.clock().now() + fabric_.topology().rnr_backoff, *this, retry);
    return;
  }
  if (status != EFA_COMP_STATUS_OK) return finish(*message, status);
  if (message->request.op == EFA_SEND_OP_TYPE_RDMA_READ) {
    const std::uint32_t offset = event.part * message->part_size;
    device_.stats.rx_bytes += std::min(message->part_size, message->request.length - offset);
    ++device_.stats.rx_pkts;
  }
  part.answered = true;
  --message->unanswered;
  if (message->unanswered == 0 && message->next_part == message->parts.size())
    return finish(*message, EFA_COMP_STATUS_OK);
  pump(*message);
}

void DataPath::retransmit(const Event& event) {
  Message* message = messages_.find(event.message);
  if (message == nullptr) return;
  const bool nobody = event.part == kWholeMessage;
  if (!nobody) {
    const Part& part = message->parts[event.part];
    if (part.answered || part.transmissions != event.status) return;
    ++device_.stats.retrans_timeout_events;
    if (fabric_.clock().now() < message->deadline) return send_part(*message, event.part);
  }
  ++device_.stats.unresponsive_remote_events;
  const bool heard = !nobody && message->peer->heard;
  finish(*message, heard ? EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE
                         : EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE);
}

}  // namespace efa::emu
