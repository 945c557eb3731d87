// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Opening a device, and what it tells about itself (verbs A1, A2.1, A3, A6, A8.1).
#include "bench.hpp"

namespace efa::test {
namespace {

struct Open {
  std::vector<std::uint8_t> request;
  std::size_t room = sizeof(efa_uabi_alloc_ucontext_resp);
  std::vector<std::uint8_t> response = {};

  int on(Uverbs& uverbs) {
    response.assign(room, 0xee);
    std::uint32_t vectors = 0;
    std::uint64_t support = 0;
    Attributes open;
    open.out(UVERBS_ATTR_GET_CONTEXT_NUM_COMP_VECTORS, vectors)
        .out(UVERBS_ATTR_GET_CONTEXT_CORE_SUPPORT, support)
        .in(UVERBS_ATTR_UHW_IN, request)
        .out(UVERBS_ATTR_UHW_OUT, response);
    return uverbs.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT, open);
  }
};

std::vector<std::uint8_t> caps(std::uint32_t bits) {
  return bytes_of(efa_uabi_alloc_ucontext_cmd{bits, 0});
}

TAP_TEST("A device is opened once per file") {
  Uverbs uverbs;
  Open open{caps(kBothCaps)};
  expect_errno(open.on(uverbs), 0, "first");
  expect_errno(open.on(uverbs), EINVAL, "second");
}

TAP_TEST("Nothing works before the device is opened") {
  Uverbs uverbs;
  ib_uverbs_query_port_resp_ex port{};
  Attributes query;
  query.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, std::uint64_t{1})
      .out(UVERBS_ATTR_QUERY_PORT_RESP, port);
  expect_errno(uverbs.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, query), EINVAL,
               "QUERY_PORT");
  ib_uverbs_alloc_pd_resp pd{};
  expect_errno(uverbs.write_command(IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{},
                                    Attributes().out(UVERBS_ATTR_CORE_OUT, pd)),
               EINVAL, "ALLOC_PD");
}

TAP_TEST("Unknown bits, reserved bytes and any length of the open request are ignored") {
  for (const std::size_t length : {8u, 9u, 64u, 4096u}) {
    Uverbs uverbs;
    Open open{std::vector<std::uint8_t>(length, 0xff)};
    expect_errno(open.on(uverbs), 0, std::to_string(length) + " bytes");
  }
}

TAP_TEST("A caller that does not know one of the device's limits is refused") {
  const Session session;
  const bool batch = session.limits().max_tx_batch != 0, depth = session.limits().min_sq_wr != 0;
  struct Row {
    std::vector<std::uint8_t> request;
    bool works;
  };
  for (const Row& row : {Row{caps(0), !batch && !depth}, Row{{}, !batch && !depth},
                         Row{caps(EFA_UABI_ALLOC_UCONTEXT_CMD_TX_BATCH_MASK), !depth},
                         Row{caps(EFA_UABI_ALLOC_UCONTEXT_CMD_MIN_SQ_WR_MASK), !batch},
                         Row{caps(kBothCaps), true}}) {
    Uverbs uverbs;
    Open open{row.request};
    expect_errno(open.on(uverbs), row.works ? 0 : EOPNOTSUPP, "handshake");
  }
}

TAP_TEST("The open answer is truncated to the caller's room") {
  Uverbs first;
  Open whole{caps(kBothCaps)};
  require_success(whole.on(first), "open");
  for (const std::size_t room : {0u, 1u, 8u, 16u, 20u, 23u, 24u}) {
    Uverbs uverbs;
    Open open{caps(kBothCaps), room};
    expect_errno(open.on(uverbs), 0, std::to_string(room) + " bytes");
    for (std::size_t i = 0; i < room; ++i)
      expect_equal(open.response[i], whole.response[i], "byte " + std::to_string(i));
  }
}

TAP_TEST("An open answer with more room than needed is accepted") {
  Uverbs uverbs;
  Open open{caps(kBothCaps), 200};
  expect_errno(open.on(uverbs), 0, "200 bytes");
  // Kernels from 7.2 fill the rest with zeros, older ones leave it (A3).
  for (std::size_t i = sizeof(efa_uabi_alloc_ucontext_resp); i < 200; ++i)
    expect(open.response[i] == 0 || open.response[i] == 0xee, "rest is zero or untouched");
}

TAP_TEST("The open answer tells limits that make sense") {
  const Session session;
  const auto& limits = session.limits();
  expect_equal(limits.comp_mask, 0u, "comp_mask");
  expect(efa_uabi_alloc_ucontext_resp_query_device(&limits), "QUERY_DEVICE takes private data");
  expect(efa_uabi_alloc_ucontext_resp_create_ah(&limits), "CREATE_AH takes private data");
  expect(limits.sub_cqs_per_cq >= 1, "a CQ has sub-CQs");
  expect(limits.inline_buf_size >= 32, "32 bytes go inline");
  expect(limits.inline_buf_size_ex >= limits.inline_buf_size, "the larger inline size is larger");
  expect(limits.max_llq_size >= 64000, "1000 WQEs fit the LLQ");
  expect_equal(limits.reserved_b0, 0, "reserved");
}

TAP_TEST("Hundreds of contexts may be open and give back all they took") {
  for (int i = 0; i < 600; ++i) {
    Uverbs uverbs;
    Open open{caps(kBothCaps)};
    require_success(open.on(uverbs), "open number " + std::to_string(i));
  }
}

TAP_TEST("The device tells the limits of a device of its kind") {
  const Session session;
  const auto& generic = session.generic().base;
  const auto& device = session.device();
  expect_equal(generic.vendor_id, 0x1d0fu, "vendor");
  expect(generic.vendor_part_id >= 0xefa0 && generic.vendor_part_id <= 0xefa4,
         "part is efa0..efa4");
  expect_equal(generic.fw_ver, 0u, "firmware version");
  expect_equal(generic.sys_image_guid, 0u, "system image GUID");
  expect_equal(generic.max_pkeys, 1, "P_Keys");
  expect_equal(generic.phys_port_cnt, 1, "ports");
  expect_equal(generic.max_qp_wr, std::min(device.max_sq_wr, device.max_rq_wr), "work requests");
  expect_equal(generic.max_sge, std::min(device.max_sq_sge, device.max_rq_sge), "segments");
  expect_equal(generic.max_sge_rd, 1, "segments of RDMA");
  expect_equal(generic.max_srq, 0, "SRQs");
  expect_equal(generic.max_mw, 0, "windows");
  expect_equal(generic.atomic_cap, 0, "atomics");
  expect_equal(generic.max_qp_rd_atom, 0, "outstanding reads");
  expect_equal(generic.max_mr_size % 4096, 0u, "largest region is made of pages");
  expect(generic.max_qp > 0 && generic.max_cq > 0 && generic.max_mr > 0 && generic.max_pd > 0 &&
             generic.max_ah > 0 && generic.max_cqe > 0,
         "there is room for objects");
}

TAP_TEST("The device tells its capabilities") {
  const Session session;
  expect_equal(session.device().comp_mask, 0u, "comp_mask");
  expect(session.has(EFA_UABI_QUERY_DEVICE_RESP_RDMA_READ_MASK), "RDMA reads");
  expect(session.has(EFA_UABI_QUERY_DEVICE_RESP_RNR_RETRY_MASK), "RNR retries");
  expect(session.has(EFA_UABI_QUERY_DEVICE_RESP_CQ_NOTIFICATIONS_MASK), "completion events");
  expect(session.has(EFA_UABI_QUERY_DEVICE_RESP_CQ_WITH_SGID_MASK), "source addresses in CQEs");
  expect_equal(session.device().max_sq_sge, 2, "segments of a send");
  expect(session.device().max_rdma_size >= 1u << 20, "a megabyte fits one RDMA request");
  expect(session.completion_vectors() >= 1, "completion vectors");
}

int query_device(Session& session, const std::vector<std::uint8_t>& input, std::size_t room) {
  ib_uverbs_ex_query_device_resp generic{};
  std::vector<std::uint8_t> response(room);
  return session.write_command(IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_QUERY_DEVICE,
                               ib_uverbs_ex_query_device{},
                               Attributes()
                                   .out(UVERBS_ATTR_CORE_OUT, generic)
                                   .in(UVERBS_ATTR_UHW_IN, input)
                                   .out(UVERBS_ATTR_UHW_OUT, response));
}

TAP_TEST("QUERY_DEVICE takes no private input and any room for its answer") {
  Session session;
  for (const std::size_t room : {0u, 4u, 23u, 24u, 100u})
    expect_errno(query_device(session, {}, room), 0, std::to_string(room) + " bytes of room");
  expect_errno(query_device(session, std::vector<std::uint8_t>(40, 0), 24), 0, "zeros");
  expect_errno(query_device(session, std::vector<std::uint8_t>(4, 1), 24), kUnknownInput, "ones");
  std::vector<std::uint8_t> late(40, 0);
  late.back() = 1;
  expect_errno(query_device(session, late, 24), kUnknownInput, "a one at the end");
}

int query_port(Session& session, std::uint8_t number, ib_uverbs_query_port_resp_ex& port) {
  Attributes query;
  query.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, std::uint64_t{number})
      .out(UVERBS_ATTR_QUERY_PORT_RESP, port);
  return session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, query);
}

TAP_TEST("The port is active and says what EFA ports say") {
  Session session;
  ib_uverbs_query_port_resp_ex answer{};
  require_success(query_port(session, 1, answer), "QUERY_PORT");
  const ib_uverbs_query_port_resp& port = answer.legacy_resp;
  constexpr int kActive = 4, kLinkUp = 5, kMtu4096 = 5;
  expect_equal(port.state, kActive, "state");
  expect_equal(port.phys_state, kLinkUp, "physical state");
  expect_equal(port.link_layer, 0, "link layer");
  expect_equal(port.lid, 0, "lid");
  expect_equal(port.sm_lid, 0, "sm_lid");
  expect_equal(port.lmc, 1, "lmc");
  expect_equal(port.gid_tbl_len, 1, "GIDs");
  expect_equal(port.pkey_tbl_len, 1, "P_Keys");
  expect_equal(port.max_vl_num, 1, "VLs");
  expect_equal(port.port_cap_flags, 0u, "capability flags");
  expect_equal(port.max_mtu, kMtu4096, "max MTU");
  expect_equal(port.active_mtu, kMtu4096, "active MTU");
  expect(port.max_msg_sz == 8928 || port.max_msg_sz == 8760, "message size is the device's MTU");
  expect(port.active_speed != 0 && port.active_width != 0, "speed and width are told");
}

TAP_TEST("There is only port 1") {
  Session session;
  ib_uverbs_query_port_resp_ex port{};
  expect_errno(query_port(session, 0, port), EINVAL, "port 0");
  expect_errno(query_port(session, 2, port), EINVAL, "port 2");
}

TAP_TEST("The GID is the address of the device") {
  const Session session;
  bool zero = true;
  for (int i = 0; i < 16; ++i) zero = zero && session.gid()[i] == 0;
  expect(!zero, "a GID is there");
}

TAP_TEST("A message for another driver is refused") {
  Session session;
  ib_uverbs_query_port_resp_ex port{};
  Attributes attributes;
  attributes.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, std::uint64_t{1})
      .out(UVERBS_ATTR_QUERY_PORT_RESP, port);
  Message message(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, attributes);
  message.header()->driver_id = RDMA_DRIVER_MLX5;
  expect_errno(verbs_ioctl(session.fd(), message.header()), EINVAL, "driver id of mlx5");
}

TAP_TEST("Unknown objects and methods are refused with EPROTONOSUPPORT") {
  Session session;
  expect_errno(session.call(0x777, 0), EPROTONOSUPPORT, "object");
  expect_errno(session.call(UVERBS_OBJECT_DEVICE, 0x777), EPROTONOSUPPORT, "method");
  expect_errno(session.call(UVERBS_OBJECT_MR, 0x1777), EPROTONOSUPPORT, "method of the driver");
}

TAP_TEST("Commands that EFA does not have are refused with EOPNOTSUPP") {
  Session session;
  for (const std::uint32_t command :
       {IB_USER_VERBS_CMD_CREATE_SRQ, IB_USER_VERBS_CMD_REREG_MR, IB_USER_VERBS_CMD_ALLOC_MW,
        IB_USER_VERBS_CMD_RESIZE_CQ, IB_USER_VERBS_CMD_ATTACH_MCAST, IB_USER_VERBS_CMD_OPEN_XRCD,
        IB_USER_VERBS_CMD_POST_SEND, IB_USER_VERBS_CMD_POLL_CQ})
    expect_errno(session.write_command(command), EOPNOTSUPP, "command " + std::to_string(command));
}

}  // namespace
}  // namespace efa::test
