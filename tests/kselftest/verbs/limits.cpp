// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Objects until there are no more; what is refused, and that all come back (verbs A8.9).
#include <sys/resource.h>

#include <chrono>
#include <memory>
#include <thread>

#include "bench.hpp"
#include "channel.hpp"

namespace efa::test {
namespace {

using Create = std::function<int(std::uint32_t&)>;

/// Creates until refused; the handles, and errno of the refusal.
std::pair<std::vector<std::uint32_t>, int> exhaust(std::size_t at_most, const Create& create) {
  std::vector<std::uint32_t> handles;
  while (handles.size() < at_most) {
    std::uint32_t handle = 0;
    if (const int error = create(handle)) return {handles, error};
    handles.push_back(handle);
  }
  return {handles, 0};
}

void free_all(Session& session, std::uint16_t object, const std::vector<std::uint32_t>& handles) {
  for (const std::uint32_t handle : handles)
    if (!expect_errno(session.destroy(object, handle), 0, "destroy")) return;
}

/// Twice: what the first round took must be there for the second.
void fill_and_free(Session& session, std::uint16_t object, std::uint32_t limit, std::size_t mine,
                   const Create& create) {
  for (int round = 0; round < 2; ++round) {
    const auto [handles, error] = exhaust(limit + 1, create);
    expect_errno(error, ENOMEM, "one more than there are");
    expect_equal(handles.size() + mine, std::size_t{limit}, "objects until then");
    free_all(session, object, handles);
  }
}

TAP_TEST("Protection domains up to the device's limit, then ENOMEM, and all come back") {
  Session session;
  fill_and_free(session, UVERBS_OBJECT_PD,
                static_cast<std::uint32_t>(session.generic().base.max_pd), 0,
                [&](std::uint32_t& handle) {
                  Pd pd;
                  const int error = session.alloc_pd(pd);
                  handle = pd.handle;
                  return error;
                });
}

TAP_TEST("Completion queues up to the device's limit, then ENOMEM, and all come back") {
  Bench bench;
  fill_and_free(bench.session, UVERBS_OBJECT_CQ,
                static_cast<std::uint32_t>(bench.session.generic().base.max_cq), 1,
                [&](std::uint32_t& handle) {
                  CqAnswer cq;
                  const int error = bench.session.create_cq(bench.cq_request, cq);
                  handle = cq.handle;
                  return error;
                });
}

TAP_TEST("Queue pairs up to the device's limit, then ENOMEM, and all come back") {
  Bench bench;
  bench.qp_request.cap.max_recv_wr = bench.qp_request.device.rq_ring_size = 0;
  fill_and_free(bench.session, UVERBS_OBJECT_QP,
                static_cast<std::uint32_t>(bench.session.generic().base.max_qp), 0,
                [&](std::uint32_t& handle) {
                  QpAnswer qp;
                  const int error =
                      bench.session.create_qp(bench.qp_request, bench.pd, bench.cq, bench.cq, qp);
                  handle = qp.handle;
                  return error;
                });
}

TAP_TEST("Send rings until the LLQ memory is used up, then ENOMEM, and all come back") {
  Bench bench;
  const std::uint32_t depth = bench.session.device().max_sq_wr;
  bench.qp_request.cap = {depth, 0, 1, 1, 0};
  bench.qp_request.device.rq_ring_size = 0;
  bench.qp_request.device.sq_ring_size = depth * 64;
  std::size_t before = 0;
  for (int round = 0; round < 2; ++round) {
    const auto [handles, error] = exhaust(2000, [&](std::uint32_t& handle) {
      QpAnswer qp;
      const int result =
          bench.session.create_qp(bench.qp_request, bench.pd, bench.cq, bench.cq, qp);
      handle = qp.handle;
      return result;
    });
    expect_errno(error, ENOMEM, "when nothing is left");
    if (round == 1) expect_equal(handles.size(), before, "rings in the second round");
    before = handles.size();
    free_all(bench.session, UVERBS_OBJECT_QP, handles);
  }
}

/// Domains that a context can have; it is closed with them. Nothing if it cannot even be opened.
std::size_t fill_and_close() try {
  Opened context;
  std::size_t count = 0;
  Pd pd;
  while (context.session.alloc_pd(pd) == 0) ++count;
  return count;
} catch (const std::runtime_error&) {
  return 0;
}

TAP_TEST("A context that is closed gives back everything at once") {
  const Session session;
  const auto limit = static_cast<std::size_t>(session.generic().base.max_pd);
  for (int round = 0; round < 3; ++round) {
    // A kernel driver has released all when close returns; the emulator learns of it a little
    // later.
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(native_mode() ? 30 : 0);
    std::size_t count = fill_and_close();
    while (count != limit && std::chrono::steady_clock::now() < deadline) count = fill_and_close();
    expect_equal(count, limit, "domains");
  }
}

TAP_TEST("Contexts until there are no more, then an error, and all come back") {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<Opened>> contexts;
    for (int i = 0; i < 250; ++i) contexts.push_back(std::make_unique<Opened>());
    expect_equal(contexts.size(), 250u, "contexts side by side");
  }
}

}  // namespace
}  // namespace efa::test
