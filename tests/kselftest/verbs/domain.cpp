// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Protection domains (verbs A2.2, A8.1).
#include "bench.hpp"

namespace efa::test {
namespace {

int alloc(Session& session, const std::vector<std::uint8_t>& input, std::size_t room) {
  ib_uverbs_alloc_pd_resp core{};
  std::vector<std::uint8_t> response(room);
  return session.write_command(IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{},
                               Attributes()
                                   .out(UVERBS_ATTR_CORE_OUT, core)
                                   .in(UVERBS_ATTR_UHW_IN, input)
                                   .out(UVERBS_ATTR_UHW_OUT, response));
}

TAP_TEST("Domains have numbers and handles of their own") {
  Session session;
  Pd one, two;
  require_success(session.alloc_pd(one), "first");
  require_success(session.alloc_pd(two), "second");
  expect(one.number != two.number, "numbers differ");
  expect(one.handle != two.handle, "handles differ");
}

TAP_TEST("ALLOC_PD takes no private input") {
  Session session;
  expect_errno(alloc(session, {}, 8), 0, "nothing");
  expect_errno(alloc(session, std::vector<std::uint8_t>(40, 0), 8), 0, "zeros");
  expect_errno(alloc(session, std::vector<std::uint8_t>(8, 1), 8), kUnknownInput, "ones");
  std::vector<std::uint8_t> late(40, 0);
  late.back() = 1;
  expect_errno(alloc(session, late, 8), kUnknownInput, "a one at the end");
}

TAP_TEST("ALLOC_PD answers into any room") {
  Session session;
  for (const std::size_t room : {0u, 4u, 6u, 8u, 100u})
    expect_errno(alloc(session, {}, room), 0, std::to_string(room) + " bytes");
}

TAP_TEST("An answer into memory that is not there gives the domain back") {
  Session session;
  ib_uverbs_alloc_pd_resp core{};
  const auto into_nowhere = [&] {
    return session.write_command(IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{},
                                 Attributes()
                                     .out(UVERBS_ATTR_CORE_OUT, core)
                                     .out(UVERBS_ATTR_UHW_OUT, reinterpret_cast<void*>(0x10), 8));
  };
  const auto domains = static_cast<int>(session.generic().base.max_pd);
  for (int i = 0; i < domains + 10; ++i) expect_errno(into_nowhere(), EFAULT, "ALLOC_PD");
  Pd pd;
  expect_errno(session.alloc_pd(pd), 0, "a domain is left");
}

TAP_TEST("A domain in use is not freed") {
  Bench bench;
  const QpAnswer qp = bench.make_qp();
  AddressHandle ah;
  require_success(bench.session.create_ah(bench.pd, bench.session.gid(), ah), "CREATE_AH");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_PD, bench.pd.handle), EBUSY, "QP and AH use it");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_QP, qp.handle), 0, "destroy QP");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_PD, bench.pd.handle), EBUSY, "an AH uses it");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_AH, ah.handle), 0, "destroy AH");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_PD, bench.pd.handle), 0, "destroy PD");
}

TAP_TEST("A handle is good for its own type and context only") {
  Bench bench;
  Session other;
  expect_errno(bench.session.destroy(UVERBS_OBJECT_AH, bench.pd.handle), kNoSuchHandle, "PD as AH");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_PD, 123456), kNoSuchHandle, "nobody's");
  expect_errno(other.destroy(UVERBS_OBJECT_PD, bench.pd.handle), kNoSuchHandle,
               "another context's");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_PD, bench.pd.handle), 0, "the owner's");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_PD, bench.pd.handle), kNoSuchHandle,
               "once more");
}

}  // namespace
}  // namespace efa::test
