// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Work that may take for ever.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <thread>

namespace efa::host {

/// Runs `work`, which returns an errno, in a thread. (Not in a child: it would keep our files
/// open.)
class Background {
 public:
  explicit Background(std::function<int()> work) : task_(std::move(work)) {
    result_ = task_.get_future().share();
    thread_ = std::thread(std::move(task_));
  }
  ~Background() { thread_.join(); }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// The errno if it ends within `limit`, else -1.
  int result(std::chrono::seconds limit) const {
    return result_.wait_for(limit) == std::future_status::ready ? result_.get() : -1;
  }

 private:
  std::packaged_task<int()> task_;
  std::shared_future<int> result_;
  std::thread thread_;
};

}  // namespace efa::host
