// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A program that uses a device: objects, mapped queues, events, traffic to itself.
#pragma once

#include <cerrno>
#include <memory>

#include "channel.hpp"
#include "memory.hpp"
#include "rings.hpp"
#include "tap.hpp"

namespace efa::test {

using namespace efa::raw;
using tap::expect;
using tap::expect_equal;
using tap::expect_errno;
using tap::require;
using tap::require_success;

/// $NAME as a number of rounds.
inline int rounds(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::max(1, std::atoi(text)) : otherwise;
}

struct User {
  Session session;
  AsyncEvents events{session};
  CompletionChannel channel{session};
  Pages memory{1 << 20};
  Pd pd;
  Mr mr;
  AddressHandle ah;
  std::unique_ptr<CompletionRing> cq;
  std::unique_ptr<QueuePair> qp;

  explicit User(int index = first_device()) : session(index) {
    require_success(session.alloc_pd(pd), "ALLOC_PD");
    require_success(session.reg_mr(pd, memory.data(), memory.size(), kLocalWrite | kRemoteRead, mr),
                    "REG_MR");
    require_success(session.create_ah(pd, session.gid(), ah), "CREATE_AH");
    CqRequest request;
    request.channel = channel.fd();
    efa_uabi_create_cq_set_completion_channel(&request.device, 1);
    cq = std::make_unique<CompletionRing>(session, request);
    qp = std::make_unique<QueuePair>(session, pd, *cq, *cq);
  }
  /// A message to itself; true if both completions came.
  bool exchange(std::uint32_t length = 1000) {
    post(length);
    return cq->next().status() == EFA_COMP_STATUS_OK && cq->next().status() == EFA_COMP_STATUS_OK;
  }
  void post(std::uint32_t length = 1000) {
    qp->post_receive(1, mr, memory.data() + 65536, 9000);
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {ah.number, qp->number()}, 2, 1);
    wqe.data.sgl[0] = segment(mr, memory.data(), length);
    qp->post_send(wqe);
  }
};

}  // namespace efa::test
