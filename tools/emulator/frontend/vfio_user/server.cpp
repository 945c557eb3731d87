// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/server.hpp"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "device/profile_limits.hpp"
#include "engine/descriptor_limit.hpp"
#include "engine/identity.hpp"
#include "engine/monotonic_clock.hpp"
#include "engine/pacing.hpp"
#include "fabric/switch.hpp"
#include "frontend/vfio_user/control_requests.hpp"
#include "frontend/vfio_user/line_connection.hpp"
#include "frontend/vfio_user/listener.hpp"
#include "frontend/vfio_user/pci_function.hpp"
#include "frontend/vfio_user/port.hpp"
#include "frontend/vfio_user/session.hpp"

namespace efa::emu {

namespace {

using vfio_user::LineConnection;
using vfio_user::Listener;
using vfio_user::PciFunction;
using vfio_user::Port;
using vfio_user::Session;

// Passes over the doorbells between two looks at the sockets.
constexpr unsigned kPassesPerLook = 32;

/// What a descriptor under watch belongs to; with an index, the user data of epoll.
enum class Source : std::uint32_t { kSignals, kListener, kSession, kControlListener, kControl };

class Server {
 public:
  explicit Server(const ServeOptions& options)
      : options_(options), fabric_(options.topology, clock_) {}

  Result<void> run();

 private:
  Result<void> start();
  Result<void> make_directory() const;
  Result<void> add_ports(unsigned host);
  void watch(int fd, Source source, std::size_t index, std::uint32_t events = EPOLLIN);
  bool pass();
  bool watching() const;
  Nanoseconds next_due();
  void look(Nanoseconds wait);
  void on_event(std::uint64_t data);
  void on_connection(Port& port, std::size_t index);
  void on_message(Port& port, std::size_t index);
  void end_session(Port& port);
  void read_signals();
  void on_control_connection();
  void on_control_request(int fd);
  void run_planned();

  const ServeOptions& options_;
  MonotonicClock clock_;
  Switch fabric_;
  Pacing pacing_{clock_};
  std::deque<Profile> profiles_;  ///< one per host; devices refer to them
  std::vector<Port> ports_;
  std::vector<ReportedDevice> reported_;
  std::optional<Listener> control_;
  std::unordered_map<int, LineConnection> control_connections_;  ///< by descriptor
  FileDescriptor epoll_;
  FileDescriptor signals_;
  bool ended_ = false;
};

Result<void> Server::make_directory() const {
  if (::mkdir(options_.directory.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return fail(errno, fmt::format("cannot create {}: {}", options_.directory, std::strerror(errno)),
              "name a directory in a place that you can write to");
}

Result<void> Server::add_ports(unsigned host) {
  const HostSpec& spec = options_.topology.hosts[host];
  auto adjusted = adjusted_profile(spec.generation, spec.limits);
  if (!adjusted)
    return fail(EINVAL, fmt::format("host {}: {}", spec.name, adjusted.error().what),
                adjusted.error().cure);
  const Profile* profile = &profiles_.emplace_back(std::move(*adjusted));
  for (unsigned device = 0; device < spec.devices; ++device) {
    std::string name = fmt::format("{}-{}", spec.name, device);
    auto listener = Listener::create(fmt::format("{}/{}.sock", options_.directory, name));
    if (!listener) return tl::unexpected(listener.error());
    auto function = PciFunction::create(*profile, identity_of(host, device), options_.device,
                                        fabric_, host, options_.doorbells);
    if (!function) return tl::unexpected(function.error());
    reported_.push_back({spec.name, fmt::format("efa_{}", device), &(*function)->data_path()});
    ports_.push_back(
        {std::move(name), std::move(*listener), std::move(*function), nullptr, false, {}});
  }
  return {};
}

Result<void> Server::start() {
  allow_many_descriptors();
  if (auto made = make_directory(); !made) return made;
  for (unsigned host = 0; host < options_.topology.hosts.size(); ++host)
    if (auto added = add_ports(host); !added) return added;

  auto control = Listener::create(options_.directory + "/control.sock");
  if (!control) return tl::unexpected(control.error());
  control_.emplace(std::move(*control));

  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // a client's eventfd may turn out to be a pipe
  signals_ = FileDescriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  epoll_ = FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
  watch(signals_.get(), Source::kSignals, 0);
  watch(control_->fd(), Source::kControlListener, 0);
  for (std::size_t i = 0; i < ports_.size(); ++i)
    watch(ports_[i].listener.fd(), Source::kListener, i);
  return {};
}

void Server::watch(int fd, Source source, std::size_t index, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<std::uint64_t>(source) << 32 | index;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0)
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

/// One look at every queue of a device with a client. True if anything was done.
bool Server::pass() {
  bool worked = false;
  for (const Port& port : ports_)
    if (port.session != nullptr && port.function->data_path().poll()) worked = true;
  if (fabric_.next_due() != Pacing::kForever && fabric_.run_due(clock_.now())) worked = true;
  return worked;
}

bool Server::watching() const {
  return std::any_of(ports_.begin(), ports_.end(), [](const Port& port) {
    return port.session != nullptr && port.function->data_path().watching();
  });
}

Nanoseconds Server::next_due() {
  Nanoseconds due = fabric_.next_due();
  for (const Port& port : ports_) {
    if (port.session == nullptr) continue;
    due = std::min(
        {due, port.function->device().run_timers(), port.vanishes_at.value_or(Pacing::kForever)});
  }
  return due;
}

void Server::look(Nanoseconds wait) {
  epoll_event events[16];
  timespec limit{static_cast<time_t>(wait / 1'000'000'000),
                 static_cast<long>(wait % 1'000'000'000)};
  const int count = ::epoll_pwait2(epoll_.get(), events, 16,
                                   wait == Pacing::kForever ? nullptr : &limit, nullptr);
  for (int i = 0; i < count; ++i) on_event(events[i].data.u64);
  if (count > 0) pacing_.worked();
}

void Server::on_event(std::uint64_t data) {
  const std::size_t index = data & 0xffffffff;
  switch (static_cast<Source>(data >> 32)) {
    case Source::kSignals:
      return read_signals();
    case Source::kListener:
      return on_connection(ports_[index], index);
    case Source::kSession:
      return on_message(ports_[index], index);
    case Source::kControlListener:
      return on_control_connection();
    case Source::kControl:
      return on_control_request(static_cast<int>(index));
  }
}

/// A function has one client. A second one is sent away, unless the first has just died.
void Server::on_connection(Port& port, std::size_t index) {
  FileDescriptor connection = port.listener.accept();
  if (!connection) return;
  if (port.session != nullptr && !port.session->peer_has_gone()) {
    fmt::print(stderr, "efa-emu: {} has a client; a second one was sent away\n", port.name);
    return;
  }
  end_session(port);
  port.session = std::make_unique<Session>(std::move(connection), *port.function);
  port.waits_to_send = false;
  watch(port.session->fd(), Source::kSession, index);
}

void Server::on_message(Port& port, std::size_t index) {
  if (port.session == nullptr) return;
  if (!port.session->serve()) return end_session(port);
  if (port.session->waits_to_send() == port.waits_to_send) return;
  port.waits_to_send = !port.waits_to_send;
  watch(port.session->fd(), Source::kSession, index, port.waits_to_send ? EPOLLOUT : EPOLLIN);
}

void Server::end_session(Port& port) {
  if (port.session == nullptr) return;
  if (const std::string& reason = port.session->ended_because(); !reason.empty())
    fmt::print(stderr, "efa-emu: {}: connection closed: {}\n", port.name, reason);
  port.session.reset();
  port.vanishes_at.reset();
}

/// What control requests asked for later.
void Server::run_planned() {
  for (Port& port : ports_)
    if (port.vanishes_at && clock_.now() >= *port.vanishes_at) end_session(port);
}

void Server::on_control_connection() {
  FileDescriptor connection = control_->accept();
  if (!connection) return;
  const int fd = connection.get();
  control_connections_.emplace(fd, LineConnection(std::move(connection)));
  watch(fd, Source::kControl, static_cast<std::size_t>(fd));
}

void Server::on_control_request(int fd) {
  const auto found = control_connections_.find(fd);
  if (found == control_connections_.end()) return;
  LineConnection& connection = found->second;
  const bool alive = connection.serve([this](std::string_view request) {
    return vfio_user::answer_control_request(request, ports_, clock_.now());
  });
  if (alive)
    watch(fd, Source::kControl, static_cast<std::size_t>(fd),
          connection.waits_to_send() ? EPOLLOUT : EPOLLIN);
  else
    control_connections_.erase(found);
}

void Server::read_signals() {
  signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) ended_ = true;
}

Result<void> Server::run() {
  if (auto started = start(); !started) return started;
  if (options_.doorbells == Doorbells::kShared) prefer_short_turns();
  fmt::print("ready {}\n", options_.directory);
  std::fflush(stdout);
  unsigned passes = 0;
  while (!ended_) {
    if (pass()) {
      pacing_.worked();
      if (++passes % kPassesPerLook == 0) look(0);
      continue;
    }
    run_planned();
    const Nanoseconds wait = pacing_.waiting_time(watching(), next_due());
    if (wait != 0) {
      look(wait);
      continue;
    }
    if (++passes % kPassesPerLook == 0) look(0);
    pacing_.yield();
  }
  for (Port& port : ports_) port.session.reset();
  write_stats(options_.stats, options_.stats_file, reported_, fabric_);
  return {};
}

}  // namespace

Result<void> serve_devices(const ServeOptions& options) {
  return Server(options).run();
}

}  // namespace efa::emu
