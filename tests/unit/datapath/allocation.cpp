// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ThreadSanitizer's run-time brings operator new of its own, which cannot be replaced.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EFA_CANNOT_COUNT_ALLOCATIONS
#endif
#endif
#ifndef EFA_CANNOT_COUNT_ALLOCATIONS
/// The perfect path allocates nothing per message once it runs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "fabric_rig.hpp"

namespace {

std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) {
  return operator new(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace efa::emu::test {
namespace {

/// Allocations of engine passes while `post` runs often; it also polls.
template <class Post>
std::size_t allocations_of(FabricRig& rig, Post&& post) {
  std::size_t counted = 0;
  for (int round = 0; round < 200; ++round) {
    post();
    const std::size_t before = allocations;
    rig.settle();
    if (round >= 100) counted += allocations - before;
  }
  return counted;
}

void poll_all(Pair& pair) {
  while (pair.a.send_cq->poll()) {
  }
  while (pair.b.recv_cq->poll()) {
  }
}

TEST(Allocation, NoneForSendsInTheSteadyState) {
  for (const auto type : {EFA_QP_TYPE_SRD, EFA_QP_TYPE_UD}) {
    Pair pair("efa2", {.type = type});
    const Region from = pair.left().region(4096);
    const Region to = pair.right().region(8192);
    const std::vector<RecvSge> sges{{to, 60}, {to, 4096, 64}};
    EXPECT_EQ(allocations_of(pair.rig,
                             [&] {
                               for (int i = 0; i < 16; ++i) {
                                 pair.b.post_recv(1, sges);
                                 pair.a.post(send_to(pair.to_b).sge(from, 100).sge(from, 2000));
                               }
                               poll_all(pair);
                             }),
              0u);
  }
}

TEST(Allocation, NoneForRdmaInTheSteadyState) {
  Pair pair;
  const std::uint32_t length = 5 << 20;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  EXPECT_EQ(
      allocations_of(pair.rig,
                     [&] {
                       pair.a.post(write_to(pair.to_b).remote(remote, length).sge(local, length));
                       pair.a.post(read_from(pair.to_b).remote(remote, 64).sge(local, 64));
                       poll_all(pair);
                     }),
      0u);
}

TEST(Allocation, NoneForIdlePasses) {
  Pair pair;
  pair.rig.settle();
  const std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) pair.rig.pass();
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace efa::emu::test
#endif
