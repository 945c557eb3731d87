// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Starts a command in an environment where it, and everything below it, finds EFA devices: sysfs
/// tree, device nodes, system-call filter, emulated hosts (native-mode 1, 2).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/gid.hpp"
#include "base/result.hpp"
#include "frontend/uverbs/notify.hpp"

namespace efa::emu {

/// How programs are led to the emulator. kOneTrap needs a mount namespace (root or an unprivileged
/// user namespace) and traps the verbs ioctl only; kPath traps open and stat as well and works
/// where mounts are denied.
enum class Mode { kAuto, kOneTrap, kPath };

struct LaunchedDevice {
  unsigned uverbs_index = 0;  ///< unique over all hosts: node /dev/infiniband/uverbsN
  std::string name;           ///< "efa_0", unique within its host
  Gid gid;
  std::array<std::uint8_t, 8> guid{};
  std::uint16_t pci_device = 0;  ///< 0xefa0 ..
};

struct LaunchedHost {
  std::string name;
  std::vector<LaunchedDevice> devices;
};

class Launcher {
 public:
  /// Builds the run directory (sysfs trees, hostfile, remote-shell agent), enters the namespaces
  /// that `mode` needs. Call before any thread exists. The directory vanishes with the object.
  /// Blocks SIGHUP, SIGINT, SIGTERM and SIGCHLD in the calling thread for the life of the object
  /// (the command gets the caller's mask): take them from a signalfd.
  static Result<std::unique_ptr<Launcher>> create(std::vector<LaunchedHost> hosts, Mode mode);
  ~Launcher();

  /// Starts `command` on the first host under the filter. Fails with the reason when the program
  /// does not exist, the kernel cannot do it or another emulator surrounds us.
  Result<void> start(const std::vector<std::string>& command);

  /// Directory of RDMA device `device` of host `host` in that host's sysfs tree.
  std::string device_directory(std::size_t host, std::size_t device) const;

  NotifyListener& listener() noexcept;
  Mode mode() const noexcept;  ///< never kAuto

  /// Path mode: answers calls that are not verbs ioctls. False if the caller has to serve it.
  bool serve_path_call(const Notification& call);

  /// Which device node `fd` of thread `tid` was opened from; nothing if it is not one of ours.
  std::optional<unsigned> uverbs_index(pid_t tid, int fd) const;

  /// Collects dead descendants (this process is their subreaper). True once the command itself has
  /// ended and exit_status() is valid: its status, or 128 + signal.
  bool reap();
  int exit_status() const noexcept;

  /// Passes a signal (SIGINT, SIGTERM, SIGHUP) on to the command.
  void forward_signal(int signal) noexcept;

  /// Ends every remaining descendant: SIGTERM, then SIGKILL after a grace time.
  void end_descendants() noexcept;

 private:
  Launcher();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace efa::emu
