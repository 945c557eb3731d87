// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/attributes.hpp"

#include <rdma/ib_user_ioctl_verbs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace efa::emu {

namespace {

bool all_zero(std::span<const std::byte> bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

bool Input::zero_from(std::size_t from) const noexcept {
  return zero_tail && (from >= bytes.size() || all_zero(std::span(bytes).subspan(from)));
}

int AttributeBundle::load(ClientMemory& memory, std::uint64_t address) {
  memory_ = &memory;
  address_ = address;
  count_ = 0;
  ib_uverbs_ioctl_hdr header;
  if (!memory.read(address, &header, sizeof(header))) return EFAULT;
  if (header.length != sizeof(header) + header.num_attrs * sizeof(ib_uverbs_attr) ||
      header.num_attrs > kMaxAttributes)
    return EINVAL;
  if (header.reserved1 != 0 || header.reserved2 != 0) return EPROTONOSUPPORT;
  if (header.driver_id != RDMA_DRIVER_EFA) return EINVAL;
  if (header.num_attrs != 0 && !memory.read(address + sizeof(header), attributes_.data(),
                                            header.num_attrs * sizeof(ib_uverbs_attr)))
    return EFAULT;
  object_ = header.object_id;
  method_ = header.method_id;
  count_ = header.num_attrs;
  return 0;
}

const ib_uverbs_attr* AttributeBundle::find(std::uint16_t id) const noexcept {
  const auto attributes = all();
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [id](const ib_uverbs_attr& a) { return a.attr_id == id; });
  return found == attributes.end() ? nullptr : &*found;
}

std::uint64_t AttributeBundle::address_of(const ib_uverbs_attr& attribute) const noexcept {
  const auto index = static_cast<std::size_t>(&attribute - attributes_.data());
  return address_ + sizeof(ib_uverbs_ioctl_hdr) + index * sizeof(ib_uverbs_attr);
}

int AttributeBundle::input(std::uint16_t id, Input& out) {
  out = {};
  const ib_uverbs_attr* attribute = find(id);
  if (attribute == nullptr) return 0;
  out.length = attribute->len;
  if (attribute->len <= sizeof(attribute->data)) {  // small inputs travel in the attribute
    std::memcpy(out.bytes.data(), &attribute->data, attribute->len);
    return 0;
  }
  const std::size_t head = std::min<std::size_t>(attribute->len, kMaxInput);
  if (!memory_->read(attribute->data, out.bytes.data(), head)) return EFAULT;
  std::array<std::byte, kMaxInput> tail;
  for (std::size_t at = head; at < attribute->len; at += tail.size()) {
    const std::size_t step = std::min(tail.size(), attribute->len - at);
    if (!memory_->read(attribute->data + at, tail.data(), step)) return EFAULT;
    if (!all_zero({tail.data(), step})) out.zero_tail = false;
  }
  return 0;
}

std::optional<std::uint32_t> AttributeBundle::handle(std::uint16_t id) const noexcept {
  const ib_uverbs_attr* attribute = find(id);
  if (attribute == nullptr) return std::nullopt;
  return static_cast<std::uint32_t>(attribute->data);
}

std::size_t AttributeBundle::output_room(std::uint16_t id) const noexcept {
  const ib_uverbs_attr* attribute = find(id);
  return attribute == nullptr ? 0 : attribute->len;
}

int AttributeBundle::mark_output(const ib_uverbs_attr& attribute) {
  const std::uint16_t flags = attribute.flags | UVERBS_ATTR_F_VALID_OUTPUT;
  return memory_->write(address_of(attribute) + offsetof(ib_uverbs_attr, flags), &flags,
                        sizeof(flags))
             ? 0
             : EFAULT;
}

int AttributeBundle::put(std::uint16_t id, const void* data, std::size_t length) {
  const ib_uverbs_attr* attribute = find(id);
  if (attribute == nullptr) return 0;
  const std::size_t head = std::min<std::size_t>(attribute->len, length);
  if (head != 0 && !memory_->write(attribute->data, data, head)) return EFAULT;
  static constexpr std::array<std::byte, 256> zeros{};
  for (std::size_t at = head; at < attribute->len; at += zeros.size()) {
    const std::size_t step = std::min(zeros.size(), attribute->len - at);
    if (!memory_->write(attribute->data + at, zeros.data(), step)) return EFAULT;
  }
  return mark_output(*attribute);
}

int AttributeBundle::put_handle(std::uint16_t id, std::uint64_t value) {
  const ib_uverbs_attr* attribute = find(id);
  if (attribute == nullptr) return EINVAL;
  return memory_->write(address_of(*attribute) + offsetof(ib_uverbs_attr, data), &value,
                        sizeof(value))
             ? 0
             : EFAULT;
}

}  // namespace efa::emu
