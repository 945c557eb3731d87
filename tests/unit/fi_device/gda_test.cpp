// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Completion queues in memory of the application (spec libfabric-api 6.4, cq_open_ext).
#include "objects/gda_operations.hpp"

#include <gtest/gtest.h>
#include <rdma/fi_errno.h>

#include "opened.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

TEST(Gda, ACompletionQueueIsInTheMemoryOfTheApplication) {
  Opened direct(Kind::direct);
  uint8_t ring[4096];
  CompletionQueuePlan plan{1, ring, sizeof ring, 64, 9};
  fi_cq_attr attributes{};
  ASSERT_EQ(
      gda_operations.cq_open_ext(direct.domain.get(), &attributes, &plan, &direct.cq, nullptr), 0);
  const efadv_cq_init_attr& asked = fake().cqs.at(0)->efa_attributes;
  EXPECT_EQ(asked.flags, uint64_t{EFADV_CQ_INIT_FLAGS_EXT_MEM_DMABUF});
  EXPECT_EQ(asked.ext_mem_dmabuf.buffer, ring);
  EXPECT_EQ(asked.ext_mem_dmabuf.length, sizeof ring);
  EXPECT_EQ(asked.ext_mem_dmabuf.offset, 64u);
  EXPECT_EQ(asked.ext_mem_dmabuf.fd, 9);
}

TEST(Gda, WithoutFlagsItIsACompletionQueueLikeOthers) {
  Opened direct(Kind::direct);
  CompletionQueuePlan plan{};
  fi_cq_attr attributes{};
  ASSERT_EQ(
      gda_operations.cq_open_ext(direct.domain.get(), &attributes, &plan, &direct.cq, nullptr), 0);
  EXPECT_EQ(fake().cqs.at(0)->efa_attributes.flags, 0u);
  fid_cq* none = nullptr;
  plan.flags = 2;
  EXPECT_EQ(gda_operations.cq_open_ext(direct.domain.get(), &attributes, &plan, &none, nullptr),
            -FI_EOPNOTSUPP);
  EXPECT_EQ(gda_operations.cq_open_ext(direct.domain.get(), &attributes, nullptr, &none, nullptr),
            -FI_EINVAL);
}

TEST(Gda, OnlyDirectDomainsHaveIt) {
  Opened rdm(Kind::rdm);
  CompletionQueuePlan plan{};
  fi_cq_attr attributes{};
  fid_cq* none = nullptr;
  EXPECT_EQ(
      protocol_domain_operations.cq_open_ext(rdm.domain.get(), &attributes, &plan, &none, nullptr),
      -FI_EOPNOTSUPP);
  EXPECT_EQ(protocol_domain_operations.query_qp_wqs(nullptr, nullptr, nullptr), -FI_EOPNOTSUPP);
}

}  // namespace
