// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/control_requests.hpp"

#include <nlohmann/json.hpp>

#include "client.hpp"
#include "device/admin_faults.hpp"
#include "efa_hw.h"
#include "frontend/vfio_user/line_connection.hpp"

namespace efa::emu::vfio_user::test {
namespace {

using Json = nlohmann::json;

class Control : public ::testing::Test {
 protected:
  Control() : fabric_(uniform_topology(2, 1, "efa3", 1), clock_) {
    char name[] = "/tmp/efa-control.XXXXXX";
    directory_ = ::mkdtemp(name);
    add("host1-0", 0);
    add("host2-0", 1);
  }
  ~Control() override {
    ports_.clear();
    std::filesystem::remove_all(directory_);
  }

  void add(const std::string& name, unsigned host) {
    auto listener = Listener::create(directory_ + "/" + name + ".sock");
    auto function =
        PciFunction::create(*find_profile("efa3"),
                            {Gid::from_mac({2, 0, 0, 0, 0, static_cast<std::uint8_t>(host)}), {}},
                            {}, fabric_, host, Doorbells::kTrapped);
    ports_.push_back({name, std::move(*listener), std::move(*function), nullptr, false, {}});
  }

  Json ask(const std::string& text) {
    const std::string reply = answer_control_request(text, ports_, clock_.now());
    EXPECT_EQ(reply.find('\n'), std::string::npos);
    return Json::parse(reply);
  }
  void expect_error(const std::string& request, const std::string& part) {
    const Json reply = ask(request);
    EXPECT_EQ(reply.at("ok"), false) << request;
    EXPECT_NE(reply.value("error", "").find(part), std::string::npos) << reply.dump();
  }
  Device& device(std::size_t port) { return ports_[port].function->device(); }

  ManualClock clock_;
  Switch fabric_;
  std::string directory_;
  std::vector<Port> ports_;
};

TEST_F(Control, AnswersAPing) {
  EXPECT_EQ(ask(R"({"op":"ping"})"), Json({{"ok", true}}));
}

TEST_F(Control, ArmsAFaultOfOneDevice) {
  EXPECT_EQ(ask(R"({"op":"fault","device":"host2-0","opcode":"create_qp","kind":"status",
                    "status":7,"skip":1,"count":2})"),
            Json({{"ok", true}, {"armed", 1}}));
  AdminFaults& faults = device(1).admin_faults();
  EXPECT_FALSE(faults.take(EFA_AQ_OPCODE_CREATE_CQ));
  EXPECT_FALSE(faults.take(EFA_AQ_OPCODE_CREATE_QP)) << "skipped";
  for (int i = 0; i < 2; ++i) {
    const auto fault = faults.take(EFA_AQ_OPCODE_CREATE_QP);
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->kind, AdminFault::Kind::kStatus);
    EXPECT_EQ(fault->status, 7);
  }
  EXPECT_FALSE(faults.take(EFA_AQ_OPCODE_CREATE_QP));
  EXPECT_EQ(device(0).admin_faults().armed(), 0u);
}

TEST_F(Control, KnowsEveryKindOfFault) {
  for (const char* kind :
       {"status", "timeout", "late", "lost", "wrong_id", "stale_phase", "garbage", "bad_crc"})
    EXPECT_EQ(ask(Json({{"op", "fault"}, {"device", "host1-0"}, {"kind", kind}}).dump()).at("ok"),
              true)
        << kind;
}

TEST_F(Control, TakesOpcodesByNumberNameOrAny) {
  ask(R"({"op":"fault","device":"host1-0","opcode":14,"kind":"lost"})");
  ask(R"({"op":"fault","device":"host1-0","opcode":"any","kind":"lost"})");
  AdminFaults& faults = device(0).admin_faults();
  EXPECT_TRUE(faults.take(EFA_AQ_OPCODE_ALLOC_PD));
  EXPECT_TRUE(faults.take(EFA_AQ_OPCODE_ALLOC_UAR));
}

TEST_F(Control, SaysWhatIsWrongWithAFault) {
  expect_error(R"({"op":"fault","device":"host1-0","kind":"odd"})", "choose status, timeout");
  expect_error(R"({"op":"fault","device":"host1-0"})", "there is no kind null");
  expect_error(R"({"op":"fault","device":"host1-0","kind":"lost","opcode":"CREATE_XX"})",
               "CREATE_XX");
  expect_error(R"({"op":"fault","device":"host1-0","kind":"lost","opcode":256})", "256");
  expect_error(R"({"op":"fault","device":"host1-0","kind":"status","status":256})", "0 to 255");
  expect_error(R"({"op":"fault","device":"host1-0","kind":"lost","count":0})", "1 to");
  expect_error(R"({"op":"fault","device":"host1-0","kind":"lost","count":-1})", "-1");
  expect_error(R"({"op":"fault","device":"host1-0","kind":"late","delay_ms":"1"})", "delay_ms");
  EXPECT_EQ(device(0).admin_faults().armed(), 0u);
}

TEST_F(Control, RefusesBadChecksumsWhereThereAreNone) {
  auto function =
      PciFunction::create(*find_profile("efa2"), {Gid::from_mac({2, 0, 0, 0, 0, 9}), {}}, {},
                          fabric_, 0, Doorbells::kTrapped);
  ports_[0].function = std::move(*function);
  expect_error(R"({"op":"fault","device":"host1-0","kind":"bad_crc"})", "--api-version");
}

TEST_F(Control, ClearsWhatIsArmed) {
  ask(R"({"op":"fault","device":"host1-0","kind":"lost"})");
  ask(R"({"op":"reset_timeout","device":"host1-0","on":true})");
  EXPECT_EQ(ask(R"({"op":"clear","device":"host1-0"})").at("ok"), true);
  EXPECT_EQ(device(0).admin_faults().armed(), 0u);
  device(0).write_register(EFA_REG_DEV_CTL, 1);
  device(0).write_register(EFA_REG_DEV_CTL, 0);
  EXPECT_EQ(efa_reg_dev_sts_reset_in_progress(device(0).read_register(EFA_REG_DEV_STS)), 0u);
}

TEST_F(Control, HoldsAReset) {
  ask(R"({"op":"reset_timeout","device":"host1-0","on":true})");
  const auto in_reset = [&] {
    return efa_reg_dev_sts_reset_in_progress(device(0).read_register(EFA_REG_DEV_STS)) != 0;
  };
  EXPECT_FALSE(in_reset()) << "it holds only what begins";
  device(0).write_register(EFA_REG_DEV_CTL, 1);
  device(0).write_register(EFA_REG_DEV_CTL, 0);
  EXPECT_TRUE(in_reset());
  ask(R"({"op":"reset_timeout","device":"host1-0","on":false})");
  EXPECT_FALSE(in_reset());
  expect_error(R"({"op":"reset_timeout","device":"host1-0"})", "\"on\"");
}

TEST_F(Control, ReportsAnEventOnlyToADriverThatWantsIt) {
  EXPECT_EQ(ask(R"({"op":"event","device":"host1-0","group":1})").at("reported"), false);
  expect_error(R"({"op":"event","device":"host1-0","group":99})", "0 to 31");
  expect_error(R"({"op":"event","device":"host1-0","syndrome":65536})", "syndrome");
}

TEST_F(Control, CountsObjectsAndCommands) {
  std::array<std::byte, kAdminEntrySize> command{}, response{};
  command[offsetof(efa_aq_common_desc, opcode)] = std::byte{EFA_AQ_OPCODE_ALLOC_PD};
  device(0).execute(command, response);
  const Json stats = ask(R"({"op":"stats","device":"host1-0"})");
  EXPECT_EQ(stats.at("objects").at("pd"), 1);
  EXPECT_EQ(stats.at("objects").at("qp"), 0);
  EXPECT_EQ(stats.at("admin_by_opcode"), Json({{"ALLOC_PD", 1}}));
  EXPECT_EQ(stats.at("connected"), false);
}

TEST_F(Control, LetsADeviceVanishOnlyFromAClient) {
  expect_error(R"({"op":"vanish","device":"host1-0"})", "has no client");
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const FileDescriptor mine(pair[0]);
  ports_[0].session = std::make_unique<Session>(FileDescriptor(pair[1]), *ports_[0].function);
  clock_.advance(5'000'000);
  EXPECT_EQ(ask(R"({"op":"vanish","device":"host1-0","after_ms":20})").at("ok"), true);
  EXPECT_EQ(ports_[0].vanishes_at, std::optional<Nanoseconds>(25'000'000));
}

TEST_F(Control, SaysWhatItDoesNotUnderstand) {
  expect_error("", "no JSON object");
  expect_error("{", "no JSON object");
  expect_error("[]", "no JSON object");
  expect_error("{}", "no operation null");
  expect_error(R"({"op":"explode"})", "explode");
  expect_error(R"({"op":["ping"]})", "no operation");
  expect_error(R"({"op":"stats"})", "there is no device null");
  expect_error(R"({"op":"stats","device":"host3-0"})", "the devices are host1-0 to host2-0");
  expect_error(R"({"op":"stats","device":7})", "there is no device 7");
  expect_error("{\"op\":\"\xff\xfe\"}", "no JSON object");
}

/// The stream around the requests.
class Lines : public ::testing::Test {
 protected:
  Lines() {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    mine_ = FileDescriptor(pair[0]);
    connection_.emplace(FileDescriptor(pair[1]));
  }
  void say(std::string_view text) {
    ASSERT_EQ(::send(mine_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  bool serve() {
    return connection_->serve([](std::string_view line) { return "<" + std::string(line) + ">"; });
  }
  std::string hear() {
    char buffer[65536];
    const ssize_t got = ::recv(mine_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "";
  }
  FileDescriptor mine_;
  std::optional<LineConnection> connection_;
};

TEST_F(Lines, AreAnsweredOneByOne) {
  say("a\nbc\n\nd");
  EXPECT_TRUE(serve());
  EXPECT_EQ(hear(), "<a>\n<bc>\n");
  say("e\n");
  EXPECT_TRUE(serve());
  EXPECT_EQ(hear(), "<de>\n");
}

TEST_F(Lines, WithoutEndEndTheConnection) {
  const std::string chunk(4096, 'x');
  bool alive = true;
  for (int i = 0; i < 20 && alive; ++i) {
    say(chunk);
    alive = serve();
  }
  EXPECT_FALSE(alive);
}

TEST_F(Lines, EndWithTheirPeer) {
  EXPECT_TRUE(serve());
  mine_.reset();
  EXPECT_FALSE(serve());
}

TEST_F(Lines, WaitForAPeerThatDoesNotRead) {
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "x\n";
  std::size_t said = 0;
  while (!connection_->waits_to_send()) {
    say(many);
    said += 2000;
    ASSERT_TRUE(serve());
  }
  std::size_t heard = 0;
  for (int idle = 0; idle < 2;) {
    const std::string text = hear();
    heard += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    idle = text.empty() ? idle + 1 : 0;
    ASSERT_TRUE(serve());
  }
  EXPECT_EQ(heard, said);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
