// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Device structures as 64-bit words: what is written to or read from the device goes through
/// registers, a word at a time. Offsets come from kernel/hw.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <cstddef>
#include <cstdint>

#include "barrier.hpp"
#include "efa_hw.h"

namespace efa {

/// The field at `offset` of a structure, in its place within its word.
constexpr std::uint64_t in_word(std::size_t offset, std::uint64_t value) {
  return value << (offset % 8 * 8);
}

/// The field of type T at `offset` of a structure, out of its word.
template <class T>
constexpr T from_word(std::size_t offset, std::uint64_t word) {
  return static_cast<T>(word >> (offset % 8 * 8));
}

/// Words 0 to 3 of every send WQE (device-io I2).
namespace meta {
inline constexpr std::size_t kReqId = offsetof(efa_tx_meta_desc, req_id);
inline constexpr std::size_t kCtrl1 = offsetof(efa_tx_meta_desc, ctrl1);
inline constexpr std::size_t kCtrl2 = offsetof(efa_tx_meta_desc, ctrl2);
inline constexpr std::size_t kDestQpNum = offsetof(efa_tx_meta_desc, dest_qp_num);
inline constexpr std::size_t kLength = offsetof(efa_tx_meta_desc, length);
inline constexpr std::size_t kImmediate = offsetof(efa_tx_meta_desc, immediate_data);
inline constexpr std::size_t kAh = offsetof(efa_tx_meta_desc, ah);
inline constexpr std::size_t kCtrl3 = offsetof(efa_tx_meta_desc, ctrl3);
inline constexpr std::size_t kQkey = offsetof(efa_tx_meta_desc, qkey);
inline constexpr std::size_t kReqIdEx = offsetof(efa_tx_meta_desc, req_id_ex);
static_assert(kLength / 8 == 0 && kImmediate / 8 == 1 && kAh / 8 == 1 && kQkey / 8 == 2 &&
              kReqIdEx / 8 == 3 && kReqIdEx % 8 == 2);

/// One WQE is one transaction with one CQE (I2.1): these bits are always set.
inline constexpr std::uint64_t kAlways =
    in_word(kCtrl1, EFA_TX_META_DESC_META_DESC_MASK) |
    in_word(kCtrl2, EFA_TX_META_DESC_FIRST_MASK | EFA_TX_META_DESC_LAST_MASK |
                        EFA_TX_META_DESC_COMP_REQ_MASK);
inline constexpr std::uint64_t kPhase = in_word(kCtrl2, EFA_TX_META_DESC_PHASE_MASK);
inline constexpr std::uint64_t kHasImm = in_word(kCtrl1, EFA_TX_META_DESC_HAS_IMM_MASK);
inline constexpr std::uint64_t kInline = in_word(kCtrl1, EFA_TX_META_DESC_INLINE_MSG_MASK);
}  // namespace meta

/// A send segment: its two words. Keys have 24 bits; a wrong one with more is the device's to
/// refuse.
static_assert(offsetof(efa_tx_buf_desc, buf_addr_lo) == 8 && sizeof(efa_tx_buf_desc) == 16);
constexpr std::uint64_t segment_word(std::uint32_t lkey, std::uint32_t length) {
  return in_word(offsetof(efa_tx_buf_desc, length), length) |
         in_word(offsetof(efa_tx_buf_desc, lkey), lkey);
}

/// A receive descriptor: the address, then the rest (I5).
static_assert(offsetof(efa_rx_desc, buf_addr_lo) == 0 && offsetof(efa_rx_desc, req_id) == 8 &&
              sizeof(efa_rx_desc) == 16);
constexpr std::uint64_t descriptor_word(std::uint32_t request_id, std::uint32_t length,
                                        std::uint32_t lkey_ctrl) {
  return in_word(offsetof(efa_rx_desc, req_id), request_id) |
         in_word(offsetof(efa_rx_desc, length), length) |
         in_word(offsetof(efa_rx_desc, lkey_ctrl), lkey_ctrl);
}

/// Copies `Bytes` to write-combining memory in aligned stores, lowest first.
template <std::size_t Bytes>
inline void copy_to_device(void* to, const void* from) {
#if defined(__SSE2__)
#pragma GCC unroll 8
  for (std::size_t at = 0; at < Bytes; at += 16) {
    const __m128i piece =
        _mm_load_si128(reinterpret_cast<const __m128i*>(static_cast<const std::byte*>(from) + at));
    _mm_store_si128(reinterpret_cast<__m128i*>(static_cast<std::byte*>(to) + at), piece);
  }
  asm volatile("" ::: "memory");
#else
  for (std::size_t at = 0; at < Bytes / 8; ++at) {
    store_device(static_cast<std::uint64_t*>(to) + at, static_cast<const std::uint64_t*>(from)[at]);
  }
#endif
}

}  // namespace efa
