// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Queue pairs.
#pragma once

#include <infiniband/efadv.h>

#include "pd.hpp"
#include "receive_queue.hpp"
#include "send_queue.hpp"

namespace efa {

struct Qp {
  ibv::VerbsQp verbs;  // first: libibverbs' part
  efadv_qp dv;
  // Chosen when the queue pair is created, for its threads, WQE size and request ids.
  int (*post_send)(ibv_qp*, ibv_send_wr*, ibv_send_wr**) = nullptr;
  int (*post_recv)(ibv_qp*, ibv_recv_wr*, ibv_recv_wr**) = nullptr;
  Pd* domain = nullptr;
  RequestIds ids = RequestIds::kSlots;
  alignas(kCacheLine) SendQueue sq;
  alignas(kCacheLine) ReceiveQueue rq;

  /// Puts the generation of request ids into WQEs; with wide ids the user's fill the field.
  void take_generation() {
    if (ids == RequestIds::kSlots) sq.set_generation(sq.work.generation());
  }

  Context& context() { return Context::of(verbs.qp.context); }
  std::uint32_t number() const { return verbs.qp.qp_num; }

  static Qp& of(ibv_qp* qp) { return *reinterpret_cast<Qp*>(qp); }
  static Qp& of(ibv_qp_ex* qp) { return *reinterpret_cast<Qp*>(qp); }
};

/// Operations asked for at creation, beyond what libibverbs' attributes say.
struct QpOptions {
  bool srd = false;
  bool unsolicited_write_recv = false;
  bool inline_write = false;
  bool processing_hints = false;
  bool builder = false;  // ibv_wr_* calls wanted
  std::uint8_t service_level = 0;
};

/// Checks and creates. @returns null with errno
ibv_qp* create_qp_with(Context& context, ibv_qp_init_attr_ex& attr, const QpOptions& options);

ibv_qp* create_qp(ibv_pd* pd, ibv_qp_init_attr* attr);
ibv_qp* create_qp_ex(ibv_context* context, ibv_qp_init_attr_ex* attr);
int destroy_qp(ibv_qp* qp);
int modify_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask);
int query_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask, ibv_qp_init_attr* init);
int query_qp_data_in_order(ibv_qp* qp, ibv_wr_opcode opcode, std::uint32_t flags);

/// Entry points of the data path.
int post_send(ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr** bad);
int post_recv(ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad);

/// Sets the pointers to the specialised functions of `qp`.
void choose_post_send(Qp& qp, WqeSize size);
void choose_post_recv(Qp& qp);
void choose_builder(Qp& qp, WqeSize size, std::uint64_t send_ops, const QpOptions& options);

}  // namespace efa
