// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Fork, exit and death with live objects.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "bench.hpp"
#include "channel.hpp"
#include "memory.hpp"
#include "rings.hpp"

namespace efa::test {
namespace {

/// A child that does its work, says so, and lives until it is killed.
class Child {
 public:
  explicit Child(const std::function<bool()>& work) {
    int ready[2];
    require(::pipe(ready) == 0, "pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      const char result = work() ? 'y' : 'n';
      if (::write(ready[1], &result, 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char result = 'n';
    good_ = ::read(ready[0], &result, 1) == 1 && result == 'y';
    ::close(ready[0]);
  }
  ~Child() { kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  bool good() const { return good_; }
  void kill() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
  bool good_ = false;
};

std::size_t domains_left() {
  Opened context;
  Session& session = context.session;
  std::vector<Pd> domains(1);
  while (session.alloc_pd(domains.back()) == 0) domains.emplace_back();
  domains.pop_back();
  // One by one: below efa-emu what a closed context held comes back a little later.
  for (const Pd& pd : domains)
    require_success(session.destroy(UVERBS_OBJECT_PD, pd.handle), "DEALLOC_PD");
  return domains.size();
}

/// A kernel driver has all back when the process is reaped; the emulator learns of it later.
void expect_domains(std::size_t wanted) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(native_mode() ? 30 : 0);
  std::size_t count = domains_left();
  while (count != wanted && std::chrono::steady_clock::now() < deadline) count = domains_left();
  expect_equal(count, wanted, "domains that are left");
}

/// Some of everything, kept until the end of the process.
bool take_much() {
  static Session session;
  static const Pages pages(64 * 4096);
  for (int i = 0; i < 20; ++i) {
    Pd pd;
    CqAnswer cq;
    QpAnswer qp;
    Mr mr;
    AddressHandle ah;
    CqRequest cq_request;
    cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
    efa_uabi_create_cq_set_completion_channel(&cq_request.device, i % 2);
    if (session.alloc_pd(pd) != 0 || session.create_cq(cq_request, cq) != 0 ||
        session.create_qp({}, pd, cq, cq, qp) != 0 || session.ready(qp, 1) != 0 ||
        session.reg_mr(pd, pages.data(), pages.size(), kLocalWrite, mr) != 0 ||
        session.create_ah(pd, session.gid(), ah) != 0)
      return false;
  }
  return true;
}

TAP_TEST("A process that is killed with live objects leaves nothing behind") {
  const std::size_t before = domains_left();
  for (int round = 0; round < 10; ++round) {
    Child child(take_much);
    require(child.good(), "the child has its objects");
    expect_equal(domains_left(), before - 20, "domains beside the child");
    child.kill();
    expect_domains(before);
  }
}

TAP_TEST("A process that is killed amid its commands leaves nothing behind") {
  const std::size_t before = domains_left();
  for (int round = 0; round < 20; ++round) {
    int started[2];
    require(::pipe(started) == 0, "pipe");
    const pid_t pid = ::fork();
    if (pid == 0) {
      for (char first = 1;; first = 0) {
        const bool good = take_much();
        if (first && ::write(started[1], &first, 1) != 1) ::_exit(1);
        if (!good) ::_exit(0);
      }
    }
    ::close(started[1]);
    char byte;
    require(::read(started[0], &byte, 1) == 1, "the child is at work");
    ::close(started[0]);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    expect_domains(before);
  }
}

TAP_TEST("A context outlives the process that opened it while another has it") {
  Session session;
  Pd pd;
  require_success(session.alloc_pd(pd), "ALLOC_PD");
  Child child([&] {
    Pd other;
    return session.alloc_pd(other) == 0;
  });
  expect(child.good(), "the child uses its parent's context");
  child.kill();
  Pd more;
  expect_errno(session.alloc_pd(more), 0, "the parent goes on");
  expect_errno(session.destroy(UVERBS_OBJECT_PD, pd.handle), 0, "what the parent made is there");
}

TAP_TEST("A child keeps the context of a parent that closed it") {
  const std::size_t before = domains_left();
  {
    auto context = std::make_unique<Opened>();
    Pd pd;
    require_success(context->session.alloc_pd(pd), "ALLOC_PD");
    Child child([] { return true; });
    context.reset();
    expect_equal(domains_left(), before - 1, "domains beside the child's");
  }
  expect_domains(before);
}

TAP_TEST("A child of a process with mapped queues can exit without harm") {
  Session session;
  Pd pd;
  require_success(session.alloc_pd(pd), "ALLOC_PD");
  CompletionRing cq(session, {});
  const QueuePair qp(session, pd, cq, cq);
  for (int i = 0; i < 5; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    int status = 1;
    ::waitpid(pid, &status, 0);
    expect_equal(status, 0, "status of the child");
  }
  ib_uverbs_query_qp_resp answer{};
  expect_errno(session.query_qp(qp.handle(), answer), 0, "QUERY_QP");
  expect_equal(answer.qp_state, 3, "still in RTS");
}

}  // namespace
}  // namespace efa::test
