// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Registers memory by noting what was in it: each page of a test's memory begins with a number that
// no other page ever had, which tells pages apart as the device's mapping would.
#ifndef EFA_TESTS_UNIT_RDM_FAKE_REGISTRAR_HPP
#define EFA_TESTS_UNIT_RDM_FAKE_REGISTRAR_HPP

#include <infiniband/verbs.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <vector>

#include "rdm/mapped.hpp"
#include "rdm/registration_cache.hpp"

namespace efa::rdm {

inline std::uint64_t stamp_of(const std::byte* page_start) {
  std::uint64_t stamp;
  std::memcpy(&stamp, page_start, sizeof(stamp));
  return stamp;
}

// Gives each page a new number.
inline void stamp(std::byte* data, std::size_t bytes) {
  static std::atomic<std::uint64_t> last{0};
  for (std::size_t at = 0; at < bytes; at += page()) {
    const std::uint64_t next = ++last;
    std::memcpy(data + at, &next, sizeof(next));
  }
}

class FakeRegistrar : public Registrar {
 public:
  struct Region : ibv_mr {
    PageRange range;
    unsigned access = 0;
    std::vector<std::uint64_t> stamps;
  };

  ibv_mr* register_memory(void* address, std::size_t length, unsigned access) override {
    if (before_register) before_register();
    const std::lock_guard<std::mutex> guard(lock_);
    if (refusals > 0) {
      --refusals;
      errno = refusal;
      return nullptr;
    }
    const auto start = reinterpret_cast<std::uintptr_t>(address);
    auto* region = new Region{};
    region->lkey = region->rkey = static_cast<std::uint32_t>(++registered_);
    region->range = {start, start + length};
    region->access = access;
    for (std::size_t at = 0; at < length; at += page()) {
      region->stamps.push_back(stamp_of(static_cast<std::byte*>(address) + at));
    }
    living_.insert(region);
    return region;
  }

  void deregister_memory(ibv_mr* mr) override {
    if (before_deregister) before_deregister();
    const std::lock_guard<std::mutex> guard(lock_);
    auto* region = static_cast<Region*>(mr);
    if (living_.erase(region) != 1) abort();  // twice, or never registered
    delete region;
  }

  static const Region& region(const Registration& registration) {
    return *static_cast<const Region*>(registration.mr);
  }

  // Whether the device would reach the pages that the buffer has now.
  static bool serves(const Registration& registration, const std::byte* data, std::size_t bytes) {
    const Region& registered = region(registration);
    const auto start = reinterpret_cast<std::uintptr_t>(data);
    if (!registered.range.contains({start, start + bytes})) return false;
    const std::size_t first = (start - registered.range.start) / page();
    for (std::size_t i = 0; i < bytes / page(); ++i) {
      if (registered.stamps[first + i] != stamp_of(data + i * page())) return false;
    }
    return true;
  }

  std::size_t living() {
    const std::lock_guard<std::mutex> guard(lock_);
    return living_.size();
  }
  std::size_t registered() {
    const std::lock_guard<std::mutex> guard(lock_);
    return registered_;
  }

  std::function<void()> before_register, before_deregister;
  int refusals = 0;  // how many of the next ones fail
  int refusal = ENOMEM;

 private:
  std::mutex lock_;
  std::set<Region*> living_;
  std::size_t registered_ = 0;
};

}  // namespace efa::rdm

#endif
