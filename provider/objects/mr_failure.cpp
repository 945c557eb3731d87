// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/mr_failure.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "log.hpp"
#include "objects/domain.hpp"

namespace efa::fi {
namespace {

std::string of_memory(const MrLimits& limits) {
  if (limits.registered >= limits.max_mr)
    return "the device has " + std::to_string(limits.max_mr) +
           " registrations (max_mr), and this domain alone has " +
           std::to_string(limits.registered) + "; close some, or register larger ranges";
  if (!limits.privileged && limits.locked_memory != ~0ULL)
    return "a process may lock " + std::to_string(limits.locked_memory / 1024) +
           " KiB of memory; raise that by `ulimit -l unlimited`, LimitMEMLOCK=infinity of the "
           "service, or memlock in /etc/security/limits.conf";
  return "the device has " + std::to_string(limits.max_mr) +
         " registrations for all processes (max_mr), of which this domain has " +
         std::to_string(limits.registered) + ", or the host has too little memory to pin";
}

MrLimits limits_of(Domain& domain) {
  MrLimits limits;
  limits.max_mr = domain.device.max_mr;
  ibv_device_attr device{};
  limits.max_mr_size = ibv_query_device(domain.context, &device) ? ~0ULL : device.max_mr_size;
  {
    const Guard guard(domain.lock);
    limits.registered = domain.regions.size();
  }
  rlimit lock{};
  if (getrlimit(RLIMIT_MEMLOCK, &lock) == 0 && lock.rlim_cur != RLIM_INFINITY)
    limits.locked_memory = lock.rlim_cur;
  limits.privileged = geteuid() == 0;
  return limits;
}

}  // namespace

std::string why_not_registered(int error, size_t bytes, const MrLimits& limits) {
  if (bytes > limits.max_mr_size)
    return "the device takes at most " + std::to_string(limits.max_mr_size) +
           " bytes in one registration (max_mr_size); register it in parts";
  switch (error) {
    case ENOMEM:
      return of_memory(limits);
    case EFAULT:
      return "part of it is not mapped, or not writable and to be written; register what is "
             "mapped, read-only memory with FI_SEND only";
    case EINVAL:
      return bytes ? "the device refuses this range or access" : "there is nothing in it";
    case EOPNOTSUPP:
      return "the device, or the kernel's driver, cannot; dmabufs need Linux 5.16 or later";
    default:
      return "that is all the kernel says";
  }
}

int say_why_not_registered(Domain& domain, uintptr_t start, size_t bytes, int error) {
  char address[32];
  std::snprintf(address, sizeof address, "0x%zx", static_cast<size_t>(start));
  log(FI_LOG_WARN, "memory not registered: " + std::to_string(bytes) + " bytes at " + address +
                       " with " + domain.device.name + ": " + std::strerror(error) + ": " +
                       why_not_registered(error, bytes, limits_of(domain)));
  return error ? -error : -EIO;
}

}  // namespace efa::fi
