// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The nic object as libfabric handles it: copied, printed, freed.
#include "nic.hpp"

#include <gtest/gtest.h>
#include <rdma/fi_errno.h>

#include <cstring>
#include <string>

#include "machine.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

TEST(Nic, SaysWhatAndWhereTheDeviceIs) {
  const InfoPtr info = duplicate(entry(machine(kRelease1_17), Kind::rdm));
  const fid_nic& nic = *info->nic;
  EXPECT_STREQ(nic.device_attr->name, "efa_0");
  EXPECT_STREQ(nic.device_attr->device_id, "0xefa1");
  EXPECT_STREQ(nic.device_attr->vendor_id, "0x1d0f");
  EXPECT_STREQ(nic.device_attr->driver, "efa");
  EXPECT_EQ(nic.bus_attr->bus_type, FI_BUS_PCI);
  EXPECT_EQ(nic.bus_attr->attr.pci.bus_id, 16);
  EXPECT_EQ(nic.bus_attr->attr.pci.device_id, 27);
  EXPECT_STREQ(nic.link_attr->address, "EFA-fe80::4a5:28ff:fe98:e500");
  EXPECT_EQ(nic.link_attr->mtu, 8928u);
  EXPECT_EQ(nic.link_attr->speed, 100'000'000'000u);
  EXPECT_EQ(nic.link_attr->state, FI_LINK_UP);
  EXPECT_STREQ(nic.link_attr->network_type, "Ethernet");
}

TEST(Nic, CopiesOutliveTheOriginal) {
  InfoPtr copy;
  {
    const InfoPtr original = duplicate(entry(machine(kRelease1_17), Kind::rdm));
    copy = duplicate(*original);
    ASSERT_NE(copy->nic, original->nic);
  }
  EXPECT_STREQ(copy->nic->device_attr->name, "efa_0");
  EXPECT_STREQ(copy->nic->link_attr->address, "EFA-fe80::4a5:28ff:fe98:e500");
  EXPECT_EQ(copy->nic->fid.fclass, static_cast<size_t>(FI_CLASS_NIC));
}

TEST(Nic, IsPrintedBehindTheRest) {
  const InfoPtr info = duplicate(entry(machine(kRelease1_17), Kind::rdm));
  const std::string text = fi_tostr(info.get(), FI_TYPE_INFO);
  const size_t at = text.find("    nic:\n        fi_device_attr:\n            name: efa_0\n");
  ASSERT_NE(at, text.npos) << text;
  EXPECT_LT(text.find("fi_fabric_attr"), at);
  EXPECT_NE(text.find("            state: FI_LINK_UP\n            network_type: Ethernet\n", at),
            text.npos);
}

TEST(Nic, PrintingStopsAtTheEndOfTheBuffer) {
  const InfoPtr info = duplicate(entry(machine(kRelease1_17), Kind::rdm));
  char buffer[32] = "before";
  std::memset(buffer + 7, 'x', sizeof buffer - 7);
  info->nic->fid.ops->tostr(&info->nic->fid, buffer, 20);
  EXPECT_EQ(std::strlen(buffer), 19u);
  EXPECT_EQ(std::string(buffer).substr(0, 10), "before    ");
  EXPECT_EQ(buffer[20], 'x');
}

TEST(Nic, HasNoOtherOperation) {
  const InfoPtr info = duplicate(entry(machine(kRelease1_17), Kind::rdm));
  fid* const nic = &info->nic->fid;
  void* operations = nullptr;
  EXPECT_EQ(fi_control(nic, FI_ENABLE, nullptr), -FI_ENOSYS);
  EXPECT_EQ(fi_open_ops(nic, "x", 0, &operations, nullptr), -FI_ENOSYS);
  EXPECT_EQ(fi_set_ops(nic, "x", 0, nullptr, nullptr), -FI_ENOSYS);
  EXPECT_EQ(nic->ops->bind(nic, nullptr, 0), -FI_ENOSYS);
  EXPECT_EQ(nic->ops->size, sizeof(fi_ops));
}

}  // namespace
