// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/session.hpp"

#include <linux/vfio.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace efa::emu::vfio_user {

namespace {

// Messages of one client before others have a turn.
constexpr unsigned kFairShare = 32;

constexpr std::uint32_t kUnmapAll = VFIO_DMA_UNMAP_FLAG_ALL;

/// The fixed part of a payload; nothing if the payload is too short for it.
template <class Body>
std::optional<Body> body_of(const Message& message) {
  Body body;
  if (message.payload.size() < sizeof body) return std::nullopt;
  std::memcpy(&body, message.payload.data(), sizeof body);
  return body;
}

template <class Body>
std::vector<std::byte> bytes_of(const Body& body) {
  const auto* first = reinterpret_cast<const std::byte*>(&body);
  return {first, first + sizeof body};
}

/// What a client proposed as its capabilities; an empty object if it proposed none.
std::optional<nlohmann::json> capabilities_of(std::span<const std::byte> text) {
  std::string_view view(reinterpret_cast<const char*>(text.data()), text.size());
  view = view.substr(0, view.find('\0'));
  if (view.empty()) return nlohmann::json::object();
  const auto json = nlohmann::json::parse(view, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  auto capabilities = json.value("capabilities", nlohmann::json::object());
  if (!capabilities.is_object()) return std::nullopt;
  return capabilities;
}

}  // namespace

bool Session::peer_has_gone() const noexcept {
  pollfd state{socket_.fd(), 0, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

bool Session::serve() {
  if (!socket_.flush()) return false;
  Message message;
  for (unsigned i = 0; i < kFairShare && !socket_.sending(); ++i) {
    switch (socket_.receive(message)) {
      case MessageSocket::Status::kNothing:
        return true;
      case MessageSocket::Status::kClosed:
        if (socket_.mid_message()) reason_ = "it closed or broke the stream within a message";
        return false;
      case MessageSocket::Status::kMessage:
        if (!handle(message)) return false;
    }
  }
  return true;
}

bool Session::handle(Message& message) {
  const Header& request = message.header;
  if ((request.flags & kTypeMask) != kTypeCommand) {
    reason_ = "it sent a reply to no request";
    return false;
  }
  const bool hello = request.command == static_cast<std::uint16_t>(Command::kVersion);
  if (hello == greeted_) {
    reason_ = hello ? "it proposed a version twice" : "it did not begin with a version";
    return false;
  }
  const Reply reply = dispatch(message);
  message.descriptors.clear();
  if (hello && reply.error != 0) return false;
  greeted_ = true;
  if ((request.flags & kNoReply) != 0) return true;
  Header header = request;
  header.flags = kTypeReply | (reply.error != 0 ? kError : 0);
  header.error = static_cast<std::uint32_t>(reply.error);
  header.size = static_cast<std::uint32_t>(sizeof header + reply.payload.size());
  return socket_.send(header, reply.payload, reply.descriptor);
}

Session::Reply Session::dispatch(Message& message) {
  switch (static_cast<Command>(message.header.command)) {
    case Command::kVersion:
      return version(message);
    case Command::kDmaMap:
      return dma_map(message);
    case Command::kDmaUnmap:
      return dma_unmap(message);
    case Command::kDeviceGetInfo:
      return device_info(message);
    case Command::kDeviceGetRegionInfo:
      return region_info(message);
    case Command::kDeviceGetIrqInfo:
      return irq_info(message);
    case Command::kDeviceSetIrqs:
      return set_irqs(message);
    case Command::kRegionRead:
      return region_read(message);
    case Command::kRegionWrite:
      return region_write(message);
    case Command::kDeviceReset:
      function_.reset();
      return {};
    case Command::kDeviceGetRegionIoFds:
    case Command::kRegionWriteMulti:
      break;  // optional, and not among the capabilities of our version reply
  }
  return {ENOTSUP, {}, -1};
}

/// Another major version is another protocol; capabilities that we do not name are not used.
Session::Reply Session::version(const Message& message) {
  const auto proposed = body_of<Version>(message);
  if (!proposed || !capabilities_of(std::span(message.payload).subspan(sizeof(Version)))) {
    reason_ = "its version message makes no sense";
    return {EINVAL, {}, -1};
  }
  if (proposed->major != 0) {
    reason_ =
        fmt::format("it speaks vfio-user {}.{}, here is 0.0", proposed->major, proposed->minor);
    return {ENOTSUP, {}, -1};
  }
  const nlohmann::json capabilities{{"capabilities",
                                     {{"max_msg_fds", kMaxDescriptors},
                                      {"max_data_xfer_size", kMaxTransfer},
                                      {"max_dma_maps", kMaxDmaRegions},
                                      {"pgsizes", 4096}}}};
  const std::string text = capabilities.dump();
  Reply reply{0, bytes_of(Version{0, 0}), -1};
  const auto* first = reinterpret_cast<const std::byte*>(text.c_str());
  reply.payload.insert(reply.payload.end(), first, first + text.size() + 1);
  return reply;
}

Session::Reply Session::dma_map(Message& message) {
  const auto request = body_of<DmaMap>(message);
  if (!request || message.descriptors.size() > 1) return {EINVAL, {}, -1};
  FileDescriptor file;
  if (!message.descriptors.empty()) file = std::move(message.descriptors[0]);
  return {function_.memory().add(
              {request->address, request->size, request->offset,
               (request->flags & kDmaReadable) != 0, (request->flags & kDmaWritable) != 0},
              std::move(file)),
          {},
          -1};
}

Session::Reply Session::dma_unmap(const Message& message) {
  const auto request = body_of<DmaUnmap>(message);
  if (!request) return {EINVAL, {}, -1};
  if (request->flags == kUnmapAll && request->address == 0 && request->size == 0)
    function_.memory().remove_all();
  else if (const int error = function_.memory().remove(request->address, request->size))
    return {error, {}, -1};
  return {0, bytes_of(*request), -1};
}

Session::Reply Session::device_info(const Message& message) const {
  if (!body_of<DeviceInfo>(message)) return {EINVAL, {}, -1};
  const DeviceInfo info{sizeof info, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
                        VFIO_PCI_NUM_REGIONS, VFIO_PCI_NUM_IRQS};
  return {0, bytes_of(info), -1};
}

/// Regions are mapped whole or not at all, so there is no list of sparse areas and the reply always
/// fits what QEMU asks for first.
Session::Reply Session::region_info(const Message& message) const {
  const auto request = body_of<RegionInfo>(message);
  if (!request || request->argsz < sizeof *request || request->index >= VFIO_PCI_NUM_REGIONS)
    return {EINVAL, {}, -1};
  const Region region = function_.region(request->index);
  RegionInfo info{sizeof info, 0, request->index, 0, region.size, 0};
  if (region.size != 0) info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
  if (region.fd >= 0) info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
  return {0, bytes_of(info), region.fd};
}

/// Without NORESIZE, which would make QEMU take all vectors away for each one that it adds.
Session::Reply Session::irq_info(const Message& message) const {
  const auto request = body_of<IrqInfo>(message);
  if (!request || request->argsz < sizeof *request || request->index >= VFIO_PCI_NUM_IRQS)
    return {EINVAL, {}, -1};
  IrqInfo info{sizeof info, 0, request->index, 0};
  if (request->index == VFIO_PCI_MSIX_IRQ_INDEX) {
    info.flags = VFIO_IRQ_INFO_EVENTFD;
    info.count = function_.vectors().count();
  }
  return {0, bytes_of(info), -1};
}

Session::Reply Session::set_irqs(Message& message) {
  const auto request = body_of<IrqSet>(message);
  if (!request || request->index >= VFIO_PCI_NUM_IRQS) return {EINVAL, {}, -1};
  const unsigned count =
      request->index == VFIO_PCI_MSIX_IRQ_INDEX ? function_.vectors().count() : 0;
  if (request->start > count || request->count > count - request->start) return {EINVAL, {}, -1};

  MsixVectors& vectors = function_.vectors();
  const std::uint32_t last = request->start + request->count;
  switch (request->flags) {
    case VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER:
      return {connect_vectors(*request, message.descriptors), {}, -1};
    case VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER:
      if (request->count == 0 && request->start == 0 && count != 0) vectors.disconnect();
      for (std::uint32_t i = request->start; i < last; ++i) vectors.signal(i);
      return {};
    case VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER:
      if (message.payload.size() - sizeof *request < request->count) return {EINVAL, {}, -1};
      for (std::uint32_t i = 0; i < request->count; ++i)
        if (message.payload[sizeof *request + i] != std::byte{0})
          vectors.signal(request->start + i);
      return {};
    default:
      return {EINVAL, {}, -1};  // masking is the client's business
  }
}

/// One eventfd for each vector, or none at all, which takes theirs away.
int Session::connect_vectors(const IrqSet& set, std::vector<FileDescriptor>& eventfds) {
  if (!eventfds.empty() && eventfds.size() != set.count) return EINVAL;
  for (std::uint32_t i = 0; i < set.count; ++i)
    function_.vectors().connect(set.start + i,
                                eventfds.empty() ? FileDescriptor() : std::move(eventfds[i]));
  return 0;
}

Session::Reply Session::region_read(const Message& message) {
  const auto request = body_of<RegionAccess>(message);
  if (!request || request->count > kMaxTransfer) return {EINVAL, {}, -1};
  Reply reply{0, bytes_of(*request), -1};
  reply.payload.resize(sizeof *request + request->count);
  if (!function_.read(request->region, request->offset,
                      std::span(reply.payload).subspan(sizeof *request)))
    return {EINVAL, {}, -1};
  return reply;
}

Session::Reply Session::region_write(const Message& message) {
  const auto request = body_of<RegionAccess>(message);
  if (!request || message.payload.size() - sizeof *request < request->count)
    return {EINVAL, {}, -1};
  const auto data = std::span(message.payload).subspan(sizeof *request, request->count);
  if (!function_.write(request->region, request->offset, data)) return {EINVAL, {}, -1};
  return {0, bytes_of(*request), -1};
}

}  // namespace efa::emu::vfio_user
