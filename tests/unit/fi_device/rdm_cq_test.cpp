// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// CQs of RDM endpoints: formats, errors, progress.
#include "opened.hpp"

namespace efa::fi::test {
namespace {

struct CountedProgress : Progressor {
  int calls = 0;
  rdm::CompletionRing* makes = nullptr;  ///< a completion at each call
  void progress() override {
    ++calls;
    if (makes) makes->push({.context = &calls});
  }
};

struct RdmCqTest : testing::Test {
  Opened on{Kind::rdm, FI_VERSION(1, 17)};

  RdmCq& open(fi_cq_format format) {
    EXPECT_EQ(on.open_cq(format), 0);
    return RdmCq::of(on.cq);
  }
  static rdm::Completion completion(uint64_t number) {
    return {.context = reinterpret_cast<void*>(number),
            .flags = FI_RECV | FI_TAGGED,
            .length = 10 + number,
            .buffer = reinterpret_cast<void*>(100 + number),
            .data = 200 + number,
            .tag = 300 + number,
            .source = 400 + number};
  }
};

TEST_F(RdmCqTest, EveryFormatGetsItsMembersAndNoMore) {
  struct {
    fi_cq_tagged_entry entry;
    uint64_t behind;
  } read;
  const struct {
    fi_cq_format format;
    size_t size;
  } formats[] = {{FI_CQ_FORMAT_UNSPEC, sizeof(fi_cq_entry)},
                 {FI_CQ_FORMAT_CONTEXT, sizeof(fi_cq_entry)},
                 {FI_CQ_FORMAT_MSG, sizeof(fi_cq_msg_entry)},
                 {FI_CQ_FORMAT_DATA, sizeof(fi_cq_data_entry)},
                 {FI_CQ_FORMAT_TAGGED, sizeof(fi_cq_tagged_entry)}};
  for (const auto& [format, size] : formats) {
    Opened on(Kind::rdm);
    ASSERT_EQ(on.open_cq(format), 0);
    RdmCq::of(on.cq).ring.push(completion(1));
    std::memset(&read, 0xee, sizeof read);
    ASSERT_EQ(fi_cq_read(on.cq, &read, 1), 1);
    EXPECT_EQ(read.entry.op_context, reinterpret_cast<void*>(1));
    if (size >= sizeof(fi_cq_msg_entry)) {
      EXPECT_EQ(read.entry.flags, FI_RECV | FI_TAGGED);
      EXPECT_EQ(read.entry.len, 11U);
    }
    if (size >= sizeof(fi_cq_data_entry)) {
      EXPECT_EQ(read.entry.buf, reinterpret_cast<void*>(101));
      EXPECT_EQ(read.entry.data, 201U);
    }
    if (size == sizeof(fi_cq_tagged_entry)) {
      EXPECT_EQ(read.entry.tag, 301U);
    }
    for (size_t i = size; i < sizeof read; ++i)
      EXPECT_EQ(reinterpret_cast<unsigned char*>(&read)[i], 0xee) << "format " << format;
  }
}

TEST_F(RdmCqTest, ReadGivesAtMostWhatIsAskedInOrderWithSources) {
  RdmCq& cq = open(FI_CQ_FORMAT_CONTEXT);
  for (uint64_t i = 0; i < 5; ++i) cq.ring.push(completion(i));
  fi_cq_entry entries[4];
  fi_addr_t sources[4];
  EXPECT_EQ(fi_cq_readfrom(on.cq, entries, 4, sources), 4);
  EXPECT_EQ(entries[3].op_context, reinterpret_cast<void*>(3));
  EXPECT_EQ(sources[3], 403U);
  EXPECT_EQ(fi_cq_readfrom(on.cq, entries, 4, sources), 1);
  EXPECT_EQ(sources[0], 404U);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 4), -FI_EAGAIN);
}

TEST_F(RdmCqTest, ProgressIsDrivenOnlyWhenTheRingIsEmptyOrNothingIsAsked) {
  RdmCq& cq = open(FI_CQ_FORMAT_CONTEXT);
  CountedProgress endpoint;
  cq.endpoints.add(endpoint);
  cq.ring.push(completion(1));
  fi_cq_entry entry;
  EXPECT_EQ(fi_cq_read(on.cq, &entry, 1), 1);
  EXPECT_EQ(endpoint.calls, 0);
  endpoint.makes = &cq.ring;
  EXPECT_EQ(fi_cq_read(on.cq, &entry, 1), 1);
  EXPECT_EQ(endpoint.calls, 1);
  EXPECT_EQ(entry.op_context, &endpoint.calls);
  EXPECT_EQ(fi_cq_read(on.cq, nullptr, 0), 0) << "something is there";
  EXPECT_EQ(endpoint.calls, 2);
  endpoint.makes = nullptr;
  EXPECT_EQ(fi_cq_read(on.cq, &entry, 1), 1);
  EXPECT_EQ(fi_cq_read(on.cq, nullptr, 0), -FI_EAGAIN);
  EXPECT_EQ(fi_close(&on.cq->fid), -FI_EBUSY) << "an endpoint is bound";
  cq.endpoints.remove(endpoint);
}

TEST_F(RdmCqTest, AFailureWaitsBehindEarlierSuccessesAndHoldsBackLaterOnes) {
  RdmCq& cq = open(FI_CQ_FORMAT_CONTEXT);
  cq.ring.push(completion(1));
  cq.ring.push_failure(
      {.of = completion(2), .overflow = 5, .error = FI_ENOTCONN, .provider_errno = 9, .text = {}});
  cq.ring.push(completion(3));
  fi_cq_entry entries[3];
  fi_cq_err_entry error{};
  EXPECT_EQ(fi_cq_readerr(on.cq, &error, 0), -FI_EAGAIN);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 3), 1);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 3), -FI_EAVAIL);
  EXPECT_EQ(fi_cq_read(on.cq, nullptr, 0), -FI_EAVAIL);
  EXPECT_EQ(fi_cq_readerr(on.cq, &error, 0), 1);
  EXPECT_EQ(error.op_context, reinterpret_cast<void*>(2));
  EXPECT_EQ(error.flags, FI_RECV | FI_TAGGED);
  EXPECT_EQ(error.olen, 5U);
  EXPECT_EQ(error.err, FI_ENOTCONN);
  EXPECT_EQ(error.prov_errno, 9);
  EXPECT_EQ(error.tag, 302U);
  EXPECT_EQ(error.err_data, nullptr);
  EXPECT_EQ(fi_cq_read(on.cq, entries, 3), 1);
  EXPECT_EQ(entries[0].op_context, reinterpret_cast<void*>(3));
}

TEST_F(RdmCqTest, ErrorTextIsLentOrCopiedByWhatTheApplicationBrings) {
  RdmCq& cq = open(FI_CQ_FORMAT_CONTEXT);
  const auto fail = [&] {
    cq.ring.push_failure({.of = {},
                          .overflow = 0,
                          .error = FI_EHOSTUNREACH,
                          .provider_errno = 15,
                          .text = "me to you"});
  };
  fail();
  fi_cq_err_entry error{};
  ASSERT_EQ(fi_cq_readerr(on.cq, &error, 0), 1);
  EXPECT_STREQ(static_cast<char*>(error.err_data), "me to you");
  EXPECT_EQ(error.err_data_size, 10U);
  char room[5] = "xxxx";
  error = {};
  error.err_data = room;
  error.err_data_size = sizeof room;
  fail();
  ASSERT_EQ(fi_cq_readerr(on.cq, &error, 0), 1);
  EXPECT_STREQ(room, "me t") << "cut, but ended";
  EXPECT_EQ(error.err_data_size, 5U);
  EXPECT_EQ(error.err_data, room);
}

TEST_F(RdmCqTest, BeforeVersion15TheEntryHasNoSizeOfTheErrorText) {
  Opened old(Kind::rdm, FI_VERSION(1, 4));
  ASSERT_EQ(old.open_cq(FI_CQ_FORMAT_CONTEXT), 0);
  RdmCq::of(old.cq).ring.push_failure(
      {.of = {}, .overflow = 0, .error = FI_EIO, .provider_errno = 2, .text = "text"});
  fi_cq_err_entry error{};
  error.err_data_size = 0x5555;  // in truth memory behind the application's structure
  ASSERT_EQ(fi_cq_readerr(old.cq, &error, 0), 1);
  EXPECT_EQ(error.err_data_size, 0x5555U);
  EXPECT_STREQ(static_cast<char*>(error.err_data), "text");
}

TEST_F(RdmCqTest, StrerrorSaysTheTextOfTheErrorOrOfItsNumber) {
  open(FI_CQ_FORMAT_CONTEXT);
  EXPECT_NE(std::string(fi_cq_strerror(on.cq, 15, nullptr, nullptr, 0)).find("security groups"),
            std::string::npos);
  EXPECT_STREQ(fi_cq_strerror(on.cq, 15, "both addresses", nullptr, 0), "both addresses");
  char buffer[8];
  EXPECT_STREQ(fi_cq_strerror(on.cq, 1, nullptr, buffer, sizeof buffer), "flushed");
  EXPECT_NE(fi_cq_strerror(on.cq, 12345, nullptr, nullptr, 0), nullptr);
}

TEST_F(RdmCqTest, SizeIsThatOfTheQueuesOrTheUsersOrTheApplications) {
  process().settings.cq_size = 1;
  EXPECT_EQ(on.open_cq(FI_CQ_FORMAT_CONTEXT, 10), 0);
  EXPECT_EQ(on.device_cq().attributes.cqe, 4096U + 8192U);
  Opened user(Kind::rdm);
  process().settings.cq_size = 20000;
  EXPECT_EQ(user.open_cq(FI_CQ_FORMAT_CONTEXT, 10), 0);
  EXPECT_EQ(user.device_cq().attributes.cqe, 20000U);
  Opened application(Kind::rdm);
  EXPECT_EQ(application.open_cq(FI_CQ_FORMAT_CONTEXT, 30000), 0);
  EXPECT_EQ(application.device_cq().attributes.cqe, 30000U);
  Opened beyond(Kind::rdm);
  EXPECT_EQ(beyond.open_cq(FI_CQ_FORMAT_CONTEXT, 100000), 0);
  EXPECT_EQ(beyond.device_cq().attributes.cqe, 32768U) << "all that the device has";
  process().settings = {};
}

TEST_F(RdmCqTest, OlderLibrariesGetAQueueWithoutWhatTheyLack) {
  fake().cq_fields = EFADV_WC_EX_WITH_SGID;
  RdmCq& cq = open(FI_CQ_FORMAT_CONTEXT);
  EXPECT_TRUE(cq.tells_gid);
  EXPECT_FALSE(cq.tells_unsolicited);
  EXPECT_NE(cq.verbs_efa, nullptr);
  Opened oldest(Kind::rdm);
  fake().cq_fields = 0;
  fake().single_threaded_cqs = false;
  EXPECT_EQ(oldest.open_cq(FI_CQ_FORMAT_CONTEXT), 0);
  EXPECT_FALSE(RdmCq::of(oldest.cq).tells_gid);
  EXPECT_EQ(RdmCq::of(oldest.cq).verbs_efa, nullptr);
  EXPECT_EQ(oldest.device_cq().attributes.flags, 0U);
}

TEST_F(RdmCqTest, AttributesThatCannotBeAreRefused) {
  const auto open_with = [&](auto change) {
    fi_cq_attr attributes{};
    change(attributes);
    return efa::fi::open_cq(on.domain.get(), &attributes, &on.cq, nullptr);
  };
  EXPECT_EQ(open_with([](auto& a) { a.wait_obj = FI_WAIT_SET; }), -FI_ENOSYS);
  EXPECT_EQ(open_with([](auto& a) { a.wait_obj = FI_WAIT_MUTEX_COND; }), -FI_ENOSYS);
  EXPECT_EQ(open_with([](auto& a) { a.wait_cond = static_cast<fi_cq_wait_cond>(7); }), -FI_EINVAL);
  EXPECT_EQ(open_with([](auto& a) { a.format = static_cast<fi_cq_format>(9); }), -FI_ENOSYS);
  EXPECT_EQ(on.domain->children, 0);
  EXPECT_EQ(open_with([](auto& a) { a.flags = FI_AFFINITY; }), 0);
}

TEST_F(RdmCqTest, WithoutAWaitObjectNobodySleeps) {
  open(FI_CQ_FORMAT_CONTEXT);
  fi_cq_entry entry;
  EXPECT_EQ(fi_cq_sread(on.cq, &entry, 1, nullptr, 0), -FI_ENOSYS);
  EXPECT_EQ(fi_cq_signal(on.cq), -FI_ENOSYS);
  int fd = -1;
  EXPECT_EQ(fi_control(&on.cq->fid, FI_GETWAIT, &fd), -FI_ENOSYS);
}

}  // namespace
}  // namespace efa::fi::test
