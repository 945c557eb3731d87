// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A fixture with an open domain of one kind on the fake device, and owners of what tests open.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_errno.h>

#include <string>

#include "objects/domain.hpp"
#include "objects/fabric.hpp"
#include "objects/fake_process.hpp"
#include "objects/fake_verbs.hpp"
#include "owner.hpp"

namespace efa::fi::test {

inline InfoPtr info_of(Kind kind) {
  return duplicate(entry(process().catalogue, kind));
}

class OpenedDomain {
 public:
  explicit OpenedDomain(Kind kind = Kind::rdm, Rdma rdma = Rdma::unsolicited,
                        uint32_t version = FI_VERSION(1, 18),
                        fi_threading threading = FI_THREAD_SAFE) {
    start_process(rdma);
    info = info_of(kind);
    info->fabric_attr->api_version = version;
    info->domain_attr->threading = threading;
    EXPECT_EQ(open_fabric(info->fabric_attr, fabric.out(), nullptr), 0);
    EXPECT_EQ(fi_domain(fabric.get(), info.get(), domain.out(), nullptr), 0);
  }
  ~OpenedDomain() {
    domain.reset();
    fabric.reset();
    EXPECT_TRUE(fake_verbs().nothing_left());
  }

  Domain& operator*() const { return Domain::of(domain.get()); }

  InfoPtr info;
  Owner<fid_fabric> fabric;
  Owner<fid_domain> domain;
};

/// 32 bytes of a peer whose address handle has this number.
inline Address peer_address(uint8_t host, uint16_t qpn = 7, uint32_t connid = 0x1234) {
  Address address{.qpn = qpn, .connid = connid};
  address.gid = {0xfe, 0x80};
  address.gid[15] = host;
  return address;
}

}  // namespace efa::fi::test
