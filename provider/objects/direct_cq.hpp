// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A CQ whose completions are the device's: of direct and datagram endpoints. fi_cq_read() writes
/// them straight into the application's array; the ring has only what was found while nobody read:
/// by counters, before a sleep, and failures.
#pragma once

#include <utility>
#include <vector>

#include "objects/cq.hpp"

namespace efa::fi {

class DeviceEndpoint;

class DirectCq final : public Cq {
 public:
  DirectCq(Domain& on, const fi_cq_attr& asked, void* application_context);
  static DirectCq& of(fid_cq* cq) { return *static_cast<DirectCq*>(cq); }

  void collect() override;

  /// Endpoints whose queue pairs complete here, by QP number. With the domain's lock held.
  void enter(uint32_t qpn, DeviceEndpoint& endpoint);
  void leave(uint32_t qpn);
  /// FI_MORE of `endpoint` has left a session of its QP open, null: none is. A libefa with locks
  /// holds that of the send queue meanwhile, and takes it for each completion: so polling ends the
  /// session first.
  void set_session(DeviceEndpoint* endpoint) { session_ = endpoint; }
  DeviceEndpoint* session() const { return session_; }
  void end_session();
  /// Null: closed already.
  DeviceEndpoint* find(uint32_t qpn) {
    if (qpn == last_qpn_) [[likely]]
      return last_;
    return search(qpn);
  }

 private:
  DeviceEndpoint* search(uint32_t qpn);

  DeviceEndpoint* session_ = nullptr;
  uint32_t last_qpn_ = ~0U;
  DeviceEndpoint* last_ = nullptr;
  std::vector<std::pair<uint32_t, DeviceEndpoint*>> by_qpn_;  ///< sorted
};

}  // namespace efa::fi
