// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Completions between the engine that makes them and the completion queue that an application
// reads: the ring of a software queue. Callers hold the domain's lock.
#ifndef EFA_PROVIDER_RDM_COMPLETION_HPP
#define EFA_PROVIDER_RDM_COMPLETION_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>

namespace efa::rdm {

// The members of struct fi_cq_tagged_entry, with the source for fi_cq_readfrom().
struct Completion {
  void* context = nullptr;
  std::uint64_t flags = 0;  // libfabric-api 5.4, "Flag values in completions"
  std::size_t length = 0;
  void* buffer = nullptr;
  std::uint64_t data = 0;
  std::uint64_t tag = 0;
  std::uint64_t source = ~std::uint64_t{0};  // fi_addr_t; FI_ADDR_NOTAVAIL if unknown or no receive
};

// One that fi_cq_readerr() gives.
struct FailedCompletion {
  Completion of;
  std::size_t overflow = 0;  // bytes that did not fit (olen)
  int error = 0;             // positive libfabric error number
  int provider_errno = 0;    // efa-rdm-protocol 14
  std::string text;          // err_data: both addresses, host ids; may be empty
};

// Successes and failures in the order in which they came: a failure is seen when all successes
// before it were read. Grows without limit, so nothing is ever lost; never shrinks.
class CompletionRing {
 public:
  explicit CompletionRing(std::size_t capacity = 1024) { allocate(capacity); }

  void push(const Completion& completion) { push() = completion; }
  // The same for who sets all of its members at once.
  [[gnu::always_inline]] Completion& push() {
    if (tail_ - head_ >= limit_) [[unlikely]]
      make_room();
    return entries_[tail_++ & (size_ - 1)];
  }
  void push_failure(FailedCompletion failure) {
    if (wake_) tell();
    failures_.push_back({tail_, std::move(failure)});
  }

  // Calls wake(context) once, when the next one is pushed: a thread is going to sleep.
  void watch(void (*wake)(void*), void* context) {
    wake_ = wake;
    context_ = context;
    limit_ = 0;
  }

  // Successes that may be read now.
  std::size_t readable() const {
    const std::uint64_t end = failures_.empty() ? tail_ : failures_.front().position;
    return static_cast<std::size_t>(end - head_);
  }
  // The i-th of them.
  const Completion& peek(std::size_t i) const { return entries_[(head_ + i) & (size_ - 1)]; }
  void pop(std::size_t count) { head_ += count; }

  // The failure whose turn it is, or null.
  const FailedCompletion* failure() const {
    return failures_.empty() || failures_.front().position != head_ ? nullptr
                                                                    : &failures_.front().failure;
  }
  FailedCompletion take_failure() {
    FailedCompletion taken = std::move(failures_.front().failure);
    failures_.pop_front();
    return taken;
  }

  bool empty() const { return head_ == tail_ && failures_.empty(); }

 private:
  struct Positioned {
    std::uint64_t position;  // of the success that it stands in front of
    FailedCompletion failure;
  };

  void tell() {
    std::exchange(wake_, nullptr)(context_);
    limit_ = size_;
  }
  [[gnu::noinline, gnu::cold]] void make_room() {
    if (wake_) tell();
    if (tail_ - head_ == size_) grow();
  }
  void allocate(std::size_t capacity) {
    size_ = 16;
    while (size_ < capacity) size_ *= 2;
    limit_ = size_;
    entries_ = std::make_unique<Completion[]>(size_);
  }
  void grow() {
    const auto old = std::move(entries_);
    const std::size_t old_size = size_;
    allocate(2 * old_size);
    for (std::uint64_t i = head_; i != tail_; ++i)
      entries_[i & (size_ - 1)] = old[i & (old_size - 1)];
  }

  std::unique_ptr<Completion[]> entries_;
  std::size_t size_ = 0;   // a power of two
  std::size_t limit_ = 0;  // size_, or 0: push() has to look closer
  void (*wake_)(void*) = nullptr;
  void* context_ = nullptr;
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  std::deque<Positioned> failures_;
};

// What a counter counts. Endpoints add with the domain's lock held; fi_cntr_add() and _set() do
// not.
struct Tally {
  std::atomic<std::uint64_t> value = 0;
  std::atomic<std::uint64_t> errors = 0;

  void add() { value.fetch_add(1, std::memory_order_relaxed); }
  void add_error() { errors.fetch_add(1, std::memory_order_relaxed); }
};

}  // namespace efa::rdm

#endif
