// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/launcher.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "frontend/uverbs/filter.hpp"
#include "frontend/uverbs/host_shell.hpp"
#include "frontend/uverbs/kernel_needs.hpp"
#include "frontend/uverbs/launcher_channel.hpp"
#include "frontend/uverbs/launcher_descendants.hpp"
#include "frontend/uverbs/path_calls.hpp"
#include "frontend/uverbs/private_dev.hpp"
#include "frontend/uverbs/run_directory.hpp"
#include "frontend/uverbs/sysfs_tree.hpp"

namespace efa::emu {
namespace {

constexpr std::array kSupervised = {SIGHUP, SIGINT, SIGTERM, SIGCHLD};
constexpr std::array kDispositions = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGCHLD};

/// Holds the supervisor's signals back from the first moment on: one that came between the start of
/// the command and the caller's own handling would end us and leave the command and the run
/// directory behind. The command starts with what the user's shell gave to us.
class SignalGuard {
 public:
  SignalGuard() {
    for (std::size_t i = 0; i < kDispositions.size(); ++i) {
      sigaction(kDispositions[i], nullptr, &actions_[i]);
    }
    sigset_t held;
    sigemptyset(&held);
    for (const int signal : kSupervised) {
      sigaddset(&held, signal);
    }
    sigprocmask(SIG_BLOCK, &held, &mask_);
  }
  ~SignalGuard() { sigprocmask(SIG_SETMASK, &mask_, nullptr); }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  void restore_in_child() const {
    for (std::size_t i = 0; i < kDispositions.size(); ++i) {
      sigaction(kDispositions[i], &actions_[i], nullptr);
    }
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }

 private:
  sigset_t mask_{};
  std::array<struct sigaction, kDispositions.size()> actions_{};
};

std::size_t node_count(const std::vector<LaunchedHost>& hosts) {
  std::size_t count = 0;
  for (const LaunchedHost& host : hosts) {
    for (const LaunchedDevice& device : host.devices) {
      count = std::max<std::size_t>(count, device.uverbs_index + 1);
    }
  }
  return count;
}

std::vector<std::string> names_of(const std::vector<LaunchedHost>& hosts) {
  std::vector<std::string> names;
  for (const LaunchedHost& host : hosts) {
    names.push_back(host.name);
  }
  return names;
}

Result<void> enter_one_trap_mode(std::size_t nodes, const std::string& run_directory) {
  if (auto entered = enter_private_mounts(); !entered) {
    return entered;
  }
  // Hundreds of hosts are thousands of small files, and a killed run leaves none of them behind.
  mount_memory(run_directory);
  return mount_device_nodes(nodes);
}

/// The mode that works here; an error only where the user insisted on one that does not.
Result<Mode> enter_mode(Mode wanted, std::size_t nodes, const std::string& run_directory) {
  if (wanted == Mode::kPath) {
    return Mode::kPath;
  }
  const auto entered = enter_one_trap_mode(nodes, run_directory);
  if (entered) {
    return Mode::kOneTrap;
  }
  if (wanted == Mode::kAuto) {
    return Mode::kPath;
  }
  return tl::unexpected<Error>(entered.error());
}

Result<void> refuse_nesting() {
  const auto dir = surrounding_run();
  if (!dir) {
    return {};
  }
  return fail(EBUSY,
              fmt::format("an emulator surrounds this process already (EFA_EMU_DIR={})", *dir),
              "leave it first, or use `efa-emu on HOST COMMAND` to run on another of its hosts");
}

/// What `fd` of `tid` was opened from. Below a chroot, a client in a mount namespace of its own
/// shows the whole path: what counts begins at the last "/dev/".
std::string opened_path(pid_t tid, int fd) {
  std::array<char, 4096> target{};
  const std::string link = fmt::format("/proc/{}/fd/{}", tid, fd);
  const ssize_t length = readlink(link.c_str(), target.data(), target.size());
  const std::string path(target.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
  const std::size_t start = path.rfind("/dev/");
  return start == std::string::npos ? std::string() : path.substr(start);
}

/// A terminal sends its interrupts to the whole foreground group, so the command has it already.
bool terminal_sent_it(int signal) {
  const bool typed = signal == SIGINT || signal == SIGQUIT;
  return typed && isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

}  // namespace

struct Launcher::State {
  State(std::unique_ptr<SignalGuard> guard, std::vector<LaunchedHost> all_hosts, RunDirectory dir)
      : signals(std::move(guard)),
        hosts(std::move(all_hosts)),
        nodes(node_count(hosts)),
        directory(std::move(dir)),
        paths(nodes, names_of(hosts)) {}

  Result<int> prepare_child() const;
  [[noreturn]] void run_child(LaunchChannel& channel,
                              const std::vector<std::string>& command) const;

  std::unique_ptr<SignalGuard> signals;  ///< first: released after the directory is removed
  std::vector<LaunchedHost> hosts;
  std::size_t nodes;
  RunDirectory directory;
  PathCalls paths;
  Mode mode = Mode::kAuto;
  NotifyListener listener;
  pid_t command = -1;
  int status = 0;
  bool ended = false;
};

Launcher::Launcher() = default;
Launcher::~Launcher() = default;

Result<std::unique_ptr<Launcher>> Launcher::create(std::vector<LaunchedHost> hosts, Mode mode) {
  if (auto alone = refuse_nesting(); !alone) {
    return tl::unexpected<Error>(alone.error());
  }
  if (auto able = check_kernel(); !able) {
    return tl::unexpected<Error>(able.error());
  }
  if (hosts.empty()) {
    return fail(EINVAL, "there is no host to run the command on", "describe at least one host");
  }
  auto signals = std::make_unique<SignalGuard>();
  auto directory = RunDirectory::create();
  if (!directory) {
    return tl::unexpected<Error>(directory.error());
  }
  std::unique_ptr<Launcher> launcher(new Launcher);
  launcher->state_ =
      std::make_unique<State>(std::move(signals), std::move(hosts), std::move(*directory));
  State& state = *launcher->state_;
  const std::string& path = state.directory.path();
  const auto entered = enter_mode(mode, state.nodes, path);
  if (!entered) {
    return tl::unexpected<Error>(entered.error());
  }
  state.mode = *entered;
  if (auto filled = state.directory.fill(state.hosts); !filled) {
    return tl::unexpected<Error>(filled.error());
  }
  if (state.mode == Mode::kOneTrap) {
    mount_hosts_file(etc_hosts_path(path));
  }
  // Orphans stay below us: they keep their listener, and Yama lets only ancestors reach their
  // memory.
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  return launcher;
}

/// In the child: everything between fork and exec. Returns the listener.
Result<int> Launcher::State::prepare_child() const {
  signals->restore_in_child();
  prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  set_launcher_environment(directory.path());
  const Result<bool> named = enter_host(directory.path(), hosts.front().name);
  if (!named) {
    return tl::unexpected<Error>(named.error());
  }
  return install_filter(assemble(filter_rules(mode, !*named)));
}

void Launcher::State::run_child(LaunchChannel& channel,
                                const std::vector<std::string>& argv) const {
  const Result<int> installed = prepare_child();
  if (!installed) {
    channel.send_error(installed.error());
  } else if (channel.send_listener(*installed)) {
    channel.send_error(execute(argv));
  }
  _exit(127);
}

Result<void> Launcher::start(const std::vector<std::string>& command) {
  if (command.empty() || command.front().empty()) {
    return fail(EINVAL, "there is no command to run", "name one after --");
  }
  auto channel = LaunchChannel::create();
  if (!channel) {
    return tl::unexpected<Error>(channel.error());
  }
  state_->command = fork();
  if (state_->command < 0) {
    return fail(errno, fmt::format("cannot fork: {}", std::strerror(errno)),
                "raise the limit of processes (ulimit -u)");
  }
  if (state_->command == 0) {
    state_->run_child(*channel, command);
  }
  auto listener = channel->receive_listener();
  if (!listener) {
    waitpid(std::exchange(state_->command, -1), nullptr, 0);
    return tl::unexpected<Error>(listener.error());
  }
  state_->listener = NotifyListener(*listener);
  return {};
}

std::string Launcher::device_directory(std::size_t host, std::size_t device) const {
  const LaunchedHost& described = state_->hosts[host];
  return ib_device_path(sysfs_path(state_->directory.path(), described.name), described, device);
}

NotifyListener& Launcher::listener() noexcept {
  return state_->listener;
}
Mode Launcher::mode() const noexcept {
  return state_->mode;
}

bool Launcher::serve_path_call(const Notification& call) {
  return state_->paths.serve(state_->listener, call);
}

std::optional<unsigned> Launcher::uverbs_index(pid_t tid, int fd) const {
  if (state_->mode == Mode::kPath) {
    return state_->paths.index_of(tid, fd);
  }
  return uverbs_node_index(opened_path(tid, fd), state_->nodes);
}

bool Launcher::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == state_->command) {
      state_->ended = true;
      state_->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
  return state_->ended;
}

int Launcher::exit_status() const noexcept {
  return state_->status;
}

void Launcher::forward_signal(int signal) noexcept {
  if (state_->command > 0 && !state_->ended && !terminal_sent_it(signal)) {
    kill(state_->command, signal);
  }
}

void Launcher::end_descendants() noexcept {
  const auto all_ended = [this] {
    reap();
    return no_children_left();
  };
  end_all_descendants(all_ended);
}

}  // namespace efa::emu
