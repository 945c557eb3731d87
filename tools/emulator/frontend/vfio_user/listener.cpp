// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/listener.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace efa::emu::vfio_user {

namespace {

FileDescriptor stream_socket() {
  return FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool somebody_listens(const sockaddr* address, socklen_t length) {
  const FileDescriptor probe = stream_socket();
  return ::connect(probe.get(), address, length) == 0 || errno == EAGAIN;
}

}  // namespace

Result<Listener> Listener::create(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ENAMETOOLONG,
                fmt::format("the socket name {} has {} bytes, at most {} are possible", path,
                            path.size(), sizeof address.sun_path - 1),
                "choose a shorter directory");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (somebody_listens(generic, sizeof address))
    return fail(EADDRINUSE, fmt::format("another emulator serves {}", path),
                "end it or choose another directory");
  FileDescriptor socket = stream_socket();
  int bound = socket ? ::bind(socket.get(), generic, sizeof address) : -1;
  if (bound != 0 && errno == EADDRINUSE && ::unlink(path.c_str()) == 0)
    bound = ::bind(socket.get(), generic, sizeof address);
  if (bound != 0 || ::listen(socket.get(), SOMAXCONN) != 0)
    return fail(errno, fmt::format("cannot listen at {}: {}", path, std::strerror(errno)),
                "choose a directory that you can write to");
  return Listener(std::move(socket), path);
}

Listener::Listener(Listener&& other) noexcept
    : socket_(std::move(other.socket_)), path_(std::move(other.path_)) {
  other.path_.clear();
}

Listener::~Listener() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

FileDescriptor Listener::accept() const noexcept {
  return FileDescriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

}  // namespace efa::emu::vfio_user
