// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What a thread sleeps on until a completion queue has something (spec libfabric-api D10): the
/// completion channel of the device, and signals of other threads, as one file descriptor.
#pragma once

#include <infiniband/verbs.h>

namespace efa::fi {

class WaitObject {
 public:
  WaitObject() = default;
  ~WaitObject();
  WaitObject(const WaitObject&) = delete;
  WaitObject& operator=(const WaitObject&) = delete;

  /// 0 or a negative errno. Without a channel if the device has no notifications.
  int open(ibv_context& device);
  bool is_open() const { return poll_ >= 0; }

  /// Null: the device does not signal.
  ibv_comp_channel* channel() const { return channel_; }
  void close_channel();
  /// Readable when it is time to look.
  int fd() const { return poll_; }

  /// Wakes who sleeps. Thread-safe.
  void signal();
  /// Forgets what was signalled so far.
  void drain();
  /// @param milliseconds  negative: for ever. Returns earlier when there is a signal
  void sleep(int milliseconds);

 private:
  int watch(int fd);

  ibv_comp_channel* channel_ = nullptr;
  int signals_ = -1;
  int poll_ = -1;
};

}  // namespace efa::fi
