// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_wait, one file descriptor for several event queues; and whether it is safe to block on the
/// file descriptors of objects (spec libfabric-api 5.1, M6).
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_eq.h>

#include <atomic>

namespace efa::fi {

struct Fabric;

/// Thread-safe.
class WaitSet : public fid_wait {
 public:
  WaitSet(Fabric& fabric, const fi_wait_attr& attributes);
  ~WaitSet();
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  static WaitSet& of(fid_wait* set) { return *static_cast<WaitSet*>(set); }

  /// Creates what the constructor could not. 0 or a negative error.
  int create();
  /// A file descriptor that is readable while its object has something. 0 or a negative errno.
  int add(int fd);
  void remove(int fd);

  int fd() const { return poll_; }

  const fi_wait_obj wait_kind;
  std::atomic<int> members = 0;  ///< fi_close() says -FI_EBUSY

 private:
  Fabric& fabric_;
  int poll_ = -1;
};

int open_wait_set(fid_fabric* fabric, fi_wait_attr* attributes, fid_wait** wait_set);

/// fi_trywait(): 0, or -FI_EAGAIN: something is to be read first.
int try_wait(fid_fabric* fabric, fid** objects, int count);

}  // namespace efa::fi
