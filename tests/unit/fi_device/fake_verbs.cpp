// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fake_verbs.hpp"

#include <endian.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

#undef ibv_reg_mr

namespace efa::fi::test {
namespace {

std::unique_ptr<FakeVerbs> current_fake;

FakeQp& of(ibv_qp_ex* qp) {
  return *reinterpret_cast<FakeQp*>(qp);
}
FakeQp& of(ibv_qp* qp) {
  return *reinterpret_cast<FakeQp*>(qp);
}
FakeCq& of(ibv_cq_ex* cq) {
  return *reinterpret_cast<FakeCq*>(cq);
}
FakeCq& of(efadv_cq* cq) {
  return *reinterpret_cast<FakeCq*>(reinterpret_cast<char*>(cq) - offsetof(FakeCq, efa));
}
static_assert(offsetof(FakeQp, ex) == 0 && offsetof(FakeCq, ex) == 0);

PostedSend& begin(ibv_qp_ex* qp, int opcode) {
  PostedSend& send = of(qp).session.emplace_back();
  send.id = qp->wr_id;
  send.opcode = opcode;
  return send;
}

void put_operations(ibv_qp_ex& qp) {
  qp.wr_start = [](ibv_qp_ex* q) { of(q).session.clear(); };
  qp.wr_send = [](ibv_qp_ex* q) { begin(q, IBV_WR_SEND); };
  qp.wr_send_imm = [](ibv_qp_ex* q, __be32 imm) {
    begin(q, IBV_WR_SEND_WITH_IMM).immediate = be32toh(imm);
  };
  qp.wr_rdma_read = [](ibv_qp_ex* q, uint32_t rkey, uint64_t remote) {
    PostedSend& send = begin(q, IBV_WR_RDMA_READ);
    send.rkey = rkey;
    send.remote = remote;
  };
  qp.wr_rdma_write = [](ibv_qp_ex* q, uint32_t rkey, uint64_t remote) {
    PostedSend& send = begin(q, IBV_WR_RDMA_WRITE);
    send.rkey = rkey;
    send.remote = remote;
  };
  qp.wr_rdma_write_imm = [](ibv_qp_ex* q, uint32_t rkey, uint64_t remote, __be32 imm) {
    PostedSend& send = begin(q, IBV_WR_RDMA_WRITE_WITH_IMM);
    send.rkey = rkey;
    send.remote = remote;
    send.immediate = be32toh(imm);
  };
  qp.wr_set_ud_addr = [](ibv_qp_ex* q, ibv_ah* ah, uint32_t qpn, uint32_t qkey) {
    PostedSend& send = of(q).session.back();
    send.ah = ah;
    send.qpn = qpn;
    send.qkey = qkey;
  };
  qp.wr_set_sge = [](ibv_qp_ex* q, uint32_t lkey, uint64_t address, uint32_t length) {
    of(q).session.back().segments = {{address, length, lkey}};
  };
  qp.wr_set_sge_list = [](ibv_qp_ex* q, size_t count, const ibv_sge* list) {
    of(q).session.back().segments.assign(list, list + count);
  };
  qp.wr_set_inline_data = [](ibv_qp_ex* q, void* data, size_t length) {
    of(q).session.back().is_inline = true;
    of(q).session.back().inline_data.assign(static_cast<char*>(data), length);
  };
  qp.wr_set_inline_data_list = [](ibv_qp_ex* q, size_t count, const ibv_data_buf* list) {
    PostedSend& send = of(q).session.back();
    send.is_inline = true;
    for (size_t i = 0; i < count; ++i)
      send.inline_data.append(static_cast<char*>(list[i].addr), list[i].length);
  };
  qp.wr_complete = [](ibv_qp_ex* q) {
    FakeQp& fake = of(q);
    if (fake.refuse) return std::exchange(fake.refuse, 0);
    for (PostedSend& send : fake.session) fake.sends.push_back(std::move(send));
    fake.session.clear();
    ++fake.doorbells;
    return 0;
  };
}

int post_send(ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr**) {
  FakeQp& fake = of(qp);
  if (fake.refuse) return std::exchange(fake.refuse, 0);
  PostedSend& send = fake.sends.emplace_back();
  send.id = wr->wr_id;
  send.opcode = wr->opcode;
  send.immediate = be32toh(wr->imm_data);
  send.ah = wr->wr.ud.ah;
  send.qpn = wr->wr.ud.remote_qpn;
  send.qkey = wr->wr.ud.remote_qkey;
  send.is_inline = wr->send_flags & IBV_SEND_INLINE;
  if (!send.is_inline) send.segments.assign(wr->sg_list, wr->sg_list + wr->num_sge);
  for (int i = 0; send.is_inline && i < wr->num_sge; ++i)
    send.inline_data.append(reinterpret_cast<char*>(wr->sg_list[i].addr), wr->sg_list[i].length);
  ++fake.doorbells;
  return 0;
}

int post_recv(ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr**) {
  ++of(qp).receive_doorbells;
  for (; wr; wr = wr->next)
    of(qp).receives.push_back({wr->wr_id, {wr->sg_list, wr->sg_list + wr->num_sge}});
  return 0;
}

int take_next(ibv_cq_ex* cq) {
  FakeCq& fake = of(cq);
  if (fake.entries.empty()) return ENOENT;
  fake.current = fake.entries.front();
  fake.entries.pop_front();
  cq->wr_id = fake.current.id;
  cq->status = fake.current.status ? IBV_WC_GENERAL_ERR : IBV_WC_SUCCESS;
  return 0;
}

void put_readers(ibv_cq_ex& cq) {
  cq.start_poll = [](ibv_cq_ex* c, ibv_poll_cq_attr*) {
    const int error = take_next(c);
    of(c).polling = error == 0;
    return error;
  };
  cq.next_poll = take_next;
  cq.end_poll = [](ibv_cq_ex* c) { of(c).polling = false; };
  cq.read_opcode = [](ibv_cq_ex* c) { return of(c).current.opcode; };
  cq.read_vendor_err = [](ibv_cq_ex* c) { return of(c).current.status; };
  cq.read_byte_len = [](ibv_cq_ex* c) { return of(c).current.bytes; };
  cq.read_imm_data = [](ibv_cq_ex* c) { return htobe32(of(c).current.immediate); };
  cq.read_qp_num = [](ibv_cq_ex* c) { return of(c).current.qpn; };
  cq.read_src_qp = [](ibv_cq_ex* c) { return of(c).current.source_qpn; };
  cq.read_slid = [](ibv_cq_ex* c) { return uint32_t{of(c).current.source_ah}; };
  cq.read_wc_flags = [](ibv_cq_ex* c) {
    return of(c).current.has_immediate ? unsigned{IBV_WC_WITH_IMM} : 0U;
  };
}

ibv_qp* create_qp(ibv_context* context, const ibv_qp_init_attr_ex& attributes,
                  const efadv_qp_init_attr& efa) {
  const FakeVerbs& can = fake();
  if ((attributes.send_ops_flags & ~can.operations) || (efa.flags & ~can.qp_flags) ||
      (efa.sl && !can.service_levels)) {
    errno = EOPNOTSUPP;
    return nullptr;
  }
  auto* made = new FakeQp;
  made->attributes = attributes;
  made->efa_attributes = efa;
  made->ex.qp_base.context = context;
  fake().qps.push_back(made);
  made->ex.qp_base.qp_num = static_cast<uint32_t>(100 + fake().qps.size());
  put_operations(made->ex);
  return &made->ex.qp_base;
}

ibv_qp* create_qp_ex(ibv_context* context, ibv_qp_init_attr_ex* attributes) {
  return create_qp(context, *attributes, {});
}

}  // namespace

FakeVerbs::FakeVerbs() {
  verbs.sz = sizeof verbs;
  verbs.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
  verbs.create_qp_ex = create_qp_ex;
  verbs.context.ops.post_send = post_send;
  verbs.context.ops.post_recv = post_recv;
  verbs.context.ops.req_notify_cq = [](ibv_cq* cq, int) {
    ++of(reinterpret_cast<ibv_cq_ex*>(cq)).armed;
    return 0;
  };
  pd.context = &verbs.context;
}

FakeVerbs& fake() {
  return *current_fake;
}
void reset_fake() {
  current_fake = std::make_unique<FakeVerbs>();
}

}  // namespace efa::fi::test

using namespace efa::fi::test;

extern "C" {

ibv_cq_ex* efadv_create_cq(ibv_context* context, ibv_cq_init_attr_ex* attributes,
                           efadv_cq_init_attr* efa, uint32_t size) {
  const FakeVerbs& can = fake();
  if ((efa->wc_flags & ~can.cq_fields) || (attributes->flags && !can.single_threaded_cqs)) {
    errno = EOPNOTSUPP;
    return nullptr;
  }
  auto* made = new FakeCq;
  made->attributes = *attributes;
  made->efa_fields = efa->wc_flags;
  if (size == sizeof *efa) made->efa_attributes = *efa;
  made->ex.context = context;
  made->efa.wc_is_unsolicited = [](efadv_cq* cq) { return of(cq).current.unsolicited; };
  put_readers(made->ex);
  fake().cqs.push_back(made);
  return &made->ex;
}
efadv_cq* efadv_cq_from_ibv_cq_ex(ibv_cq_ex* cq) {
  return &of(cq).efa;
}
int ibv_destroy_cq(ibv_cq* cq) {
  std::erase(fake().cqs, reinterpret_cast<FakeCq*>(cq));
  delete reinterpret_cast<FakeCq*>(cq);
  return 0;
}
ibv_qp* efadv_create_qp_ex(ibv_context* context, ibv_qp_init_attr_ex* attributes,
                           efadv_qp_init_attr* efa, uint32_t) {
  return create_qp(context, *attributes, *efa);
}
ibv_qp_ex* ibv_qp_to_qp_ex(ibv_qp* qp) {
  return &of(qp).ex;
}
int ibv_modify_qp(ibv_qp* qp, ibv_qp_attr* attributes, int mask) {
  of(qp).states.push_back(*attributes);
  of(qp).masks.push_back(mask);
  return 0;
}
int ibv_destroy_qp(ibv_qp* qp) {
  std::erase(fake().qps, &of(qp));
  delete &of(qp);
  return 0;
}
int ibv_query_qp_data_in_order(ibv_qp*, ibv_wr_opcode, uint32_t) {
  return fake().in_order;
}
int ibv_query_device(ibv_context*, ibv_device_attr* attributes) {
  *attributes = {};
  attributes->max_cqe = 32768;
  return 0;
}
int efadv_query_device(ibv_context*, efadv_device_attr* attributes, uint32_t) {
  *attributes = {};
  attributes->device_caps = fake().device_caps;
  return 0;
}
ibv_mr* ibv_reg_mr(ibv_pd*, void* address, size_t length, int) {
  ++fake().registrations;
  auto* made = new ibv_mr{};
  made->addr = address;
  made->length = length;
  made->lkey = 77;
  return made;
}
int ibv_dereg_mr(ibv_mr* mr) {
  --fake().registrations;
  delete mr;
  return 0;
}
ibv_ah* ibv_create_ah(ibv_pd* pd, ibv_ah_attr*) {
  auto* made = new ibv_ah{};
  made->context = pd->context;
  return made;
}
int ibv_destroy_ah(ibv_ah* ah) {
  delete ah;
  return 0;
}
int efadv_query_ah(ibv_ah*, efadv_ah_attr* attributes, uint32_t) {
  attributes->ahn = 9;
  return 0;
}
int ibv_dealloc_pd(ibv_pd*) {
  return 0;
}
ibv_comp_channel* ibv_create_comp_channel(ibv_context*) {
  return nullptr;
}

}  // extern "C"
