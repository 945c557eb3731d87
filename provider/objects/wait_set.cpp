// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/wait_set.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absent.hpp"
#include "log.hpp"
#include "objects/cq.hpp"
#include "objects/eq.hpp"
#include "objects/fabric.hpp"
#include "objects/signal.hpp"

namespace efa::fi {
namespace {

int wait(fid_wait* set, int timeout) {
  return wait_readable(WaitSet::of(set).fd(), timeout) ? 0 : -FI_ETIMEDOUT;
}

WaitSet& set_of(fid* object) {
  return WaitSet::of(reinterpret_cast<fid_wait*>(object));
}

int close_set(fid* object) {
  WaitSet& set = set_of(object);
  if (set.members) return -FI_EBUSY;
  delete &set;  // NOLINT(cppcoreguidelines-owning-memory): the application owned it
  return 0;
}

int control(fid* object, int command, void* argument) {
  const WaitSet& set = set_of(object);
  if (!argument) return -FI_EINVAL;
  if (command == FI_GETWAITOBJ) {
    *static_cast<fi_wait_obj*>(argument) = set.wait_kind;
    return 0;
  }
  if (command != FI_GETWAIT || set.wait_kind != FI_WAIT_FD) return -FI_ENOSYS;
  *static_cast<int*>(argument) = set.fd();
  return 0;
}

fi_ops object_operations{
    .size = sizeof(fi_ops),
    .close = close_set,
    .bind = absent,
    .control = control,
    .ops_open = absent,
    .tostr = absent,
    .ops_set = absent,
};

fi_ops_wait operations{.size = sizeof(fi_ops_wait), .wait = wait};

int try_one(fid* object) {
  switch (object->fclass) {
    case FI_CLASS_EQ: {
      Eq& eq = Eq::of(reinterpret_cast<fid_eq*>(object));
      if (eq.fd() < 0) return -FI_EINVAL;
      return eq.empty() ? 0 : -FI_EAGAIN;
    }
    case FI_CLASS_CQ:
      return try_wait(*reinterpret_cast<fid_cq*>(object));
    case FI_CLASS_WAIT:
      return wait_readable(set_of(object).fd(), 0) ? -FI_EAGAIN : 0;
    default:
      return -FI_EINVAL;
  }
}

}  // namespace

WaitSet::WaitSet(Fabric& fabric, const fi_wait_attr& attributes)
    : fid_wait{}, wait_kind(attributes.wait_obj), fabric_(fabric) {
  fid = {.fclass = FI_CLASS_WAIT, .context = nullptr, .ops = &object_operations};
  ops = &operations;
  ++fabric_.children;
}

WaitSet::~WaitSet() {
  if (poll_ >= 0) close(poll_);
  --fabric_.children;
}

int WaitSet::create() {
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  return poll_ < 0 ? -errno : 0;
}

int WaitSet::add(int fd) {
  epoll_event event{.events = EPOLLIN, .data = {}};
  if (epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event)) return -errno;
  ++members;
  return 0;
}

void WaitSet::remove(int fd) {
  if (epoll_ctl(poll_, EPOLL_CTL_DEL, fd, nullptr) == 0) --members;
}

int open_wait_set(fid_fabric* fabric, fi_wait_attr* attributes, fid_wait** wait_set) {
  if (!attributes || !wait_set || attributes->flags) return -FI_EINVAL;
  if (attributes->wait_obj != FI_WAIT_FD && attributes->wait_obj != FI_WAIT_UNSPEC) {
    log(FI_LOG_WARN, "wait set not opened: use wait_obj FI_WAIT_FD or FI_WAIT_UNSPEC");
    return -FI_ENOSYS;
  }
  auto made = std::make_unique<WaitSet>(Fabric::of(fabric), *attributes);
  if (const int error = made->create()) return error;
  *wait_set = made.release();
  return 0;
}

int try_wait(fid_fabric*, fid** objects, int count) {
  if (count < 0 || (count && !objects)) return -FI_EINVAL;
  for (int i = 0; i < count; ++i)
    if (const int result = try_one(objects[i])) return result;
  return 0;
}

}  // namespace efa::fi
