// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Receives of the application: posting, peeking, cancelling, their completions (spec
// efa-rdm-protocol 13).
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <algorithm>

#include "rdm/engine.hpp"

namespace efa::rdm {
namespace {

std::uint64_t flags_of(bool tagged) {
  return FI_RECV | (tagged ? FI_TAGGED : FI_MSG);
}

}  // namespace

int Engine::receive(const ReceiveRequest& request) {
  if ((request.flags & FI_PEEK) != 0) return peek(request);
  if ((request.flags & FI_CLAIM) != 0) return claim(request);
  return post_receive(request);
}

int Engine::post_receive(const ReceiveRequest& request) {
  PostedOp* posted = posted_.take();
  if (posted == nullptr) return -FI_EAGAIN;
  posted->PostedReceive::source = request.source;
  posted->tag = request.tag;
  posted->ignore = request.ignore;
  posted->context = request.context;
  posted->destination = request.destination;
  posted->reports = request.reports;
  posted->tagged = request.tagged;
  posted->multi = (request.flags & FI_MULTI_RECV) != 0;
  posted->used = 0;
  posted->users = 0;
  posted->closed = false;
  // A multi-receive takes all waiting messages that fit, in their order.
  Matcher& in = matcher(request.tagged);
  const OpId id = posted->id;
  while (in.has_messages()) {
    UnexpectedMessage* waiting = in.find_message(request.source, request.tag, request.ignore);
    if (waiting == nullptr) break;
    in.remove(*waiting);
    match(static_cast<IncomingOp&>(*waiting), *posted);
    // A receive that is used up may have ended, with its operation.
    if (posted_.find(id) != posted || posted->closed) return 0;
  }
  in.post(*posted);
  return 0;
}

// The part of a receive that a message of LENGTH bytes fills. A multi-receive that is used up
// leaves the matcher.
Buffers Engine::take_space(PostedOp& posted, std::uint64_t length) {
  ++posted.users;
  if (!posted.multi) {
    matcher(posted.tagged).remove(posted);
    posted.closed = true;
    return posted.destination;
  }
  const std::uint64_t taken = std::min(length, posted.destination.length() - posted.used);
  Buffers part;
  for (std::uint64_t done = 0; done < taken;) {
    const Span piece = posted.destination.piece(posted.used + done, taken - done);
    part.add(piece.at, piece.length, piece.region);
    done += piece.length;
  }
  if (taken == 0) {
    const Span here = posted.destination.piece(posted.used, 1);
    part.add(here.at, 0, here.region);
  }
  posted.used += taken;
  if (posted.destination.length() - posted.used < config_.min_multi_recv ||
      posted.used == posted.destination.length()) {
    matcher(posted.tagged).remove(posted);
    posted.closed = true;
  }
  return part;
}

// One that filled it has ended. @returns whether that was the last of a multi-receive
bool Engine::release(PostedOp& posted) {
  if (--posted.users != 0 || !posted.closed) return false;
  const bool multi = posted.multi;
  posted_.give(posted);
  return multi;
}

// A message that waited, and the receive that takes it.
void Engine::match(IncomingOp& op, PostedOp& posted) {
  bind(op, posted);
  replay(op);
}

// Processes the packets that were kept, as if they came now.
void Engine::replay(IncomingOp& op) {
  const std::vector<Held> held = std::move(op.held);
  op.held.clear();
  const OpId id = op.id;
  for (std::size_t i = 0; i < held.size() && incoming_.find(id) == &op; ++i) {
    const Parsed packet = parse({held[i].bytes.get(), held[i].length});
    if (!packet) continue;
    if (i == 0)
      begin_message(op, *packet);
    else
      take_segment(op, *packet);
  }
}

void Engine::bind(IncomingOp& op, PostedOp& posted) {
  op.matched = true;
  op.posted = &posted;
  op.context = posted.context;
  op.reports = posted.reports;
  if (posted.multi) {
    op.destination = take_space(posted, op.total);
    return;
  }
  matcher(posted.tagged).remove(posted);
  op.destination = posted.destination;
  posted.users = 1;
  posted.closed = true;
}

Completion Engine::completion_of(const IncomingOp& op) const {
  Completion completion;
  completion.context = op.context;
  completion.flags = flags_of(op.tagged) | (op.has_cq_data ? FI_REMOTE_CQ_DATA : 0);
  completion.length = op.total;
  completion.buffer = op.destination.count() != 0 ? op.destination[0].at : nullptr;
  completion.data = op.cq_data;
  completion.tag = op.tag;
  completion.source = op.peer->source;
  return completion;
}

void Engine::report_message(IncomingOp& op) {
  if (op.posted == nullptr) return;
  Completion completion = completion_of(op);
  if (release(*op.posted)) completion.flags |= FI_MULTI_RECV;
  op.posted = nullptr;
  report_receive(completion, op.reports, op.destination.length());
}

// SPACE: what the receive had room for. Less than the message: truncated.
void Engine::report_receive(const Completion& completion, bool reports, std::uint64_t space) {
  if (completion.length > space) {
    if (queues_.rx != nullptr)
      queues_.rx->push_failure({completion, static_cast<std::size_t>(completion.length - space),
                                FI_ETRUNC, static_cast<int>(ProviderErrno::kNone),
                                "a message of " + std::to_string(completion.length) +
                                    " bytes came for a receive of " + std::to_string(space)});
    if (queues_.receives != nullptr) queues_.receives->add_error();
    return;
  }
  // The last completion of a multi-receive gives the buffer back: it is always written.
  if (reports || (completion.flags & FI_MULTI_RECV) != 0) {
    if (queues_.rx != nullptr) {
      Completion& written = queues_.rx->push();
      written = completion;
      written.length += config_.prefix;
    }
  }
  if (queues_.receives != nullptr) queues_.receives->add();
}

// ---- FI_PEEK, FI_CLAIM, FI_DISCARD: tagged only

int Engine::peek(const ReceiveRequest& request) {
  auto* op = static_cast<IncomingOp*>(
      matcher(request.tagged).find_message(request.source, request.tag, request.ignore));
  Completion completion;
  completion.context = request.context;
  completion.flags = flags_of(request.tagged);
  completion.tag = request.tag;
  if (op == nullptr) {
    // Ordinary outcomes come without a text: some programs leave err_data of their entry as the
    // stack had it, which looks like room for one.
    if (queues_.rx != nullptr) queues_.rx->push_failure({completion, 0, FI_ENOMSG, 0, {}});
    return 0;
  }
  completion.length = op->total;
  completion.tag = op->tag;
  completion.data = op->cq_data;
  completion.source = op->peer->source;
  if (op->has_cq_data) completion.flags |= FI_REMOTE_CQ_DATA;
  if ((request.flags & FI_DISCARD) != 0) {
    matcher(request.tagged).remove(*op);
    discard(*op);
  } else if ((request.flags & FI_CLAIM) != 0) {
    matcher(request.tagged).remove(*op);
    op->claimed = true;
    op->context = request.context;
    claimed_.push_back(op);
  }
  if (queues_.rx != nullptr) queues_.rx->push(completion);
  return 0;
}

int Engine::claim(const ReceiveRequest& request) {
  const auto found = std::find_if(claimed_.begin(), claimed_.end(), [&](const IncomingOp* op) {
    return op->context == request.context;
  });
  if (found == claimed_.end()) return -FI_EINVAL;
  IncomingOp& op = **found;
  PostedOp* posted = (request.flags & FI_DISCARD) != 0 ? nullptr : posted_.take();
  if (posted == nullptr && (request.flags & FI_DISCARD) == 0) return -FI_EAGAIN;
  claimed_.erase(found);
  op.claimed = false;
  if ((request.flags & FI_DISCARD) != 0) {
    Completion completion = completion_of(op);
    completion.context = request.context;
    discard(op);
    if (request.reports && queues_.rx != nullptr) queues_.rx->push(completion);
    return 0;
  }
  posted->destination = request.destination;
  posted->context = request.context;
  posted->reports = request.reports;
  posted->tagged = request.tagged;
  posted->multi = posted->closed = false;
  posted->used = posted->users = 0;
  match(op, *posted);
  return 0;
}

// The message is taken, and nobody gets it: its sender is answered as if somebody had.
void Engine::discard(IncomingOp& op) {
  op.matched = true;
  op.discarded = true;
  replay(op);
}

int Engine::cancel(void* context) {
  for (Matcher* in : {&tagged_, &untagged_}) {
    auto* posted = static_cast<PostedOp*>(in->find_context(context));
    if (posted == nullptr) continue;
    in->remove(*posted);
    Completion completion;
    completion.context = context;
    completion.flags = flags_of(posted->tagged);
    completion.tag = posted->tag;
    posted->closed = true;
    // Messages that still come into it give it back with the last one's completion.
    if (posted->users == 0) {
      if (posted->multi) completion.flags |= FI_MULTI_RECV;
      posted_.give(*posted);
    }
    if (queues_.rx != nullptr)
      queues_.rx->push_failure({completion, 0, FI_ECANCELED, FI_ECANCELED, {}});
    if (queues_.receives != nullptr) queues_.receives->add_error();
    return 0;
  }
  return -FI_ENOENT;
}

}  // namespace efa::rdm
