// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Creation, query and destruction of queue pairs (verbs A2.4, A3, A8.3, A8.5).
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.hpp"

namespace efa::test {
namespace {

struct Request {
  QpRequest qp;
  std::vector<std::uint8_t> device;  ///< private part if not empty
};

struct Row {
  const char* what;
  std::initializer_list<int> allowed;
  std::function<void(Request&, const Session&)> change;
};

void cut(Request& request, std::size_t length, std::uint8_t last = 0) {
  request.device = bytes_of(request.qp.device);
  request.device.resize(length);
  if (last != 0) request.device.back() = last;
}
void send_depth(Request& r, std::uint32_t depth) {
  r.qp.cap.max_send_wr = depth;
  r.qp.device.sq_ring_size = depth * 64;
}

const Row rows[] = {
    {"what every program asks for", kSuccess, [](Request&, const Session&) {}},
    {"type UD", kSuccess, [](Request& r, const Session&) { r.qp.type = IB_UVERBS_QPT_UD; }},
    {"type RC", kUnsupported, [](Request& r, const Session&) { r.qp.type = IB_UVERBS_QPT_RC; }},
    {"type UC", kUnsupported, [](Request& r, const Session&) { r.qp.type = IB_UVERBS_QPT_UC; }},
    {"another driver type", kUnsupported,
     [](Request& r, const Session&) { r.qp.device.driver_qp_type = 1; }},
    {"type UD and a driver type", kSuccess,
     [](Request& r, const Session&) {
       r.qp.type = IB_UVERBS_QPT_UD;
       r.qp.device.driver_qp_type = 1;
     }},
    {"no receive queue", kSuccess,
     [](Request& r, const Session&) { r.qp.cap.max_recv_wr = r.qp.device.rq_ring_size = 0; }},
    {"the deepest send queue", kSuccess,
     [](Request& r, const Session& s) { send_depth(r, s.device().max_sq_wr); }},
    {"a send queue too deep", kInvalid,
     [](Request& r, const Session& s) { send_depth(r, 2 * s.device().max_sq_wr); }},
    {"a send depth just above the limit", kInvalid,
     [](Request& r, const Session& s) { r.qp.cap.max_send_wr = s.device().max_sq_wr + 1; }},
    {"a send ring above the limit", kInvalid,
     [](Request& r, const Session& s) { r.qp.device.sq_ring_size = s.limits().max_llq_size + 64; }},
    {"a receive depth above the limit", kInvalid,
     [](Request& r, const Session& s) { r.qp.cap.max_recv_wr = s.device().max_rq_wr + 1; }},
    {"a send segment too many", kInvalid,
     [](Request& r, const Session& s) { r.qp.cap.max_send_sge = s.device().max_sq_sge + 1u; }},
    {"a receive segment too many", kInvalid,
     [](Request& r, const Session& s) { r.qp.cap.max_recv_sge = s.device().max_rq_sge + 1u; }},
    {"the most inline data", kSuccess,
     [](Request& r, const Session& s) { r.qp.cap.max_inline_data = s.limits().inline_buf_size; }},
    {"a byte of inline data too many", kInvalid,
     [](Request& r, const Session& s) {
       r.qp.cap.max_inline_data =
           std::max(s.limits().inline_buf_size, s.limits().inline_buf_size_ex) + 1u;
     }},
    {"a send ring too small for its depth", kInvalid,
     [](Request& r, const Session&) { r.qp.device.sq_ring_size -= 64; }},
    {"a send ring that is no number of WQEs", kInvalid,
     [](Request& r, const Session&) { r.qp.device.sq_ring_size += 1; }},
    {"a send ring of one WQE for 64", kInvalid,
     [](Request& r, const Session&) { r.qp.device.sq_ring_size = 64; }},
    {"a receive ring of 1 byte", kInvalid,
     [](Request& r, const Session&) { r.qp.device.rq_ring_size = 1; }},
    {"a receive ring of 3 descriptors", kInvalid,
     [](Request& r, const Session&) { r.qp.device.rq_ring_size = 48; }},
    {"a receive ring of 2 GiB", kInvalid,
     [](Request& r, const Session&) { r.qp.device.rq_ring_size = 0x80000000; }},
    {"a receive ring that wraps when rounded", kInvalid,
     [](Request& r, const Session&) { r.qp.device.rq_ring_size = 0xfffffff0; }},
    {"a flag that nobody knows", kUnsupported,
     [](Request& r, const Session&) { r.qp.device.flags = 0x8000; }},
    {"comp_mask", kUnknownInput, [](Request& r, const Session&) { r.qp.device.comp_mask = 1; }},
    {"the first reserved byte", kInvalid,
     [](Request& r, const Session&) { r.qp.device.reserved_98[0] = 1; }},
    {"the last reserved byte", kInvalid,
     [](Request& r, const Session&) { r.qp.device.reserved_98[4] = 1; }},
    {"15 bytes of private input", kInvalid, [](Request& r, const Session&) { cut(r, 15); }},
    {"16 bytes of private input", kSuccess, [](Request& r, const Session&) { cut(r, 16); }},
    {"18 bytes of private input", kSuccess, [](Request& r, const Session&) { cut(r, 18); }},
    {"32 bytes of private input", kSuccess, [](Request& r, const Session&) { cut(r, 32); }},
    {"4000 bytes of private input", kSuccess, [](Request& r, const Session&) { cut(r, 4000); }},
    {"private input of a later version", kUnknownInput,
     [](Request& r, const Session&) { cut(r, 32, 1); }},
    {"much private input of a later version", kUnknownInput,
     [](Request& r, const Session&) { cut(r, 4000, 1); }},
};

const bool added = [] {
  for (const Row& row : rows)
    tap::add(std::string("CREATE_QP with ") + row.what + outcome(row.allowed), [&row] {
      Bench bench;
      Request request{bench.qp_request, {}};
      row.change(request, bench.session);
      if (request.device.empty()) request.device = bytes_of(request.qp.device);
      expect_errno(bench.qp_error(request.qp, request.device), row.allowed, "CREATE_QP");
    });
  return true;
}();

TAP_TEST("CREATE_QP without private input is refused with EINVAL") {
  Bench bench;
  expect_errno(bench.qp_error(bench.qp_request, {}), EINVAL, "CREATE_QP");
}

TAP_TEST("CREATE_QP knows the flags for which the device has a capability") {
  Bench bench;
  QpRequest request = bench.qp_request;
  request.device.flags = EFA_UABI_CREATE_QP_UNSOLICITED_WRITE_RECV_MASK;
  const bool unsolicited =
      bench.session.has(EFA_UABI_QUERY_DEVICE_RESP_UNSOLICITED_WRITE_RECV_MASK);
  expect_errno(bench.qp_error(request), unsolicited ? 0 : EOPNOTSUPP, "unsolicited writes");
  request.device.flags = EFA_UABI_CREATE_QP_SQ_64_BIT_REQ_ID_MASK;
  const bool wide = bench.session.has(EFA_UABI_QUERY_DEVICE_RESP_SQ_64_BIT_REQ_ID_MASK);
  expect_errno(bench.qp_error(request), wide ? EINVAL : EOPNOTSUPP, "long ids without such a CQ");
  if (!wide) return;
  efa_uabi_create_cq_set_sq_comp_64_bit_req_id(&bench.cq_request.device, 1);
  require_success(bench.session.create_cq(bench.cq_request, bench.cq), "CREATE_CQ with long ids");
  expect_errno(bench.qp_error(request), 0, "long ids with such a CQ");
}

TAP_TEST("CREATE_QP tells keys and offsets of its rings and doorbells") {
  Bench bench;
  const QpAnswer qp = bench.make_qp();
  const efa_uabi_create_qp_resp& keys = qp.device;
  expect_equal(keys.comp_mask, 0u, "comp_mask");
  expect(keys.sq_db_offset < 4096 && keys.rq_db_offset < 4096 && keys.llq_desc_offset < 4096,
         "offsets are inside their pages");
  expect_equal(keys.rq_mmap_size, 4096u, "receive ring size");
  expect(keys.rq_mmap_key != keys.llq_desc_mmap_key, "rings have keys of their own");
  expect(keys.rq_mmap_key != keys.sq_db_mmap_key, "ring and doorbell differ");
  expect_equal(keys.reserved_1e0, 0u, "reserved");
  expect(keys.send_sub_cq_idx < bench.session.limits().sub_cqs_per_cq, "send sub-CQ exists");
  expect(keys.recv_sub_cq_idx < bench.session.limits().sub_cqs_per_cq, "receive sub-CQ exists");
}

TAP_TEST("CREATE_QP echoes the capabilities as they were asked for") {
  Bench bench;
  bench.qp_request.cap.max_recv_sge = 1;
  const QpAnswer qp = bench.make_qp();
  expect_equal(qp.cap.max_send_wr, bench.qp_request.cap.max_send_wr, "send depth");
  expect_equal(qp.cap.max_recv_wr, bench.qp_request.cap.max_recv_wr, "receive depth");
  expect_equal(qp.cap.max_send_sge, bench.qp_request.cap.max_send_sge, "send segments");
  expect_equal(qp.cap.max_recv_sge, bench.qp_request.cap.max_recv_sge, "receive segments");
}

TAP_TEST("CREATE_QP without receive queue tells no receive ring") {
  Bench bench;
  bench.qp_request.cap.max_recv_wr = bench.qp_request.device.rq_ring_size = 0;
  const QpAnswer qp = bench.make_qp();
  expect_equal(qp.device.rq_mmap_size, 0u, "receive ring size");
  expect_equal(qp.device.rq_mmap_key, 0u, "receive ring key");
}

TAP_TEST("CREATE_QP needs queues and a domain of its own context") {
  Bench bench, other;
  QpAnswer answer;
  CqAnswer nothing = bench.cq;
  nothing.handle = 4711;
  Session& session = bench.session;
  expect_errno(session.create_qp(bench.qp_request, bench.pd, nothing, bench.cq, answer),
               kNoSuchHandle, "no send CQ");
  expect_errno(session.create_qp(bench.qp_request, bench.pd, bench.cq, nothing, answer),
               kNoSuchHandle, "no receive CQ");
  expect_errno(session.create_qp(bench.qp_request, {4711, 0}, bench.cq, bench.cq, answer),
               kNoSuchHandle, "no domain");
  expect_errno(
      session.create_qp(bench.qp_request, {bench.cq.handle, 0}, bench.cq, bench.cq, answer),
      kNoSuchHandle, "a CQ as domain");
}

/// errno of what a process without any privilege does.
int unprivileged(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    if (::syscall(SYS_capset, &header, none) != 0) ::_exit(255);
    ::_exit(work());
  }
  int status = 0;
  require(::waitpid(child, &status, 0) == child && WIFEXITED(status), "the child ends");
  return WEXITSTATUS(status);
}

TAP_TEST("CREATE_QP for raw packets needs a privilege") {
  Bench bench;
  bench.qp_request.type = IB_UVERBS_QPT_RAW_PACKET;
  expect_errno(unprivileged([&] { return bench.qp_error(bench.qp_request); }), EPERM, "without");
  expect_errno(bench.qp_error(bench.qp_request), EOPNOTSUPP, "with");
}

TAP_TEST("A Q_Key with the top bit needs a privilege") {
  Bench bench;
  const QpAnswer qp = bench.make_qp();
  expect_errno(unprivileged([&] { return bench.session.ready(qp, 0x80000001); }), EPERM, "without");
  expect_errno(bench.session.ready(qp, 0x80000001), 0, "with");
}

struct Query {
  std::uint32_t mask;
  const char* what;
  std::initializer_list<int> allowed;
};
const Query queries[] = {
    {0, "nothing", kSuccess},
    {1u << 0, "STATE", kSuccess},
    {1u << 4, "PKEY_INDEX", kSuccess},
    {1u << 5, "PORT", kSuccess},
    {1u << 6, "QKEY", kSuccess},
    {1u << 16, "SQ_PSN", kSuccess},
    {1u << 19, "CAP", kSuccess},
    {1u << 11, "RNR_RETRY", kSuccess},
    {1u << 1, "CUR_STATE", kUnsupported},
    {1u << 7, "AV", kUnsupported},
    {1u << 8, "PATH_MTU", kUnsupported},
    {1u << 20, "DEST_QPN", kUnsupported},
};

TAP_TEST("QUERY_QP answers the attributes that EFA has and refuses the others") {
  Bench bench;
  const QpAnswer qp = bench.make_qp();
  for (const Query& query : queries) {
    ib_uverbs_query_qp request{};
    request.qp_handle = qp.handle;
    request.attr_mask = query.mask;
    ib_uverbs_query_qp_resp response{};
    expect_errno(bench.session.write_command(IB_USER_VERBS_CMD_QUERY_QP, request,
                                             Attributes().out(UVERBS_ATTR_CORE_OUT, response)),
                 query.allowed, query.what);
  }
}

TAP_TEST("QUERY_QP tells what the queue pair has become") {
  Bench bench;
  const QpAnswer qp = bench.make_qp();
  ib_uverbs_query_qp_resp answer{};
  require_success(bench.session.query_qp(qp.handle, answer), "QUERY_QP");
  expect_equal(answer.qp_state, 0, "RESET at first");
  require_success(bench.session.ready(qp, 0x1234, 3), "to RTS");
  require_success(bench.session.query_qp(qp.handle, answer), "QUERY_QP");
  expect_equal(answer.qp_state, 3, "RTS at last");
  expect_equal(answer.qkey, 0x1234u, "Q_Key");
  expect_equal(answer.rnr_retry, 3, "RNR retries");
  expect_equal(answer.port_num, 1, "port");
  expect_equal(answer.cur_qp_state, 0, "current state is not told");
  expect_equal(answer.max_send_wr, bench.qp_request.cap.max_send_wr, "send depth");
  expect_equal(answer.max_recv_wr, bench.qp_request.cap.max_recv_wr, "receive depth");
}

TAP_TEST("Queue pairs come and go for long") {
  Bench bench;
  for (int i = 0; i < 300; ++i)
    if (!expect_errno(bench.qp_error(bench.qp_request), 0, "round " + std::to_string(i))) return;
}

}  // namespace
}  // namespace efa::test
