// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Streams that make no sense, and clients that do not behave: the session ends or waits, never
/// more.
#include <random>

#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

class MalformedRequests : public Greeted {
 protected:
  static Bytes header_bytes(std::uint32_t size, std::uint32_t flags = 0,
                            Command command = Command::kDeviceReset) {
    Header header;
    header.command = static_cast<std::uint16_t>(command);
    header.size = size;
    header.flags = flags;
    return bytes_of(header);
  }
  void expect_end(const Bytes& bytes, std::span<const int> descriptors = {}) {
    send_raw(bytes, descriptors);
    EXPECT_FALSE(session_->serve());
  }
};

TEST_F(MalformedRequests, ShorterThanTheirHeaderEndTheSession) {
  expect_end(header_bytes(15));
}
TEST_F(MalformedRequests, OfLengthZeroEndTheSession) {
  expect_end(header_bytes(0));
}
TEST_F(MalformedRequests, LongerThanAnythingUsefulEndTheSession) {
  expect_end(header_bytes(kMaxMessage + 1));
}
TEST_F(MalformedRequests, OfFourGigabytesEndTheSession) {
  expect_end(header_bytes(~0u));
}
TEST_F(MalformedRequests, ThatAreRepliesEndTheSession) {
  expect_end(header_bytes(16, kTypeReply));
}
TEST_F(MalformedRequests, OfAnUnknownTypeEndTheSession) {
  expect_end(header_bytes(16, 7));
}

TEST_F(MalformedRequests, WithTooManyDescriptorsEndTheSessionAndLeaveNoneOpen) {
  const FileDescriptor eventfd = event();
  const std::vector<int> many(17, eventfd.get());
  const std::size_t before = open_descriptors();
  expect_end(header_bytes(16), many);
  session_.reset();
  EXPECT_EQ(open_descriptors(), before - 1);
}

TEST_F(MalformedRequests, WithFarTooManyDescriptorsEndTheSessionAndLeaveNoneOpen) {
  const FileDescriptor eventfd = event();
  const std::vector<int> many(60, eventfd.get());
  const std::size_t before = open_descriptors();
  expect_end(header_bytes(16), many);
  session_.reset();
  EXPECT_EQ(open_descriptors(), before - 1);
}

TEST_F(MalformedRequests, WithSixteenDescriptorsAreFine) {
  const FileDescriptor eventfd = event();
  const std::vector<int> many(16, eventfd.get());
  EXPECT_EQ(error_of(Command::kDeviceReset, {}, many), 0);
}

// Half a message delays nobody: the engine goes on and comes back when there is more.
TEST_F(MalformedRequests, InPiecesAreTakenWhenTheyAreWhole) {
  const FileDescriptor eventfd = event();
  const int fd = eventfd.get();
  const IrqSet set{sizeof set, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                   VFIO_PCI_MSIX_IRQ_INDEX, 0, 1};
  Bytes message = header_bytes(sizeof(Header) + sizeof set, 0, Command::kDeviceSetIrqs);
  const Bytes body = bytes_of(set);
  message.insert(message.end(), body.begin(), body.end());
  for (std::size_t i = 0; i < message.size(); ++i) {
    EXPECT_FALSE(receive());
    send_raw({message.data() + i, 1},
             i == 20 ? std::span<const int>(&fd, 1) : std::span<const int>());
    EXPECT_TRUE(session_->serve());
  }
  const auto answer = receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.flags, kTypeReply);
  function_->vectors().signal(0);
  EXPECT_EQ(signals_of(eventfd), 1u);
}

TEST_F(MalformedRequests, ThatEndInTheMiddleAreReported) {
  send_raw(Bytes(7));
  EXPECT_TRUE(session_->serve());
  mine_.reset();
  EXPECT_FALSE(session_->serve());
  EXPECT_NE(session_->ended_because().find("within a message"), std::string::npos);
}

TEST_F(MalformedRequests, DoNotMakeAnOrderlyEndAnError) {
  mine_.reset();
  EXPECT_TRUE(session_->peer_has_gone());
  EXPECT_FALSE(session_->serve());
  EXPECT_TRUE(session_->ended_because().empty());
}

TEST_F(MalformedRequests, KeepTheirDescriptorsOpenNoLongerThanTheSession) {
  const FileDescriptor eventfd = event();
  const int fd = eventfd.get();
  const std::size_t before = open_descriptors();
  send_raw(header_bytes(100), {&fd, 1});
  EXPECT_TRUE(session_->serve());
  EXPECT_EQ(open_descriptors(), before + 1);
  session_.reset();
  EXPECT_EQ(open_descriptors(), before - 1);
}

// A client that asks without reading: replies are queued, its further requests wait.
TEST_F(MalformedRequests, FromAClientThatDoesNotReadStopBeingServed) {
  const Bytes payload = bytes_of(RegionAccess{0, VFIO_PCI_CONFIG_REGION_INDEX, 4096});
  unsigned sent = 0;
  while (!session_->waits_to_send()) {
    send(Command::kRegionRead, payload);
    ++sent;
    ASSERT_TRUE(session_->serve());
    ASSERT_LT(sent, 10000u);
  }
  const std::uint64_t served = function_->accesses().config_reads;
  send(Command::kRegionRead, payload);
  ++sent;
  EXPECT_TRUE(session_->serve());
  EXPECT_EQ(function_->accesses().config_reads, served);

  unsigned replies = 0;
  while (replies < sent) {
    while (auto answer = receive()) {
      EXPECT_EQ(answer->payload.size(), sizeof(RegionAccess) + 4096);
      ++replies;
    }
    ASSERT_TRUE(session_->serve());
  }
  EXPECT_FALSE(session_->waits_to_send());
}

TEST_F(MalformedRequests, OfRandomBytesEndTheSessionOrAreRefused) {
  std::mt19937 random(20260);
  for (int round = 0; round < 300; ++round) {
    connect();
    greet();
    Bytes bytes(64 + random() % 512);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    Header header;
    header.command = static_cast<std::uint16_t>(2 + random() % 16);
    header.size = static_cast<std::uint32_t>(16 + random() % (bytes.size() - 16));
    header.flags = random() % 8 == 0 ? static_cast<std::uint32_t>(random()) : 0;
    std::memcpy(bytes.data(), &header, sizeof header);
    send_raw(bytes);
    session_->serve();
  }
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
