// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// hw_counters: what moves them, and by how much (verbs A8, A10).
#include "pci_function.hpp"
#include "user.hpp"
#include "wait.hpp"

namespace efa::test {
namespace {

using host::PciFunction;

constexpr int kCacheTime = 20;  // ms, more than one tick of any kernel

/// Counters are cached for some milliseconds, in steps of the kernel's clock; 0 is the shortest.
void read_afresh(const PciFunction& function) {
  const std::string folder =
      "/sys/bus/pci/devices/" + function.address() + "/infiniband/" + function.ibdev();
  host::write_file(folder + "/hw_counters/lifespan", "0");
  host::write_file(folder + "/ports/1/hw_counters/lifespan", "0");
}

/// The counter reaches `wanted`, and no more than that.
void expect_counter(const PciFunction& function, const char* name, std::uint64_t wanted,
                    int port = 0) {
  host::wait_until([&] { return function.counter(name, port) >= wanted; }, std::chrono::seconds(2));
  expect_equal(function.counter(name, port), wanted, name);
}

/// The counter as it is now, not as it was when somebody last looked.
std::uint64_t fresh(const PciFunction& function, const char* name, int port = 0) {
  function.counter(name, port);
  ::poll(nullptr, 0, kCacheTime);
  return function.counter(name, port);
}

struct Case {
  const char* counter;
  const char* what;
  void (*fail)(Session&, const Pd&);
};

const Case cases[] = {
    {"alloc_pd_err", "ALLOC_PD with private input",
     [](Session& session, const Pd&) {
       ib_uverbs_alloc_pd_resp core{};
       const std::vector<std::uint8_t> ones(8, 1);
       session.write_command(
           IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{},
           Attributes().out(UVERBS_ATTR_CORE_OUT, core).in(UVERBS_ATTR_UHW_IN, ones));
     }},
    {"create_cq_err", "CREATE_CQ with a wrong entry size",
     [](Session& session, const Pd&) {
       CqRequest request;
       request.device.cq_entry_size = 24;
       CqAnswer answer;
       session.create_cq(request, answer);
     }},
    {"create_qp_err", "CREATE_QP with a reserved byte",
     [](Session& session, const Pd& pd) {
       CqRequest cq_request;
       cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
       CqAnswer cq;
       require_success(session.create_cq(cq_request, cq), "CREATE_CQ");
       QpRequest request;
       request.device.reserved_98[0] = 1;
       QpAnswer answer;
       session.create_qp(request, pd, cq, cq, answer);
     }},
    {"reg_mr_err", "REG_MR with an access flag of other hardware",
     [](Session& session, const Pd& pd) {
       const Pages pages(4096);
       Mr mr;
       session.reg_mr(pd, pages.data(), 4096, kLocalWrite | 1 << 4, mr);
     }},
    {"create_ah_err", "CREATE_AH to the zero address",
     [](Session& session, const Pd& pd) {
       const std::uint8_t zero[16] = {};
       AddressHandle ah;
       session.create_ah(pd, zero, ah);
     }},
    {"mmap_err", "mmap of a key that is nobody's",
     [](Session& session, const Pd&) {
       ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, session.fd(), 0x7000000);
     }},
};

const bool added = [] {
  for (const Case& one : cases)
    tap::add(std::string(one.what) + " adds one to " + one.counter, [&one] {
      const PciFunction function = PciFunction::first();
      read_afresh(function);
      Session session;
      Pd pd;
      require_success(session.alloc_pd(pd), "ALLOC_PD");
      const std::uint64_t before = fresh(function, one.counter);
      one.fail(session, pd);
      expect_counter(function, one.counter, before + 1);
    });
  return true;
}();

TAP_TEST("Every command adds one to submitted_cmds and completed_cmds") {
  const PciFunction function = PciFunction::first();
  read_afresh(function);
  Session session;
  const std::uint64_t submitted = fresh(function, "submitted_cmds");
  const std::uint64_t completed = fresh(function, "completed_cmds");
  for (int i = 0; i < 10; ++i) {
    Pd pd;
    require_success(session.alloc_pd(pd), "ALLOC_PD");
  }
  expect_counter(function, "submitted_cmds", submitted + 10);
  expect_counter(function, "completed_cmds", completed + 10);
}

TAP_TEST("A command that the device refuses adds one to cmds_err") {
  const PciFunction function = PciFunction::first();
  read_afresh(function);
  Session session;
  Pd pd;
  AddressHandle ah;
  require_success(session.alloc_pd(pd), "ALLOC_PD");
  const std::uint64_t before = fresh(function, "cmds_err");
  const std::uint8_t zero[16] = {};
  session.create_ah(pd, zero, ah);
  expect_counter(function, "cmds_err", before + 1);
}

TAP_TEST("Keep-alive events are counted") {
  const PciFunction function = PciFunction::first();
  read_afresh(function);
  const std::uint64_t before = fresh(function, "keep_alive_rcvd");
  expect(host::wait_until([&] { return function.counter("keep_alive_rcvd") > before; },
                          std::chrono::seconds(20)),
         "keep_alive_rcvd grows");
}

TAP_TEST("Traffic moves the counters of the port by what was sent") {
  const PciFunction function = PciFunction::first();
  read_afresh(function);
  User user;
  const auto port = [&](const char* name) { return fresh(function, name, 1); };
  const std::uint64_t send_wrs = port("send_wrs"), send_bytes = port("send_bytes"),
                      recv_wrs = port("recv_wrs"), recv_bytes = port("recv_bytes"),
                      tx_bytes = port("tx_bytes"), rx_pkts = port("rx_pkts");
  for (int i = 0; i < 20; ++i) require(user.exchange(1000), "a message arrives");
  expect_counter(function, "send_wrs", send_wrs + 20, 1);
  expect_counter(function, "recv_wrs", recv_wrs + 20, 1);
  expect_counter(function, "send_bytes", send_bytes + 20000, 1);
  expect_counter(function, "recv_bytes", recv_bytes + 20000, 1);
  expect(port("tx_bytes") >= tx_bytes + 20000, "tx_bytes");
  expect(port("rx_pkts") >= rx_pkts + 20, "rx_pkts");
}

TAP_TEST("RDMA reads move their counters") {
  const PciFunction function = PciFunction::first();
  read_afresh(function);
  User user;
  const std::uint64_t wrs = fresh(function, "rdma_read_wrs", 1);
  const std::uint64_t bytes = fresh(function, "rdma_read_bytes", 1);
  efa_tx_wqe wqe{};
  wqe.meta = meta(EFA_SEND_OP_TYPE_RDMA_READ, {user.ah.number, user.qp->number()}, 3, 1);
  wqe.data.rdma_req.remote_mem = remote(user.mr, user.memory.data(), 5000);
  wqe.data.rdma_req.local_mem = segment(user.mr, user.memory.data() + 65536, 5000);
  user.qp->post_send(wqe);
  expect_equal(user.cq->next().status(), unsigned{EFA_COMP_STATUS_OK}, "read");
  expect_counter(function, "rdma_read_wrs", wrs + 1, 1);
  expect_counter(function, "rdma_read_bytes", bytes + 5000, 1);
}

TAP_TEST("All counters that tools know are there") {
  const PciFunction function = PciFunction::first();
  for (const char* name : {"submitted_cmds", "completed_cmds", "cmds_err", "no_completion_cmds",
                           "keep_alive_rcvd", "alloc_pd_err", "create_qp_err", "create_cq_err",
                           "reg_mr_err", "alloc_ucontext_err", "create_ah_err", "mmap_err"})
    expect_errno(function.counter_error(name, 0), 0, name);
  for (const char* name : {"tx_bytes", "tx_pkts", "rx_bytes", "rx_pkts", "rx_drops", "send_bytes",
                           "send_wrs", "recv_bytes", "recv_wrs", "rdma_read_wrs", "rdma_read_bytes",
                           "rdma_read_wr_err", "rdma_read_resp_bytes"})
    expect_errno(function.counter_error(name, 1), 0, name);
}

TAP_TEST("Counters of later interface levels are there") {
  const PciFunction function = PciFunction::first();
  for (const char* name :
       {"rdma_write_wrs", "rdma_write_bytes", "rdma_write_wr_err", "rdma_write_recv_bytes",
        "retrans_bytes", "retrans_pkts", "retrans_timeout_events", "unresponsive_remote_events",
        "impaired_remote_conn_events"})
    expect_errno(function.counter_error(name, 1), 0, name);
}

}  // namespace
}  // namespace efa::test
