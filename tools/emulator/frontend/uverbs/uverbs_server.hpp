// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Serves the verbs ioctls of all clients: finds or opens the context behind a descriptor, and
/// releases contexts that nobody can use any more.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "frontend/uverbs/context.hpp"
#include "frontend/uverbs/launcher.hpp"
#include "frontend/uverbs/native_driver.hpp"

namespace efa::emu {

/// A device and how messages call it.
struct ServedDevice {
  NativeDriver* driver = nullptr;
  std::string label;  ///< "host0 efa_0"
};

class UverbsServer {
 public:
  /// `devices` by uverbs index. Watches descriptors in `epoll`; the owner of the epoll descriptor
  /// passes their events to on_event().
  UverbsServer(std::vector<ServedDevice> devices, Launcher& launcher, int epoll);

  /// Answers one trapped call.
  void serve(const Notification& call);

  /// Epoll data of this server's descriptors is below this bound.
  static constexpr std::uint64_t kEventLimit = std::uint64_t{1} << 62;
  void on_event(std::uint64_t data);

  std::size_t contexts() const noexcept { return contexts_.size(); }

 private:
  Context* context_of(const Notification& call, const std::shared_ptr<Process>& process);
  Context* open_context(const Notification& call, unsigned index, const Process& process);
  std::shared_ptr<Process> process_of(const Notification& call, pid_t pid, int& error);
  void forget(pid_t pid);
  void watch(int fd, std::uint32_t events, std::uint64_t data);
  void release(ino_t inode);

  std::vector<ServedDevice> devices_;
  Launcher& launcher_;
  int epoll_;
  std::unordered_map<ino_t, std::unique_ptr<Context>> contexts_;  ///< by inode of the memory file
  std::unordered_map<pid_t, std::shared_ptr<Process>> processes_;
};

}  // namespace efa::emu
