// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A fixed sequence of uverbs commands, right ones and wrong ones. Its output depends on nothing
/// but the answers: run on a kernel driver and below efa-emu it must be the same, once handles and
/// keys are numbered in the order of their appearance (compare.py).
#include <cerrno>
#include <functional>

#include "memory.hpp"
#include "recorder.hpp"
#include "uverbs.hpp"

namespace efa::conformance {
namespace {

using namespace efa::raw;

// Steps that begin with '>' are done only if the one before succeeded; compare.py knows.

constexpr std::size_t kBytes = 8 * 4096;

using Bytes = std::vector<std::uint8_t>;

Bytes resized(Bytes bytes, std::size_t length, std::uint8_t last = 0) {
  bytes.resize(length);
  if (last != 0) bytes.back() = last;
  return bytes;
}

void open_device(const std::string& step, const Bytes& request, std::size_t room) {
  Uverbs uverbs;
  Bytes response(room);
  std::uint32_t vectors = 0;
  std::uint64_t support = 0;
  Attributes open;
  open.out(UVERBS_ATTR_GET_CONTEXT_NUM_COMP_VECTORS, vectors)
      .out(UVERBS_ATTR_GET_CONTEXT_CORE_SUPPORT, support)
      .in(UVERBS_ATTR_UHW_IN, request)
      .out(UVERBS_ATTR_UHW_OUT, response);
  const int error = uverbs.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT, open);
  Record(step, error)
      .field("vectors", vectors)
      .field("core_support", support)
      .field("uhw_valid", open.valid(UVERBS_ATTR_UHW_OUT))
      .bytes("response", response.data(), response.size());
}

void open_variants() {
  const Bytes both = bytes_of(efa_uabi_alloc_ucontext_cmd{kBothCaps, 0});
  for (const std::size_t room : {0u, 8u, 20u, 24u}) open_device("open", both, room);
  for (const std::size_t length : {0u, 4u, 7u, 12u, 100u})
    open_device("open with " + std::to_string(length) + " bytes", resized(both, length), 24);
  open_device("open with unknown bits", Bytes(64, 0xff), 24);
  open_device("open with no capability", bytes_of(efa_uabi_alloc_ucontext_cmd{0, 0}), 24);
}

struct Bench {
  Session session;
  Pages pages{kBytes};
  Pd pd;
  CqAnswer cq;
  CqRequest cq_request;
  QpRequest qp_request;
};

void device(Bench& bench) {
  const auto& generic = bench.session.generic().base;
  Record("query device, generic", 0)
      .field("fw_ver", generic.fw_ver)
      .field("sys_image_guid", generic.sys_image_guid)
      .field("max_mr_size", generic.max_mr_size)
      .field("page_size_cap", generic.page_size_cap)
      .field("vendor_id", generic.vendor_id)
      .field("vendor_part_id", generic.vendor_part_id)
      .field("max_qp", static_cast<std::uint64_t>(generic.max_qp))
      .field("max_qp_wr", static_cast<std::uint64_t>(generic.max_qp_wr))
      .field("device_cap_flags", generic.device_cap_flags)
      .field("max_sge", static_cast<std::uint64_t>(generic.max_sge))
      .field("max_sge_rd", static_cast<std::uint64_t>(generic.max_sge_rd))
      .field("max_cq", static_cast<std::uint64_t>(generic.max_cq))
      .field("max_cqe", static_cast<std::uint64_t>(generic.max_cqe))
      .field("max_mr", static_cast<std::uint64_t>(generic.max_mr))
      .field("max_pd", static_cast<std::uint64_t>(generic.max_pd))
      .field("max_ah", static_cast<std::uint64_t>(generic.max_ah))
      .field("max_srq", static_cast<std::uint64_t>(generic.max_srq))
      .field("max_mw", static_cast<std::uint64_t>(generic.max_mw))
      .field("max_pkeys", generic.max_pkeys)
      .field("local_ca_ack_delay", generic.local_ca_ack_delay)
      .field("phys_port_cnt", generic.phys_port_cnt)
      .field("atomic_cap", static_cast<std::uint64_t>(generic.atomic_cap));
  const auto& own = bench.session.device();
  Record("query device, private", 0).bytes("response", &own, sizeof(own));
  for (const std::size_t length : {8u, 40u})
    for (const std::uint8_t value : {0, 1}) {
      ib_uverbs_ex_query_device_resp answer{};
      const int error = bench.session.write_command(
          IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_QUERY_DEVICE,
          ib_uverbs_ex_query_device{},
          Attributes()
              .out(UVERBS_ATTR_CORE_OUT, answer)
              .in(UVERBS_ATTR_UHW_IN, Bytes(length, value)));
      Record("query device with private input", error);
    }
}

void port(Bench& bench) {
  for (const std::uint64_t number : {1u, 0u, 2u, 255u}) {
    ib_uverbs_query_port_resp_ex answer{};
    Attributes query;
    query.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, number).out(UVERBS_ATTR_QUERY_PORT_RESP, answer);
    const int error = bench.session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, query);
    Record("query port " + std::to_string(number), error)
        .bytes("response", &answer, sizeof(answer));
  }
  std::uint8_t narrow = 1;
  ib_uverbs_query_port_resp_ex answer{};
  Attributes query;
  query.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, narrow).out(UVERBS_ATTR_QUERY_PORT_RESP, answer);
  Record("query port, number in one byte",
         bench.session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, query));
  for (const std::uint64_t index : {0u, 1u, 9u}) {
    ib_uverbs_gid_entry entry{};
    Attributes gid;
    gid.in(UVERBS_ATTR_QUERY_GID_ENTRY_PORT, std::uint64_t{1})
        .in(UVERBS_ATTR_QUERY_GID_ENTRY_GID_INDEX, index)
        .in(UVERBS_ATTR_QUERY_GID_ENTRY_FLAGS, std::uint32_t{0})
        .out(UVERBS_ATTR_QUERY_GID_ENTRY_RESP_ENTRY, entry);
    const int error = bench.session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_GID_ENTRY, gid);
    Record("query GID " + std::to_string(index), error)
        .bytes("gid", &entry.gid, error == 0 ? 16 : 0)
        .field("gid_type", entry.gid_type)
        .field("port_num", entry.port_num);
  }
}

void unknown_calls(Bench& bench) {
  Session& session = bench.session;
  Record("unknown object", session.call(0x777, 0));
  Record("unknown method", session.call(UVERBS_OBJECT_DEVICE, 0x777));
  Record("unknown method of the driver", session.call(UVERBS_OBJECT_MR, 0x1777));
  Record("method without its attributes", session.call(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE));
  for (const std::uint32_t command :
       {IB_USER_VERBS_CMD_CREATE_SRQ, IB_USER_VERBS_CMD_REREG_MR, IB_USER_VERBS_CMD_ALLOC_MW,
        IB_USER_VERBS_CMD_RESIZE_CQ, IB_USER_VERBS_CMD_ATTACH_MCAST, IB_USER_VERBS_CMD_OPEN_XRCD,
        IB_USER_VERBS_CMD_POLL_CQ, IB_USER_VERBS_CMD_QUERY_DEVICE, IB_USER_VERBS_CMD_REG_MR})
    Record("bare command " + std::to_string(command), session.write_command(command));
  for (const std::uint16_t object :
       {UVERBS_OBJECT_PD, UVERBS_OBJECT_MR, UVERBS_OBJECT_AH, UVERBS_OBJECT_CQ, UVERBS_OBJECT_QP})
    Record("destroy nobody's object " + std::to_string(object), session.destroy(object, 4711));
  Record("destroy nobody's domain by command",
         session.write_command(IB_USER_VERBS_CMD_DEALLOC_PD, ib_uverbs_dealloc_pd{4711}));
}

void domains(Bench& bench) {
  for (int i = 0; i < 3; ++i) {
    Pd pd;
    const int error = bench.session.alloc_pd(pd);
    Record("alloc PD", error).field("handle", pd.handle).field("pdn", pd.number);
    if (i == 0) bench.pd = pd;
  }
  for (const std::uint8_t value : {0, 1}) {
    ib_uverbs_alloc_pd_resp core{};
    Record(
        "alloc PD with private input",
        bench.session.write_command(
            IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{},
            Attributes().out(UVERBS_ATTR_CORE_OUT, core).in(UVERBS_ATTR_UHW_IN, Bytes(24, value))));
  }
}

void addresses(Bench& bench) {
  std::uint8_t gids[3][16] = {};
  std::memcpy(gids[0], bench.session.gid(), 16);
  std::memcpy(gids[1], bench.session.gid(), 16);
  for (const auto& gid : gids) {
    AddressHandle ah;
    const int error = bench.session.create_ah(bench.pd, gid, ah);
    Record("create AH", error).field("ah_handle", ah.handle).field("ah", ah.number);
  }
  AddressHandle ah;
  Record("create AH in nobody's domain",
         bench.session.create_ah({4711, 0}, bench.session.gid(), ah));
}

void regions(Bench& bench) {
  const auto reg = [&](const std::string& step, std::size_t offset, std::size_t length,
                       std::uint32_t access) {
    Mr mr;
    const int error =
        bench.session.reg_mr(bench.pd, bench.pages.data() + offset, length, access, mr);
    Record(step, error).field("rkey_is_lkey", mr.lkey == mr.rkey);
    if (error != 0) return;
    InterconnectIds ids;
    const int query = query_mr(bench.session, mr.handle, ids);
    Record("> query MR", query)
        .field("validity", ids.validity)
        .field("recv", ids.recv)
        .field("rdma_read", ids.rdma_read)
        .field("rdma_recv", ids.rdma_recv);
    Record("> dereg MR", bench.session.destroy(UVERBS_OBJECT_MR, mr.handle));
  };
  for (std::uint32_t access = 0; access < 256; ++access)
    reg("reg MR with access " + std::to_string(access), 0, kBytes, access);
  for (std::uint32_t bit = 20; bit < 30; ++bit)
    reg("reg MR with optional access " + std::to_string(bit), 0, kBytes, kLocalWrite | 1u << bit);
  reg("reg MR of nothing", 0, 0, kLocalWrite);
  reg("reg MR of a byte", 1, 1, kLocalWrite);
  reg("reg MR of odd bytes", 123, 4567, kLocalWrite);
  Mr mr;
  Record("reg MR of nobody's memory",
         bench.session.reg_mr(bench.pd, reinterpret_cast<void*>(0x1000), 4096, 1, mr));
  Record("reg MR in nobody's domain",
         bench.session.reg_mr({4711, 0}, bench.pages.data(), 4096, 1, mr));
}

void record_cq(Bench& bench, const std::string& step, const CqRequest& request,
               const Bytes& device) {
  CqAnswer answer;
  const int error = bench.session.create_cq(request, device, answer);
  // Numbers of a refused object mean nothing.
  if (error != 0) {
    Record(step, error);
    return;
  }
  Record(step, error)
      .field("cqe", answer.cqe)
      .field("comp_mask", answer.device.comp_mask)
      .field("q_mmap_size", answer.device.q_mmap_size)
      .field("db_off_aligned", answer.device.db_off % 4 == 0 && answer.device.db_off < 4096)
      .field("reserved", answer.device.reserved_20 | answer.device.reserved_d0);
  Record("> destroy CQ", bench.session.destroy(UVERBS_OBJECT_CQ, answer.handle));
}

void completion_queues(Bench& bench) {
  bench.cq_request.device.num_sub_cqs = bench.session.limits().sub_cqs_per_cq;
  const CqRequest& plain = bench.cq_request;
  const Bytes bytes = bytes_of(plain.device);
  const auto max = static_cast<std::uint32_t>(bench.session.generic().base.max_cqe);
  for (const std::uint32_t cqe : {0u, 1u, 2u, 3u, 64u, 100u, 1024u, max, max + 1, 0x10040u, ~0u}) {
    CqRequest request = plain;
    request.cqe = cqe;
    record_cq(bench, "create CQ of depth " + std::to_string(cqe), request, bytes);
  }
  for (const std::uint32_t size : {0u, 8u, 15u, 16u, 17u, 24u, 32u, 64u, 0x10020u})
    for (const unsigned flags : {0u, 1u, 2u, 3u, 4u, 8u, 0x80u}) {
      CqRequest request = plain;
      request.device.cq_entry_size = size;
      request.device.flags = static_cast<std::uint8_t>(flags);
      record_cq(
          bench,
          "create CQ with entries of " + std::to_string(size) + ", flags " + std::to_string(flags),
          request, bytes_of(request.device));
    }
  for (const std::uint32_t vector :
       {0u, bench.session.completion_vectors() - 1, bench.session.completion_vectors(), ~0u}) {
    CqRequest request = plain;
    request.vector = vector;
    record_cq(bench, "create CQ with a vector", request, bytes);
  }
  for (const std::size_t length : {0u, 1u, 8u, 9u, 10u, 11u, 15u, 16u, 17u, 24u, 100u, 5000u}) {
    record_cq(bench, "create CQ with " + std::to_string(length) + " bytes", plain,
              resized(bytes, length));
    if (length > 16)
      record_cq(bench, "create CQ with a later version of " + std::to_string(length) + " bytes",
                plain, resized(bytes, length, 1));
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes flipped = bytes;
    flipped[i] ^= 1;
    record_cq(bench, "create CQ with byte " + std::to_string(i) + " changed", plain, flipped);
  }
  CqAnswer cq;
  Record("create the CQ", bench.session.create_cq(plain, cq)).field("cq_handle", cq.handle);
  bench.cq = cq;
}

int record_qp(Bench& bench, const std::string& step, const QpRequest& request,
              const Bytes& device) {
  QpAnswer answer;
  const int error = bench.session.create_qp(request, device, bench.pd, bench.cq, bench.cq, answer);
  if (error != 0) {
    Record(step, error);
    return error;
  }
  const efa_uabi_create_qp_resp& keys = answer.device;
  Record(step, error)
      .bytes("cap", &answer.cap, sizeof(answer.cap))
      .field("comp_mask", keys.comp_mask)
      .field("offsets_in_page",
             keys.rq_db_offset < 4096 && keys.sq_db_offset < 4096 && keys.llq_desc_offset < 4096)
      .field("rq_mmap_size", keys.rq_mmap_size)
      .field("rq_key_is_zero", keys.rq_mmap_size == 0 && keys.rq_mmap_key == 0)
      .field("sub_cqs", keys.send_sub_cq_idx | keys.recv_sub_cq_idx)
      .field("reserved", keys.reserved_1e0);
  Record("> destroy QP", bench.session.destroy(UVERBS_OBJECT_QP, answer.handle));
  return error;
}

void queue_pairs(Bench& bench) {
  const QpRequest plain = bench.qp_request;
  const Bytes bytes = bytes_of(plain.device);
  const auto with = [&](const std::string& step, const std::function<void(QpRequest&)>& change) {
    QpRequest request = plain;
    change(request);
    record_qp(bench, step, request, bytes_of(request.device));
  };
  for (std::uint32_t type = 0; type < 16; ++type)
    with("create QP of type " + std::to_string(type), [&](QpRequest& r) { r.type = type; });
  const auto& device = bench.session.device();
  for (const std::uint32_t depth : {1u, 2u, 16u, 31u, 32u, 33u, 64u, 100u, 128u, device.max_sq_wr,
                                    device.max_sq_wr + 1, 2 * device.max_sq_wr}) {
    with("create QP with " + std::to_string(depth) + " sends", [&](QpRequest& r) {
      r.cap.max_send_wr = depth;
      r.device.sq_ring_size = depth * 64;
    });
    with("create QP with " + std::to_string(depth) + " receives", [&](QpRequest& r) {
      r.cap.max_recv_wr = depth;
      r.device.rq_ring_size = depth * 16;
    });
  }
  for (std::uint32_t sge = 0; sge < 5; ++sge) {
    with("create QP with send segments", [&](QpRequest& r) { r.cap.max_send_sge = sge; });
    with("create QP with receive segments", [&](QpRequest& r) { r.cap.max_recv_sge = sge; });
  }
  for (const std::uint32_t size : {0u, 1u, 31u, 32u, 33u, 80u, 81u, 1000u})
    with("create QP with " + std::to_string(size) + " bytes inline",
         [&](QpRequest& r) { r.cap.max_inline_data = size; });
  for (const std::uint32_t size :
       {0u, 1u, 64u, 4032u, 4096u, 4097u, 8192u, 0x80000000u, 0xfffff001u, 0xffffffffu}) {
    with("create QP with a send ring of " + std::to_string(size),
         [&](QpRequest& r) { r.device.sq_ring_size = size; });
    with("create QP with a receive ring of " + std::to_string(size),
         [&](QpRequest& r) { r.device.rq_ring_size = size; });
  }
  with("create QP without receives",
       [](QpRequest& r) { r.cap.max_recv_wr = r.device.rq_ring_size = 0; });
  for (const std::size_t length : {0u, 8u, 15u, 16u, 17u, 18u, 19u, 24u, 25u, 32u, 100u, 5000u}) {
    record_qp(bench, "create QP with " + std::to_string(length) + " bytes", plain,
              resized(bytes, length));
    if (length > 24)
      record_qp(bench, "create QP with a later version of " + std::to_string(length) + " bytes",
                plain, resized(bytes, length, 1));
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes flipped = bytes;
    flipped[i] ^= 1;
    record_qp(bench, "create QP with byte " + std::to_string(i) + " changed", plain, flipped);
  }
}

void record_query(Bench& bench, const QpAnswer& qp, std::uint32_t mask) {
  ib_uverbs_query_qp request{};
  request.qp_handle = qp.handle;
  request.attr_mask = mask;
  ib_uverbs_query_qp_resp answer{};
  const int error = bench.session.write_command(IB_USER_VERBS_CMD_QUERY_QP, request,
                                                Attributes().out(UVERBS_ATTR_CORE_OUT, answer));
  Record("query QP with mask " + std::to_string(mask), error)
      .bytes("response", &answer, sizeof(ib_uverbs_query_qp_resp));
}

/// Every attribute in every step of the life of a queue pair, then the way on.
void states(Bench& bench, std::uint32_t type) {
  bench.qp_request.type = type;
  QpAnswer qp;
  Record("create the QP",
         bench.session.create_qp(bench.qp_request, bench.pd, bench.cq, bench.cq, qp));
  struct Step {
    std::uint8_t state;
    std::uint32_t mask;
  };
  constexpr Step kLife[] = {{1, 0x71}, {2, 0x1}, {3, 0x10001}, {4, 0x1},
                            {3, 0x1},  {6, 0x1}, {0, 0x1}};
  std::uint8_t now = 0;
  for (const Step& step : kLife) {
    for (unsigned bit = 0; bit < 27; ++bit)
      for (std::uint8_t target = 0; target < 8; ++target) {
        // Only what is refused: what succeeds changes the state.
        if (target == step.state || target == 0 || target == 6 || target == now) continue;
        ib_uverbs_modify_qp request{};
        request.qp_handle = qp.handle;
        request.attr_mask = 1u | 1u << bit;
        request.qp_state = target;
        request.cur_qp_state = now;
        request.port_num = 1;
        Record("modify QP from " + std::to_string(now) + " to " + std::to_string(target) +
                   " with bit " + std::to_string(bit),
               bench.session.modify_qp(request));
      }
    ib_uverbs_modify_qp request{};
    request.qp_handle = qp.handle;
    request.attr_mask = step.mask;
    request.qp_state = step.state;
    request.port_num = 1;
    request.qkey = 0x1234;
    request.sq_psn = 77;
    Record("modify QP to " + std::to_string(step.state), bench.session.modify_qp(request));
    now = step.state;
    record_query(bench, qp, 1);
  }
  for (unsigned bit = 0; bit < 27; ++bit) record_query(bench, qp, 1u << bit);
  record_query(bench, qp, 0);
  Record("destroy the CQ in use", bench.session.destroy(UVERBS_OBJECT_CQ, bench.cq.handle));
  Record("destroy the PD in use", bench.session.destroy(UVERBS_OBJECT_PD, bench.pd.handle));
  Record("destroy the QP", bench.session.destroy(UVERBS_OBJECT_QP, qp.handle));
}

}  // namespace
}  // namespace efa::conformance

int main() {
  using namespace efa::conformance;
  open_variants();
  Bench bench;
  device(bench);
  port(bench);
  unknown_calls(bench);
  domains(bench);
  addresses(bench);
  regions(bench);
  completion_queues(bench);
  queue_pairs(bench);
  for (const std::uint32_t type : {IB_UVERBS_QPT_DRIVER, IB_UVERBS_QPT_UD}) states(bench, type);
  return 0;
}
