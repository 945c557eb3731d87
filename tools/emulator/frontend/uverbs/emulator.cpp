// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/emulator.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "fabric/switch.hpp"
#include "frontend/uverbs/native_driver.hpp"
#include "frontend/uverbs/stats_report.hpp"
#include "frontend/uverbs/uverbs_server.hpp"

namespace efa::emu {

namespace {

class MonotonicClock final : public Clock {
 public:
  Nanoseconds now() const noexcept override {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + static_cast<Nanoseconds>(t.tv_nsec);
  }
};

// How long the engine waits between passes, by how long nothing has happened. Doorbells are stores
// to shared memory, which nobody announces: as long as queues exist, the engine has to look.
struct Patience {
  Nanoseconds idle_for;
  Nanoseconds wait;
};
constexpr Patience kPatience[] = {
    {10'000'000'000, 5'000'000}, {1'000'000'000, 1'000'000}, {20'000'000, 200'000},
    {2'000'000, 50'000},         {200'000, 20'000},          {0, 0},
};

Nanoseconds wait_after(Nanoseconds idle) noexcept {
  return std::find_if(std::begin(kPatience), std::end(kPatience),
                      [idle](const Patience& p) { return idle >= p.idle_for; })
      ->wait;
}

// Without a spare core, giving up the processor costs a whole turn of a client that polls, while a
// short sleep brings the engine back in front of it. A yield that took this long tells; then the
// engine sleeps between passes for a while before it tries to spin again.
constexpr Nanoseconds kLongYield = 100'000;
constexpr Nanoseconds kNoSpareCoreFor = 20'000'000;
constexpr Nanoseconds kShortSleep = 20'000;

constexpr std::uint64_t kListenerEvent = UverbsServer::kEventLimit;
constexpr std::uint64_t kSignalEvent = UverbsServer::kEventLimit + 1;
// Passes over the doorbells between two looks at everything else.
constexpr unsigned kPassesPerLook = 32;

/// MAC-like identity of a device: locally administered, host and device number inside.
std::array<std::uint8_t, 6> mac_of(unsigned host, unsigned device) {
  return {0x02,
          0xef,
          0xa0,
          static_cast<std::uint8_t>(host >> 8),
          static_cast<std::uint8_t>(host),
          static_cast<std::uint8_t>(device)};
}

DeviceIdentity identity_of(unsigned host, unsigned device) {
  const auto mac = mac_of(host, device);
  return {
      Gid::from_mac(mac),
      {static_cast<std::uint8_t>(mac[0] ^ 2), mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}};
}

/// Asks for short turns: on a machine without a spare core the engine shares one with its clients.
void prefer_short_turns() noexcept {
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  struct {
    std::uint32_t size = 48, policy = SCHED_OTHER;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 100'000, deadline = 0, period = 0;
  } attributes;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);  // older kernels refuse it: no harm
}

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
  void watch(int fd, std::uint64_t data);
  bool pass();
  void look(Nanoseconds wait);
  void handle_listener();
  void handle_signals();
  bool anything_to_watch() const;
  Nanoseconds waiting_time(Nanoseconds now) const;
  void report() const;

  const RunOptions& options_;
  MonotonicClock clock_;
  Switch fabric_;
  std::vector<std::unique_ptr<NativeDriver>> drivers_;
  std::vector<ServedDevice> served_;
  std::vector<ReportedDevice> reported_;
  std::unique_ptr<Launcher> launcher_;
  std::unique_ptr<UverbsServer> server_;
  int epoll_ = -1;
  int signals_ = -1;
  bool ended_ = false;
  Nanoseconds last_work_ = 0;
  Nanoseconds crowded_until_ = 0;  ///< no spare core was seen until then
};

Result<void> Engine::start() {
  std::vector<LaunchedHost> hosts;
  unsigned index = 0;
  for (unsigned h = 0; h < options_.topology.hosts.size(); ++h) {
    const HostSpec& spec = options_.topology.hosts[h];
    const Profile* profile = find_profile(spec.generation);
    if (profile == nullptr)
      return fail(EINVAL, fmt::format("host {}: unknown generation {}", spec.name, spec.generation),
                  "`efa-emu generations` lists them");
    LaunchedHost host{spec.name, {}};
    for (unsigned d = 0; d < spec.devices; ++d, ++index) {
      const DeviceIdentity identity = identity_of(h, d);
      drivers_.push_back(
          std::make_unique<NativeDriver>(*profile, identity, options_.device, fabric_, h));
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

Nanoseconds Engine::waiting_time(Nanoseconds now) const {
  const Nanoseconds due = fabric_.next_due();
  const Nanoseconds until_due = due == ~Nanoseconds{0} ? due : due > now ? due - now : 0;
  if (!anything_to_watch()) return until_due;
  const Nanoseconds wait = wait_after(now - last_work_);
  return std::min(until_due, now < crowded_until_ ? std::max(wait, kShortSleep) : wait);
}

void Engine::look(Nanoseconds wait) {
  epoll_event events[16];
  timespec limit{static_cast<time_t>(wait / 1'000'000'000),
                 static_cast<long>(wait % 1'000'000'000)};
  const int count =
      ::epoll_pwait2(epoll_, events, 16, wait == ~Nanoseconds{0} ? nullptr : &limit, nullptr);
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
  if (count > 0) last_work_ = clock_.now();
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
  last_work_ = clock_.now();
  if (launcher_->reap()) ended_ = true;
  unsigned passes = 0;
  while (!ended_) {
    if (pass()) {
      last_work_ = clock_.now();
      if (++passes % kPassesPerLook == 0) look(0);
      continue;
    }
    const Nanoseconds now = clock_.now();
    const Nanoseconds wait = waiting_time(now);
    if (wait != 0) {
      look(wait);
      continue;
    }
    if (++passes % kPassesPerLook == 0) look(0);
    ::sched_yield();
    const Nanoseconds back = clock_.now();
    if (back - now >= kLongYield) crowded_until_ = back + kNoSpareCoreFor;
  }
  launcher_->end_descendants();
  report();
  const int status = launcher_->exit_status();
  server_.reset();
  launcher_.reset();
  return status;
}

void Engine::report() const {
  if (options_.stats == StatsFormat::kNone) return;
  const std::string text = options_.stats == StatsFormat::kJson ? stats_json(reported_, fabric_)
                                                                : stats_text(reported_, fabric_);
  FILE* out = options_.stats_file.empty() ? stderr : std::fopen(options_.stats_file.c_str(), "w");
  if (out == nullptr) {
    fmt::print(stderr, "efa-emu: cannot write statistics to {}: {}\n", options_.stats_file,
               std::strerror(errno));
    return;
  }
  std::fputs(text.c_str(), out);
  if (out != stderr) std::fclose(out);
}

}  // namespace

Result<int> run_emulator(const RunOptions& options) {
  return Engine(options).run();
}

}  // namespace efa::emu
