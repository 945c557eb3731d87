// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// MSI-X as vfio-user has it: one eventfd per vector. Table, masking and pending bits that the
/// guest sees are QEMU's (lab.md 3); what is signalled while there is no eventfd is kept here.
#pragma once

#include <cstdint>
#include <vector>

#include "base/file_descriptor.hpp"
#include "device/interrupt_sink.hpp"

namespace efa::emu::vfio_user {

class MsixVectors final : public InterruptSink {
 public:
  explicit MsixVectors(unsigned count) : vectors_(count) {}

  unsigned count() const noexcept { return static_cast<unsigned>(vectors_.size()); }

  void signal(unsigned vector) noexcept override;

  /// Connects a vector, and fires it if it was signalled meanwhile; an empty descriptor disconnects
  /// it. Precondition: vector < count().
  void connect(unsigned vector, FileDescriptor eventfd) noexcept;

  /// Disconnects all vectors.
  void disconnect() noexcept;

  /// Reset: what was signalled before is void.
  void forget_pending() noexcept;

  std::uint64_t signalled() const noexcept { return signalled_; }

 private:
  struct Vector {
    FileDescriptor eventfd;
    bool pending = false;
  };
  void fire(Vector& vector) noexcept;

  std::vector<Vector> vectors_;
  std::uint64_t signalled_ = 0;
};

}  // namespace efa::emu::vfio_user
