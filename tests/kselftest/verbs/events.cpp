// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion events: armed doorbell, EQ, channel (device-admin A7, device-io I7, verbs A8.2).
#include <fcntl.h>
#include <unistd.h>

#include "bench.hpp"
#include "channel.hpp"
#include "rings.hpp"

namespace efa::test {
namespace {

constexpr int kSoon = 200;  // ms in which an event that must not come would have come

/// A queue pair whose every request fails at once, which is a completion, too.
struct Source {
  Session session;
  Pd pd;
  CompletionChannel channel{session};
  std::unique_ptr<CompletionRing> cq;
  std::unique_ptr<QueuePair> qp;
  Mapping doorbell;
  std::uint32_t events = 0, completions = 0;

  explicit Source(std::uint32_t vector = 0) {
    require_success(session.alloc_pd(pd), "ALLOC_PD");
    CqRequest request;
    request.channel = channel.fd();
    request.vector = vector;
    request.user_handle = 0x1122334455667788;
    efa_uabi_create_cq_set_completion_channel(&request.device, 1);
    cq = std::make_unique<CompletionRing>(session, request);
    qp = std::make_unique<QueuePair>(session, pd, *cq, *cq);
    doorbell = Mapping(session, cq->answer().device.db_mmap_key, 4096, PROT_READ | PROT_WRITE);
  }
  void arm() {
    std::uint32_t value = efa_cq_doorbell_set_consumer_index(0, completions & 0xffff);
    value = efa_cq_doorbell_set_cmd_sn(value, events & 3);
    value = efa_cq_doorbell_set_arm(value, 1);
    *doorbell.word(cq->answer().device.db_off) = value;
  }
  void complete() {
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {0x7777, 0}, 1, 0);
    qp->post_send(wqe);
  }
  void take() {
    cq->next();
    ++completions;
  }
  bool event() {
    const auto handle = channel.next();
    if (!expect(handle.has_value(), "an event comes")) return false;
    ++events;
    return expect_equal(*handle, std::uint64_t{0x1122334455667788}, "user handle");
  }
};

TAP_TEST("A completion after arming makes one event") {
  Source source;
  source.arm();
  expect(!source.channel.readable(kSoon), "nothing before");
  source.complete();
  source.event();
  source.take();
  source.complete();
  source.take();
  expect(!source.channel.readable(kSoon), "nothing without arming again");
}

TAP_TEST("A completion before arming makes an event when the queue is armed") {
  Source source;
  source.complete();
  source.cq->next();  // seen, but not counted as consumed
  source.arm();
  source.event();
}

TAP_TEST("A hundred rounds of arming and completing make a hundred events") {
  Source source;
  for (int round = 0; round < 100; ++round) {
    source.arm();
    source.complete();
    if (!source.event()) return;
    source.take();
  }
}

TAP_TEST("Every completion vector tells its events") {
  const Session session;
  for (std::uint32_t vector = 0; vector < session.completion_vectors(); ++vector) {
    Source source(vector);
    source.arm();
    source.complete();
    if (!source.event()) tap::note("vector " + std::to_string(vector));
  }
}

TAP_TEST("Destroying a queue tells how many events there were") {
  Source source;
  for (int round = 0; round < 3; ++round) {
    source.arm();
    source.complete();
    source.event();
    source.take();
  }
  require_success(source.session.destroy(UVERBS_OBJECT_QP, source.qp->handle()), "DESTROY_QP");
  ib_uverbs_destroy_cq_resp answer{};
  Attributes attributes;
  attributes.handle(UVERBS_ATTR_DESTROY_CQ_HANDLE, source.cq->answer().handle)
      .out(UVERBS_ATTR_DESTROY_CQ_RESP, answer);
  require_success(source.session.call(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_DESTROY, attributes),
                  "DESTROY_CQ");
  expect_equal(answer.comp_events_reported, 3u, "events reported");
}

TAP_TEST("An event that nobody read goes with its queue") {
  Source source;
  source.arm();
  source.complete();
  require(source.channel.readable(60'000), "the event is there");
  require_success(source.session.destroy(UVERBS_OBJECT_QP, source.qp->handle()), "DESTROY_QP");
  require_success(source.session.destroy(UVERBS_OBJECT_CQ, source.cq->answer().handle),
                  "DESTROY_CQ");
  expect(!source.channel.readable(0), "the channel is empty");
}

TAP_TEST("A queue may be destroyed while its events are on their way") {
  for (int round = 0; round < 50; ++round) {
    Source source;
    source.arm();
    source.complete();
    require_success(source.session.destroy(UVERBS_OBJECT_QP, source.qp->handle()), "DESTROY_QP");
    require_success(source.session.destroy(UVERBS_OBJECT_CQ, source.cq->answer().handle),
                    "DESTROY_CQ");
  }
}

TAP_TEST("There are no asynchronous events in normal life") {
  Source source;
  const AsyncEvents events(source.session);
  source.complete();
  source.take();
  expect(!events.next(kSoon).has_value(), "no event");
}

}  // namespace
}  // namespace efa::test
