// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What the child tells the launcher between fork and exec: the listener, or why it failed.
#pragma once

#include <array>

#include "base/result.hpp"

namespace efa::emu {

/// A socket pair, both ends close-on-exec: its end of file means that exec succeeded.
class LaunchChannel {
 public:
  static Result<LaunchChannel> create();
  LaunchChannel(LaunchChannel&& other) noexcept;
  LaunchChannel& operator=(LaunchChannel&&) = delete;
  ~LaunchChannel();

  /// In the child.
  bool send_listener(int listener);
  void send_error(const Error& error);

  /// In the parent, once: waits until the child has executed its program or given up. Returns the
  /// listener (close-on-exec), or the child's error.
  Result<int> receive_listener();

 private:
  explicit LaunchChannel(std::array<int, 2> ends) : ends_(ends) {}
  std::array<int, 2> ends_;  ///< parent's, child's; -1 = closed
};

}  // namespace efa::emu
