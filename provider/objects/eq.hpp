// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_eq: a queue of events in software (spec libfabric-api 8, M3). Thread-safe.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_eq.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "objects/signal.hpp"

namespace efa::fi {

struct Fabric;
class WaitSet;

class Eq : public fid_eq {
 public:
  Eq(Fabric& fabric, const fi_eq_attr& attributes, void* context);
  ~Eq();
  Eq(const Eq&) = delete;
  Eq& operator=(const Eq&) = delete;

  static Eq& of(fid_eq* eq) { return *static_cast<Eq*>(eq); }

  /// Creates what the constructor could not. 0 or a negative error.
  int create();

  ssize_t read(uint32_t* event, void* buffer, size_t size, bool peek);
  ssize_t read_error(fi_eq_err_entry& entry, bool peek);
  ssize_t write(uint32_t event, const void* payload, size_t size);
  /// An error that belongs to no operation.
  void report(fid_t object, void* context, int error, int provider_errno, const std::string& text);

  bool empty();
  /// Readable while there is something to read; -1 without a wait object.
  int fd() const { return signal_.fd(); }

  const fi_wait_obj wait_kind;
  const bool application_writes;  ///< opened with FI_WRITE
  std::atomic<int> users = 0;     ///< endpoints bound to it: fi_close() says -FI_EBUSY

 private:
  struct Event {
    uint32_t type = 0;
    bool failed = false;
    std::string payload;  ///< or the text of an error
    fi_eq_err_entry error{};
  };

  void push(Event event);
  void pop();
  void give_text(fi_eq_err_entry& entry, const std::string& text);

  Fabric& fabric_;
  WaitSet* const wait_set_;  ///< or null
  std::mutex lock_;
  std::deque<Event> events_;
  size_t errors_ = 0;  ///< among them
  std::string lent_;   ///< err_data of the last error, until the next one is read
  Signal signal_;
};

int open_eq(fid_fabric* fabric, fi_eq_attr* attributes, fid_eq** eq, void* context);

/// An error that belongs to no operation (spec efa-rdm-protocol 14). Thread-safe. `object`: the
/// endpoint; `error` positive.
void report_to_eq(fid_eq& eq, struct fid* object, void* context, int error, int provider_errno,
                  const std::string& text);

}  // namespace efa::fi
