// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One client of one function: takes its messages, one handler per message of the protocol.
#pragma once

#include <cstdint>
#include <string>

#include "frontend/vfio_user/message_socket.hpp"
#include "frontend/vfio_user/pci_function.hpp"

namespace efa::emu::vfio_user {

class Session {
 public:
  Session(FileDescriptor socket, PciFunction& function)
      : socket_(std::move(socket)), function_(function) {}
  /// Whatever the reason, nothing of the client stays in the function.
  ~Session() { function_.disconnect(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int fd() const noexcept { return socket_.fd(); }

  /// The socket is ready. Handles what has arrived, up to a fair share. False when the session is
  /// over; ended_because() then says why, empty for an orderly end.
  bool serve();

  /// Whether the client closed the connection, which serve() will find out in its turn.
  bool peer_has_gone() const noexcept;

  /// Wait for room to write instead of for messages.
  bool waits_to_send() const noexcept { return socket_.sending(); }

  const std::string& ended_because() const noexcept { return reason_; }

 private:
  struct Reply {
    int error = 0;  ///< errno
    std::vector<std::byte> payload;
    int descriptor = -1;
  };

  bool handle(Message& message);
  Reply dispatch(Message& message);
  Reply version(const Message& message);
  Reply dma_map(Message& message);
  Reply dma_unmap(const Message& message);
  Reply device_info(const Message& message) const;
  Reply region_info(const Message& message) const;
  Reply irq_info(const Message& message) const;
  Reply set_irqs(Message& message);
  int connect_vectors(const IrqSet& set, std::vector<FileDescriptor>& eventfds);
  Reply region_read(const Message& message);
  Reply region_write(const Message& message);

  MessageSocket socket_;
  PciFunction& function_;
  bool greeted_ = false;
  std::string reason_;
};

}  // namespace efa::emu::vfio_user
