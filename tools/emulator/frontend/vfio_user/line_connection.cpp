// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/line_connection.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace efa::emu::vfio_user {

bool LineConnection::serve(const Answer& answer) {
  if (!flush()) return false;
  if (waits_to_send()) return true;
  std::array<char, 4096> chunk;
  const ssize_t got = ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got == 0) return false;
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  input_.append(chunk.data(), static_cast<std::size_t>(got));
  std::size_t begin = 0;
  for (std::size_t end; (end = input_.find('\n', begin)) != std::string::npos; begin = end + 1)
    if (end > begin) output_ += answer(std::string_view(input_).substr(begin, end - begin)) + '\n';
  input_.erase(0, begin);
  return input_.size() <= kMaxLine && flush();
}

bool LineConnection::flush() {
  while (!output_.empty()) {
    const ssize_t done =
        ::send(socket_.get(), output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0) return errno == EAGAIN || errno == EINTR;
    output_.erase(0, static_cast<std::size_t>(done));
  }
  return true;
}

}  // namespace efa::emu::vfio_user
