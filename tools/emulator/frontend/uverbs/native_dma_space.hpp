// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// DMA addresses in native mode: a 16-bit space number in the upper bits says whose memory it is,
/// the lower 48 bits are a virtual address of a process or an offset in a context's queue memory.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "device/dma_space.hpp"
#include "frontend/uverbs/client_memory.hpp"
#include "frontend/uverbs/queue_memory.hpp"

namespace efa::emu {

class NativeDmaSpace final : public DmaSpace {
 public:
  /// Makes the queue memory of a context or the memory of a process reachable. Returns the address
  /// of its offset (virtual address) 0. Throws nothing; 0 when all space numbers are taken.
  DmaAddr add(QueueMemory& memory);
  DmaAddr add(const std::shared_ptr<Process>& process);

  /// Makes memory of the emulator itself reachable (event queue rings, page lists).
  DmaAddr add(std::byte* pointer, std::size_t length);

  /// Takes a space away again, named by the address that add() returned.
  void remove(DmaAddr base);

  /// Process memory at [addr, addr + length) can also be reached at `alias`, by system calls. To be
  /// taken back with the same `addr` and `alias` before that goes away.
  void add_alias(DmaAddr addr, std::size_t length, std::byte* alias);
  void remove_alias(DmaAddr addr, const std::byte* alias);

  /// To be called when queue memory of a known context was unmapped.
  void queue_memory_changed() noexcept { invalidate_mappings(); }

  std::byte* map(DmaAddr addr, std::size_t length) noexcept override;
  std::byte* alias(DmaAddr addr, std::size_t length) noexcept override;
  bool gather(std::span<const DmaSegment> from, std::byte* out) noexcept override;
  bool scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept override;

 private:
  struct Alias {
    std::size_t length;
    std::byte* at;
  };
  struct Space {
    std::shared_ptr<Process> process;
    QueueMemory* queues = nullptr;
    std::byte* own = nullptr;
    std::size_t own_length = 0;
    std::multimap<DmaAddr, Alias> aliases{};  ///< by address
  };

  DmaAddr insert(Space space);
  const Space* find(DmaAddr addr) const noexcept;
  template <class Transfer>
  bool vectored(std::span<const DmaSegment> segments, Transfer&& transfer) noexcept;

  std::vector<Space> spaces_{1};  ///< by number; number 0 stays empty
  std::vector<std::uint16_t> free_;
};

}  // namespace efa::emu
