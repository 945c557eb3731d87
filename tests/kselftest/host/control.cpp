// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "control.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace efa::host {

namespace {

constexpr const char* kPort = "/dev/virtio-ports/efa.control";
constexpr const char* kLock = "/run/lab-control.lock";  // shared with the lab's own script
constexpr int kPatience = 30'000;

/// The port, which only one can have at a time.
class Turn {
 public:
  Turn() : lock_(::open(kLock, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    ::flock(lock_, LOCK_EX);
    port_ = ::open(kPort, O_RDWR | O_CLOEXEC);
    if (port_ < 0)
      throw std::runtime_error(std::string(kPort) + " is missing: run this in a guest of the lab");
  }
  ~Turn() {
    if (port_ >= 0) ::close(port_);
    ::close(lock_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  std::string ask(const std::string& line) {
    if (::write(port_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
      throw std::runtime_error("the control port takes nothing");
    std::string answer;
    while (answer.empty() || answer.back() != '\n') {
      pollfd look{port_, POLLIN, 0};
      char part[4096];
      const ssize_t got = ::poll(&look, 1, kPatience) == 1 ? ::read(port_, part, sizeof(part)) : 0;
      if (got <= 0) throw std::runtime_error("no answer from the emulator to " + line);
      answer.append(part, static_cast<std::size_t>(got));
    }
    return answer;
  }

 private:
  int lock_;
  int port_ = -1;
};

}  // namespace

Control::Control(unsigned index) {
  const char* host = std::getenv("LAB_HOST");
  device_ = std::string(host != nullptr ? host : "host1") + "-" + std::to_string(index);
}

std::string Control::ask(const std::string& op, const std::string& more) const {
  const std::string request = R"({"op":")" + op + R"(","device":")" + device_ + "\"" +
                              (more.empty() ? "" : "," + more) + "}\n";
  std::string answer = Turn().ask(request);
  if (answer.find("\"ok\":true") == std::string::npos)
    throw std::runtime_error("the emulator says " + answer + " to " + request);
  return answer;
}

void Control::fault(int opcode, const std::string& kind, const std::string& more) const {
  ask("fault", "\"opcode\":" + std::to_string(opcode) + ",\"kind\":\"" + kind + "\"" +
                   (more.empty() ? "" : "," + more));
}

std::uint64_t json_number(const std::string& text, const std::string& name) {
  const std::string key = "\"" + name + "\":";
  const auto at = text.find(key);
  if (at == std::string::npos) throw std::runtime_error("no " + key + " in " + text);
  return std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
}

std::uint64_t Control::number(const std::string& name) const {
  return json_number(ask("stats"), name);
}

std::uint64_t Control::objects() const {
  const std::string stats = ask("stats");
  std::uint64_t sum = 0;
  for (const char* name : {"pd", "uar", "cq", "mr", "qp", "ah", "event_counter"})
    sum += json_number(stats, name);
  return sum;
}

}  // namespace efa::host
