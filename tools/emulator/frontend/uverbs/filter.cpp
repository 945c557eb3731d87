// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/filter.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "frontend/uverbs/kernel_needs.hpp"

namespace efa::emu {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "native mode knows the system calls of x86-64 and aarch64 only"
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of an argument comes first");

/// The 24-byte fixed part of a verbs ioctl; only its size goes into the command number.
struct VerbsIoctlHeader {
  std::uint16_t length, object_id, method_id, num_attrs;
  std::uint64_t reserved1;
  std::uint32_t driver_id, reserved2;
};
constexpr unsigned kRdmaIoctlMagic = 0x1b;

constexpr std::uint32_t kNotify = SECCOMP_RET_USER_NOTIF;

constexpr std::uint32_t answer_errno(int error) {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

/// Only paths that are looked up from the working directory: "/dev/infiniband/..." is absolute, and
/// libraries open it with AT_FDCWD. Calls with a descriptor (fstat in modern libcs) stay native.
FilterCondition from_working_directory() {
  return {0, static_cast<std::uint32_t>(AT_FDCWD)};
}

/// A verbs device is useless unless opened for reading and writing, the dynamic linker and most
/// file reads open read-only: this one test spares most notifications of path mode.
FilterCondition opened_read_write(unsigned flags_argument) {
  return {flags_argument, O_RDWR, O_ACCMODE};
}

std::vector<FilterRule> path_rules() {
  const FilterCondition cwd = from_working_directory();
  std::vector<FilterRule> rules = {
      {SYS_openat, {cwd, opened_read_write(2)}, kNotify},
      {SYS_newfstatat, {cwd}, kNotify},
      {SYS_statx, {cwd}, kNotify},
      {SYS_faccessat, {cwd}, kNotify},
      {SYS_faccessat2, {cwd}, kNotify},
  };
#if defined(__x86_64__)
  rules.push_back({SYS_open, {opened_read_write(1)}, kNotify});
  rules.push_back({SYS_stat, {}, kNotify});
  rules.push_back({SYS_lstat, {}, kNotify});
  rules.push_back({SYS_access, {}, kNotify});
#endif
  return rules;
}

sock_filter statement(unsigned code, std::uint32_t k) {
  return BPF_STMT(static_cast<std::uint16_t>(code), k);
}

sock_filter load(std::size_t offset) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

/// Goes on when the accumulator equals `value`, else skips `distance` instructions.
sock_filter skip_unless_equal(std::uint32_t value, std::size_t distance) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<std::uint8_t>(distance));
}

constexpr std::size_t kConditionLength = 3;

std::size_t rule_length(const FilterRule& rule) {
  return 2 + kConditionLength * rule.conditions.size() + 1;
}

std::size_t argument_offset(unsigned argument) {
  return offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t);
}

void append(std::vector<sock_filter>& program, const FilterRule& rule) {
  const std::size_t end = program.size() + rule_length(rule);
  const auto skip_rule_unless = [&](std::uint32_t value) {
    program.push_back(skip_unless_equal(value, end - program.size() - 1));
  };
  program.push_back(load(offsetof(seccomp_data, nr)));
  skip_rule_unless(static_cast<std::uint32_t>(rule.syscall));
  for (const FilterCondition& condition : rule.conditions) {
    program.push_back(load(argument_offset(condition.argument)));
    program.push_back(statement(BPF_ALU | BPF_AND | BPF_K, condition.mask));
    skip_rule_unless(condition.value);
  }
  program.push_back(statement(BPF_RET | BPF_K, rule.action));
}

int seccomp(unsigned operation, unsigned flags, void* argument) {
  return static_cast<int>(syscall(SYS_seccomp, operation, flags, argument));
}

tl::unexpected<Error> explain_refusal(int error) {
  switch (error) {
    case EBUSY:
      return fail(error, "a supervisor with a system-call listener surrounds this process already",
                  "end it first: emulators cannot be nested (efa-emu on HOST starts a command on "
                  "another host of the running one)");
    case ENOSYS:
      return kernel_lacks(error, "the seccomp() system call");
    case EPERM:
    case EACCES:
      return fail(error, fmt::format("seccomp() is denied here: {}", std::strerror(error)),
                  "allow it in the container's seccomp profile (Docker's default allows it)");
    default:
      return fail(error, fmt::format("seccomp() refused the filter: {}", std::strerror(error)),
                  "report this with the output of uname -r");
  }
}

/// WAIT_KILLABLE_RECV (5.19): once the emulator has taken a call, only a fatal signal may interrupt
/// it. Without, a signal at the wrong moment makes the client repeat a command that was executed.
int listen(const sock_fprog& code) {
  unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  void* argument = const_cast<sock_fprog*>(&code);
  const int listener = seccomp(SECCOMP_SET_MODE_FILTER, flags, argument);
  if (listener >= 0 || errno != EINVAL) {
    return listener;
  }
  return seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, argument);
}

/// Asks for a notification that does not exist: a kernel that knows the request and the flag says
/// ENOENT, an older one EINVAL.
bool knows_add_fd_and_send(int listener) {
  seccomp_notif_addfd request{};
  request.flags = SECCOMP_ADDFD_FLAG_SEND;
  request.srcfd = static_cast<std::uint32_t>(listener);
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &request) == -1 && errno == ENOENT;
}

}  // namespace

std::uint32_t rdma_verbs_ioctl() noexcept {
  static_assert(sizeof(VerbsIoctlHeader) == 24);
  return static_cast<std::uint32_t>(_IOWR(kRdmaIoctlMagic, 1, VerbsIoctlHeader));
}

std::vector<FilterRule> filter_rules(Mode mode, bool answer_uname) {
  // A kernel with ib_core would answer the netlink query with its own devices and libibverbs would
  // never look at our sysfs tree (native-mode 2).
  std::vector<FilterRule> rules = {
      {SYS_ioctl, {{1, rdma_verbs_ioctl()}}, kNotify},
      {SYS_socket, {{0, AF_NETLINK}, {2, NETLINK_RDMA}}, answer_errno(EPROTONOSUPPORT)},
  };
  if (mode == Mode::kPath) {
    for (FilterRule& rule : path_rules()) {
      rules.push_back(std::move(rule));
    }
  }
  if (answer_uname) {
    rules.push_back({SYS_uname, {}, kNotify});
  }
  return rules;
}

std::vector<sock_filter> assemble(const std::vector<FilterRule>& rules) {
  std::vector<sock_filter> program = {
      load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  for (const FilterRule& rule : rules) {
    append(program, rule);
  }
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return program;
}

Result<int> install_filter(const std::vector<sock_filter>& program) {
  std::uint32_t action = kNotify;
  if (seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0 && errno == EOPNOTSUPP) {
    return kernel_lacks(EOPNOTSUPP, "seccomp user notification");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return kernel_lacks(errno, "PR_SET_NO_NEW_PRIVS");
  }
  const sock_fprog code{static_cast<std::uint16_t>(program.size()),
                        const_cast<sock_filter*>(program.data())};
  const int listener = listen(code);
  if (listener < 0) {
    return explain_refusal(errno);
  }
  if (!knows_add_fd_and_send(listener)) {
    close(listener);
    return kernel_lacks(EINVAL, "SECCOMP_ADDFD_FLAG_SEND");
  }
  return listener;
}

}  // namespace efa::emu
