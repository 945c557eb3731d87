// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// FI_EP_RDM of the fabric efa: the engine of provider/rdm with libfabric's calls around it.
#pragma once

#include <rdma/fi_atomic.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

#include <memory>
#include <optional>

#include "objects/dump_signal.hpp"
#include "objects/endpoint.hpp"
#include "objects/op_flags.hpp"
#include "rdm/engine.hpp"

namespace efa::fi {

/// fi_control() command of this provider: writes Engine::dump() into the log at level warn. The
/// argument is not used.
inline constexpr int kControlDump = 0xefa0001;

class RdmEndpoint final : public Endpoint, public rdm::Host, public AvUser, public RegionUser {
 public:
  RdmEndpoint(Domain& domain, const fi_info& info, void* context);
  ~RdmEndpoint() override;

  static RdmEndpoint& of(fid_ep* endpoint) {
    return *static_cast<RdmEndpoint*>(static_cast<Endpoint*>(endpoint));
  }

  int start() override;
  int set_option(int option, const void* value, size_t size) override;
  int get_option(int option, void* value, size_t* size) override;
  int control(int command, void* argument) override;
  void progress() override {
    if (!engine) return;
    if (const uint32_t asked = DumpSignal::count(); asked != dumps_) [[unlikely]]
      dump(asked);
    engine->progress();
  }
  bool idle() const override { return !engine || !engine->has_pending(); }

  // Host
  const rdm::Region* find_region(uint64_t key) override;
  ibv_mr* register_memory(void* address, size_t bytes, int access) override;
  void deregister(ibv_mr* mr) override;
  rdm::Pinned pin(void* address, size_t bytes, int access) override;
  rdm::Pinned pin_repeated(void* address, size_t bytes) override;
  void unpin(const rdm::Pinned& pinned) override;
  rdm::Destination acquire_destination(const rdm::Gid& gid) override;
  void release_destination(const rdm::Gid& gid) override;
  bool sender_gid(ibv_cq_ex& cq, rdm::Gid& gid) override;
  bool is_unsolicited(ibv_cq_ex& cq) override;
  rdm::Engine* engine_of(ibv_cq_ex& cq) override;
  void report(int error, int provider_errno, const std::string& text) override;
  void warn(const std::string& text) override;
  uint64_t now() override;

  // AvUser
  void inserted(fi_addr_t peer, const AvEntry& entry) override;
  void removed(fi_addr_t peer, const AvEntry& entry) override;

  // RegionUser
  void closed(const rdm::Region& region) override;

  // ---- For the calls, which look at these before the engine.
  std::unique_ptr<rdm::Engine> engine;
  size_t prefix = 0;           ///< FI_MSG_PREFIX: bytes of each buffer that are not the message's
  bool directed = false;       ///< receives may name their source
  bool tx_reports = false;     ///< of calls without flags: a success is written to the CQ
  bool tx_delivery = false;    ///< same: FI_DELIVERY_COMPLETE
  bool rx_reports = false;     ///< same
  bool rx_multi = false;       ///< same: FI_MULTI_RECV
  bool tx_any_report = false;  ///< calls with flags: without FI_COMPLETION, too
  bool rx_any_report = false;

  /// What a call without flags, and one with these, means. @param data  of FI_REMOTE_CQ_DATA
  void take_defaults(rdm::Call& call) const {
    call.reports = tx_reports;
    call.delivery_complete = tx_delivery;
  }
  void take_flags(rdm::Call& call, uint64_t flags, uint64_t data) const {
    call.reports = tx_any_report || (tx_cq && (flags & FI_COMPLETION));
    call.inject = flags & FI_INJECT;
    call.delivery_complete = (flags & FI_DELIVERY_COMPLETE) && !call.inject;
    call.more = flags & FI_MORE;
    if (flags & FI_REMOTE_CQ_DATA) add_data(call, data);
  }
  static void add_data(rdm::Call& call, uint64_t data) {
    call.cq_data = data;
    call.has_cq_data = true;
  }

  /// FI_OPT_MAX_*_SIZE and FI_OPT_INJECT_*_SIZE, bytes.
  struct Limits {
    size_t message, tagged, rma, atomic;
  };
  Limits most{};
  Limits inject{};

 private:
  rdm::Config make_config() const;
  rdm::Queues make_queues() const;
  Cq* queue_of(const ibv_cq_ex& verbs) const;
  bool uses_read() const;
  bool uses_write() const;
  void open_tables();
  size_t* limit_of(int option);
  unsigned cached_access() const;
  void dump(uint32_t asked);

  std::optional<bool> device_rdma_;  ///< FI_OPT_EFA_USE_DEVICE_RDMA
  size_t min_multi_recv_;
  bool homogeneous_ = false;
  int hmem_p2p_ = FI_HMEM_P2P_ENABLED;
  uint32_t dumps_ = DumpSignal::count();  ///< answered
  uint64_t reports_ = 0;                  ///< errors that went into the log
};

extern fi_ops_msg rdm_messages;
extern fi_ops_tagged rdm_tagged;
extern fi_ops_rma rdm_rma;
extern fi_ops_atomic rdm_atomics;

}  // namespace efa::fi
