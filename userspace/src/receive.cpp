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
                      std::uint16_t request_id, std::uint32_t lkey_ctrl) {
  std::uint64_t* slot = rq.ring + 2 * std::size_t{rq.descriptors_posted++ & rq.descriptor_mask};
  slot[0] = address;
  slot[1] = descriptor_word(
      request_id, static_cast<std::uint16_t>(std::min(length, kMaxDescriptorLength)), lkey_ctrl);
}

constexpr std::uint32_t lkey_bits(std::uint32_t lkey) {
  return lkey & EFA_RX_DESC_LKEY_MASK;
}

/// The general case. A request without segments gets an empty descriptor, or its slot would be
/// lost (V164).
[[gnu::noinline]] void write_list(ReceiveQueue& rq, const ibv_recv_wr& wr,
                                  std::uint16_t request_id) {
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

template <Threads kThreads>
int post_recv_as(ibv_qp* base, ibv_recv_wr* wr, ibv_recv_wr** bad) {
  Qp& qp = Qp::of(base);
  ReceiveQueue& rq = qp.rq;
  const QueueGuard<kThreads> guard(rq.lock);
  std::uint32_t posted = rq.work.posted();
  int error = 0;
  for (; wr != nullptr; wr = wr->next) {
    error = rq.work.check_room(posted);
    if (static_cast<std::uint32_t>(wr->num_sge) > rq.max_sge) [[unlikely]]
      error = EINVAL;
    if (error != 0) [[unlikely]] {
      *bad = wr;
      refuse(qp, *wr, error);
      break;
    }
    const std::uint16_t request_id = rq.work.remember(posted++, wr->wr_id);
    if (wr->num_sge == 1) [[likely]] {
      const ibv_sge& sge = *wr->sg_list;
      write_descriptor(rq, sge.addr, sge.length, request_id,
                       lkey_bits(sge.lkey) | EFA_RX_DESC_FIRST_MASK | EFA_RX_DESC_LAST_MASK);
    } else {
      write_list(rq, *wr, request_id);
    }
    if (trace::post_recv_watched()) [[unlikely]]
      trace::fire_post_recv(qp, wr->wr_id, wr->num_sge);
  }
  rq.work.set_posted(posted);
  if (rq.doorbell != nullptr) [[likely]]
    rq.ring_doorbell();
  return error;
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
