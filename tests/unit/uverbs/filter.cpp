// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/filter.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

namespace efa::emu {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif
constexpr std::uint32_t kForeign = AUDIT_ARCH_I386;

std::uint32_t word_at(const seccomp_data& call, std::uint32_t offset) {
  std::uint32_t word = 0;
  std::memcpy(&word, reinterpret_cast<const char*>(&call) + offset, sizeof word);
  return word;
}

/// What the kernel would decide: an interpreter for the instructions that the assembler uses.
std::uint32_t evaluate(const std::vector<sock_filter>& program, const seccomp_data& call) {
  std::uint32_t accumulator = 0;
  for (std::size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& step = program[pc];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        accumulator = word_at(call, step.k);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= step.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += accumulator == step.k ? step.jt : step.jf;
        break;
      case BPF_RET | BPF_K:
        return step.k;
      default:
        ADD_FAILURE() << "unknown instruction " << step.code;
        return ~0u;
    }
  }
  ADD_FAILURE() << "the program runs past its end";
  return ~0u;
}

seccomp_data call_of(int number, std::initializer_list<std::uint64_t> arguments,
                     std::uint32_t architecture = kNative) {
  seccomp_data call{};
  call.nr = number;
  call.arch = architecture;
  std::copy(arguments.begin(), arguments.end(), call.args);
  return call;
}

std::uint32_t decision(Mode mode, const seccomp_data& call, bool answer_uname = false) {
  return evaluate(assemble(filter_rules(mode, answer_uname)), call);
}

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kNotify = SECCOMP_RET_USER_NOTIF;
/// As a 64-bit register holds it: only the low half counts.
constexpr auto kCwd = static_cast<std::uint64_t>(static_cast<std::int64_t>(AT_FDCWD));

TEST(Filter, VerbsIoctlHasTheNumberOfTheKernelInterface) {
  EXPECT_EQ(rdma_verbs_ioctl(), 0xc0181b01u);
}

TEST(Filter, BothModesTrapTheVerbsIoctlAndNoOther) {
  for (const Mode mode : {Mode::kOneTrap, Mode::kPath}) {
    EXPECT_EQ(decision(mode, call_of(SYS_ioctl, {3, rdma_verbs_ioctl(), 0x1000})), kNotify);
    EXPECT_EQ(decision(mode, call_of(SYS_ioctl, {3, 0x5401, 0x1000})), kAllow);
    EXPECT_EQ(decision(mode, call_of(SYS_ioctl, {rdma_verbs_ioctl(), 0, 0})), kAllow);
  }
}

TEST(Filter, IoctlCommandIsComparedInItsLowHalfOnly) {
  // ioctl() takes an unsigned int; a libc may leave a sign extension above it.
  const std::uint64_t extended = 0xffffffff00000000u | rdma_verbs_ioctl();
  EXPECT_EQ(decision(Mode::kOneTrap, call_of(SYS_ioctl, {3, extended})), kNotify);
}

TEST(Filter, RdmaNetlinkIsRefusedWithoutNotification) {
  const std::uint32_t refused = SECCOMP_RET_ERRNO | EPROTONOSUPPORT;
  EXPECT_EQ(decision(Mode::kOneTrap, call_of(SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_RDMA})),
            refused);
  EXPECT_EQ(decision(Mode::kOneTrap, call_of(SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE})),
            kAllow);
  EXPECT_EQ(decision(Mode::kOneTrap, call_of(SYS_socket, {AF_INET, SOCK_RAW, NETLINK_RDMA})),
            kAllow);
}

TEST(Filter, CallsOfAForeignArchitectureAreAllowed) {
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_ioctl, {3, rdma_verbs_ioctl()}, kForeign)), kAllow);
}

TEST(Filter, OneTrapModeLeavesPathCallsAlone) {
  EXPECT_EQ(decision(Mode::kOneTrap, call_of(SYS_openat, {kCwd, 1, O_RDWR})), kAllow);
  EXPECT_EQ(decision(Mode::kOneTrap, call_of(SYS_newfstatat, {kCwd, 1, 2, 0})), kAllow);
  EXPECT_EQ(decision(Mode::kOneTrap, call_of(SYS_uname, {1})), kAllow);
}

TEST(Filter, PathModeTrapsReadWriteOpensOnly) {
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_openat, {kCwd, 1, O_RDWR | O_CLOEXEC})), kNotify);
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_openat, {kCwd, 1, O_RDONLY | O_CLOEXEC})), kAllow);
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_openat, {kCwd, 1, O_WRONLY | O_CREAT})), kAllow);
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_openat, {7, 1, O_RDWR})), kAllow);
}

TEST(Filter, PathModeTrapsLookupsFromTheWorkingDirectoryOnly) {
  for (const int number : {SYS_newfstatat, SYS_statx, SYS_faccessat, SYS_faccessat2}) {
    EXPECT_EQ(decision(Mode::kPath, call_of(number, {kCwd, 1, 2, 0})), kNotify) << number;
    EXPECT_EQ(decision(Mode::kPath, call_of(number, {5, 1, 2, AT_EMPTY_PATH})), kAllow) << number;
  }
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_read, {0, 1, 2})), kAllow);
}

#if defined(__x86_64__)
TEST(Filter, PathModeTrapsTheOldCallsOfX86) {
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_open, {1, O_RDWR})), kNotify);
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_open, {1, O_RDONLY})), kAllow);
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_stat, {1, 2})), kNotify);
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_fstat, {1, 2})), kAllow);
}
#endif

TEST(Filter, UnameIsTrappedOnlyWhereTheHostHasNoNameOfItsOwn) {
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_uname, {1}), false), kAllow);
  EXPECT_EQ(decision(Mode::kPath, call_of(SYS_uname, {1}), true), kNotify);
}

TEST(Filter, TheFirstMatchingRuleDecides) {
  const auto program = assemble({{1, {{0, 5}}, 10u}, {1, {{0, 1, 1}}, 20u}, {2, {}, 30u}});
  EXPECT_EQ(evaluate(program, call_of(1, {5})), 10u);
  EXPECT_EQ(evaluate(program, call_of(1, {7})), 20u);
  EXPECT_EQ(evaluate(program, call_of(1, {6})), kAllow);
  EXPECT_EQ(evaluate(program, call_of(2, {})), 30u);
}

}  // namespace
}  // namespace efa::emu
