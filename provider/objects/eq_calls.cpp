// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What applications call an event queue for.
#include <cstring>
#include <memory>
#include <string_view>

#include "absent.hpp"
#include "log.hpp"
#include "objects/deadline.hpp"
#include "objects/eq.hpp"
#include "objects/fabric.hpp"
#include "objects/wait_set.hpp"
#include "rdm/errors.hpp"

namespace efa::fi {
namespace {

ssize_t read(fid_eq* eq, uint32_t* event, void* buffer, size_t size, uint64_t flags) {
  return Eq::of(eq).read(event, buffer, size, flags & FI_PEEK);
}

ssize_t read_error(fid_eq* eq, fi_eq_err_entry* entry, uint64_t flags) {
  return entry ? Eq::of(eq).read_error(*entry, flags & FI_PEEK) : -FI_EINVAL;
}

ssize_t write(fid_eq* object, uint32_t event, const void* payload, size_t size, uint64_t flags) {
  Eq& eq = Eq::of(object);
  if (!eq.application_writes) return -FI_ENOSYS;
  if (flags || (size && !payload)) return -FI_EINVAL;
  return eq.write(event, payload, size);
}

ssize_t read_waiting(fid_eq* object, uint32_t* event, void* buffer, size_t size, int timeout,
                     uint64_t flags) {
  Eq& eq = Eq::of(object);
  if (eq.fd() < 0) return -FI_EINVAL;
  const Deadline deadline(timeout);
  for (;;) {
    const ssize_t result = eq.read(event, buffer, size, flags & FI_PEEK);
    if (result != -FI_EAGAIN || deadline.passed()) return result;
    wait_readable(eq.fd(), deadline.left());
  }
}

/// err_data is a sentence that says more than the number does.
const char* text_of_error(fid_eq*, int provider_errno, const void* data, char* buffer,
                          size_t size) {
  const char* const text =
      data ? static_cast<const char*>(data) : rdm::text_of_errno(provider_errno);
  if (!buffer || !size) return text;
  const size_t length = strnlen(text, size - 1);
  std::memcpy(buffer, text, length);
  buffer[length] = 0;
  return buffer;
}

Eq& eq_of(fid* object) {
  return Eq::of(reinterpret_cast<fid_eq*>(object));
}

int close(fid* object) {
  Eq& eq = eq_of(object);
  if (eq.users) {
    log(FI_LOG_WARN, "event queue not closed: an endpoint is bound to it; close that first");
    return -FI_EBUSY;
  }
  delete &eq;  // NOLINT(cppcoreguidelines-owning-memory): the application owned it
  return 0;
}

int control(fid* object, int command, void* argument) {
  const Eq& eq = eq_of(object);
  if (!argument) return -FI_EINVAL;
  switch (command) {
    case FI_GETWAIT:
      if (eq.wait_kind != FI_WAIT_FD) return -FI_ENOSYS;
      *static_cast<int*>(argument) = eq.fd();
      return 0;
    case FI_GETWAITOBJ:
      *static_cast<fi_wait_obj*>(argument) = eq.wait_kind;
      return 0;
    default:
      return -FI_ENOSYS;
  }
}

fi_ops object_operations{
    .size = sizeof(fi_ops),
    .close = close,
    .bind = absent,
    .control = control,
    .ops_open = absent,
    .tostr = absent,
    .ops_set = absent,
};

fi_ops_eq operations{
    .size = sizeof(fi_ops_eq),
    .read = read,
    .readerr = read_error,
    .write = write,
    .sread = read_waiting,
    .strerror = text_of_error,
};

int check(const fi_eq_attr& attributes) {
  if (attributes.flags & ~(FI_WRITE | FI_AFFINITY)) return -FI_EINVAL;
  switch (attributes.wait_obj) {
    case FI_WAIT_NONE:
    case FI_WAIT_UNSPEC:
    case FI_WAIT_FD:
    case FI_WAIT_YIELD:
      return 0;
    case FI_WAIT_SET:
      return attributes.wait_set ? 0 : -FI_EINVAL;
    default:
      log(FI_LOG_WARN,
          "event queue not opened: wait_obj is none of FI_WAIT_NONE, FI_WAIT_UNSPEC, FI_WAIT_FD, "
          "FI_WAIT_SET; use one of these");
      return -FI_ENOSYS;
  }
}

}  // namespace

int open_eq(fid_fabric* fabric, fi_eq_attr* attributes, fid_eq** eq, void* context) {
  if (!eq) return -FI_EINVAL;
  const fi_eq_attr asked = attributes ? *attributes : fi_eq_attr{};
  if (const int error = check(asked)) return error;
  auto made = std::make_unique<Eq>(Fabric::of(fabric), asked, context);
  made->fid.ops = &object_operations;
  made->ops = &operations;
  if (const int error = made->create()) return error;
  *eq = made.release();
  return 0;
}

}  // namespace efa::fi
