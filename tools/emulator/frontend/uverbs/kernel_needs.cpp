// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/kernel_needs.hpp"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace efa::emu {

namespace {

std::string kernel_release() {
  utsname name{};
  uname(&name);
  return name.release;
}

/// 0 if the call works in this process, else its errno. Descriptors are closed again.
int errno_after(long result) {
  if (result < 0) return errno;
  close(static_cast<int>(result));
  return 0;
}

int try_process_memory() {
  char from = 1, to = 0;
  const iovec remote{&from, 1}, local{&to, 1};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1 ? 0 : errno;
}

/// On no descriptor at all: a kernel that knows the call says so.
int try_epoll() {
  epoll_event event;
  const int error = epoll_pwait2(-1, &event, 1, nullptr, nullptr) < 0 ? errno : 0;
  return error == EBADF ? 0 : error;
}

struct Need {
  const char* call;
  int (*attempt)();
  const char* feature;  ///< if the kernel does not know it
};

constexpr Need kNeeds[] = {
    {"process_vm_readv()", try_process_memory, "process_vm_readv() (CONFIG_CROSS_MEMORY_ATTACH)"},
    {"pidfd_open()", [] { return errno_after(syscall(SYS_pidfd_open, getpid(), 0)); },
     "pidfd_open()"},
    {"memfd_create()", [] { return errno_after(memfd_create("probe", MFD_CLOEXEC)); },
     "memfd_create() (CONFIG_MEMFD_CREATE)"},
    {"epoll_pwait2()", try_epoll, "epoll_pwait2()"},
};

}  // namespace

tl::unexpected<Error> kernel_lacks(int error, const char* feature) {
  return fail(error, fmt::format("this kernel ({}) lacks {}", kernel_release(), feature),
              "native mode needs Linux 5.14 or newer with CONFIG_SECCOMP_FILTER");
}

Result<void> check_kernel() {
  for (const Need& need : kNeeds) {
    const int error = need.attempt();
    if (error == ENOSYS) {
      return kernel_lacks(error, need.feature);
    }
    if (error == EPERM || error == EACCES) {
      return fail(error, fmt::format("{} is denied here: {}", need.call, std::strerror(error)),
                  "allow it in the container's seccomp profile (Docker's default allows it)");
    }
  }
  return {};
}

}  // namespace efa::emu
