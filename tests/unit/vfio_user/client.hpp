// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A vfio-user client in the test's own process: one function, one session, messages by hand. No
/// threads: serve() is called between request and reply.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "fabric/switch.hpp"
#include "frontend/vfio_user/pci_function.hpp"
#include "frontend/vfio_user/session.hpp"

namespace efa::emu::vfio_user::test {

using Bytes = std::vector<std::byte>;

inline std::size_t open_descriptors() {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

inline FileDescriptor memory_file(std::size_t bytes) {
  FileDescriptor file(::memfd_create("guest", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(bytes)), 0);
  return file;
}

inline FileDescriptor event() {
  return FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/// How often an eventfd was signalled since the last call.
inline std::uint64_t signals_of(const FileDescriptor& eventfd) {
  std::uint64_t count = 0;
  return ::read(eventfd.get(), &count, sizeof count) == sizeof count ? count : 0;
}

template <class Body>
Bytes bytes_of(const Body& body) {
  const auto* first = reinterpret_cast<const std::byte*>(&body);
  return {first, first + sizeof body};
}

template <class Body>
Bytes bytes_of(const Body& body, std::span<const std::byte> tail) {
  Bytes bytes = bytes_of(body);
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

struct Answer {
  Header header;
  Bytes payload;
  FileDescriptor descriptor;

  template <class Body>
  Body body() const {
    Body body{};
    EXPECT_GE(payload.size(), sizeof body);
    std::memcpy(&body, payload.data(), std::min(sizeof body, payload.size()));
    return body;
  }
};

/// Function and session on one end of a socket pair; the test holds the other.
class Client : public ::testing::Test {
 protected:
  explicit Client(Doorbells doorbells = Doorbells::kTrapped)
      : fabric_(uniform_topology(1, 1, "efa2"), clock_) {
    auto function = PciFunction::create(*find_profile("efa2"), DeviceIdentity{{}, {}}, {}, fabric_,
                                        0, doorbells);
    EXPECT_TRUE(function);
    function_ = std::move(*function);
    descriptors_before_ = open_descriptors();
    connect();
  }

  ~Client() override {
    session_.reset();
    mine_.reset();
    EXPECT_EQ(open_descriptors(), descriptors_before_) << "descriptors are left open";
  }

  void connect() {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    mine_ = FileDescriptor(pair[0]);
    session_ = std::make_unique<Session>(FileDescriptor(pair[1]), *function_);
  }

  void send_raw(std::span<const std::byte> bytes, std::span<const int> descriptors = {}) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 64)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(descriptors.size_bytes());
      std::memcpy(CMSG_DATA(c), descriptors.data(), descriptors.size_bytes());
    }
    ASSERT_EQ(::sendmsg(mine_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  void send(Command command, const Bytes& payload, std::span<const int> descriptors = {},
            std::uint32_t flags = 0) {
    Header header;
    header.id = ++last_id_;
    header.command = static_cast<std::uint16_t>(command);
    header.size = static_cast<std::uint32_t>(sizeof header + payload.size());
    header.flags = flags;
    send_raw(bytes_of(header, payload), descriptors);
  }

  /// The next message from the server, or nothing.
  std::optional<Answer> receive() {
    Answer answer;
    Bytes buffer(kMaxMessage);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part{buffer.data(), sizeof(Header)};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(mine_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(Header))
      return std::nullopt;
    if (const cmsghdr* c = CMSG_FIRSTHDR(&message)) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
      answer.descriptor = FileDescriptor(fd);
    }
    std::memcpy(&answer.header, buffer.data(), sizeof(Header));
    const std::size_t rest = answer.header.size - sizeof(Header);
    answer.payload.resize(rest);
    if (rest != 0) {
      EXPECT_EQ(::recv(mine_.get(), answer.payload.data(), rest, MSG_DONTWAIT),
                static_cast<ssize_t>(rest));
    }
    return answer;
  }

  /// A request and its reply; checks that the reply belongs to it.
  Answer ask(Command command, const Bytes& payload, std::span<const int> descriptors = {}) {
    send(command, payload, descriptors);
    EXPECT_TRUE(session_->serve());
    auto answer = receive();
    if (!answer) {
      ADD_FAILURE() << "there is no reply";
      return {};
    }
    EXPECT_EQ(answer->header.id, last_id_);
    EXPECT_EQ(answer->header.command, static_cast<std::uint16_t>(command));
    EXPECT_EQ(answer->header.flags & kTypeMask, kTypeReply);
    if ((answer->header.flags & kError) != 0) {
      EXPECT_TRUE(answer->payload.empty());
    }
    return std::move(*answer);
  }

  /// The errno of a reply, 0 for a good one.
  int error_of(Command command, const Bytes& payload, std::span<const int> descriptors = {}) {
    const Answer answer = ask(command, payload, descriptors);
    return (answer.header.flags & kError) != 0 ? static_cast<int>(answer.header.error) : 0;
  }

  static Bytes version_payload(std::uint16_t major = 0, const std::string& json = "") {
    Bytes payload = bytes_of(Version{major, 0});
    if (!json.empty()) {
      const auto* first = reinterpret_cast<const std::byte*>(json.c_str());
      payload.insert(payload.end(), first, first + json.size() + 1);
    }
    return payload;
  }

  void greet() { ASSERT_EQ(error_of(Command::kVersion, version_payload()), 0); }

  // Requests by name, in the order of the protocol.

  int dma_map(DmaAddr address, std::uint64_t size, const FileDescriptor* file,
              std::uint64_t offset = 0, std::uint32_t flags = kDmaReadable | kDmaWritable) {
    const DmaMap request{sizeof request, flags, offset, address, size};
    const int fd = file != nullptr ? file->get() : -1;
    return error_of(Command::kDmaMap, bytes_of(request),
                    file != nullptr ? std::span<const int>(&fd, 1) : std::span<const int>());
  }

  int dma_unmap(DmaAddr address, std::uint64_t size) {
    return error_of(Command::kDmaUnmap, bytes_of(DmaUnmap{sizeof(DmaUnmap), 0, address, size}));
  }

  int set_irqs(std::uint32_t flags, std::uint32_t start, std::uint32_t count,
               std::span<const int> descriptors = {}, const Bytes& data = {},
               std::uint32_t index = VFIO_PCI_MSIX_IRQ_INDEX) {
    const IrqSet request{sizeof request, flags, index, start, count};
    return error_of(Command::kDeviceSetIrqs, bytes_of(request, data), descriptors);
  }

  int connect_vector(std::uint32_t vector, const FileDescriptor& eventfd) {
    const int fd = eventfd.get();
    return set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, vector, 1, {&fd, 1});
  }

  Answer read(std::uint32_t region, std::uint64_t offset, std::uint32_t count) {
    return ask(Command::kRegionRead, bytes_of(RegionAccess{offset, region, count}));
  }

  template <class Word>
  Word load(std::uint32_t region, std::uint64_t offset) {
    const Answer answer = read(region, offset, sizeof(Word));
    Word word{};
    EXPECT_EQ(answer.payload.size(), sizeof(RegionAccess) + sizeof word);
    if (answer.payload.size() == sizeof(RegionAccess) + sizeof word)
      std::memcpy(&word, answer.payload.data() + sizeof(RegionAccess), sizeof word);
    return word;
  }

  template <class Word>
  int store(std::uint32_t region, std::uint64_t offset, Word value) {
    const RegionAccess access{offset, region, sizeof value};
    return error_of(Command::kRegionWrite, bytes_of(access, bytes_of(value)));
  }

  void become_bus_master() {
    ASSERT_EQ(store<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND,
                                   PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
              0);
  }

  ManualClock clock_;
  Switch fabric_;
  std::unique_ptr<PciFunction> function_;
  std::unique_ptr<Session> session_;
  FileDescriptor mine_;
  std::uint16_t last_id_ = 0;
  std::size_t descriptors_before_ = 0;
};

/// The same after the version handshake.
class Greeted : public Client {
 protected:
  using Client::Client;
  void SetUp() override { greet(); }
};

}  // namespace efa::emu::vfio_user::test
