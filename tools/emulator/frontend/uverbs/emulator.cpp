// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/emulator.hpp"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <deque>
#include <memory>

#include "datapath/copy_helper.hpp"
#include "device/profile_limits.hpp"
#include "engine/identity.hpp"
#include "engine/monotonic_clock.hpp"
#include "engine/pacing.hpp"
#include "engine/stats_report.hpp"
#include "fabric/switch.hpp"
#include "frontend/uverbs/hw_counters.hpp"
#include "frontend/uverbs/native_driver.hpp"
#include "frontend/uverbs/uverbs_server.hpp"

namespace efa::emu {

namespace {

constexpr std::uint64_t kListenerEvent = UverbsServer::kEventLimit;
constexpr std::uint64_t kSignalEvent = UverbsServer::kEventLimit + 1;
// Passes over the doorbells between two looks at everything else.
constexpr unsigned kPassesPerLook = 32;

class Engine {
 public:
  Engine(const RunOptions& options) : options_(options), fabric_(options.topology, clock_) {}
  ~Engine() {
    if (epoll_ >= 0) ::close(epoll_);
    if (signals_ >= 0) ::close(signals_);
  }

  Result<int> run();

 private:
  Result<void> start();
  void watch_counters();
  void watch(int fd, std::uint64_t data);
  bool pass();
  void look(Nanoseconds wait);
  void handle_listener();
  void handle_signals();
  bool anything_to_watch() const;
  void refresh_counters(Nanoseconds pause);

  const RunOptions& options_;
  MonotonicClock clock_;
  Switch fabric_;
  CopyHelper helper_{prefer_short_turns};
  std::deque<Profile> profiles_;  ///< one per host; devices refer to them
  std::vector<std::unique_ptr<NativeDriver>> drivers_;
  std::vector<ServedDevice> served_;
  std::vector<ReportedDevice> reported_;
  std::unique_ptr<Launcher> launcher_;
  std::unique_ptr<UverbsServer> server_;
  int epoll_ = -1;
  int signals_ = -1;
  bool ended_ = false;
  Pacing pacing_{clock_};
  std::vector<HwCounterFiles> counter_files_;
  CounterRefresh counter_refresh_;
};

Result<void> Engine::start() {
  std::vector<LaunchedHost> hosts;
  unsigned index = 0;
  for (unsigned h = 0; h < options_.topology.hosts.size(); ++h) {
    const HostSpec& spec = options_.topology.hosts[h];
    auto adjusted = adjusted_profile(spec.generation, spec.limits);
    if (!adjusted)
      return fail(EINVAL, fmt::format("host {}: {}", spec.name, adjusted.error().what),
                  adjusted.error().cure);
    const Profile* profile = &profiles_.emplace_back(std::move(*adjusted));
    LaunchedHost host{spec.name, {}};
    for (unsigned d = 0; d < spec.devices; ++d, ++index) {
      const DeviceIdentity identity = identity_of(h, d);
      drivers_.push_back(
          std::make_unique<NativeDriver>(*profile, identity, options_.device, fabric_, h));
      if (options_.copy_threads > 1) drivers_.back()->data_path().share_copies_with(&helper_);
      const std::string name = fmt::format("efa_{}", d);
      host.devices.push_back({index, name, identity.gid, identity.guid, profile->pci_device});
      served_.push_back({drivers_.back().get(), fmt::format("{} {}", spec.name, name)});
      reported_.push_back({spec.name, name, &drivers_.back()->data_path()});
    }
    hosts.push_back(std::move(host));
  }

  auto launcher = Launcher::create(std::move(hosts), options_.mode);
  if (!launcher) return tl::unexpected(launcher.error());
  launcher_ = std::move(*launcher);
  watch_counters();
  if (auto started = launcher_->start(options_.command); !started) return started;

  // After the start: the command must not inherit a blocked mask.
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  watch(signals_, kSignalEvent);
  watch(launcher_->listener().fd(), kListenerEvent);
  server_ = std::make_unique<UverbsServer>(served_, *launcher_, epoll_);
  return {};
}

void Engine::watch_counters() {
  auto driver = drivers_.begin();
  for (std::size_t host = 0; host < options_.topology.hosts.size(); ++host)
    for (std::size_t d = 0; d < options_.topology.hosts[host].devices; ++d, ++driver)
      counter_files_.emplace_back(launcher_->device_directory(host, d), (*driver)->counters(),
                                  (*driver)->device().stats);
  counter_refresh_.changed();  // the drivers' own start
}

/// Called before a pause and now and then between passes.
void Engine::refresh_counters(Nanoseconds pause) {
  const Nanoseconds now = clock_.now();
  if (!counter_refresh_.due(now, pause)) return;
  for (HwCounterFiles& files : counter_files_) files.refresh();
  counter_refresh_.refreshed(now, clock_.now());
}

void Engine::watch(int fd, std::uint64_t data) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = data;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

/// One look at every queue. True if anything was done.
bool Engine::pass() {
  bool worked = false;
  for (const auto& driver : drivers_) {
    if (!driver->data_path().watching()) continue;
    if (driver->data_path().poll()) worked = true;
    driver->handle_interrupts();
  }
  if (fabric_.next_due() != ~Nanoseconds{0} && fabric_.run_due(clock_.now())) {
    worked = true;
    for (const auto& driver : drivers_) driver->handle_interrupts();
  }
  return worked;
}

bool Engine::anything_to_watch() const {
  return std::any_of(drivers_.begin(), drivers_.end(),
                     [](const auto& driver) { return driver->data_path().watching(); });
}

void Engine::look(Nanoseconds wait) {
  epoll_event events[16];
  timespec limit{static_cast<time_t>(wait / 1'000'000'000),
                 static_cast<long>(wait % 1'000'000'000)};
  const int count =
      ::epoll_pwait2(epoll_, events, 16, wait == Pacing::kForever ? nullptr : &limit, nullptr);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t data = events[i].data.u64;
    if (data == kSignalEvent)
      handle_signals();
    else if (data != kListenerEvent)
      server_->on_event(data);
    else if ((events[i].events & EPOLLIN) != 0)
      handle_listener();
    else  // no task with the filter is left: the listener would say so for ever
      ::epoll_ctl(epoll_, EPOLL_CTL_DEL, launcher_->listener().fd(), nullptr);
  }
  if (count > 0) {
    pacing_.worked();
    counter_refresh_.changed();
  }
}

void Engine::handle_listener() {
  Notification call;
  if (!launcher_->listener().receive(call)) return;  // its thread died meanwhile
  if (launcher_->serve_path_call(call)) return;
  server_->serve(call);
}

void Engine::handle_signals() {
  signalfd_siginfo info;
  while (::read(signals_, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo != SIGCHLD) launcher_->forward_signal(static_cast<int>(info.ssi_signo));
  }
  if (launcher_->reap()) ended_ = true;
}

Result<int> Engine::run() {
  if (auto started = start(); !started) return tl::unexpected(started.error());
  prefer_short_turns();
  pacing_.worked();
  if (launcher_->reap()) ended_ = true;
  unsigned passes = 0;
  while (!ended_) {
    const bool worked = pass();
    if (worked) {
      pacing_.worked();
      counter_refresh_.changed();
    }
    const Nanoseconds wait =
        worked ? 0 : pacing_.waiting_time(anything_to_watch(), fabric_.next_due());
    if (wait != 0) {
      refresh_counters(wait);
      look(wait);
      continue;
    }
    if (++passes % kPassesPerLook == 0) {
      refresh_counters(0);
      look(0);
    }
    if (!worked) pacing_.yield();
  }
  launcher_->end_descendants();
  write_stats(options_.stats, options_.stats_file, reported_, fabric_);
  const int status = launcher_->exit_status();
  server_.reset();
  launcher_.reset();
  return status;
}

}  // namespace

Result<int> run_emulator(const RunOptions& options) {
  return Engine(options).run();
}

}  // namespace efa::emu
