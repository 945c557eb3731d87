// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// ibv_post_recv: a descriptor for each segment, the first names the request, the last ends it.
#include <algorithm>
#include <cerrno>

#include "log.hpp"
#include "qp.hpp"
#include "trace.hpp"

namespace efa {
namespace {

/// A descriptor's length has 16 bits; a message is never longer than the MTU (V163).
constexpr std::uint32_t kMaxDescriptorLength = 0xffff;

[[gnu::cold, gnu::noinline]] void refuse(Qp& qp, const ibv_recv_wr& wr, int error) {
  if (error == ENOMEM) {
    log_debug(qp.context(), "QP %u: the receive queue is full; poll first", qp.number());
  } else {
    log_debug(qp.context(),
              "QP %u: receive refused: %d segments (limit %u), QP state %d (INIT or later needed)",
              qp.number(), wr.num_sge, qp.rq.max_sge, qp.verbs.qp.state);
  }
}

void write_descriptor(ReceiveQueue& rq, std::uint64_t address, std::uint32_t length,
                      std::uint32_t request_id, std::uint32_t lkey_ctrl) {
  std::uint64_t* slot = rq.ring + 2 * std::size_t{rq.descriptors_posted++ & rq.descriptor_mask};
  slot[0] = address;
  slot[1] = descriptor_word(request_id, std::min(length, kMaxDescriptorLength), lkey_ctrl);
}

constexpr std::uint32_t lkey_bits(std::uint32_t lkey) {
  return lkey & EFA_RX_DESC_LKEY_MASK;
}

/// The general case. A request without segments gets an empty descriptor, or its slot would be
/// lost (V164).
[[gnu::noinline]] void write_list(ReceiveQueue& rq, const ibv_recv_wr& wr,
                                  std::uint32_t request_id) {
  if (wr.num_sge == 0) {
    return write_descriptor(rq, 0, 0, request_id, EFA_RX_DESC_FIRST_MASK | EFA_RX_DESC_LAST_MASK);
  }
  for (int i = 0; i < wr.num_sge; ++i) {
    const ibv_sge& sge = wr.sg_list[i];
    std::uint32_t ctrl = lkey_bits(sge.lkey);
    if (i == 0) ctrl |= EFA_RX_DESC_FIRST_MASK;
    if (i == wr.num_sge - 1) ctrl |= EFA_RX_DESC_LAST_MASK;
    write_descriptor(rq, sge.addr, sge.length, i == 0 ? request_id : 0, ctrl);
  }
}

[[gnu::always_inline]] inline std::uint32_t remember(ReceiveQueue& rq, std::uint32_t posted,
                                                     const ibv_recv_wr& wr) {
  return rq.work.remember(posted & rq.work.mask(), wr.wr_id) | rq.work.generation();
}

/// A request with one segment, as most are.
[[gnu::always_inline]] inline void post_single(ReceiveQueue& rq, std::uint32_t posted,
                                               const ibv_recv_wr& wr) {
  const ibv_sge& sge = *wr.sg_list;
  write_descriptor(rq, sge.addr, sge.length, remember(rq, posted, wr),
                   lkey_bits(sge.lkey) | EFA_RX_DESC_FIRST_MASK | EFA_RX_DESC_LAST_MASK);
}

/// The doorbell is rung in any case; a device takes an unchanged count for nothing new (V165).
template <Threads kThreads>
[[gnu::always_inline]] inline void announce(ReceiveQueue& rq, std::uint32_t posted) {
  rq.work.set_posted(posted);
  rq.ring_doorbell();
  leave<kThreads>(rq.lock);
}

/// Posts the rest of a list whatever it needs, like its counterpart of the send queue.
template <Threads kThreads>
[[gnu::noinline]] int post_rest(Qp& qp, ibv_recv_wr* wr, ibv_recv_wr** bad, std::uint32_t posted) {
  ReceiveQueue& rq = qp.rq;
  int error = 0;
  for (; wr != nullptr; wr = wr->next) {
    error = rq.work.look_for_room(posted);
    if (static_cast<std::uint32_t>(wr->num_sge) > rq.max_sge) error = EINVAL;
    if (error != 0) {
      *bad = wr;
      refuse(qp, *wr, error);
      break;
    }
    write_list(rq, *wr, remember(rq, posted++, *wr));
    if (trace::post_recv_watched()) trace::fire_post_recv(qp, wr->wr_id, wr->num_sge);
  }
  if (rq.doorbell != nullptr) {
    announce<kThreads>(rq, posted);
  } else {  // a queue pair without receive queue
    leave<kThreads>(rq.lock);
  }
  return error;
}

template <Threads kThreads>
[[gnu::noinline]] int post_contended(Qp& qp, ibv_recv_wr* wr, ibv_recv_wr** bad) {
  qp.rq.lock.lock();
  return post_rest<kThreads>(qp, wr, bad, qp.rq.work.posted());
}

template <Threads kThreads>
int post_recv_as(ibv_qp* base, ibv_recv_wr* wr, ibv_recv_wr** bad) {
  Qp& qp = Qp::of(base);
  ReceiveQueue& rq = qp.rq;
  if (!enter<kThreads>(rq.lock)) [[unlikely]]
    return post_contended<kThreads>(qp, wr, bad);
  std::uint32_t posted = rq.work.posted();
  if (trace::post_recv_watched()) [[unlikely]]
    return post_rest<kThreads>(qp, wr, bad, posted);
  // A queue without segments has no room either.
  do {
    if (wr == nullptr || !rq.work.has_room(posted) || wr->num_sge != 1) [[unlikely]] {
      return post_rest<kThreads>(qp, wr, bad, posted);
    }
    post_single(rq, posted++, *wr);
    wr = wr->next;
  } while (wr != nullptr);
  announce<kThreads>(rq, posted);
  return 0;
}

}  // namespace

int post_recv(ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad) {
  return Qp::of(qp).post_recv(qp, wr, bad);
}

void choose_post_recv(Qp& qp) {
  qp.post_recv = qp.domain->threads() == Threads::kSingle ? post_recv_as<Threads::kSingle>
                                                          : post_recv_as<Threads::kShared>;
}

}  // namespace efa
