// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Order between this processor's memory accesses and the device's (spec device-io I10).
///
/// Each barrier is named after the pair that it orders. On x86, ordinary stores stay in order and
/// so do ordinary loads, so most barriers only hold the compiler back; write-combining memory is
/// the exception.
#pragma once

#include <atomic>
#include <cstdint>

namespace efa {

/// Empties the write-combining buffers: all stores so far come before all later ones.
inline void drain_stores() {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#elif defined(__aarch64__)
  asm volatile("dsb st" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// Before the first store to write-combining memory after a doorbell: the device must not see
/// stores of the new batch before the doorbell of the former one.
inline void barrier_before_wc_stores() {
  drain_stores();
}

/// The same where a lock was taken in between: on x86 that has emptied the buffers already.
inline void barrier_after_lock_before_wc_stores() {
#if !defined(__x86_64__)
  barrier_before_wc_stores();
#endif
}

/// After the last store to write-combining memory, before the doorbell that announces it: empties
/// the write-combining buffers.
inline void barrier_wc_stores_before_doorbell() {
  drain_stores();
}

/// Between stores to ordinary memory that the device will read, and the doorbell that sends it
/// there.
inline void barrier_memory_before_doorbell() {
#if defined(__aarch64__)
  asm volatile("dmb oshst" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_release);
#endif
}

/// Between the load of a CQE's phase and the loads of the rest of it, and of the data it tells of.
inline void barrier_phase_before_cqe() {
#if defined(__aarch64__)
  asm volatile("dmb oshld" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

/// One store of exactly this width to device memory.
template <class T>
inline void store_device(T* address, T value) {
  __atomic_store_n(address, value, __ATOMIC_RELAXED);
}

/// One load of exactly this width of memory that the device writes.
template <class T>
inline T load_device(const T* address) {
  return __atomic_load_n(address, __ATOMIC_RELAXED);
}

}  // namespace efa
