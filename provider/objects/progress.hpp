// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What reading a completion queue or a counter drives (manual progress): the endpoints bound to
/// it. Called with the domain's lock held; called once for each read, not for each message.
#pragma once

#include <algorithm>
#include <vector>

namespace efa::fi {

class Progressor {
 public:
  /// May be called before fi_enable(): nothing to do then.
  virtual void progress() = 0;
  /// Whether only a completion of the device can bring work: no timer runs, nothing waits for room.
  /// A thread may sleep then until the device signals.
  virtual bool idle() const { return true; }

 protected:
  ~Progressor() = default;
};

/// The endpoints of one queue or counter, each once however often it was bound.
class ProgressList {
 public:
  void add(Progressor& endpoint) {
    if (std::find(list_.begin(), list_.end(), &endpoint) == list_.end()) list_.push_back(&endpoint);
  }
  void remove(Progressor& endpoint) { std::erase(list_, &endpoint); }
  bool empty() const { return list_.empty(); }
  bool idle() const {
    return std::all_of(list_.begin(), list_.end(), [](const Progressor* p) { return p->idle(); });
  }
  template <class Visit>
  void each(Visit visit) const {
    for (Progressor* endpoint : list_) visit(*endpoint);
  }
  void progress() const {
    for (Progressor* endpoint : list_) endpoint->progress();
  }

 private:
  std::vector<Progressor*> list_;
};

}  // namespace efa::fi
