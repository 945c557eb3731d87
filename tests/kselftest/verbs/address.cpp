// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Address handles (verbs A2.2, A8.7).
#include "bench.hpp"

namespace efa::test {
namespace {

struct Request {
  std::vector<std::uint8_t> input;
  std::size_t room = sizeof(efa_uabi_create_ah_resp);
  ib_uverbs_create_ah core{};  // last: it ends in a flexible array

  Request(const Bench& bench) {
    core.pd_handle = bench.pd.handle;
    core.attr.is_global = 1;
    core.attr.port_num = 1;
    std::memcpy(core.attr.grh.dgid, bench.session.gid(), 16);
  }
  int on(Session& session) const {
    ib_uverbs_create_ah_resp response{};
    std::vector<std::uint8_t> device(room);
    return session.write_command(IB_USER_VERBS_CMD_CREATE_AH, core,
                                 Attributes()
                                     .out(UVERBS_ATTR_CORE_OUT, response)
                                     .in(UVERBS_ATTR_UHW_IN, input)
                                     .out(UVERBS_ATTR_UHW_OUT, device));
  }
};

TAP_TEST("Address handles of one address and domain have the same number") {
  Bench bench;
  AddressHandle one, two;
  require_success(bench.session.create_ah(bench.pd, bench.session.gid(), one), "first");
  require_success(bench.session.create_ah(bench.pd, bench.session.gid(), two), "second");
  expect(one.handle != two.handle, "handles differ");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_AH, one.handle), 0, "destroy first");
  AddressHandle three;
  expect_errno(bench.session.create_ah(bench.pd, bench.session.gid(), three), 0, "third");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_AH, two.handle), 0, "destroy second");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_AH, three.handle), 0, "destroy third");
}

TAP_TEST("CREATE_AH without a global route has no destination") {
  Bench bench;
  Request request(bench);
  request.core.attr.is_global = 0;
  expect_errno(request.on(bench.session), EINVAL, "is_global 0");
}

TAP_TEST("CREATE_AH to the zero address is refused") {
  Bench bench;
  Request request(bench);
  std::memset(request.core.attr.grh.dgid, 0, 16);
  expect_errno(request.on(bench.session), EINVAL, "zero GID");
}

TAP_TEST("CREATE_AH on another port is refused") {
  Bench bench;
  Request request(bench);
  for (const std::uint8_t port : {0, 2}) {
    request.core.attr.port_num = port;
    expect_errno(request.on(bench.session), EINVAL, "port " + std::to_string(port));
  }
}

TAP_TEST("CREATE_AH ignores lid, service level, traffic class and hop limit") {
  Bench bench;
  Request request(bench);
  request.core.attr.dlid = 7;
  request.core.attr.sl = 3;
  request.core.attr.grh.traffic_class = 9;
  request.core.attr.grh.hop_limit = 77;
  request.core.attr.grh.flow_label = 5;
  expect_errno(request.on(bench.session), 0, "CREATE_AH");
}

TAP_TEST("CREATE_AH takes no private input") {
  Bench bench;
  Request request(bench);
  request.input.assign(40, 0);
  expect_errno(request.on(bench.session), 0, "zeros");
  request.input.back() = 1;
  expect_errno(request.on(bench.session), kUnknownInput, "a one at the end");
  request.input.assign(4, 1);
  expect_errno(request.on(bench.session), kUnknownInput, "ones");
}

TAP_TEST("CREATE_AH answers into any room") {
  Bench bench;
  Request request(bench);
  for (const std::size_t room : {0u, 4u, 6u, 8u, 100u}) {
    request.room = room;
    expect_errno(request.on(bench.session), 0, std::to_string(room) + " bytes");
  }
}

TAP_TEST("CREATE_AH needs a domain of its own context") {
  Bench bench;
  Session other;
  Request request(bench);
  expect_errno(request.on(other), kNoSuchHandle, "another context");
  request.core.pd_handle = 4711;
  expect_errno(request.on(bench.session), kNoSuchHandle, "nobody's domain");
  request.core.pd_handle = bench.cq.handle;
  expect_errno(request.on(bench.session), kNoSuchHandle, "a CQ as domain");
}

TAP_TEST("Many handles of one address need one number each time they are made") {
  Bench bench;
  std::vector<AddressHandle> handles(500);
  for (AddressHandle& ah : handles)
    require_success(bench.session.create_ah(bench.pd, bench.session.gid(), ah), "CREATE_AH");
  for (const AddressHandle& ah : handles)
    require_success(bench.session.destroy(UVERBS_OBJECT_AH, ah.handle), "DESTROY_AH");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_PD, bench.pd.handle), 0, "domain is free");
}

}  // namespace
}  // namespace efa::test
