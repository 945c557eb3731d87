// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completions of the device as the application reads them.
#include "opened.hpp"

namespace efa::fi::test {
namespace {

struct DirectCqTest : testing::Test {
  Opened on{Kind::direct};
  char buffer[1000] = {};
  fi_cq_data_entry entries[8];

  void send(int context, uint64_t flags = 0) {
    iovec piece{buffer, 4};
    const fi_msg msg{&piece, nullptr, 1, on.peer, &contexts[context], 0};
    ASSERT_EQ(fi_sendmsg(on.ep, &msg, flags), 0);
  }
  void receive(int context) {
    ASSERT_EQ(fi_recv(on.ep, buffer, 100, &on.region, FI_ADDR_UNSPEC, &contexts[context]), 0);
  }
  void arrive(int context) {
    on.complete({.id = reinterpret_cast<uint64_t>(&contexts[context]),
                 .opcode = IBV_WC_RECV,
                 .bytes = 64,
                 .source_qpn = 7,
                 .source_ah = 9});
  }
};

TEST_F(DirectCqTest, EachKindOfOperationHasItsFlags) {
  on.enable();
  send(0);
  ASSERT_EQ(fi_read(on.ep, buffer, 8, &on.region, on.peer, 1, 2, &contexts[1]), 0);
  ASSERT_EQ(fi_write(on.ep, buffer, 8, &on.region, on.peer, 1, 2, &contexts[2]), 0);
  receive(3);
  for (size_t i = 0; i < 3; ++i) on.complete_send(i);
  arrive(3);
  ASSERT_EQ(fi_cq_read(on.cq, entries, 8), 4);
  const uint64_t flags[] = {FI_SEND | FI_MSG, FI_RMA | FI_READ, FI_RMA | FI_WRITE,
                            FI_RECV | FI_MSG};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(entries[i].op_context, &contexts[i]);
    EXPECT_EQ(entries[i].flags, flags[i]);
  }
  EXPECT_EQ(entries[3].len, 64U);
  EXPECT_FALSE(on.device_cq().polling) << "every poll is ended";
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), -FI_EAGAIN);
}

TEST_F(DirectCqTest, ReadTakesNoMoreThanIsAsked) {
  on.enable();
  for (int i = 0; i < 3; ++i) {
    send(i);
    on.complete_send(i);
  }
  EXPECT_EQ(fi_cq_read(on.cq, entries, 2), 2);
  EXPECT_EQ(on.device_cq().entries.size(), 1U);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 2), 1);
}

TEST_F(DirectCqTest, DataOfThePeerIsSeen) {
  on.enable();
  receive(1);
  on.complete({.id = reinterpret_cast<uint64_t>(&contexts[1]),
               .opcode = IBV_WC_RECV,
               .has_immediate = true,
               .immediate = 0xa1b2c3d4});
  ASSERT_EQ(fi_cq_read(on.cq, entries, 1), 1);
  EXPECT_EQ(entries[0].flags, FI_RECV | FI_MSG | FI_REMOTE_CQ_DATA);
  EXPECT_EQ(entries[0].data, 0xa1b2c3d4U);
}

TEST_F(DirectCqTest, AnUnsolicitedWriteTakesNoReceive) {
  on.info->rx_attr->size = 1;
  on.enable();
  receive(1);
  on.complete({.opcode = IBV_WC_RECV_RDMA_WITH_IMM,
               .bytes = 4096,
               .has_immediate = true,
               .immediate = 6,
               .unsolicited = true});
  ASSERT_EQ(fi_cq_read(on.cq, entries, 8), 1);
  EXPECT_EQ(entries[0].op_context, nullptr);
  EXPECT_EQ(entries[0].flags, FI_REMOTE_WRITE | FI_RMA | FI_REMOTE_CQ_DATA);
  EXPECT_EQ(entries[0].len, 4096U);
  EXPECT_EQ(entries[0].data, 6U);
  EXPECT_EQ(fi_recv(on.ep, buffer, 100, &on.region, FI_ADDR_UNSPEC, nullptr), -FI_EAGAIN);
}

TEST_F(DirectCqTest, AWriteThatTookAReceiveSaysWhich) {
  on.info->rx_attr->size = 1;
  on.enable();
  receive(1);
  on.complete({.id = reinterpret_cast<uint64_t>(&contexts[1]),
               .opcode = IBV_WC_RECV_RDMA_WITH_IMM,
               .has_immediate = true});
  ASSERT_EQ(fi_cq_read(on.cq, entries, 8), 1);
  EXPECT_EQ(entries[0].op_context, &contexts[1]);
  receive(2);
}

TEST_F(DirectCqTest, TheSourceIsWhoIsInTheAv) {
  on.enable();
  receive(1);
  receive(2);
  arrive(1);
  on.complete({.id = reinterpret_cast<uint64_t>(&contexts[2]),
               .opcode = IBV_WC_RECV,
               .source_qpn = 8,
               .source_ah = 9});
  fi_addr_t sources[8];
  ASSERT_EQ(fi_cq_readfrom(on.cq, entries, 8, sources), 2);
  EXPECT_EQ(sources[0], on.peer);
  EXPECT_EQ(sources[1], FI_ADDR_NOTAVAIL);
}

TEST_F(DirectCqTest, SelectiveCompletionReportsOnlyWhatAsks) {
  on.enable(FI_CQ_FORMAT_DATA, FI_SELECTIVE_COMPLETION);
  uint64_t none = FI_TRANSMIT;
  ASSERT_EQ(fi_control(&on.ep->fid, FI_SETOPSFLAG, &none), 0);
  none = FI_RECV;
  ASSERT_EQ(fi_control(&on.ep->fid, FI_SETOPSFLAG, &none), 0);
  send(0);
  send(1, FI_COMPLETION);
  receive(2);
  on.complete_send(0);
  on.complete_send(1);
  on.complete({.id = on.qp().receives[0].id, .opcode = IBV_WC_RECV, .bytes = 1});
  ASSERT_EQ(fi_cq_read(on.cq, entries, 8), 1);
  EXPECT_EQ(entries[0].op_context, &contexts[1]);
}

TEST_F(DirectCqTest, InjectsAreSilentAndCompletionsOfNullContextsAreNot) {
  on.enable();
  ASSERT_EQ(fi_inject(on.ep, buffer, 4, on.peer), 0);
  ASSERT_EQ(fi_send(on.ep, buffer, 4, nullptr, on.peer, nullptr), 0);
  on.complete_send(0);
  on.complete_send(1);
  ASSERT_EQ(fi_cq_read(on.cq, entries, 8), 1);
  EXPECT_EQ(entries[0].op_context, nullptr);
  EXPECT_EQ(entries[0].flags, FI_SEND | FI_MSG);
}

TEST_F(DirectCqTest, AFailureStaysAtTheHeadUntilItIsRead) {
  on.enable(FI_CQ_FORMAT_DATA, FI_SELECTIVE_COMPLETION);
  for (int i = 0; i < 3; ++i) send(i, i == 1 ? 0 : FI_COMPLETION);
  on.complete_send(0);
  on.complete_send(1, 15);
  on.complete_send(2);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), 1);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), -FI_EAVAIL);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), -FI_EAVAIL);
  fi_cq_err_entry error{};
  ASSERT_EQ(fi_cq_readerr(on.cq, &error, 0), 1);
  EXPECT_EQ(error.op_context, &contexts[1]) << "silent, but failures are always told";
  EXPECT_EQ(error.flags, FI_SEND | FI_MSG);
  EXPECT_EQ(error.err, FI_EHOSTUNREACH);
  EXPECT_EQ(error.prov_errno, 15);
  EXPECT_EQ(fi_cq_readerr(on.cq, &error, 0), -FI_EAGAIN);
  ASSERT_EQ(fi_cq_read(on.cq, entries, 8), 1);
  EXPECT_EQ(entries[0].op_context, &contexts[2]);
}

TEST_F(DirectCqTest, AFailureNamesBothEndsAndTheCure) {
  on.enable();
  send(0);
  on.complete_send(0, 15);
  ASSERT_EQ(fi_cq_read(on.cq, entries, 8), -FI_EAVAIL);
  fi_cq_err_entry error{};
  ASSERT_EQ(fi_cq_readerr(on.cq, &error, 0), 1);
  ASSERT_NE(error.err_data, nullptr);
  const std::string text = static_cast<char*>(error.err_data);
  EXPECT_NE(text.find("to fi_addr_efa://[fe00::]:7:4660 failed"), std::string::npos) << text;
  EXPECT_NE(text.find("security groups"), std::string::npos) << text;
  EXPECT_EQ(fi_cq_strerror(on.cq, 15, error.err_data, nullptr, 0), text);
}

TEST_F(DirectCqTest, EveryStatusOfTheDeviceHasItsError) {
  const std::pair<int, int> errors[] = {
      {1, FI_ECANCELED},     {2, FI_EINVAL},       {5, FI_EINVAL},        {6, FI_EMSGSIZE},
      {7, FI_EINVAL},        {8, FI_ECONNABORTED}, {9, FI_ENOTCONN},      {10, FI_ENORX},
      {11, FI_EMSGSIZE},     {12, FI_EREMOTEIO},   {13, FI_ECONNABORTED}, {14, FI_ENOTCONN},
      {15, FI_EHOSTUNREACH}, {18, FI_EINVAL},      {77, FI_EOTHER}};
  on.enable();
  for (const auto& [status, wanted] : errors) {
    send(0);
    on.complete({.id = on.qp().sends.back().id, .status = static_cast<uint32_t>(status)});
    ASSERT_EQ(fi_cq_read(on.cq, entries, 8), -FI_EAVAIL);
    fi_cq_err_entry error{};
    ASSERT_EQ(fi_cq_readerr(on.cq, &error, 0), 1);
    EXPECT_EQ(error.err, wanted) << status;
  }
}

TEST_F(DirectCqTest, ReadingNothingStillFindsWhatHasCompleted) {
  on.enable();
  send(0);
  EXPECT_EQ(fi_cq_read(on.cq, nullptr, 0), -FI_EAGAIN);
  on.complete_send(0);
  EXPECT_EQ(fi_cq_read(on.cq, nullptr, 0), 0);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), 1);
}

TEST_F(DirectCqTest, CompletionsOfAClosedEndpointAreDropped) {
  on.enable();
  send(0);
  const FakeCompletion late{.id = on.qp().sends[0].id, .qpn = on.qpn()};
  fi_close(&on.ep->fid);
  on.ep = nullptr;
  on.device_cq().entries.push_back(late);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), -FI_EAGAIN);
}

TEST_F(DirectCqTest, TaggedFormatDoesNotExist) {
  EXPECT_EQ(on.open_cq(FI_CQ_FORMAT_TAGGED), -FI_ENOSYS);
}

TEST_F(DirectCqTest, CountersCountWhatCompletesAndReadingThemLosesNothing) {
  ASSERT_EQ(on.open_cq(FI_CQ_FORMAT_DATA), 0);
  on.open_av();
  ASSERT_EQ(on.open_endpoint(), 0);
  fi_cntr_attr attributes{};
  fid_cntr *sends = nullptr, *others = nullptr;
  ASSERT_EQ(open_counter(on.domain.get(), &attributes, &sends, nullptr), 0);
  ASSERT_EQ(open_counter(on.domain.get(), &attributes, &others, nullptr), 0);
  ASSERT_EQ(fi_ep_bind(on.ep, &on.cq->fid, FI_TRANSMIT | FI_RECV), 0);
  ASSERT_EQ(fi_ep_bind(on.ep, &on.av->fid, 0), 0);
  ASSERT_EQ(fi_ep_bind(on.ep, &sends->fid, FI_SEND), 0);
  ASSERT_EQ(fi_ep_bind(on.ep, &others->fid, FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_WRITE), 0);
  EXPECT_EQ(fi_cntr_read(sends), 0U) << "not enabled yet";
  ASSERT_EQ(fi_enable(on.ep), 0);
  for (int i = 0; i < 3; ++i) send(i);
  ASSERT_EQ(fi_inject(on.ep, buffer, 4, on.peer), 0);
  receive(4);
  for (size_t i = 0; i < 4; ++i) on.complete_send(i, i == 2 ? 9 : 0);
  arrive(4);
  EXPECT_EQ(fi_cntr_read(sends), 3U);
  EXPECT_EQ(fi_cntr_readerr(sends), 1U);
  EXPECT_EQ(fi_cntr_read(others), 1U);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), 2);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), -FI_EAVAIL);
  fi_cq_err_entry error{};
  EXPECT_EQ(fi_cq_readerr(on.cq, &error, 0), 1);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), 1);
  EXPECT_EQ(entries[0].op_context, &contexts[4]);
  EXPECT_EQ(entries[0].len, 64U);
  on.complete({.opcode = IBV_WC_RECV_RDMA_WITH_IMM, .has_immediate = true, .unsolicited = true});
  EXPECT_EQ(fi_cq_read(on.cq, entries, 8), 1);
  EXPECT_EQ(fi_cntr_read(others), 2U);
  fi_close(&on.ep->fid);
  on.ep = nullptr;
  fi_close(&sends->fid);
  fi_close(&others->fid);
}

TEST(SilentMarkTest, ContextsThatAreAnythingAreToldFromSilentOnes) {
  const SilentMark mark(false);
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{0x7fffffffffff}}) {
    void* const context = reinterpret_cast<void*>(value);
    EXPECT_FALSE(mark.is_silent(mark.encode(context, false)));
    EXPECT_EQ(mark.context(mark.encode(context, false)), context);
    EXPECT_TRUE(mark.is_silent(mark.encode(context, true)));
    EXPECT_EQ(mark.context(mark.encode(context, true)), nullptr);
  }
}

TEST(SilentMarkTest, PointersAreRememberedAlsoInSilence) {
  const SilentMark mark(true);
  const uint64_t id = mark.encode(&contexts[3], true);
  EXPECT_TRUE(mark.is_silent(id));
  EXPECT_EQ(mark.context(id), &contexts[3]);
  EXPECT_FALSE(mark.is_silent(mark.encode(&contexts[3], false)));
}

}  // namespace
}  // namespace efa::fi::test
