// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_VERSION
#include <nlohmann/json.hpp>

#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

class VersionMessage : public Client {
 protected:
  /// The session ends: no reply but the end of the stream.
  void expect_refusal(const Bytes& payload) {
    send(Command::kVersion, payload);
    EXPECT_FALSE(session_->serve());
    EXPECT_FALSE(session_->ended_because().empty());
    EXPECT_FALSE(receive());
  }
};

TEST_F(VersionMessage, IsAnsweredWithThisServersCapabilities) {
  // What QEMU 11 proposes.
  const Answer answer =
      ask(Command::kVersion,
          version_payload(0, R"({"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,
             "max_dma_maps":65535,"pgsizes":4096,"write_multiple":true,"migration":{}}})"));
  const auto version = answer.body<Version>();
  EXPECT_EQ(version.major, 0);
  EXPECT_EQ(version.minor, 0);
  ASSERT_GT(answer.payload.size(), sizeof version);
  EXPECT_EQ(answer.payload.back(), std::byte{0});
  const auto json =
      nlohmann::json::parse(reinterpret_cast<const char*>(answer.payload.data()) + sizeof version);
  const auto& capabilities = json.at("capabilities");
  EXPECT_EQ(capabilities.at("max_msg_fds"), 16);
  EXPECT_EQ(capabilities.at("max_data_xfer_size"), 4096);
  EXPECT_FALSE(capabilities.contains("write_multiple"));
  EXPECT_FALSE(capabilities.contains("twin_socket"));
}

TEST_F(VersionMessage, NeedsNoCapabilities) {
  EXPECT_EQ(error_of(Command::kVersion, version_payload()), 0);
}

TEST_F(VersionMessage, OfAHigherMinorIsAnsweredWithTheLowerOne) {
  const Answer answer = ask(Command::kVersion, bytes_of(Version{0, 7}));
  EXPECT_EQ(answer.body<Version>().minor, 0);
}

TEST_F(VersionMessage, OfAnotherMajorEndsTheSession) {
  expect_refusal(version_payload(1));
}

TEST_F(VersionMessage, ThatIsTooShortEndsTheSession) {
  expect_refusal(Bytes(3));
}

TEST_F(VersionMessage, WithTextThatIsNoJsonObjectEndsTheSession) {
  expect_refusal(version_payload(0, "capabilities"));
}

TEST_F(VersionMessage, WithCapabilitiesThatAreNoObjectEndsTheSession) {
  expect_refusal(version_payload(0, R"({"capabilities":[1]})"));
}

TEST_F(VersionMessage, ComesFirst) {
  send(Command::kDeviceGetInfo, bytes_of(DeviceInfo{}));
  EXPECT_FALSE(session_->serve());
  EXPECT_NE(session_->ended_because().find("did not begin"), std::string::npos);
}

TEST_F(VersionMessage, ComesOnce) {
  greet();
  expect_refusal(version_payload());
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
