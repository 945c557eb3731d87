// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Path mode: device nodes that exist only in the answers to system calls (native-mode 1).
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/uverbs/notify.hpp"

namespace efa::emu {

/// Answers open, stat and access of /dev/infiniband/uverbsN, N < `nodes`, as if the nodes were
/// there, and uname() for hosts without a UTS namespace. Engine thread only.
class PathCalls {
 public:
  PathCalls(std::size_t nodes, std::vector<std::string> hosts);
  ~PathCalls();
  PathCalls(const PathCalls&) = delete;
  PathCalls& operator=(const PathCalls&) = delete;

  /// Answers `call`; false, unanswered, if it is none of the calls of this mode.
  bool serve(NotifyListener& listener, const Notification& call);

  /// The node that descriptor `fd` of thread `tid` was opened from.
  std::optional<unsigned> index_of(pid_t tid, int fd) const;

 private:
  void open_node(NotifyListener& listener, const Notification& call, unsigned index, bool cloexec);
  void answer_uname(NotifyListener& listener, const Notification& call);
  int null_device(unsigned index);

  std::vector<std::string> hosts_;
  /// One open file description of /dev/null per node, opened on first use: kcmp() recognises it in
  /// a client, also after dup() and fork().
  std::vector<int> null_devices_;
  /// (process, descriptor) -> node, for kernels and containers without kcmp().
  std::map<std::pair<pid_t, int>, unsigned> opened_;
};

}  // namespace efa::emu
