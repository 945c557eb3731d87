// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/launcher.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "frontend/uverbs/launcher_channel.hpp"
#include "frontend/uverbs/launcher_descendants.hpp"
#include "frontend/uverbs/private_dev.hpp"
#include "frontend/uverbs/run_directory.hpp"

namespace efa::emu {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

std::vector<LaunchedHost> hosts(std::initializer_list<const char*> names) {
  std::vector<LaunchedHost> all;
  unsigned index = 0;
  for (const char* name : names) {
    LaunchedDevice device;
    device.uverbs_index = index++;
    device.name = "efa_0";
    device.pci_device = 0xefa2;
    all.push_back({name, {device}});
  }
  return all;
}

TEST(Hostfile, HasOneLinePerHostWithTwoSlots) {
  EXPECT_EQ(hostfile_text(hosts({"host0", "host1"})), "host0 slots=2\nhost1 slots=2\n");
  EXPECT_EQ(machinefile_text(hosts({"host0", "host1"})), "host0:2\nhost1:2\n");
}

TEST(Hostfile, EveryHostHasALoopbackAddressOfItsOwn) {
  EXPECT_EQ(etc_hosts_lines(hosts({"a", "b"})), "127.64.0.1 a\n127.64.0.2 b\n");
}

TEST(RunDirectory, HoldsWhatProgramsReadAndVanishesWithItsObject) {
  std::string path;
  {
    const auto directory = RunDirectory::create();
    ASSERT_TRUE(directory) << directory.error().text();
    ASSERT_TRUE(directory->fill(hosts({"host0", "host1"})));
    path = directory->path();
    EXPECT_TRUE(fs::exists(sysfs_path(path, "host1") + "/class/infiniband/efa_0"));
    EXPECT_TRUE(fs::exists(hostfile_path(path)));
    EXPECT_EQ(access(remote_shell_path(path).c_str(), X_OK), 0);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(RunDirectory, LeftoverVariableOfAnEndedRunDoesNotCount) {
  setenv("EFA_EMU_DIR", "/tmp/efa-emu.gone", 1);
  EXPECT_FALSE(surrounding_run());
  unsetenv("EFA_EMU_DIR");
}

TEST(NodePath, IsRecognisedInItsCanonicalFormOnly) {
  EXPECT_EQ(uverbs_node_index(uverbs_node_path(3), 4), 3u);
  EXPECT_EQ(uverbs_node_index("/dev/infiniband/uverbs0", 1), 0u);
  for (const char* other : {"/dev/infiniband/uverbs4", "/dev/infiniband/uverbs", "/dev/null",
                            "/dev/infiniband/uverbs03", "/dev/infiniband/uverbs1x",
                            "/dev/infiniband/uverbs-1", "/dev/infiniband/uverbs99999999999", ""}) {
    EXPECT_FALSE(uverbs_node_index(other, 4)) << other;
  }
}

TEST(LaunchChannel, BringsAnErrorAcrossAFork) {
  auto channel = LaunchChannel::create();
  ASSERT_TRUE(channel);
  const pid_t child = fork();
  if (child == 0) {
    channel->send_error({ENOENT, "what", "cure"});
    _exit(0);
  }
  const auto received = channel->receive_listener();
  waitpid(child, nullptr, 0);
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().code, ENOENT);
  EXPECT_EQ(received.error().text(), "what; cure");
}

TEST(LaunchChannel, AnErrorAfterTheListenerWins) {
  auto channel = LaunchChannel::create();
  ASSERT_TRUE(channel);
  const pid_t child = fork();
  if (child == 0) {
    channel->send_listener(STDERR_FILENO);
    channel->send_error({EACCES, "exec failed", ""});
    _exit(0);
  }
  const auto received = channel->receive_listener();
  waitpid(child, nullptr, 0);
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().code, EACCES);
}

TEST(LaunchChannel, AChildThatDiesSilentlyIsAnError) {
  auto channel = LaunchChannel::create();
  ASSERT_TRUE(channel);
  const pid_t child = fork();
  if (child == 0) {
    _exit(0);
  }
  const auto received = channel->receive_listener();
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(received);
}

TEST(Descendants, IncludeGrandchildren) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      pause();
    }
    [[maybe_unused]] const ssize_t written = write(ends[1], &grandchild, sizeof grandchild);
    pause();
  }
  pid_t grandchild = 0;
  ASSERT_EQ(read(ends[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
  const auto all = descendants();
  EXPECT_THAT(all, Contains(child));
  EXPECT_THAT(all, Contains(grandchild));
  kill(grandchild, SIGKILL);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

/// A launcher changes its process for good (namespaces, subreaper): it lives in a child here.
/// Path mode, which needs no privilege.
template <class Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int run_to_its_end(const std::vector<std::string>& command) {
  auto launcher = Launcher::create(hosts({"host0"}), Mode::kPath);
  if (!launcher) return 101;
  if (!(*launcher)->start(command)) return 102;
  NotifyListener& listener = (*launcher)->listener();
  while (!(*launcher)->reap()) {
    // Ends the wait with POLLHUP when the last client has gone.
    pollfd ready{listener.fd(), POLLIN, 0};
    poll(&ready, 1, -1);
    Notification call;
    const bool received = (ready.revents & POLLIN) != 0 && listener.receive(call);
    if (received && !(*launcher)->serve_path_call(call)) {
      listener.reply_error(call.id, ENOTTY);
    }
  }
  return (*launcher)->exit_status();
}

TEST(Launcher, PassesTheExitStatusOn) {
  EXPECT_EQ(in_child([] { return run_to_its_end({"/bin/sh", "-c", "exit 7"}); }), 7);
  EXPECT_EQ(in_child([] { return run_to_its_end({"/bin/sh", "-c", "kill -TERM $$"}); }), 128 + 15);
}

TEST(Launcher, ServesPathsOfNodesThatDoNotExist) {
  EXPECT_EQ(in_child([] {
              return run_to_its_end({"/bin/sh", "-c", "test -c /dev/infiniband/uverbs0"});
            }),
            0);
  EXPECT_EQ(in_child([] {
              return run_to_its_end({"/bin/sh", "-c", "test -c /dev/infiniband/uverbs1"});
            }),
            1);
}

TEST(Launcher, NamesAMissingProgram) {
  const int code = in_child([] {
    auto launcher = Launcher::create(hosts({"host0"}), Mode::kPath);
    const auto started = (*launcher)->start({"no-such-program"});
    const bool named = !started && started.error().code == ENOENT &&
                       started.error().what.find("'no-such-program'") != std::string::npos;
    return named ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Launcher, RefusesToStartInsideAnotherRun) {
  const auto outer = RunDirectory::create();
  ASSERT_TRUE(outer);
  ASSERT_TRUE(outer->fill(hosts({"host0"})));
  setenv("EFA_EMU_DIR", outer->path().c_str(), 1);
  const auto launcher = Launcher::create(hosts({"host0"}), Mode::kPath);
  unsetenv("EFA_EMU_DIR");
  ASSERT_FALSE(launcher);
  EXPECT_EQ(launcher.error().code, EBUSY);
  EXPECT_THAT(launcher.error().text(), HasSubstr("efa-emu on HOST"));
}

}  // namespace
}  // namespace efa::emu
