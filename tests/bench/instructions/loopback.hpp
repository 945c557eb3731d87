// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One SRD queue pair that sends to itself, with a CQ for each direction: both ends of all traffic
/// are in the one thread whose instructions are counted.
#pragma once

#include <infiniband/efadv.h>
#include <infiniband/verbs.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace efa::bench {

inline constexpr unsigned kDepth = 256;
inline constexpr unsigned kInlineBytes = 32;  // the most that a WQE of 64 bytes takes
inline constexpr std::uint32_t kLoopbackQkey = 0x11111111;

struct LoopbackOptions {
  bool single_threaded = false;
  bool extended_cq = false;
  std::uint64_t send_ops = IBV_QP_EX_WITH_SEND;
};

/// Closes what libibverbs opened.
struct VerbsDeleter {
  void operator()(ibv_context* context) const { ibv_close_device(context); }
  void operator()(ibv_pd* pd) const { ibv_dealloc_pd(pd); }
  void operator()(ibv_td* td) const { ibv_dealloc_td(td); }
  void operator()(ibv_cq* cq) const { ibv_destroy_cq(cq); }
  void operator()(ibv_qp* qp) const { ibv_destroy_qp(qp); }
  void operator()(ibv_mr* mr) const { ibv_dereg_mr(mr); }
  void operator()(ibv_ah* ah) const { ibv_destroy_ah(ah); }
};
template <class T>
using Owned = std::unique_ptr<T, VerbsDeleter>;

class Loopback {
 public:
  /// Null, with the verb and errno in `refusal`, if the library does not offer what `options` ask
  /// for.
  static std::unique_ptr<Loopback> create(const LoopbackOptions& options, std::string& refusal);

  ibv_qp* qp() const { return qp_.get(); }
  ibv_qp_ex* extended_qp() const { return ibv_qp_to_qp_ex(qp_.get()); }
  ibv_cq* send_cq() const { return send_cq_.get(); }
  ibv_cq* receive_cq() const { return receive_cq_.get(); }
  ibv_ah* ah() const { return ah_.get(); }
  ibv_mr* mr() const { return mr_.get(); }
  void* buffer() const { return buffer_.get(); }
  ibv_sge sge() const;

  void post_receives(unsigned count);
  void post_sends(unsigned count);
  void drain_sends(unsigned count) { drain(send_cq_.get(), count); }
  void drain_receives(unsigned count) { drain(receive_cq_.get(), count); }
  /// Until the CQEs of all that was posted and received before are in the send CQ. They cannot be
  /// looked for without polling; instead a second queue pair makes more round trips than the device
  /// needs turns for a full queue.
  void settle_sends();

 private:
  Loopback() = default;
  bool build(const LoopbackOptions& options, std::string& refusal);
  bool make_domains(bool single_threaded, std::string& refusal);
  Owned<ibv_cq> make_cq(const LoopbackOptions& options);
  Owned<ibv_qp> make_qp(ibv_cq* send, ibv_cq* receive, std::uint64_t ops);
  void send_on(ibv_qp* qp, unsigned count);
  void receive_on(ibv_qp* qp, unsigned count);
  static void drain(ibv_cq* cq, unsigned count);

  struct FreeBuffer {
    void operator()(void* buffer) const { std::free(buffer); }
  };

  // In the order of creation; destroyed in reverse.
  Owned<ibv_context> context_;
  Owned<ibv_pd> pd_;
  Owned<ibv_td> thread_domain_;
  Owned<ibv_pd> parent_domain_;
  std::unique_ptr<void, FreeBuffer> buffer_;
  Owned<ibv_mr> mr_;
  Owned<ibv_ah> ah_;
  Owned<ibv_cq> send_cq_, receive_cq_, settle_cq_;
  Owned<ibv_qp> qp_, settle_qp_;
};

}  // namespace efa::bench
