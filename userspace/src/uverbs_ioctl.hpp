// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A uverbs command in its ioctl form, for the few that no libibverbs function sends: queries of
/// EFA's own, and whatever is newer than the libibverbs this is built for.
#pragma once

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ibverbs_abi.hpp"

namespace efa {

/// Identifiers that the kernel headers of older distributions lack (spec verbs A5).
namespace uverbs {
inline constexpr std::uint16_t kObjectCompCntr = 19;
inline constexpr std::uint16_t kCreateCqBufferLength = 9;
inline constexpr std::uint16_t kCreateCqBufferFd = 10;
inline constexpr std::uint16_t kCreateCqBufferOffset = 11;

/// Where memory is that the kernel shall pin (spec verbs A5). Not efadv_memory_location, whose
/// numbers for the type are the other way round.
struct BufferDescriptor {
  enum Type : std::uint32_t { kDmabuf = 0, kVa = 1 };
  std::uint32_t type;
  std::int32_t fd;
  std::uint32_t flags;
  std::uint32_t optional_flags;
  std::uint64_t addr;
  std::uint64_t length;
};
static_assert(sizeof(BufferDescriptor) == 32);
}  // namespace uverbs

/// At most `Attributes` attributes. Values are copied, what pointers point to has to stay.
template <std::size_t Attributes>
class UverbsIoctl {
 public:
  UverbsIoctl(std::uint16_t object, std::uint16_t method) {
    header().object_id = object;
    header().method_id = method;
    header().driver_id = ibv::kDriverEfa;
  }

  /// A handle or a file descriptor.
  void add_object(std::uint16_t id, std::uint32_t handle) { next(id, 0, handle); }

  /// Up to 8 bytes travel inside the attribute, as the kernel wants it.
  template <class T>
  void add_in(std::uint16_t id, const T& value) {
    std::uint64_t data = 0;
    if constexpr (sizeof(T) <= sizeof(data)) {
      std::memcpy(&data, &value, sizeof(T));
    } else {
      data = reinterpret_cast<std::uintptr_t>(&value);
    }
    next(id, sizeof(T), data);
  }

  template <class T>
  void add_out(std::uint16_t id, T& value) {
    next(id, sizeof(T), reinterpret_cast<std::uintptr_t>(&value));
  }

  /// The handle of the object that the command creates; read it with `handle` afterwards.
  void add_new_object(std::uint16_t id) { created_ = &next(id, 0, 0); }
  std::uint32_t handle() const { return static_cast<std::uint32_t>(created_->data); }

  /// @returns 0 or a positive errno.
  int send(const ibv_context& context) {
    header().length = static_cast<std::uint16_t>(sizeof(ib_uverbs_ioctl_hdr) +
                                                 header().num_attrs * sizeof(ib_uverbs_attr));
    return ::ioctl(context.cmd_fd, RDMA_VERBS_IOCTL, message_) == 0 ? 0 : errno;
  }

 private:
  ib_uverbs_attr& next(std::uint16_t id, std::size_t length, std::uint64_t data) {
    ib_uverbs_attr& attribute = header().attrs[header().num_attrs++];
    attribute.attr_id = id;
    attribute.len = static_cast<std::uint16_t>(length);
    attribute.flags = UVERBS_ATTR_F_MANDATORY;
    attribute.data = data;
    return attribute;
  }

  // The header ends in a flexible array of attributes: one piece of memory holds both.
  ib_uverbs_ioctl_hdr& header() { return *reinterpret_cast<ib_uverbs_ioctl_hdr*>(message_); }

  alignas(
      8) std::byte message_[sizeof(ib_uverbs_ioctl_hdr) + Attributes * sizeof(ib_uverbs_attr)]{};
  ib_uverbs_attr* created_ = nullptr;
};

}  // namespace efa
