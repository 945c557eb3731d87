// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// ibv_post_send: builds WQEs in registers and writes them to the device.
#include <algorithm>
#include <cerrno>

#include "ah.hpp"
#include "inline_copy.hpp"
#include "log.hpp"
#include "qp.hpp"
#include "trace.hpp"

namespace efa {
namespace {

inline constexpr std::size_t kMetaWords = sizeof(efa_tx_meta_desc) / 8;
template <WqeSize kSize>
inline constexpr std::size_t kPayloadBytes = static_cast<std::size_t>(kSize) -
                                             sizeof(efa_tx_meta_desc);
static_assert(kPayloadBytes<WqeSize::k64> == EFA_INLINE_64);
static_assert(kPayloadBytes<WqeSize::k128> >= EFA_INLINE_128);

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

[[gnu::cold, gnu::noinline]] void trace_post(Qp& qp, const ibv_send_wr& wr) {
  std::uint64_t bytes = 0;
  for (int i = 0; i < wr.num_sge; ++i) bytes += wr.sg_list[i].length;
  trace::fire_post_send(qp, wr.wr_id, wr.opcode, wr.wr.ud.remote_qpn, Ah::of(wr.wr.ud.ah).number,
                        bytes);
}

/// @returns the bytes gathered, or more than `limit` when they do not fit
template <std::size_t kMost>
inline std::size_t gather(std::byte* to, const ibv_send_wr& wr, std::size_t limit) {
  std::size_t total = 0;
  for (int i = 0; i < wr.num_sge; ++i) {
    const ibv_sge& sge = wr.sg_list[i];
    if (sge.length > limit - total) return limit + 1;
    copy_inline<kMost>(to + total, reinterpret_cast<const void*>(sge.addr), sge.length);
    total += sge.length;
  }
  return total;
}

/// The hot loops know segments, and inline data in one piece; anything else is gathered.
enum class Payload { kSegments, kInline, kGathered };

/// Writes the payload of an inline send.
/// @param bytes  out: its length
/// @returns false if it is too long, or in more pieces than `kPayload` allows
template <WqeSize kSize, Payload kPayload>
[[gnu::always_inline]] inline bool put_inline(SendQueue& sq, std::uint64_t* slot,
                                              const ibv_send_wr& wr, std::uint64_t& bytes) {
  alignas(16) std::byte data[kPayloadBytes<kSize>]{};
  if constexpr (kPayload == Payload::kInline) {
    if (wr.num_sge != 1) return false;
    bytes = wr.sg_list->length;
    if (bytes > sq.max_inline) [[unlikely]]
      return false;
    copy_inline<sizeof(data)>(data, reinterpret_cast<const void*>(wr.sg_list->addr), bytes);
  } else {
    bytes = gather<sizeof(data)>(data, wr, sq.max_inline);
    if (bytes > sq.max_inline) return false;
  }
  copy_to_device<sizeof(data)>(slot, data);
  return true;
}

/// Writes the words of up to two segments, and zeros up to the end of the WQE: whole WQEs leave the
/// write-combining buffers as full lines. @returns whether `wr` has no more of them than it may
template <WqeSize kSize>
[[gnu::always_inline]] inline bool put_segments(SendQueue& sq, std::uint64_t* slot,
                                                const ibv_send_wr& wr) {
  const auto count = static_cast<std::uint32_t>(wr.num_sge);
  if (count > sq.max_sge) [[unlikely]]
    return false;
  const ibv_sge* sge = wr.sg_list;
  if (count == 1) [[likely]] {
    store_device(slot + 0, segment_word(sge->lkey, sge->length));
    store_device(slot + 1, sge->addr);
    store_device(slot + 2, std::uint64_t{0});
    store_device(slot + 3, std::uint64_t{0});
  } else {
    for (std::uint32_t i = 0; i < 2; ++i) {
      const bool used = i < count;
      store_device(slot + 2 * i, used ? segment_word(sge[i].lkey, sge[i].length) : 0);
      store_device(slot + 2 * i + 1, used ? sge[i].addr : 0);
    }
  }
#pragma GCC unroll 8
  for (std::size_t i = 4; i < kPayloadBytes<kSize> / 8; ++i) {
    store_device(slot + i, std::uint64_t{0});
  }
  return true;
}

/// Writes the WQE for `wr` into slot `posted`, which is free. @returns whether `wr` is valid
template <WqeSize kSize, RequestIds kIds, Payload kPayload>
[[gnu::always_inline]] inline bool post_one(SendQueue& sq, std::uint32_t posted,
                                            const ibv_send_wr& wr) {
  // SEND and SEND_WITH_IMM differ in one bit; completions are never moderated (I2.1).
  static_assert((IBV_WR_SEND_WITH_IMM ^ IBV_WR_SEND) == 1);
  constexpr std::uint32_t kFlags =
      IBV_SEND_SIGNALED | (kPayload == Payload::kSegments ? 0 : std::uint32_t{IBV_SEND_INLINE});
  if ((wr.opcode & ~1U) != IBV_WR_SEND || (wr.send_flags | sq.implied_flags) != kFlags)
      [[unlikely]] {
    return false;
  }
  const std::uint32_t place = posted & sq.work.mask();
  auto* slot = reinterpret_cast<std::uint64_t*>(sq.ring + std::size_t{place} *
                                                              static_cast<std::size_t>(kSize));
  std::uint64_t word0 = sq.first_word;
  if constexpr (kPayload == Payload::kSegments) {
    if (!put_segments<kSize>(sq, slot + kMetaWords, wr)) [[unlikely]]
      return false;
    word0 |= in_word(meta::kLength, static_cast<std::uint16_t>(wr.num_sge));
  } else {
    std::uint64_t bytes;
    if (!put_inline<kSize, kPayload>(sq, slot + kMetaWords, wr, bytes)) [[unlikely]]
      return false;
    word0 |= meta::kInline | in_word(meta::kLength, bytes);
  }
  std::uint64_t word1 = in_word(meta::kAh, Ah::of(wr.wr.ud.ah).number);
  if (wr.opcode & 1) {
    word0 |= meta::kHasImm;
    word1 |= in_word(meta::kImmediate, __builtin_bswap32(wr.imm_data));
  }
  std::uint64_t word3 = 0;
  if constexpr (kIds == RequestIds::kSlots) {
    word0 |= in_word(meta::kReqId, sq.work.remember(place, wr.wr_id));
  } else {
    word0 |= in_word(meta::kReqId, static_cast<std::uint16_t>(wr.wr_id));
    word3 = wr.wr_id >> 16 << 16;
  }
  word0 |= in_word(meta::kDestQpNum, static_cast<std::uint16_t>(wr.wr.ud.remote_qpn));
  store_device(slot + 0, word0);
  store_device(slot + 1, word1);
  store_device(slot + 2, in_word(meta::kQkey, wr.wr.ud.remote_qkey));
  store_device(slot + 3, word3);
  return true;
}

template <WqeSize kSize, RequestIds kIds>
bool post_either(SendQueue& sq, std::uint32_t posted, const ibv_send_wr& wr) {
  return wr.send_flags & IBV_SEND_INLINE
             ? post_one<kSize, kIds, Payload::kGathered>(sq, posted, wr)
             : post_one<kSize, kIds, Payload::kSegments>(sq, posted, wr);
}

template <Threads kThreads>
[[gnu::always_inline]] inline void announce(SendQueue& sq, std::uint32_t posted) {
  sq.work.set_posted(posted);
  sq.ring_doorbell(posted);
  leave<kThreads>(sq.lock);
}

/// Posts the rest of a list whatever it needs: a look at what has completed, probes, several
/// doorbells, errors. Apart from the loop below, which so needs no calls and hence few registers.
template <Threads kThreads, WqeSize kSize, RequestIds kIds>
[[gnu::noinline]] int post_rest(Qp& qp, ibv_send_wr* wr, ibv_send_wr** bad, std::uint32_t posted) {
  SendQueue& sq = qp.sq;
  std::uint32_t announced = sq.work.posted();
  std::uint32_t batch = 0;
  int error = 0;
  for (; wr != nullptr; wr = wr->next) {
    if (batch == 0) {
      if (posted != announced) {  // what the caller wrote, too
        sq.work.set_posted(announced = posted);
        sq.ring_doorbell(posted);
      }
      barrier_before_wc_stores();
      batch = sq.max_batch;
    }
    error = sq.work.look_for_room(posted);
    if (error == 0 && !post_either<kSize, kIds>(sq, posted, *wr)) error = EINVAL;
    if (error != 0) {
      *bad = wr;
      refuse(qp, *wr, error);
      break;
    }
    sq.advance_phase(++posted);
    --batch;
    if (trace::post_send_watched()) trace_post(qp, *wr);
  }
  announce<kThreads>(sq, posted);
  return error;
}

template <Threads kThreads, WqeSize kSize, RequestIds kIds>
[[gnu::noinline]] int post_contended(Qp& qp, ibv_send_wr* wr, ibv_send_wr** bad) {
  qp.sq.lock.lock();
  return post_rest<kThreads, kSize, kIds>(qp, wr, bad, qp.sq.work.posted());
}

/// Posts a list as far as all of it is like its first request.
template <Threads kThreads, WqeSize kSize, RequestIds kIds, Payload kPayload>
[[gnu::always_inline]] inline int post_alike(Qp& qp, ibv_send_wr* wr, ibv_send_wr** bad,
                                             std::uint32_t posted) {
  SendQueue& sq = qp.sq;
  const std::uint32_t stop = posted + std::min(sq.work.room(posted), sq.max_batch);
  do {
    if (posted == stop || !post_one<kSize, kIds, kPayload>(sq, posted, *wr)) [[unlikely]] {
      return post_rest<kThreads, kSize, kIds>(qp, wr, bad, posted);
    }
    sq.advance_phase(++posted);
    wr = wr->next;
  } while (wr != nullptr);
  announce<kThreads>(sq, posted);
  return 0;
}

template <Threads kThreads, WqeSize kSize, RequestIds kIds>
[[gnu::noinline]] int post_inline(Qp& qp, ibv_send_wr* wr, ibv_send_wr** bad,
                                  std::uint32_t posted) {
  return post_alike<kThreads, kSize, kIds, Payload::kInline>(qp, wr, bad, posted);
}

template <Threads kThreads, WqeSize kSize, RequestIds kIds>
int post_send_as(ibv_qp* base, ibv_send_wr* wr, ibv_send_wr** bad) {
  Qp& qp = Qp::of(base);
  SendQueue& sq = qp.sq;
  if (!enter<kThreads>(sq.lock)) [[unlikely]] {
    return post_contended<kThreads, kSize, kIds>(qp, wr, bad);
  }
  kThreads == Threads::kShared ? barrier_after_lock_before_wc_stores() : barrier_before_wc_stores();
  const std::uint32_t posted = sq.work.posted();
  if (trace::post_send_watched()) [[unlikely]] {
    return post_rest<kThreads, kSize, kIds>(qp, wr, bad, posted);
  }
  if (wr == nullptr) [[unlikely]] {
    return post_rest<kThreads, kSize, kIds>(qp, wr, bad, posted);
  }
  if (wr->send_flags & IBV_SEND_INLINE) {
    return post_inline<kThreads, kSize, kIds>(qp, wr, bad, posted);
  }
  return post_alike<kThreads, kSize, kIds, Payload::kSegments>(qp, wr, bad, posted);
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
