// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Descriptors on which the kernel tells events.
#pragma once

#include <optional>

#include "uverbs.hpp"

namespace efa::raw {

/// A descriptor of events, closed at the end.
class EventDescriptor {
 public:
  explicit EventDescriptor(int fd) : fd_(fd) {}
  ~EventDescriptor();
  EventDescriptor(const EventDescriptor&) = delete;
  EventDescriptor& operator=(const EventDescriptor&) = delete;
  int fd() const { return fd_; }
  /// Is there something to read (or an error to see) within `milliseconds`?
  bool readable(int milliseconds) const;

 private:
  int fd_;
};

/// Events of completion queues.
class CompletionChannel : public EventDescriptor {
 public:
  explicit CompletionChannel(Session& session);
  /// User handle of the CQ that has an event; nothing if none comes within a minute.
  std::optional<std::uint64_t> next() const;
};

/// Events of the device and its objects.
class AsyncEvents : public EventDescriptor {
 public:
  explicit AsyncEvents(Session& session);
  /// enum ibv_event_type of the next event; nothing if none comes within `milliseconds`.
  std::optional<std::uint32_t> next(int milliseconds) const;
};

/// A context as libibverbs opens it. The emulator learns of a close by the events' descriptor.
struct Opened {
  Session session;
  AsyncEvents events{session};
};

inline constexpr std::uint32_t kDeviceFatal = 8;  ///< enum ibv_event_type

}  // namespace efa::raw
