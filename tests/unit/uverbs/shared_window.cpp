// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/shared_window.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace efa::emu {
namespace {

constexpr std::size_t kBytes = 64 << 10;

/// Memory of this process, which stands in for a client.
class Memory {
 public:
  explicit Memory(int flags, int protection = PROT_READ | PROT_WRITE)
      : at_(static_cast<std::byte*>(::mmap(nullptr, kBytes, protection, flags, -1, 0))) {
    EXPECT_NE(at_, MAP_FAILED);
  }
  ~Memory() { ::munmap(at_, kBytes); }
  std::byte* data() const { return at_; }
  std::unique_ptr<SharedWindow> window(std::size_t offset = 0, std::size_t length = kBytes) const {
    return SharedWindow::open(::getpid(), reinterpret_cast<std::uint64_t>(at_) + offset, length);
  }

 private:
  std::byte* at_;
};

/// Following /proc/PID/map_files takes CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE outside of any user
/// namespace; without it there are no windows.
bool privileged() {
  std::ifstream status("/proc/self/status"), users("/proc/self/uid_map");
  std::uint64_t capabilities = 0, first = 1, outside = 1, count = 0;
  for (std::string word; status >> word;)
    if (word == "CapEff:") status >> std::hex >> capabilities;
  users >> first >> outside >> count;
  const bool whole = first == 0 && outside == 0 && count == ~std::uint32_t{0};
  return whole && (capabilities & (std::uint64_t{1} << 21 | std::uint64_t{1} << 40)) != 0;
}

TEST(SharedWindow, ShowsTheSameMemory) {
  const Memory shared(MAP_SHARED | MAP_ANONYMOUS);
  const auto window = shared.window(5000, 20'000);
  ASSERT_EQ(window != nullptr, privileged());
  if (window == nullptr) return;
  shared.data()[5000] = std::byte{7};
  EXPECT_EQ(window->data()[0], std::byte{7});
  window->data()[19'999] = std::byte{9};
  EXPECT_EQ(shared.data()[24'999], std::byte{9});
}

TEST(SharedWindow, IsForSharedWritableMemoryOnly) {
  EXPECT_EQ(Memory(MAP_PRIVATE | MAP_ANONYMOUS).window(), nullptr);
  EXPECT_EQ(Memory(MAP_SHARED | MAP_ANONYMOUS, PROT_READ).window(), nullptr);
  EXPECT_EQ(SharedWindow::open(::getpid(), 0x1000, 4096), nullptr) << "nothing is there";
  EXPECT_EQ(SharedWindow::open(1 << 30, 0x1000, 4096), nullptr) << "no such process";
}

TEST(SharedWindow, StaysWithinOneMapping) {
  const Memory shared(MAP_SHARED | MAP_ANONYMOUS);
  EXPECT_EQ(shared.window(4096, kBytes), nullptr);
  ::munmap(shared.data() + kBytes / 2, 4096);
  EXPECT_EQ(shared.window(0, kBytes), nullptr);
}

TEST(SharedWindow, MakesSystemCallsFailWhereTheFileWasCut) {
  const int file = ::memfd_create("cut", MFD_CLOEXEC);
  ASSERT_EQ(::ftruncate(file, kBytes), 0);
  void* at = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const auto window = SharedWindow::open(::getpid(), reinterpret_cast<std::uint64_t>(at), kBytes);
  ASSERT_EQ(window != nullptr, privileged());
  if (window == nullptr) return;
  ASSERT_EQ(::ftruncate(file, 4096), 0);
  std::vector<std::byte> target(kBytes);
  const iovec local{window->data(), kBytes}, remote{target.data(), kBytes};
  EXPECT_LT(::process_vm_writev(::getpid(), &local, 1, &remote, 1, 0),
            static_cast<ssize_t>(kBytes));
  ::munmap(at, kBytes);
  ::close(file);
}

}  // namespace
}  // namespace efa::emu
