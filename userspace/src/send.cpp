// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// ibv_post_send: builds WQEs in registers and writes them to the device.
#include <cerrno>

#include "ah.hpp"
#include "inline_copy.hpp"
#include "log.hpp"
#include "qp.hpp"
#include "trace.hpp"

namespace efa {
namespace {

template <WqeSize kSize>
inline constexpr std::size_t kPayloadWords = kSize == WqeSize::k64 ? 4 : 10;
static_assert(kPayloadWords<WqeSize::k64> * 8 == EFA_INLINE_64);
static_assert(kPayloadWords<WqeSize::k128> * 8 == EFA_INLINE_128);

/// Says why a work request was refused. Debug level: programs probe limits and fill queues on
/// purpose.
[[gnu::cold, gnu::noinline]] int refuse(Qp& qp, const ibv_send_wr& wr, int error) {
  const SendQueue& sq = qp.sq;
  if (error == ENOMEM) {
    log_debug(qp.context(),
              "QP %u: the send queue holds %u requests and all are in flight; poll first",
              qp.number(), sq.work.mask() + 1);
  } else {
    log_debug(qp.context(),
              "QP %u: work request refused: opcode %d (SEND, SEND_WITH_IMM; others by ibv_wr_*), "
              "flags 0x%x (SIGNALED needed, INLINE possible), %d segments (limit %u), inline limit "
              "%u bytes, QP state %d (RTS or SQD needed)",
              qp.number(), wr.opcode, wr.send_flags, wr.num_sge, sq.max_sge, sq.max_inline,
              qp.verbs.qp.state);
  }
  return error;
}

/// @returns the bytes gathered, or more than `limit` when they do not fit
inline std::size_t gather(std::byte* to, const ibv_send_wr& wr, std::size_t limit) {
  std::size_t total = 0;
  for (int i = 0; i < wr.num_sge; ++i) {
    const ibv_sge& sge = wr.sg_list[i];
    if (sge.length > limit - total) return limit + 1;
    copy_inline(to + total, reinterpret_cast<const void*>(sge.addr), sge.length);
    total += sge.length;
  }
  return total;
}

/// Writes the WQE for `wr` into slot `posted`. @returns 0 or the errno for the caller
template <WqeSize kSize, RequestIds kIds>
[[gnu::always_inline]] inline int post_one(Qp& qp, std::uint32_t posted, const ibv_send_wr& wr) {
  SendQueue& sq = qp.sq;
  if (const int error = sq.work.check_room(posted)) [[unlikely]]
    return error;
  // SEND and SEND_WITH_IMM differ in one bit; completions are never moderated (I2.1).
  static_assert((IBV_WR_SEND_WITH_IMM ^ IBV_WR_SEND) == 1);
  const std::uint32_t flags = wr.send_flags | sq.implied_flags;
  if ((wr.opcode & ~1U) != IBV_WR_SEND || (flags & ~IBV_SEND_INLINE) != IBV_SEND_SIGNALED)
      [[unlikely]] {
    return EINVAL;
  }
  alignas(16) std::uint64_t payload[kPayloadWords<kSize>];
  std::uint64_t word0 = sq.first_word;
  std::uint64_t length;
  if (flags & IBV_SEND_INLINE) {
    for (std::uint64_t& word : payload) word = 0;
    length = gather(reinterpret_cast<std::byte*>(payload), wr, sq.max_inline);
    if (length > sq.max_inline) [[unlikely]]
      return EINVAL;
    word0 |= meta::kInline;
  } else {
    length = static_cast<std::uint32_t>(wr.num_sge);
    if (length > sq.max_sge) [[unlikely]]
      return EINVAL;
    payload[0] = payload[1] = payload[2] = payload[3] = 0;
    if (length != 0) [[likely]] {
      const ibv_sge* sge = wr.sg_list;
      payload[0] = segment_word(sge[0].lkey, sge[0].length);
      payload[1] = sge[0].addr;
      if (length > 1) {
        payload[2] = segment_word(sge[1].lkey, sge[1].length);
        payload[3] = sge[1].addr;
      }
    }
  }
  std::uint64_t word1 = in_word(meta::kAh, Ah::of(wr.wr.ud.ah).number);
  if (wr.opcode & 1) {
    word0 |= meta::kHasImm;
    word1 |= in_word(meta::kImmediate, __builtin_bswap32(wr.imm_data));
  }
  std::uint64_t word3 = 0;
  if constexpr (kIds == RequestIds::kSlots) {
    word0 |= in_word(meta::kReqId, sq.work.remember(posted, wr.wr_id));
  } else {
    word0 |= in_word(meta::kReqId, static_cast<std::uint16_t>(wr.wr_id));
    word3 = wr.wr_id >> 16 << 16;
  }
  word0 |= in_word(meta::kDestQpNum, static_cast<std::uint16_t>(wr.wr.ud.remote_qpn)) |
           in_word(meta::kLength, length);

  auto* slot = reinterpret_cast<std::uint64_t*>(sq.ring + std::size_t{posted & sq.work.mask()} *
                                                              static_cast<std::size_t>(kSize));
  store_device(slot + 0, word0);
  store_device(slot + 1, word1);
  store_device(slot + 2, in_word(meta::kQkey, wr.wr.ud.remote_qkey));
  store_device(slot + 3, word3);
  for (std::size_t i = 0; i < 4; ++i) store_device(slot + 4 + i, payload[i]);
  if constexpr (kSize == WqeSize::k128) {
    // The whole WQE, so that write-combining buffers leave as full lines.
    const bool inlined = flags & IBV_SEND_INLINE;
    for (std::size_t i = 4; i < 12; ++i) {
      store_device(slot + 4 + i, inlined && i < 10 ? payload[i] : 0);
    }
  }
  if (trace::post_send_watched()) [[unlikely]] {
    trace::fire_post_send(qp, wr.wr_id, wr.opcode, wr.wr.ud.remote_qpn, Ah::of(wr.wr.ud.ah).number,
                          length);
  }
  return 0;
}

template <Threads kThreads, WqeSize kSize, RequestIds kIds>
int post_send_as(ibv_qp* base, ibv_send_wr* wr, ibv_send_wr** bad) {
  Qp& qp = Qp::of(base);
  SendQueue& sq = qp.sq;
  const QueueGuard<kThreads> guard(sq.lock);
  // Taking the lock orders as well, where it is taken with a locked instruction (x86).
  barrier_before_wc_stores();
  std::uint32_t posted = sq.work.posted();
  std::uint32_t batch = sq.max_batch;
  int error = 0;
  for (; wr != nullptr; wr = wr->next) {
    error = post_one<kSize, kIds>(qp, posted, *wr);
    if (error != 0) [[unlikely]] {
      *bad = wr;
      refuse(qp, *wr, error);
      break;
    }
    sq.advance_phase(++posted);
    if (--batch == 0) [[unlikely]] {
      sq.ring_doorbell(posted);
      barrier_before_wc_stores();
      batch = sq.max_batch;
    }
  }
  sq.work.set_posted(posted);
  sq.ring_doorbell(posted);
  return error;
}

template <WqeSize kSize, RequestIds kIds>
void choose(Qp& qp) {
  qp.post_send = qp.domain->threads() == Threads::kSingle
                     ? post_send_as<Threads::kSingle, kSize, kIds>
                     : post_send_as<Threads::kShared, kSize, kIds>;
}

}  // namespace

int post_send(ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr** bad) {
  return Qp::of(qp).post_send(qp, wr, bad);
}

void choose_post_send(Qp& qp, WqeSize size) {
  if (size == WqeSize::k64) {
    qp.ids == RequestIds::kSlots ? choose<WqeSize::k64, RequestIds::kSlots>(qp)
                                 : choose<WqeSize::k64, RequestIds::kWide>(qp);
  } else {
    qp.ids == RequestIds::kSlots ? choose<WqeSize::k128, RequestIds::kSlots>(qp)
                                 : choose<WqeSize::k128, RequestIds::kWide>(qp);
  }
}

}  // namespace efa
