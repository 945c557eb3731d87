// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Threads that sleep on completion queues of provider efa until the device signals (spec
// libfabric-api 5.4, D10), and what datagrams are in libfabric (2.2). Run below the emulator;
// FI_PROVIDER_PATH has the provider.
#include <poll.h>
#include <rdma/fi_cm.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "opened.hpp"

namespace {

using namespace efa::fi::test;

/// An endpoint that knows itself, with one CQ for both directions.
struct Loopback : OpenedDomain {
  explicit Loopback(fi_ep_type type, fi_wait_obj wait = FI_WAIT_NONE)
      : OpenedDomain(type), prefix(info->ep_attr->msg_prefix_size), buffer(8192) {
    fi_cq_attr cq_attributes{};
    cq_attributes.format = FI_CQ_FORMAT_DATA;
    cq_attributes.wait_obj = wait;
    EXPECT_EQ(fi_cq_open(domain.get(), &cq_attributes, cq.out(), nullptr), 0);
    fi_av_attr av_attributes{};
    EXPECT_EQ(fi_av_open(domain.get(), &av_attributes, av.out(), nullptr), 0);
    EXPECT_EQ(fi_endpoint(domain.get(), info.get(), ep.out(), nullptr), 0);
    EXPECT_EQ(fi_ep_bind(ep.get(), &cq->fid, FI_TRANSMIT | FI_RECV), 0);
    EXPECT_EQ(fi_ep_bind(ep.get(), &av->fid, 0), 0);
    EXPECT_EQ(fi_enable(ep.get()), 0);
    char address[64];
    size_t size = sizeof address;
    EXPECT_EQ(fi_getname(&ep->fid, address, &size), 0);
    EXPECT_EQ(fi_av_insert(av.get(), address, 1, &self, 0, nullptr), 1);
    EXPECT_EQ(fi_mr_reg(domain.get(), buffer.data(), buffer.size(), FI_SEND | FI_RECV, 0, 0, 0,
                        mr.out(), nullptr),
              0);
  }

  void receive() {
    ASSERT_EQ(fi_recv(ep.get(), buffer.data() + 4096, 1024, fi_mr_desc(mr.get()), FI_ADDR_UNSPEC,
                      &contexts[0]),
              0);
  }
  void send(const std::string& text, uint64_t data) {
    std::memcpy(buffer.data() + prefix, text.data(), text.size());
    ASSERT_EQ(fi_senddata(ep.get(), buffer.data(), prefix + text.size(), fi_mr_desc(mr.get()), data,
                          self, &contexts[1]),
              0);
  }
  std::string received(const fi_cq_data_entry& entry) const {
    return {buffer.data() + 4096 + prefix, entry.len - prefix};
  }

  const size_t prefix;
  std::vector<char> buffer;
  // In the order of creation; destroyed in reverse.
  Owner<fid_cq> cq;
  Owner<fid_av> av;
  Owner<fid_mr> mr;
  Owner<fid_ep> ep;
  fi_addr_t self = FI_ADDR_UNSPEC;
  fi_context2 contexts[2];
};

/// Seconds of processor time of this thread.
double processor_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class SleepTest : public testing::TestWithParam<fi_ep_type> {};

/// Both completions of a message, by reads that sleep.
void take_both(Loopback& loopback, const std::string& text) {
  bool sent = false, received = false;
  while (!sent || !received) {
    fi_cq_data_entry entry{};
    const ssize_t got = fi_cq_sread(loopback.cq.get(), &entry, 1, nullptr, 20000);
    ASSERT_EQ(got, 1) << "within 20 seconds";
    if (entry.flags & FI_SEND) sent = true;
    if (!(entry.flags & FI_RECV)) continue;
    received = true;
    EXPECT_EQ(loopback.received(entry), text);
    EXPECT_EQ(entry.data, 17u);
    EXPECT_EQ(entry.op_context, &loopback.contexts[0]);
  }
}

TEST_P(SleepTest, ABlockingReadSleepsUntilTheMessageIsThere) {
  Loopback loopback(GetParam(), FI_WAIT_UNSPEC);
  loopback.receive();
  fi_cq_data_entry entry{};
  // Before anybody sends: sleeping costs nothing.
  const double before = processor_time();
  EXPECT_EQ(fi_cq_sread(loopback.cq.get(), &entry, 1, nullptr, 500), -FI_EAGAIN);
  EXPECT_LT(processor_time() - before, 0.25);
  std::thread sender([&] { loopback.send("good morning", 17); });
  take_both(loopback, "good morning");
  sender.join();
}

TEST_P(SleepTest, TheDeviceWakesASleeperWhoWasAloneAllTheTime) {
  Loopback loopback(GetParam(), FI_WAIT_UNSPEC);
  for (int i = 0; i < 20; ++i) {
    loopback.receive();
    loopback.send(std::to_string(i), 17);
    take_both(loopback, std::to_string(i));
  }
}

TEST_P(SleepTest, ASignalOfAnotherThreadWakes) {
  Loopback loopback(GetParam(), FI_WAIT_UNSPEC);
  std::thread other([&] { EXPECT_EQ(fi_cq_signal(loopback.cq.get()), 0); });
  fi_cq_data_entry entry{};
  EXPECT_EQ(fi_cq_sread(loopback.cq.get(), &entry, 1, nullptr, -1), -FI_EAGAIN);
  other.join();
}

TEST_P(SleepTest, TheFileDescriptorIsReadableWhenSomethingCame) {
  Loopback loopback(GetParam(), FI_WAIT_FD);
  pollfd event{.fd = -1, .events = POLLIN, .revents = 0};
  ASSERT_EQ(fi_control(&loopback.cq->fid, FI_GETWAIT, &event.fd), 0);
  loopback.receive();
  loopback.send("by descriptor", 17);
  fid* waited[] = {&loopback.cq->fid};
  for (int left = 2; left > 0;) {
    fi_cq_data_entry entries[2];
    const ssize_t got = fi_cq_read(loopback.cq.get(), entries, 2);
    if (got > 0) left -= static_cast<int>(got);
    if (got != -FI_EAGAIN) continue;
    // As applications have to: only after fi_trywait() may the thread sleep.
    if (fi_trywait(loopback.fabric.get(), waited, 1) == 0) {
      ASSERT_EQ(poll(&event, 1, 20000), 1) << "within 20 seconds";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, SleepTest, testing::Values(FI_EP_DGRAM, FI_EP_RDM),
                         [](const auto& kind) {
                           return std::string(kind.param == FI_EP_RDM ? "rdm" : "datagram");
                         });

TEST(Datagram, LengthsHaveThePrefixAndSourcesAreKnown) {
  Loopback loopback(FI_EP_DGRAM);
  EXPECT_EQ(loopback.prefix, 40u);
  loopback.receive();
  loopback.send("0123456789", 5);
  for (int left = 2; left > 0;) {
    fi_cq_data_entry entry{};
    fi_addr_t source = FI_ADDR_UNSPEC;
    if (fi_cq_readfrom(loopback.cq.get(), &entry, 1, &source) != 1) continue;
    --left;
    if (!(entry.flags & FI_RECV)) continue;
    EXPECT_EQ(entry.flags, FI_RECV | FI_MSG | FI_REMOTE_CQ_DATA);
    EXPECT_EQ(entry.len, 50u);
    EXPECT_EQ(entry.data, 5u);
    EXPECT_EQ(source, loopback.self);
  }
}

TEST(Datagram, WithoutAReceiveItIsLostAndTheSendCompletes) {
  Loopback loopback(FI_EP_DGRAM);
  loopback.send("nobody listens", 1);
  fi_cq_data_entry entry{};
  ssize_t got;
  while ((got = fi_cq_read(loopback.cq.get(), &entry, 1)) == -FI_EAGAIN) {
  }
  EXPECT_EQ(got, 1);
  EXPECT_EQ(entry.op_context, &loopback.contexts[1]);
  EXPECT_EQ(fi_cq_read(loopback.cq.get(), &entry, 1), -FI_EAGAIN);
}

/// FI_EFA_DUMP_SIGNAL=12, FI_LOG_LEVEL=warn: what the next look at the queue writes into the log.
std::string look_and_log(Loopback& loopback) {
  testing::internal::CaptureStderr();
  fi_cq_read(loopback.cq.get(), nullptr, 0);
  return testing::internal::GetCapturedStderr();
}

TEST(Dump, ASignalShowsStuckOperationsOnceAtTheNextLookAtTheQueue) {
  Loopback loopback(FI_EP_RDM, FI_WAIT_UNSPEC);
  EXPECT_EQ(look_and_log(loopback), "");
  loopback.send("nobody waits for it", 17);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::string dump;
  do {
    raise(SIGUSR2);
    dump = look_and_log(loopback);
    ASSERT_NE(dump.find("endpoint ["), std::string::npos) << dump;
    ASSERT_LT(std::chrono::steady_clock::now(), end) << dump;
  } while (dump.find("no receive is posted for it") == std::string::npos);
  EXPECT_NE(dump.find(" of 19 bytes"), std::string::npos) << dump;
  EXPECT_EQ(look_and_log(loopback), "");
  loopback.receive();
  take_both(loopback, "nobody waits for it");
}

TEST(Dump, IsGivenToWhoAsksByControl) {
  Loopback loopback(FI_EP_RDM);
  testing::internal::CaptureStderr();
  EXPECT_EQ(fi_control(&loopback.ep->fid, 0xefa0001, nullptr), 0);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("endpoint ["), std::string::npos);
}

}  // namespace
