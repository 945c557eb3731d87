// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A queue pair of any kind with its completion queues, memory and peers, ready to send.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "../native/verbs/rig.hpp"
#include "library.hpp"
#include "rings.hpp"

namespace efa::provider_test {

using namespace ::efa::verbs_test;

inline constexpr std::uint64_t kSends = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;
inline constexpr std::uint64_t kWrites =
    IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM;

/// What a queue pair is created with.
struct QpSpec {
  Transport transport = Transport::kSrd;
  std::uint32_t send_wr = 16, recv_wr = 16, send_sge = 1, recv_sge = 1, inline_data = 0;
  std::optional<std::uint64_t> ops = std::nullopt;  ///< default: all that device and library can
  std::uint16_t flags = 0;
  std::uint8_t sl = 0;
  std::uint64_t wr_flags = 0;
  std::uint64_t efa_comp_mask = 0;
  std::uint8_t reserved = 0;
  std::uint32_t driver_qp_type = EFADV_QP_DRIVER_TYPE_SRD;
  std::uint32_t inlen = sizeof(efadv_qp_init_attr);
  std::uint64_t more_comp_mask = 0;
  bool signal_all = true;
};

/// All operations that SRD queue pairs of this device and library have.
std::uint64_t srd_operations(ibv_context* context);

/// What the library reports about the device; without RDMA writes where it does not know them.
efadv_device_attr efa_attributes_of(ibv_context* context);
bool can_read(ibv_context* context);
bool can_write(ibv_context* context);

/// Calls ibv_create_qp_ex or efadv_create_qp_ex; null with errno on failure. `caps`, if given, gets
/// the capabilities as written back.
ibv_qp* create_qp(ibv_context* context, ibv_pd* pd, ibv_cq* send_cq, ibv_cq* recv_cq,
                  const QpSpec& spec, ibv_qp_cap* caps = nullptr);

/// RESET to RTS.
void make_ready(ibv_qp* qp, std::uint32_t qkey = kQkey);

struct StationSpec {
  QpSpec qp = {};
  int cqe = 64;
  std::uint64_t wc_flags = 0;                                ///< of ibv_create_cq_ex
  std::optional<std::uint64_t> efa_wc_flags = std::nullopt;  ///< given: efadv_create_cq with these
  std::uint64_t cq_comp_mask = 0;                            ///< of ibv_cq_init_attr_ex
  std::uint32_t cq_flags = 0;                                ///< of ibv_cq_init_attr_ex
  ibv_pd* parent_domain = nullptr;                           ///< for QP and CQs
  bool one_cq = false;  ///< sends and receives complete in one queue
  int access = -1;      ///< of the buffer; -1: all that the device has
};

/// Completion queues are extended ones.
class Station {
 public:
  static constexpr std::size_t kBufferBytes = 4 << 20;

  Station(ibv_context* context, ibv_pd* pd, const StationSpec& spec = {});

  ibv_qp* qp() const { return qp_.get(); }
  ibv_qp_ex* builder() const { return ibv_qp_to_qp_ex(qp_.get()); }
  ibv_cq_ex* send_cq_ex() const { return send_cq_ex_; }
  ibv_cq_ex* recv_cq_ex() const { return recv_cq_ex_; }
  ibv_cq* send_cq() const { return ibv_cq_ex_to_cq(send_cq_ex_); }
  ibv_cq* recv_cq() const { return ibv_cq_ex_to_cq(recv_cq_ex_); }
  const ibv_qp_cap& caps() const { return caps_; }
  ibv_mr* mr() const { return mr_.get(); }
  ibv_pd* pd() const { return pd_; }
  ibv_context* context() const { return context_; }
  std::uint8_t* at(std::size_t offset) { return buffer_.get() + offset; }
  std::uint64_t address(std::size_t offset) { return reinterpret_cast<std::uint64_t>(at(offset)); }
  ibv_sge sge(std::size_t offset, std::uint32_t length) {
    return {address(offset), length, mr_->lkey};
  }
  QpRings& rings() { return *rings_; }
  CqRing& send_ring() { return *send_ring_; }
  CqRing& recv_ring() { return recv_ring_ ? *recv_ring_ : *send_ring_; }

  /// How to reach this station from `from`; the address handle belongs to `from`.
  Destination from(Station& from);
  void drop_address_handles() { ahs_.clear(); }

  int post_receive(std::uint64_t id, std::size_t offset, std::uint32_t length);
  int post_receives(std::uint64_t first_id, int count, std::size_t offset, std::uint32_t length);
  ibv_send_wr send_wr(std::uint64_t id, const Destination& to, ibv_sge* sges, int count);
  /// The classic interface.
  int post_send(std::uint64_t id, const Destination& to, std::size_t offset, std::uint32_t length);

  ibv_wc next_sent() { return next_completion(send_cq()); }
  ibv_wc next_received() { return next_completion(recv_cq()); }
  bool idle();

  void fill(std::size_t offset, std::uint32_t length, std::uint8_t seed);
  bool holds(std::size_t offset, std::uint32_t length, std::uint8_t seed);

 private:
  ibv_cq_ex* create_cq(const StationSpec& spec);

  ibv_context* context_;
  ibv_pd* pd_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  Mr mr_;
  Cq send_cq_, recv_cq_;
  ibv_cq_ex *send_cq_ex_ = nullptr, *recv_cq_ex_ = nullptr;
  std::optional<CqRing> send_ring_, recv_ring_;
  ibv_qp_cap caps_{};
  std::vector<Ah> ahs_;
  Qp qp_;
  std::optional<QpRings> rings_;
};

/// Waits until start_poll finds a completion; fails the test otherwise. The poll stays started.
void start_poll_when_there(ibv_cq_ex* cq);

/// The extended interface as one completion: what it says and then end_poll.
struct ExtendedCompletion {
  std::uint64_t wr_id;
  ibv_wc_status status;
  ibv_wc_opcode opcode;
  std::uint32_t vendor_err, byte_len;
  unsigned wc_flags;
};
ExtendedCompletion next_extended(ibv_cq_ex* cq);

class ProviderTest : public VerbsTest {
 protected:
  Station station(const StationSpec& spec = {}) { return {context.get(), pd.get(), spec}; }
  Station other_station(const StationSpec& spec = {}) {
    return {other_context.get(), other_pd.get(), spec};
  }
};

/// The value that --limit of efa-emu gave the device, from EFA_TEST_LIMITS ("name=value,...").
std::optional<std::uint64_t> device_limit(const char* name);

}  // namespace efa::provider_test
