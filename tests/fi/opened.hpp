// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What tests open in libfabric, with the owners of it. The libfabric and the provider are those
/// that the environment chooses.
#pragma once

#include <gtest/gtest.h>
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>

#include <cstring>

#include "hint_sets.hpp"
#include "owner.hpp"

namespace efa::fi::test {

/// The first entry of provider efa for endpoints of this type.
inline Hints find_entry(fi_ep_type type, uint32_t version = FI_VERSION(1, 17),
                        const char* fabric = "efa") {
  const Hints hints(fi_allocinfo());
  hints->ep_attr->type = type;
  hints->mode = FI_CONTEXT | FI_CONTEXT2 | FI_MSG_PREFIX;
  hints->fabric_attr->prov_name = strdup("efa");
  hints->fabric_attr->name = strdup(fabric);
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  fi_info* found = nullptr;
  EXPECT_EQ(fi_getinfo(version, nullptr, nullptr, 0, hints.get(), &found), 0);
  return Hints(found);
}

struct OpenedDomain {
  explicit OpenedDomain(fi_ep_type type = FI_EP_RDM, uint32_t version = FI_VERSION(1, 17))
      : info(find_entry(type, version)) {
    EXPECT_EQ(fi_fabric(info->fabric_attr, fabric.out(), nullptr), 0);
    EXPECT_EQ(fi_domain(fabric.get(), info.get(), domain.out(), nullptr), 0);
  }

  Hints info;
  Owner<fid_fabric> fabric;
  Owner<fid_domain> domain;
};

}  // namespace efa::fi::test
