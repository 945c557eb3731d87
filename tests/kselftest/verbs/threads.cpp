// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Many threads, one context: objects come and go at the same time.
#include <atomic>
#include <random>
#include <thread>

#include "bench.hpp"
#include "memory.hpp"

namespace efa::test {
namespace {

/// Rounds for each thread; $EFA_TEST_ROUNDS says how many.
int rounds() {
  const char* text = std::getenv("EFA_TEST_ROUNDS");
  return text != nullptr ? std::max(1, std::atoi(text)) : 200;
}

/// The first error that any thread met.
class FirstError {
 public:
  bool note(int error, const char* verb) {
    if (error == 0) return false;
    int none = 0;
    if (error_.compare_exchange_strong(none, error)) verb_ = verb;
    return true;
  }
  bool any() const { return error_ != 0; }
  void check() const { expect_errno(error_, 0, verb_.load()); }

 private:
  std::atomic<int> error_{0};
  std::atomic<const char*> verb_{"all verbs"};
};

/// One of each object, used by nobody else.
void one_round(Session& session, const Pages& pages, unsigned choice, FirstError& errors) {
  Pd pd;
  CqAnswer cq;
  QpAnswer qp;
  Mr mr;
  AddressHandle ah;
  CqRequest cq_request;
  cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
  efa_uabi_create_cq_set_completion_channel(&cq_request.device, choice & 1);
  QpRequest qp_request;
  if (choice & 2) qp_request.type = IB_UVERBS_QPT_UD;
  if (errors.note(session.alloc_pd(pd), "ALLOC_PD") ||
      errors.note(session.create_cq(cq_request, cq), "CREATE_CQ") ||
      errors.note(session.create_qp(qp_request, pd, cq, cq, qp), "CREATE_QP") ||
      errors.note(session.reg_mr(pd, pages.data(), pages.size(), kLocalWrite, mr), "REG_MR") ||
      errors.note(session.create_ah(pd, session.gid(), ah), "CREATE_AH"))
    return;
  if (choice & 4) errors.note(session.ready(qp, 0x11), "MODIFY_QP");
  errors.note(session.destroy(UVERBS_OBJECT_AH, ah.handle), "DESTROY_AH");
  errors.note(session.destroy(UVERBS_OBJECT_MR, mr.handle), "DEREG_MR");
  errors.note(session.destroy(UVERBS_OBJECT_QP, qp.handle), "DESTROY_QP");
  errors.note(session.destroy(UVERBS_OBJECT_CQ, cq.handle), "DESTROY_CQ");
  errors.note(session.destroy(UVERBS_OBJECT_PD, pd.handle), "DEALLOC_PD");
}

void in_threads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

TAP_TEST("Threads of one context create and destroy every object at the same time") {
  Session session;
  FirstError errors;
  tap::note("8 threads, " + std::to_string(rounds()) + " rounds each");
  in_threads(8, [&](int seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const Pages pages(3 * 4096);
    for (int i = 0; i < rounds() && !errors.any(); ++i) one_round(session, pages, random(), errors);
  });
  errors.check();
}

TAP_TEST("Threads with contexts of their own open, use and close them at the same time") {
  FirstError errors;
  in_threads(8, [&](int seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const Pages pages(4096);
    for (int i = 0; i < rounds() / 4 + 1 && !errors.any(); ++i) {
      Session session;
      one_round(session, pages, random(), errors);
    }
  });
  errors.check();
}

TAP_TEST("An object that two threads destroy is destroyed once") {
  Session session;
  Pd pd;
  require_success(session.alloc_pd(pd), "ALLOC_PD");
  const Pages pages(4096);
  for (int i = 0; i < 50; ++i) {
    Mr mr;
    require_success(session.reg_mr(pd, pages.data(), 4096, kLocalWrite, mr), "REG_MR");
    std::atomic<int> successes{0};
    in_threads(2, [&](int) {
      if (session.destroy(UVERBS_OBJECT_MR, mr.handle) == 0) ++successes;
    });
    expect_equal(successes.load(), 1, "threads that destroyed it");
  }
}

TAP_TEST("One address that threads share has one number as long as anybody has it") {
  Session session;
  Pd pd;
  require_success(session.alloc_pd(pd), "ALLOC_PD");
  FirstError errors;
  std::atomic<int> wrong{0};
  AddressHandle kept;
  require_success(session.create_ah(pd, session.gid(), kept), "CREATE_AH");
  in_threads(4, [&](int) {
    for (int i = 0; i < rounds() && !errors.any(); ++i) {
      AddressHandle ah;
      if (errors.note(session.create_ah(pd, session.gid(), ah), "CREATE_AH")) return;
      if (ah.number != kept.number) ++wrong;
      errors.note(session.destroy(UVERBS_OBJECT_AH, ah.handle), "DESTROY_AH");
    }
  });
  errors.check();
  expect_equal(wrong.load(), 0, "other numbers");
}

}  // namespace
}  // namespace efa::test
