// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A domain, a CQ and an enabled endpoint with a peer, over fake verbs.
#pragma once

#include <gtest/gtest.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

#include <memory>
#include <string>

#include "../fi/machine.hpp"
#include "fake_verbs.hpp"
#include "objects/av.hpp"
#include "objects/counter.hpp"
#include "objects/cq.hpp"
#include "objects/domain.hpp"
#include "objects/endpoint.hpp"
#include "objects/option.hpp"
#include "objects/process.hpp"
#include "objects/silent_mark.hpp"

namespace efa::fi::test {

/// Each application's context: FI_CONTEXT2 asks for such.
inline fi_context2 contexts[16];

class Opened {
 public:
  explicit Opened(Kind kind, uint32_t api = FI_VERSION(2, 0)) {
    reset_fake();
    catalogue_ = machine(kRelease2_1, Rdma::unsolicited);
    for (const Template& one : catalogue_.templates)
      if (one.kind == kind) template_ = &one;
    info = duplicate(*template_->info);
    fabric_.api_version = api;
    domain = std::make_unique<Domain>(fabric_, *template_, *info);
    domain->context = &fake().verbs.context;
    domain->pd = domain->queue_pd = &fake().pd;
    domain->handles.open(domain->pd);
  }
  ~Opened() {
    for (fid* object :
         {ep ? &ep->fid : nullptr, cq ? &cq->fid : nullptr, av ? &av->fid : nullptr}) {
      if (object) {
        EXPECT_EQ(fi_close(object), 0);
      }
    }
    EXPECT_EQ(domain->children, 0);
    EXPECT_EQ(fake().registrations, 0);
    domain->context = nullptr;
  }

  int open_cq(fi_cq_format format, size_t size = 0) {
    fi_cq_attr attributes{};
    attributes.format = format;
    attributes.size = size;
    return efa::fi::open_cq(domain.get(), &attributes, &cq, nullptr);
  }
  void open_av() {
    fi_av_attr attributes{};
    ASSERT_EQ(efa::fi::open_av(domain.get(), &attributes, &av, nullptr), 0);
    Address address;
    address.gid[0] = 0xfe;
    address.qpn = 7;
    address.connid = 0x1234;
    ASSERT_EQ(Av::of(av).insert(address, &peer), 0);
  }
  int open_endpoint() { return efa::fi::open_endpoint(domain.get(), info.get(), &ep, nullptr); }

  /// An endpoint that sends and receives. @param cq_flags  besides TRANSMIT and RECV
  void enable(fi_cq_format format = FI_CQ_FORMAT_DATA, uint64_t cq_flags = 0) {
    ASSERT_EQ(open_cq(format), 0);
    open_av();
    ASSERT_EQ(open_endpoint(), 0);
    ASSERT_EQ(fi_ep_bind(ep, &cq->fid, FI_TRANSMIT | FI_RECV | cq_flags), 0);
    ASSERT_EQ(fi_ep_bind(ep, &av->fid, 0), 0);
    ASSERT_EQ(fi_enable(ep), 0);
  }

  FakeQp& qp() { return *fake().qps.back(); }
  FakeCq& device_cq() { return *fake().cqs.front(); }
  uint32_t qpn() { return qp().ex.qp_base.qp_num; }
  void complete(FakeCompletion completion) {
    completion.qpn = qpn();
    device_cq().entries.push_back(completion);
  }
  /// The n-th send is done.
  void complete_send(size_t n, uint32_t status = 0) {
    const PostedSend& send = qp().sends.at(n);
    const ibv_wc_opcode opcode = send.opcode == IBV_WR_RDMA_READ ? IBV_WC_RDMA_READ
                                 : send.rkey                     ? IBV_WC_RDMA_WRITE
                                                                 : IBV_WC_SEND;
    complete({.id = send.id, .opcode = opcode, .status = status});
  }

  InfoPtr info;
  std::unique_ptr<Domain> domain;
  fid_cq* cq = nullptr;
  fid_av* av = nullptr;
  fid_ep* ep = nullptr;
  fi_addr_t peer = FI_ADDR_NOTAVAIL;
  rdm::Region region{.lkey = 55, .length = ~size_t{0}};

 private:
  Catalogue catalogue_;
  const Template* template_ = nullptr;
  Fabric fabric_;
};

}  // namespace efa::fi::test
