// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "channel.hpp"

#include <poll.h>
#include <unistd.h>

#include <stdexcept>

namespace efa::raw {

namespace {

constexpr int kPatience = 60'000;

int channel_of(Session& session) {
  ib_uverbs_create_comp_channel_resp response{};
  const int error =
      session.write_command(IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL, ib_uverbs_create_comp_channel{},
                            Attributes().out(UVERBS_ATTR_CORE_OUT, response));
  if (error != 0)
    throw std::runtime_error(std::string("completion channel: ") + std::strerror(error));
  return static_cast<int>(response.fd);
}

int async_descriptor_of(Session& session) {
  Attributes attributes;
  attributes.handle(UVERBS_ATTR_ASYNC_EVENT_ALLOC_FD_HANDLE);
  const int error =
      session.call(UVERBS_OBJECT_ASYNC_EVENT, UVERBS_METHOD_ASYNC_EVENT_ALLOC, attributes);
  if (error != 0) throw std::runtime_error(std::string("async events: ") + std::strerror(error));
  return static_cast<int>(attributes.value(UVERBS_ATTR_ASYNC_EVENT_ALLOC_FD_HANDLE));
}

}  // namespace

EventDescriptor::~EventDescriptor() {
  ::close(fd_);
}

bool EventDescriptor::readable(int milliseconds) const {
  pollfd look{fd_, POLLIN, 0};
  return ::poll(&look, 1, milliseconds) == 1;
}

CompletionChannel::CompletionChannel(Session& session) : EventDescriptor(channel_of(session)) {}

std::optional<std::uint64_t> CompletionChannel::next() const {
  ib_uverbs_comp_event_desc event{};
  if (!readable(kPatience) || ::read(fd(), &event, sizeof(event)) != sizeof(event))
    return std::nullopt;
  return event.cq_handle;
}

AsyncEvents::AsyncEvents(Session& session) : EventDescriptor(async_descriptor_of(session)) {}

std::optional<std::uint32_t> AsyncEvents::next(int milliseconds) const {
  ib_uverbs_async_event_desc event{};
  if (!readable(milliseconds) || ::read(fd(), &event, sizeof(event)) != sizeof(event))
    return std::nullopt;
  return event.event_type;
}

}  // namespace efa::raw
