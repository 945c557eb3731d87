// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The variables FI_EFA_*: which exist, and what is said about the others (spec libfabric-api 4.1).
#include "environment.hpp"

#include <gtest/gtest.h>

#include <set>

namespace {

using namespace efa::fi;

std::vector<std::string> complaints_about(std::initializer_list<const char*> entries) {
  std::vector<const char*> environment(entries);
  environment.push_back(nullptr);
  return complaints(environment.data());
}

TEST(Environment, EveryVariableOfTheSpecificationIsKnown) {
  // In the order of the table.
  EXPECT_EQ(complaints_about({"FI_EFA_IFACE=all",
                              "FI_EFA_TX_SIZE=1",
                              "FI_EFA_RX_SIZE=1",
                              "FI_EFA_TX_QUEUE_SIZE=1",
                              "FI_EFA_CQ_SIZE=1",
                              "FI_EFA_TX_MIN_CREDITS=1",
                              "FI_EFA_RECVWIN_SIZE=1",
                              "FI_EFA_READCOPY_POOL_SIZE=1",
                              "FI_EFA_MAX_MEMCPY_SIZE=1",
                              "FI_EFA_MR_CACHE_ENABLE=1",
                              "FI_EFA_MR_MAX_CACHED_COUNT=1",
                              "FI_EFA_MR_MAX_CACHED_SIZE=1",
                              "FI_EFA_ENABLE_SHM_TRANSFER=1",
                              "FI_EFA_SHM_AV_SIZE=1",
                              "FI_EFA_SHM_CQ_READ_SIZE=1",
                              "FI_EFA_EFA_CQ_READ_SIZE=1",
                              "FI_EFA_USE_ZCPY_RX=1",
                              "FI_EFA_RX_COPY_UNEXP=1",
                              "FI_EFA_RX_COPY_OOO=1",
                              "FI_EFA_MAX_TIMEOUT=1",
                              "FI_EFA_TIMEOUT_INTERVAL=1",
                              "FI_EFA_INTER_MAX_MEDIUM_MESSAGE_SIZE=1",
                              "FI_EFA_INTER_MIN_READ_MESSAGE_SIZE=1",
                              "FI_EFA_INTER_MAX_GDRCOPY_MESSAGE_SIZE=1",
                              "FI_EFA_INTER_MIN_READ_WRITE_SIZE=1",
                              "FI_EFA_INTER_READ_SEGMENT_SIZE=1",
                              "FI_EFA_RUNT_SIZE=1",
                              "FI_EFA_FORK_SAFE=1",
                              "FI_EFA_USE_HUGE_PAGE=1",
                              "FI_EFA_USE_DEVICE_RDMA=1",
                              "FI_EFA_USE_UNSOLICITED_WRITE_RECV=1",
                              "FI_EFA_INTERNAL_RX_REFILL_THRESHOLD=1",
                              "FI_EFA_USE_DATA_PATH_DIRECT=1",
                              "FI_EFA_IMPLICIT_AV_SIZE=1",
                              "FI_EFA_TRACK_MR=1",
                              "FI_EFA_USE_SM2=1",
                              "FI_EFA_USE_HW_CNTR=1",
                              "FI_EFA_USE_SQ_REQ_ID_64_BIT=1"}),
            std::vector<std::string>{});
}

TEST(Environment, RetiredAndHarmfulNamesAreSaidEach) {
  for (const char* name :
       {"FI_EFA_ZCPY_RX_SEED", "FI_EFA_SHM_MAX_MEDIUM_SIZE", "FI_EFA_SET_CUDA_SYNC_MEMOPS",
        "FI_EFA_MTU_SIZE", "FI_EFA_TX_IOV_LIMIT", "FI_EFA_RX_IOV_LIMIT", "FI_EFA_RX_WINDOW_SIZE"}) {
    const auto lines = complaints_about({(std::string(name) + "=1").c_str()});
    ASSERT_EQ(lines.size(), 1u) << name;
    EXPECT_EQ(lines[0].find(std::string(name) + "=1 is ignored: "), 0u) << lines[0];
    EXPECT_EQ(lines[0].find("no such variable"), std::string::npos) << lines[0];
  }
  EXPECT_NE(complaints_about({"FI_EFA_RX_WINDOW_SIZE=1"})[0].find("FI_EFA_RECVWIN_SIZE"),
            std::string::npos);
}

TEST(Environment, AnUnknownNameGetsTheNearest) {
  const std::pair<const char*, const char*> typos[] = {
      {"FI_EFA_IFACES", "FI_EFA_IFACE"},
      {"FI_EFA_USE_DEVICE_RMDA", "FI_EFA_USE_DEVICE_RDMA"},
      {"FI_EFA_ENABLE_SHM", "FI_EFA_ENABLE_SHM_TRANSFER"},
      {"FI_EFA_FORKSAFE", "FI_EFA_FORK_SAFE"},
      {"FI_EFA_tx_size", "FI_EFA_TX_SIZE"},
  };
  for (const auto& [typo, meant] : typos) {
    const auto lines = complaints_about({(std::string(typo) + "=x").c_str()});
    ASSERT_EQ(lines.size(), 1u) << typo;
    EXPECT_NE(lines[0].find(std::string("the nearest is ") + meant + ","), std::string::npos)
        << lines[0];
  }
}

TEST(Environment, VariablesOfOthersAreTheirs) {
  EXPECT_TRUE(
      complaints_about({"FI_EF=1", "FI_PROVIDER=efa", "PATH=/bin", "XFI_EFA_FOO=1"}).empty());
}

TEST(Environment, AnEntryWithoutAValueIsANameToo) {
  ASSERT_EQ(complaints_about({"FI_EFA_FOO"}).size(), 1u);
  ASSERT_EQ(complaints_about({"FI_EFA_="}).size(), 1u);
  EXPECT_TRUE(complaints_about({"FI_EFA_IFACE"}).empty());
}

TEST(Environment, VariablesWithoutEffectAreSaidWithTheReason) {
  const char* const environment[] = {"FI_EFA_USE_SM2=1", "FI_EFA_CQ_SIZE=1", "FI_EFA_NONE=1",
                                     "PATH=/bin", nullptr};
  EXPECT_EQ(remarks(environment),
            std::vector<std::string>{"FI_EFA_USE_SM2=1 has no effect in this provider: peers on "
                                     "the same host are reached through the device"});
}

TEST(Environment, EveryVariableHasItsOwnHelp) {
  std::set<std::string> helps;
  for (const Variable& variable : variables())
    EXPECT_TRUE(helps.insert(variable.help).second) << variable.name;
  EXPECT_EQ(variables().size(), 39u);
}

}  // namespace
