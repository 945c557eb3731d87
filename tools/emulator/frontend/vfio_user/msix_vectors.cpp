// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/msix_vectors.hpp"

#include <fcntl.h>

namespace efa::emu::vfio_user {

void MsixVectors::fire(Vector& vector) noexcept {
  const std::uint64_t one = 1;
  // A counter that is full has long announced this interrupt; a closed pipe has no reader.
  [[maybe_unused]] const ssize_t written = ::write(vector.eventfd.get(), &one, sizeof one);
  vector.pending = false;
}

void MsixVectors::signal(unsigned vector) noexcept {
  if (vector >= vectors_.size()) return;
  ++signalled_;
  Vector& entry = vectors_[vector];
  if (entry.eventfd)
    fire(entry);
  else
    entry.pending = true;
}

void MsixVectors::connect(unsigned vector, FileDescriptor eventfd) noexcept {
  Vector& entry = vectors_[vector];
  entry.eventfd = std::move(eventfd);
  if (!entry.eventfd) return;
  // The engine must not wait for whoever reads the other end.
  ::fcntl(entry.eventfd.get(), F_SETFL, ::fcntl(entry.eventfd.get(), F_GETFL) | O_NONBLOCK);
  if (entry.pending) fire(entry);
}

void MsixVectors::disconnect() noexcept {
  for (Vector& vector : vectors_) vector.eventfd.reset();
}

void MsixVectors::forget_pending() noexcept {
  for (Vector& vector : vectors_) vector.pending = false;
}

}  // namespace efa::emu::vfio_user
