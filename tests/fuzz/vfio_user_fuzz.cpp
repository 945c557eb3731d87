// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The vfio-user socket of one device, and its control socket: a client that knows the messages and
/// respects nothing else. Whatever it sends, it gets a reply or loses its connection; nothing that
/// it passed stays open, and the next client finds a working device.
#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "efa_hw.h"
#include "fabric/switch.hpp"
#include "frontend/vfio_user/control_requests.hpp"
#include "frontend/vfio_user/pci_function.hpp"
#include "frontend/vfio_user/session.hpp"

using namespace efa::emu;
using namespace efa::emu::vfio_user;

namespace {

constexpr std::size_t kRam = 1 << 18;

void check(bool condition) {
  if (!condition) std::abort();
}

std::size_t open_descriptors() {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

/// One device on a fabric, built once: its memory is what takes time. Every input starts it afresh.
class World {
 public:
  World() : fabric_(uniform_topology(1, 1, "efa3"), clock_) {
    ::signal(SIGPIPE, SIG_IGN);
    auto made = PciFunction::create(*find_profile("efa3"), {Gid::from_mac({2, 0, 0, 0, 0, 1}), {}},
                                    {}, fabric_, 0, Doorbells::kTrapped);
    check(made.has_value());
    auto listener = Listener::create("/tmp/efa-vfio-fuzz-" + std::to_string(::getpid()));
    check(listener.has_value());
    ports.push_back({"host0-0", std::move(*listener), std::move(*made), nullptr, false, {}});
    ram = FileDescriptor(::memfd_create("ram", MFD_CLOEXEC));
    check(::ftruncate(ram.get(), kRam) == 0);
    eventfd = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    check(::pipe2(pipe, O_CLOEXEC) == 0);
  }
  void tick() {
    clock_.advance(100'000'000);
    function().device().run_timers();
    function().data_path().poll();
    fabric_.run_due(clock_.now());
  }
  Nanoseconds now() const { return clock_.now(); }

  PciFunction& function() { return *ports[0].function; }

  std::vector<Port> ports;
  FileDescriptor ram;
  FileDescriptor eventfd;
  int pipe[2];

 private:
  ManualClock clock_;
  Switch fabric_;
};

class Conversation {
 public:
  Conversation(World& world, FuzzedDataProvider& input) : world_(world), input_(input) {
    connect();
  }

  void run() {
    for (int step = 0; step < 200 && input_.remaining_bytes() != 0; ++step) {
      act();
      if (!session_->serve()) connect();
      drain();
      world_.tick();
    }
  }

 private:
  using Bytes = std::vector<std::byte>;

  void connect() {
    session_.reset();
    check(world_.function().memory().ranges() == 0);
    check(world_.function().device().population().qps == 0);
    int pair[2];
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    mine_ = FileDescriptor(pair[0]);
    session_ = std::make_unique<Session>(FileDescriptor(pair[1]), world_.function());
    if (input_.ConsumeProbability<float>() < 0.1f) return;  // without a greeting
    send(Command::kVersion, body(Version{0, 0}), 0);
    check(session_->serve());
    store<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND,
                         PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    map(0, kRam, 0, kDmaReadable | kDmaWritable, world_.ram.get());
    check(session_->serve());
    drain();
  }

  void act() {
    switch (input_.ConsumeIntegralInRange(0, 9)) {
      case 0:
        return raw(input_.ConsumeBytes<std::uint8_t>(input_.ConsumeIntegralInRange(1, 300)));
      case 1:
        return send(static_cast<Command>(input_.ConsumeIntegralInRange(0, 20)), bytes(),
                    descriptors());
      case 2:
        return map(address(), size(), size() - 1, input_.ConsumeIntegral<std::uint8_t>(),
                   descriptor());
      case 3:
        return send(Command::kDmaUnmap,
                    body(DmaUnmap{24, input_.ConsumeIntegralInRange(0u, 3u), address(), size()}),
                    0);
      case 4:
        return set_irqs();
      case 5:
      case 6:
        return store<std::uint32_t>(kRegisterBar, 4 * input_.ConsumeIntegralInRange(0u, 28u),
                                    value());
      case 7:
        return store<std::uint32_t>(kDoorbellBar, 4 * input_.ConsumeIntegralInRange(0u, 2048u),
                                    value());
      case 8:
        return store<std::uint32_t>(VFIO_PCI_CONFIG_REGION_INDEX,
                                    input_.ConsumeIntegralInRange(0u, 4096u), value());
      default:
        return scribble();
    }
  }

  /// Guest memory is the guest's to change: rings and commands come from here.
  void scribble() {
    const auto data = input_.ConsumeBytes<std::uint8_t>(input_.ConsumeIntegralInRange(1, 128));
    const auto at = input_.ConsumeIntegralInRange<std::uint32_t>(0, kRam - 128);
    check(::pwrite(world_.ram.get(), data.data(), data.size(), at) ==
          static_cast<ssize_t>(data.size()));
  }

  void set_irqs() {
    const IrqSet set{20, input_.ConsumeIntegral<std::uint8_t>(),
                     input_.ConsumeIntegralInRange(0u, 5u), input_.ConsumeIntegralInRange(0u, 40u),
                     input_.ConsumeIntegralInRange(0u, 40u)};
    Bytes payload = body(set);
    const Bytes more = bytes();
    payload.insert(payload.end(), more.begin(), more.end());
    send(Command::kDeviceSetIrqs, payload, descriptors());
  }

  void map(DmaAddr addr, std::uint64_t length, std::uint64_t offset, std::uint32_t flags, int fd) {
    fds_.assign(fd >= 0 ? 1 : 0, fd);
    send(Command::kDmaMap, body(DmaMap{32, flags, offset, addr, length}), fds_.size());
  }

  template <class Word>
  void store(std::uint32_t region, std::uint64_t offset, Word word) {
    Bytes payload = body(RegionAccess{offset, region, sizeof word});
    const Bytes data = body(word);
    payload.insert(payload.end(), data.begin(), data.end());
    send(Command::kRegionWrite, payload, 0);
  }

  std::uint32_t value() {
    return input_.ConsumeBool() ? input_.ConsumeIntegral<std::uint32_t>()
                                : input_.ConsumeIntegral<std::uint16_t>();
  }
  DmaAddr address() {
    return input_.ConsumeBool() ? DmaAddr{input_.ConsumeIntegral<std::uint8_t>()} << 12
                                : input_.ConsumeIntegral<DmaAddr>();
  }
  std::uint64_t size() {
    return input_.ConsumeBool() ? std::uint64_t{input_.ConsumeIntegralInRange(1u, 64u)} << 12
                                : input_.ConsumeIntegral<std::uint64_t>();
  }
  int descriptor() {
    const int choice[] = {-1, world_.ram.get(), world_.eventfd.get(), world_.pipe[1]};
    return choice[input_.ConsumeIntegralInRange(0, 3)];
  }
  std::size_t descriptors() {
    fds_.clear();
    for (int i = input_.ConsumeIntegralInRange(0, 20); i > 0; --i)
      if (const int fd = descriptor(); fd >= 0) fds_.push_back(fd);
    return fds_.size();
  }
  Bytes bytes() {
    const auto raw = input_.ConsumeBytes<std::uint8_t>(input_.ConsumeIntegralInRange(0, 80));
    Bytes out(raw.size());
    if (!raw.empty()) std::memcpy(out.data(), raw.data(), raw.size());
    return out;
  }
  template <class Body>
  static Bytes body(const Body& content) {
    Bytes out(sizeof content);
    std::memcpy(out.data(), &content, sizeof content);
    return out;
  }

  void raw(const std::vector<std::uint8_t>& data) {
    [[maybe_unused]] const ssize_t sent =
        ::send(mine_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void send(Command command, const Bytes& payload, std::size_t count) {
    Header header{1, static_cast<std::uint16_t>(command), 0, 0, 0};
    header.size = static_cast<std::uint32_t>(sizeof header + payload.size());
    Bytes message = body(header);
    message.insert(message.end(), payload.begin(), payload.end());
    iovec part{message.data(), message.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 32)] = {};
    msghdr out{};
    out.msg_iov = &part;
    out.msg_iovlen = 1;
    if (count != 0) {
      out.msg_control = control;
      out.msg_controllen = CMSG_SPACE(count * sizeof(int));
      cmsghdr* c = CMSG_FIRSTHDR(&out);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(count * sizeof(int));
      std::memcpy(CMSG_DATA(c), fds_.data(), count * sizeof(int));
    }
    [[maybe_unused]] const ssize_t sent = ::sendmsg(mine_.get(), &out, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  /// Reads without looking; descriptors that come along are closed by the kernel.
  void drain() {
    char sink[8192];
    while (::recv(mine_.get(), sink, sizeof sink, MSG_DONTWAIT) > 0) {
    }
    std::uint64_t count;
    while (::read(world_.eventfd.get(), &count, sizeof count) > 0) {
    }
  }

  World& world_;
  FuzzedDataProvider& input_;
  std::unique_ptr<Session> session_;
  FileDescriptor mine_;
  std::vector<int> fds_;
};

void control(World& world, FuzzedDataProvider& input) {
  const std::string reply =
      answer_control_request(input.ConsumeRemainingBytesAsString(), world.ports, world.now());
  check(reply.starts_with("{\"ok\":") && reply.find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  FuzzedDataProvider input(data, size);
  const std::size_t before = open_descriptors();
  answer_control_request(R"({"op":"clear","device":"host0-0"})", world.ports, world.now());
  if (input.ConsumeIntegralInRange(0, 15) == 0)
    control(world, input);
  else
    Conversation(world, input).run();
  check(open_descriptors() == before);
  check(world.function().memory().files() == 0);
  return 0;
}
