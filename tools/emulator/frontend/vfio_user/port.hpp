// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One served device: its socket, its function, and its client while there is one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "frontend/vfio_user/listener.hpp"
#include "frontend/vfio_user/pci_function.hpp"
#include "frontend/vfio_user/session.hpp"

namespace efa::emu::vfio_user {

struct Port {
  std::string name;  ///< "host1-0"
  Listener listener;
  std::unique_ptr<PciFunction> function;
  std::unique_ptr<Session> session;
  bool waits_to_send = false;              ///< what epoll was told of the session
  std::optional<Nanoseconds> vanishes_at;  ///< when to close the connection (control "vanish")
};

}  // namespace efa::emu::vfio_user
