// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Creation and destruction of completion queues (verbs A2.3, A3, A8.2).
#include <unistd.h>

#include "bench.hpp"
#include "memory.hpp"

namespace efa::test {
namespace {

struct Request {
  CqRequest cq;
  std::vector<std::uint8_t> device;  ///< private part if not empty
};

struct Row {
  const char* what;
  std::initializer_list<int> allowed;
  std::function<void(Request&, const Session&)> change;
};

void cut(Request& request, std::size_t length, std::uint8_t last = 0) {
  request.device = bytes_of(request.cq.device);
  request.device.resize(length);
  if (last != 0) request.device.back() = last;
}

const Row rows[] = {
    {"what every program asks for", kSuccess, [](Request&, const Session&) {}},
    {"one entry", kSuccess, [](Request& r, const Session&) { r.cq.cqe = 1; }},
    {"no entry", kInvalid, [](Request& r, const Session&) { r.cq.cqe = 0; }},
    {"the most entries", kSuccess,
     [](Request& r, const Session& s) {
       r.cq.cqe = static_cast<std::uint32_t>(s.generic().base.max_cqe);
     }},
    {"one entry too many", kInvalid,
     [](Request& r, const Session& s) {
       r.cq.cqe = static_cast<std::uint32_t>(s.generic().base.max_cqe) + 1;
     }},
    {"a depth that 16 bits would cut", kInvalid,
     [](Request& r, const Session&) { r.cq.cqe = 65536 + 64; }},
    {"a depth that is no power of two", kInvalid,
     [](Request& r, const Session&) { r.cq.cqe = 100; }},
    {"the last vector", kSuccess,
     [](Request& r, const Session& s) { r.cq.vector = s.completion_vectors() - 1; }},
    {"a vector too high", kInvalid,
     [](Request& r, const Session& s) { r.cq.vector = s.completion_vectors(); }},
    {"entries of 16 bytes", kSuccess,
     [](Request& r, const Session&) { r.cq.device.cq_entry_size = 16; }},
    {"entries of 16 bytes with source address", kInvalid,
     [](Request& r, const Session&) {
       r.cq.device.cq_entry_size = 16;
       efa_uabi_create_cq_set_sgid(&r.cq.device, 1);
     }},
    {"entries of 32 bytes with source address", kSuccess,
     [](Request& r, const Session&) { efa_uabi_create_cq_set_sgid(&r.cq.device, 1); }},
    {"entries of 0 bytes", kInvalid,
     [](Request& r, const Session&) { r.cq.device.cq_entry_size = 0; }},
    {"entries of 24 bytes", kInvalid,
     [](Request& r, const Session&) { r.cq.device.cq_entry_size = 24; }},
    {"entries of 64 bytes", kInvalid,
     [](Request& r, const Session&) { r.cq.device.cq_entry_size = 64; }},
    {"entries of 65568 bytes", kInvalid,
     [](Request& r, const Session&) { r.cq.device.cq_entry_size = 65536 + 32; }},
    {"no sub-CQ", kInvalid, [](Request& r, const Session&) { r.cq.device.num_sub_cqs = 0; }},
    {"a sub-CQ too many", kInvalid, [](Request& r, const Session&) { ++r.cq.device.num_sub_cqs; }},
    {"events", kSuccess,
     [](Request& r, const Session&) {
       efa_uabi_create_cq_set_completion_channel(&r.cq.device, 1);
     }},
    {"a flag that nobody knows", kUnsupported,
     [](Request& r, const Session&) { r.cq.device.flags = 0x80; }},
    {"comp_mask", kUnknownInput, [](Request& r, const Session&) { r.cq.device.comp_mask = 1; }},
    {"the first reserved byte", kInvalid,
     [](Request& r, const Session&) { r.cq.device.reserved_58[0] = 1; }},
    {"the last reserved byte", kInvalid,
     [](Request& r, const Session&) { r.cq.device.reserved_58[4] = 1; }},
    {"9 bytes of private input", kInvalid, [](Request& r, const Session&) { cut(r, 9); }},
    {"10 bytes of private input", kSuccess, [](Request& r, const Session&) { cut(r, 10); }},
    {"11 bytes of private input", kSuccess, [](Request& r, const Session&) { cut(r, 11); }},
    {"24 bytes of private input", kSuccess, [](Request& r, const Session&) { cut(r, 24); }},
    {"4000 bytes of private input", kSuccess, [](Request& r, const Session&) { cut(r, 4000); }},
    {"private input of a later version", kUnknownInput,
     [](Request& r, const Session&) { cut(r, 24, 1); }},
    {"much private input of a later version", kUnknownInput,
     [](Request& r, const Session&) { cut(r, 4000, 1); }},
};

const bool added = [] {
  for (const Row& row : rows)
    tap::add(std::string("CREATE_CQ with ") + row.what + outcome(row.allowed), [&row] {
      Bench bench;
      Request request{bench.cq_request, {}};
      row.change(request, bench.session);
      if (request.device.empty()) request.device = bytes_of(request.cq.device);
      expect_errno(bench.cq_error(request.cq, request.device), row.allowed, "CREATE_CQ");
    });
  return true;
}();

TAP_TEST("CREATE_CQ without private input is refused with EINVAL") {
  Bench bench;
  expect_errno(bench.cq_error(bench.cq_request, {}), EINVAL, "CREATE_CQ");
}

TAP_TEST("CREATE_CQ tells a ring of whole pages and what was granted") {
  Bench bench;
  for (const std::uint32_t cqe : {1u, 64u, 128u, 1024u, 32768u}) {
    CqRequest request = bench.cq_request;
    request.cqe = cqe;
    CqAnswer answer;
    require_success(bench.session.create_cq(request, answer), "CREATE_CQ");
    const std::uint64_t bytes = 32ull * cqe * request.device.num_sub_cqs;
    expect_equal(answer.cqe, cqe, "granted depth");
    expect_equal(answer.device.q_mmap_size, (bytes + 4095) / 4096 * 4096, "ring size");
    expect_equal(answer.device.q_mmap_key % 4096, 0u, "key is a page offset");
    require_success(bench.session.destroy(UVERBS_OBJECT_CQ, answer.handle), "DESTROY_CQ");
  }
}

TAP_TEST("CREATE_CQ tells a doorbell exactly if there are events") {
  Bench bench;
  expect_equal(bench.cq.device.comp_mask, 0u, "comp_mask without events");
  efa_uabi_create_cq_set_completion_channel(&bench.cq_request.device, 1);
  CqAnswer answer;
  require_success(bench.session.create_cq(bench.cq_request, answer), "CREATE_CQ");
  expect_equal(answer.device.comp_mask, 1u, "comp_mask with events");
  expect(answer.device.db_off < 4096 && answer.device.db_off % 4 == 0, "offset inside its page");
  expect(answer.device.db_mmap_key != answer.device.q_mmap_key, "keys differ");
}

int create_with(Bench& bench, const std::function<void(Attributes&)>& add) {
  CqAnswer answer;
  Attributes attributes;
  attributes.handle(UVERBS_ATTR_CREATE_CQ_HANDLE)
      .in(UVERBS_ATTR_CREATE_CQ_CQE, bench.cq_request.cqe)
      .in(UVERBS_ATTR_CREATE_CQ_USER_HANDLE, std::uint64_t{0})
      .in(UVERBS_ATTR_CREATE_CQ_COMP_VECTOR, std::uint32_t{0})
      .out(UVERBS_ATTR_CREATE_CQ_RESP_CQE, answer.cqe)
      .in(UVERBS_ATTR_UHW_IN, bench.cq_request.device);
  add(attributes);
  return bench.session.call(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE, attributes);
}

TAP_TEST("CREATE_CQ answers into any room") {
  Bench bench;
  for (const std::size_t room : {0u, 8u, 24u, 39u, 40u, 200u}) {
    std::vector<std::uint8_t> response(room);
    expect_errno(create_with(bench, [&](Attributes& a) { a.out(UVERBS_ATTR_UHW_OUT, response); }),
                 0, std::to_string(room) + " bytes");
  }
}

TAP_TEST("CREATE_CQ with flags of other hardware is refused") {
  Bench bench;
  efa_uabi_create_cq_resp response{};
  for (const std::uint32_t flags : {1u, 2u})  // timestamps, ignore overrun
    expect_errno(
        create_with(bench,
                    [&](Attributes& a) {
                      a.in(UVERBS_ATTR_CREATE_CQ_FLAGS, flags).out(UVERBS_ATTR_UHW_OUT, response);
                    }),
        EOPNOTSUPP, "flags " + std::to_string(flags));
}

TAP_TEST("CREATE_CQ needs a completion channel for its channel") {
  Bench bench;
  CqRequest request = bench.cq_request;
  request.channel = STDIN_FILENO;
  expect_errno(bench.cq_error(request), {EBADF, EINVAL}, "stdin as channel");
}

TAP_TEST("A completion queue in use is not destroyed") {
  Bench bench;
  const QpAnswer qp = bench.make_qp();
  expect_errno(bench.session.destroy(UVERBS_OBJECT_CQ, bench.cq.handle), EBUSY, "a QP uses it");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_QP, qp.handle), 0, "DESTROY_QP");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_CQ, bench.cq.handle), 0, "DESTROY_CQ");
  expect_errno(bench.session.destroy(UVERBS_OBJECT_CQ, bench.cq.handle), kNoSuchHandle,
               "once more");
}

TAP_TEST("Completion queues come and go at one number after the other") {
  Bench bench;
  for (int i = 0; i < 300; ++i)
    if (!expect_errno(bench.cq_error(bench.cq_request), 0, "round " + std::to_string(i))) return;
}

}  // namespace
}  // namespace efa::test
