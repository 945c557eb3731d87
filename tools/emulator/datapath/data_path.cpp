// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "datapath/data_path.hpp"

#include <algorithm>
#include <utility>

namespace efa::emu {

namespace {

// What long transfers move together in one pass over the queues.
constexpr std::uint64_t kBytesPerPass = 4 << 20;

std::uint32_t load_doorbell(const std::uint32_t* word) noexcept {
  // Pairs with the host's flush before its doorbell store: what the doorbell announces is visible.
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

void clear_doorbell(std::uint32_t* word) noexcept {
  __atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

}  // namespace

DataPath::DataPath(Device& device, Switch& fabric, unsigned host, Doorbells doorbells)
    : device_(device), fabric_(fabric), doorbells_(doorbells) {
  fabric_.attach(*this, host, device.identity().gid);
  device_.connect(this);
}

DataPath::~DataPath() {
  device_.connect(nullptr);
}

QpContext* DataPath::find_context(std::uint16_t qp) noexcept {
  const auto found = contexts_.find(qp);
  return found == contexts_.end() ? nullptr : found->second.get();
}

bool DataPath::poll() {
  // Receives first: whoever waits for one was there before the new WQEs.
  bool worked = poll_receive_doorbells();
  worked |= poll_send_doorbells();
  if (doorbells_ == Doorbells::kShared)
    for (const CqWatch& watch : armed_cqs_) watch.cq->doorbell_sampled(load_doorbell(watch.word));
  worked |= continue_transfers();
  return worked;
}

void DataPath::doorbell(std::uint32_t offset, std::uint32_t value) {
  if (offset % sizeof value != 0 || offset >= device_.environment().doorbells.size()) return;
  std::uint32_t* const word = device_.doorbell_word(offset);
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  for (const CqWatch& watch : armed_cqs_)
    if (watch.word == word) watch.cq->doorbell(value);
}

bool DataPath::poll_send_doorbells() {
  bool worked = false;
  for (SqWatch& watch : watched_) {
    const auto value = static_cast<std::uint16_t>(efa_sq_doorbell_pc(load_doorbell(watch.word)));
    if (value == watch.last || !take_send_queue(*watch.context, value)) continue;
    watch.last = watch.context->qp.sq.consumed;
    worked = true;
  }
  return worked;
}

/// One slice for each long transfer, as far as this pass's share goes; the rest is first next time.
bool DataPath::continue_transfers() {
  if (continuing_.empty()) return false;
  continuing_now_.swap(continuing_);
  const std::uint64_t enough = moved_ + kBytesPerPass;
  auto next = continuing_now_.begin();
  for (; next != continuing_now_.end() && moved_ < enough; ++next)
    if (Message* message = messages_.find(*next)) begin(*message);
  continuing_.insert(continuing_.begin(), next, continuing_now_.end());
  continuing_now_.clear();
  return true;
}

bool DataPath::poll_receive_doorbells() {
  if (receive_watch_.empty() || polling_receives_) return false;
  polling_receives_ = true;
  bool worked = false;
  for (std::size_t i = 0; i < receive_watch_.size();) {
    QpContext& context = *receive_watch_[i];
    const RecvQueue& rq = context.qp.rq;
    std::uint16_t value = context.receive_mark;
    if (rq.descriptors != 0)
      value = static_cast<std::uint16_t>(
          efa_rq_doorbell_pc(load_doorbell(device_.doorbell_word(rq.db_offset))));
    if (value != context.receive_mark) {
      context.receive_mark = value;
      worked = true;
      if (context.qp.state == EFA_QP_STATE_ERR)
        flush_receives(context);
      else
        wake_waiters(std::exchange(context.waiters, {}));
    }
    if (context.waiters.empty() && context.qp.state != EFA_QP_STATE_ERR) {
      receive_watch_[i] = receive_watch_.back();
      receive_watch_.pop_back();
    } else {
      ++i;
    }
  }
  polling_receives_ = false;
  return worked;
}

/// Tries again; those that still find no receive line up anew.
void DataPath::wake_waiters(std::vector<Waiter> waiters) {
  for (const Waiter& waiter : waiters) {
    Message* message = waiter.requester->messages_.find(waiter.message);
    if (message == nullptr) continue;
    message->lined_up = false;
    if (!message->parked) continue;
    message->parked = false;
    waiter.requester->begin(*message);
  }
}

void DataPath::qp_created(QueuePair& qp) {
  auto context = std::make_unique<QpContext>(qp);
  if (qp.sq.depth != 0)
    watched_.push_back({device_.doorbell_word(qp.sq.db_offset), context.get(), 0});
  contexts_[qp.number] = std::move(context);
}

void DataPath::qp_modified(QueuePair& qp, efa_qp_state from) {
  QpContext* context = find_context(qp.number);
  if (context == nullptr) return;
  switch (qp.state) {
    case EFA_QP_STATE_RESET:
      start_over(*context);
      break;
    case EFA_QP_STATE_ERR:
      if (from != EFA_QP_STATE_ERR) fail_queue_pair(*context);
      break;
    case EFA_QP_STATE_SQD:
      qp.draining = context->oldest != nullptr;
      break;
    default:
      qp.draining = false;
      break;
  }
}

void DataPath::start_over(QpContext& context) {
  forget_messages(context);
  QueuePair& qp = context.qp;
  qp.draining = false;
  qp.sq.seen = qp.sq.consumed = 0;
  qp.rq.seen = qp.rq.consumed = 0;
  // User space restarts its producer counts at 0 (A9.6); the shared words must not show old ones.
  if (qp.sq.depth != 0) clear_doorbell(device_.doorbell_word(qp.sq.db_offset));
  if (qp.rq.descriptors != 0) clear_doorbell(device_.doorbell_word(qp.rq.db_offset));
  for (SqWatch& watch : watched_)
    if (watch.context == &context) watch.last = 0;
  wake_waiters(std::exchange(context.waiters, {}));
}

void DataPath::fail_queue_pair(QpContext& context) {
  context.qp.state = EFA_QP_STATE_ERR;
  context.qp.draining = false;
  flush(context);
  flush_receives(context);
  wake_waiters(std::exchange(context.waiters, {}));
  watch_receives(context);
}

void DataPath::watch_receives(QpContext& context) {
  context.receive_mark = context.qp.rq.seen;
  if (std::find(receive_watch_.begin(), receive_watch_.end(), &context) == receive_watch_.end())
    receive_watch_.push_back(&context);
}

void DataPath::forget_messages(QpContext& context) {
  while (context.oldest != nullptr) retire(*context.oldest);
}

void DataPath::unwatch(QpContext& context) {
  std::erase_if(watched_, [&](const SqWatch& watch) { return watch.context == &context; });
  std::erase(receive_watch_, &context);
}

void DataPath::qp_destroyed(QueuePair& qp) {
  const auto found = contexts_.find(qp.number);
  if (found == contexts_.end()) return;
  // Out of the table first: senders that are woken below must not find it.
  const std::unique_ptr<QpContext> context = std::move(found->second);
  contexts_.erase(found);
  finished_.push_back({qp.number, qp.type, qp.stats});
  forget_messages(*context);
  unwatch(*context);
  wake_waiters(std::move(context->waiters));
}

std::size_t DataPath::waiting(std::uint16_t qp) const noexcept {
  const auto found = contexts_.find(qp);
  return found == contexts_.end() ? 0 : found->second->waiters.size();
}

std::vector<QpRecord> DataPath::queue_pairs() const {
  std::vector<QpRecord> records = finished_;
  device_.for_each_qp([&](const QueuePair& qp) {
    records.push_back({qp.number, qp.type, qp.stats});
  });
  return records;
}

void DataPath::cq_created(CompletionQueue& cq) {
  if (cq.config().eq != nullptr)
    armed_cqs_.push_back({device_.doorbell_word(cq.config().db_offset), &cq});
}

void DataPath::cq_destroyed(CompletionQueue& cq) {
  std::erase_if(armed_cqs_, [&](const CqWatch& watch) { return watch.cq == &cq; });
}

void DataPath::ah_destroyed(std::uint16_t ah, std::uint16_t pd) {
  for (const auto& [number, context] : contexts_) {
    if (context->qp.pd != pd) continue;
    for (Message* message = context->oldest; message != nullptr;) {
      Message* next = message->next;
      if (message->request.ah == ah) finish(*message, EFA_COMP_STATUS_FLUSHED);
      message = next;
    }
  }
}

void DataPath::device_reset() {
  ++life_;  // from now on, what was on its way here ends with REMOTE_ERROR_ABORT
  std::vector<Waiter> waiters;
  for (const auto& [number, context] : contexts_) {
    finished_.push_back({number, context->qp.type, context->qp.stats});
    forget_messages(*context);
    waiters.insert(waiters.end(), context->waiters.begin(), context->waiters.end());
  }
  watched_.clear();
  armed_cqs_.clear();
  receive_watch_.clear();
  contexts_.clear();
  wake_waiters(std::move(waiters));
}

void DataPath::on_event(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kRequestArrives:
      return request_arrived(event);
    case Event::Kind::kReplyArrives:
      return reply_arrived(event);
    case Event::Kind::kRetransmit:
      return retransmit(event);
    case Event::Kind::kRnrRetry:
      return retry_not_ready(event);
  }
}

}  // namespace efa::emu
