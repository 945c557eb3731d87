// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/private_memory.hpp"

#include <gtest/gtest.h>
#include <sys/shm.h>

#include <string>
#include <vector>

#include "rdm/mapped.hpp"

namespace efa::rdm {
namespace {

// A file of two pages without a name.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("test", MFD_CLOEXEC)) {
    if (ftruncate(fd_, static_cast<off_t>(2 * page())) != 0) abort();
  }
  ~MemoryFile() { close(fd_); }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// By questions, which older kernels do not answer, and by the text.
class PrivateMemory : public testing::TestWithParam<bool> {
 protected:
  static bool check(const PageRange& range) { return is_private_anonymous(range, GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(, PrivateMemory, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Asked" : "Read");
});

PageRange page_of(const void* address) {
  const auto start = reinterpret_cast<std::uintptr_t>(address) & ~(page() - 1);
  return {start, start + page()};
}

TEST_P(PrivateMemory, IsWhatMallocAndTheStackGive) {
  const Mapped mapped(4);
  EXPECT_TRUE(check(mapped.range()));
  EXPECT_TRUE(check(mapped.part(1, 2)));
  const int on_stack = 0;
  EXPECT_TRUE(check(page_of(&on_stack)));
  const std::vector<int> small(1);
  EXPECT_TRUE(check(page_of(small.data())));
}

TEST_P(PrivateMemory, MayConsistOfSeveralMappings) {
  const Mapped mapped(4);
  ASSERT_EQ(mprotect(mapped.at(1), page(), PROT_READ), 0);
  EXPECT_TRUE(check(mapped.range()));
}

TEST_P(PrivateMemory, IsNoneWithAFileBelow) {
  const MemoryFile file;
  EXPECT_FALSE(check(Mapped(2, MAP_PRIVATE, file.fd()).range()));
  EXPECT_FALSE(check(Mapped(2, MAP_SHARED, file.fd()).range()));
  EXPECT_FALSE(check(Mapped(2, MAP_SHARED | MAP_ANONYMOUS).range()));
  static const int in_program_file = 1;
  EXPECT_FALSE(check(page_of(&in_program_file)));
}

TEST_P(PrivateMemory, IsNoneIfShared) {
  const int id = shmget(IPC_PRIVATE, page(), 0600);
  ASSERT_GE(id, 0);
  void* const attached = shmat(id, nullptr, 0);
  shmctl(id, IPC_RMID, nullptr);
  EXPECT_FALSE(check(page_of(attached)));
  shmdt(attached);
}

TEST_P(PrivateMemory, IsNoneIfAPageOfItIsOther) {
  const Mapped mapped(5);
  const MemoryFile file;
  ASSERT_NE(mmap(mapped.at(2), page(), PROT_READ, MAP_PRIVATE | MAP_FIXED, file.fd(), 0),
            MAP_FAILED);
  EXPECT_FALSE(check(mapped.range()));
  EXPECT_FALSE(check(mapped.part(2, 1)));
  EXPECT_TRUE(check(mapped.part(0, 2)));
  EXPECT_TRUE(check(mapped.part(3, 2)));
}

TEST_P(PrivateMemory, IsNoneIfAPageOfItIsMissing) {
  const Mapped mapped(5);
  ASSERT_EQ(munmap(mapped.at(2), page()), 0);
  EXPECT_FALSE(check(mapped.range()));
  EXPECT_FALSE(check(mapped.part(1, 2)));
  EXPECT_FALSE(check(mapped.part(2, 1)));
  EXPECT_TRUE(check(mapped.part(0, 2)));
  EXPECT_FALSE(check({UINTPTR_MAX - 2 * page() + 1, UINTPTR_MAX - page() + 1}));
}

}  // namespace
}  // namespace efa::rdm
