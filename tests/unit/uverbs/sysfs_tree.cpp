// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/sysfs_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

#include "frontend/uverbs/hw_counters.hpp"

namespace efa::emu {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

LaunchedHost two_device_host() {
  LaunchedHost host{"alpha", {}};
  for (unsigned d = 0; d < 2; ++d) {
    LaunchedDevice device;
    device.uverbs_index = 6 + d;
    device.name = "efa_" + std::to_string(d);
    device.gid.raw = {0xfe, 0x80, 0, 0, 0, 0, 0, 0,
                      1,    2,    3, 4, 5, 6, 7, static_cast<std::uint8_t>(d)};
    device.guid = {0x00, 0xef, 0xa0, 0xff, 0xfe, 0x01, 0x02, static_cast<std::uint8_t>(3 + d)};
    device.pci_device = 0xefa2;
    host.devices.push_back(device);
  }
  return host;
}

class SysfsTree : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sysfs.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    const auto written = write_sysfs_tree(root_, two_device_host());
    ASSERT_TRUE(written) << written.error().text();
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string line(const std::string& path) const {
    std::ifstream in(root_ / path);
    EXPECT_TRUE(in) << path;
    std::string text;
    std::getline(in, text);
    return text;
  }
  std::set<std::string> names(const std::string& path) const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(root_ / path)) {
      found.insert(entry.path().filename().string());
    }
    return found;
  }

  fs::path root_;
};

TEST_F(SysfsTree, ClassesListTheHostsOwnDevices) {
  EXPECT_THAT(names("class/infiniband"), ElementsAre("efa_0", "efa_1"));
  EXPECT_THAT(names("class/infiniband_verbs"), ElementsAre("abi_version", "uverbs6", "uverbs7"));
  EXPECT_EQ(line("class/infiniband_verbs/abi_version"), "6");
}

TEST_F(SysfsTree, NodeSaysWhichDeviceItIsAndThatItIsTheNullDevice) {
  EXPECT_EQ(line("class/infiniband_verbs/uverbs7/ibdev"), "efa_1");
  EXPECT_EQ(line("class/infiniband_verbs/uverbs7/dev"), "1:3");
  EXPECT_EQ(line("class/infiniband_verbs/uverbs7/abi_version"), "1");
}

TEST_F(SysfsTree, ProviderIsFoundByTheModaliasOfThePciFunction) {
  EXPECT_EQ(line("class/infiniband/efa_0/device/modalias"),
            "pci:v00001D0Fd0000EFA2sv00001D0Fsd0000EFA2bc02sc00i00");
  EXPECT_EQ(line("class/infiniband_verbs/uverbs6/device/modalias"),
            line("class/infiniband/efa_0/device/modalias"));
  EXPECT_EQ(line("class/infiniband/efa_0/device/vendor"), "0x1d0f");
  EXPECT_EQ(line("class/infiniband/efa_0/device/device"), "0xefa2");
}

/// hw_ver of the verbs is the subsystem id: both come from the PCI function.
TEST_F(SysfsTree, F17_DevicesAreCalledEfaNAndShowTheirPciIds) {
  const std::string device = "class/infiniband/efa_0/device/";
  EXPECT_EQ(line(device + "vendor"), "0x1d0f");
  EXPECT_EQ(line(device + "device"), "0xefa2");
  EXPECT_EQ(line(device + "subsystem_device"), "0xefa2");
}

TEST_F(SysfsTree, DeviceLinkResolvesToAPciAddressOfItsOwn) {
  const fs::path first = fs::canonical(root_ / "class/infiniband/efa_0/device");
  const fs::path second = fs::canonical(root_ / "class/infiniband/efa_1/device");
  EXPECT_EQ(first.filename(), "0000:00:06.0");
  EXPECT_EQ(second.filename(), "0000:00:07.0");
  EXPECT_EQ(fs::canonical(root_ / "bus/pci/devices/0000:00:07.0"), second);
  EXPECT_EQ(fs::canonical(first / "driver").filename(), "efa");
}

TEST_F(SysfsTree, EveryLinkLeadsSomewhereInsideTheTree) {
  const std::string root = fs::canonical(root_).string();
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (entry.is_symlink()) {
      EXPECT_TRUE(fs::exists(entry.path())) << entry.path();
      EXPECT_TRUE(fs::canonical(entry.path()).string().starts_with(root)) << entry.path();
    }
  }
}

TEST_F(SysfsTree, GuidsAndGidsArePrintedAsTheKernelPrintsThem) {
  EXPECT_EQ(line("class/infiniband/efa_1/node_guid"), "00ef:a0ff:fe01:0204");
  EXPECT_EQ(line("class/infiniband/efa_1/sys_image_guid"), "0000:0000:0000:0000");
  EXPECT_EQ(line("class/infiniband/efa_1/node_type"), "7: unspecified");
  EXPECT_EQ(line("class/infiniband/efa_1/ports/1/gids/0"),
            "fe80:0000:0000:0000:0102:0304:0506:0701");
}

TEST_F(SysfsTree, PortIsActiveWithTheAttributesOfTheDriver) {
  const std::string port = "class/infiniband/efa_0/ports/1/";
  EXPECT_EQ(line(port + "state"), "4: ACTIVE");
  EXPECT_EQ(line(port + "phys_state"), "5: LinkUp");
  EXPECT_EQ(line(port + "lid"), "0x0");
  EXPECT_EQ(line(port + "link_layer"), "Unknown");
  EXPECT_EQ(line(port + "pkeys/0"), "0xffff");
  EXPECT_EQ(line(port + "rate"), "100 Gb/sec (4X EDR)");
}

TEST(SysfsNames, PciAddressesStayValidBeyondOneBus) {
  EXPECT_EQ(pci_name(0), "0000:00:06.0");
  EXPECT_EQ(pci_name(25), "0000:00:1f.0");
  EXPECT_EQ(pci_name(26), "0000:01:06.0");
}

TEST(SysfsErrors, AnUnwritablePlaceIsNamed) {
  const auto written = write_sysfs_tree("/proc/no-such-place", two_device_host());
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().text(), ::testing::HasSubstr("/proc/no-such-place"));
}

/// Names of A10, in its order. A second statement of them on purpose.
const std::vector<std::string> kDeviceCounters = {
    "submitted_cmds",  "completed_cmds",     "cmds_err",      "no_completion_cmds",
    "keep_alive_rcvd", "alloc_pd_err",       "create_qp_err", "create_cq_err",
    "reg_mr_err",      "alloc_ucontext_err", "create_ah_err", "mmap_err"};
const std::vector<std::string> kPortCounters = {"tx_bytes",
                                                "tx_pkts",
                                                "rx_bytes",
                                                "rx_pkts",
                                                "rx_drops",
                                                "send_bytes",
                                                "send_wrs",
                                                "recv_bytes",
                                                "recv_wrs",
                                                "rdma_read_wrs",
                                                "rdma_read_bytes",
                                                "rdma_read_wr_err",
                                                "rdma_read_resp_bytes",
                                                "rdma_write_wrs",
                                                "rdma_write_bytes",
                                                "rdma_write_wr_err",
                                                "rdma_write_recv_bytes",
                                                "retrans_bytes",
                                                "retrans_pkts",
                                                "retrans_timeout_events",
                                                "unresponsive_remote_events",
                                                "impaired_remote_conn_events"};

TEST_F(SysfsTree, HasTheCountersOfTheDriver) {
  const std::pair<std::string, std::vector<std::string>> folders[] = {
      {"class/infiniband/efa_1/hw_counters", kDeviceCounters},
      {"class/infiniband/efa_1/ports/1/hw_counters", kPortCounters},
  };
  for (const auto& [folder, counters] : folders) {
    std::set<std::string> expected(counters.begin(), counters.end());
    expected.insert("lifespan");
    EXPECT_EQ(names(folder), expected);
    for (const std::string& counter : counters) EXPECT_EQ(line(folder + "/" + counter), "0");
    EXPECT_EQ(line(folder + "/lifespan"), "10");
  }
}

TEST(HwCounters, AreListedInTheKernelsOrder) {
  std::vector<std::string> device, port;
  for (const DeviceCounter& counter : device_counters()) device.push_back(counter.name);
  for (const PortCounter& counter : port_counters()) port.push_back(counter.name);
  EXPECT_EQ(device, kDeviceCounters);
  EXPECT_EQ(port, kPortCounters);
}

TEST_F(SysfsTree, ShowsCountersThatChanged) {
  DriverCounters driver;
  Statistics device;
  HwCounterFiles files(ib_device_path(root_, two_device_host(), 0), driver, device);
  std::ifstream kept(root_ / "class/infiniband/efa_0/ports/1/hw_counters/tx_bytes");
  driver.create_qp_err = 7;
  device.tx_bytes = 999;
  device.impaired_remote_conn_events = ~std::uint64_t{0};
  files.refresh();
  EXPECT_EQ(line("class/infiniband/efa_0/hw_counters/create_qp_err"), "7");
  EXPECT_EQ(line("class/infiniband/efa_0/hw_counters/create_cq_err"), "0");
  EXPECT_EQ(line("class/infiniband/efa_0/ports/1/hw_counters/tx_bytes"), "999");
  EXPECT_EQ(line("class/infiniband/efa_0/ports/1/hw_counters/impaired_remote_conn_events"),
            "18446744073709551615");
  EXPECT_EQ(line("class/infiniband/efa_1/ports/1/hw_counters/tx_bytes"), "0");
  device.tx_bytes = 1000;
  files.refresh();
  std::string text;
  std::getline(kept, text);
  EXPECT_EQ(text, "1000") << "also in a file that was opened before";
}

TEST_F(SysfsTree, DoesWithoutCountersThatAProgramRemoved) {
  DriverCounters driver;
  Statistics device;
  HwCounterFiles files(ib_device_path(root_, two_device_host(), 0), driver, device);
  fs::remove_all(root_ / "class/infiniband/efa_0/hw_counters");
  driver.submitted_cmds = device.rx_pkts = 1;
  files.refresh();
  EXPECT_EQ(line("class/infiniband/efa_0/ports/1/hw_counters/rx_pkts"), "1");
}

constexpr Nanoseconds kMs = 1'000'000;

TEST(CounterRefresh, IsNotDueWithoutAChange) {
  CounterRefresh refresh;
  EXPECT_FALSE(refresh.due(1000 * kMs, ~Nanoseconds{0}));
  refresh.changed();
  EXPECT_TRUE(refresh.due(1000 * kMs, 0));
  refresh.refreshed(1000 * kMs, 1000 * kMs);
  EXPECT_FALSE(refresh.due(2000 * kMs, ~Nanoseconds{0}));
}

TEST(CounterRefresh, ComesALifespanAfterTheLastOrBeforeAPause) {
  CounterRefresh refresh;
  refresh.refreshed(1000 * kMs, 1000 * kMs);
  refresh.changed();
  EXPECT_FALSE(refresh.due(1009 * kMs, 0));
  EXPECT_FALSE(refresh.due(1009 * kMs, kMs / 2));
  EXPECT_TRUE(refresh.due(1010 * kMs, 0));
  EXPECT_TRUE(refresh.due(1009 * kMs, 5 * kMs)) << "would be late after the pause";
  EXPECT_TRUE(refresh.due(1000 * kMs, ~Nanoseconds{0}));
}

TEST(CounterRefresh, TakesNoMoreThanAFiftiethOfTheTime) {
  CounterRefresh refresh;
  refresh.refreshed(1000 * kMs, 1002 * kMs);
  refresh.changed();
  EXPECT_FALSE(refresh.due(1101 * kMs, 0));
  EXPECT_TRUE(refresh.due(1102 * kMs, 0));
}

}  // namespace
}  // namespace efa::emu
