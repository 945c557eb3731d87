// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Packets with registered buffers. Memory is taken as it is needed, in slabs, and kept: an endpoint
// that does nothing has locked little, one that is busy allocates nothing.
#ifndef EFA_PROVIDER_RDM_PACKET_POOL_HPP
#define EFA_PROVIDER_RDM_PACKET_POOL_HPP

#include <infiniband/verbs.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "rdm/host.hpp"
#include "rdm/work.hpp"
#include "wire/req_options.hpp"

namespace efa::rdm {

class Engine;

// Packets come with small buffers, for headers and messages of a few hundred bytes, or with those
// of an mtu.
inline constexpr std::size_t kSmallBuffer = 512;
inline constexpr std::size_t kSmallData = kSmallBuffer - kBuildRoom;

// Registered memory that is cut into buffers of one size.
class Slab {
 public:
  // @returns null, errno says why
  static std::unique_ptr<Slab> make(Host& host, std::size_t bytes, int access);
  Slab(Host& host, std::byte* memory, std::size_t bytes, ibv_mr* mr)
      : host_(host), memory_(memory), bytes_(bytes), mr_(mr) {}
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  std::byte* memory() const { return memory_; }
  std::uint32_t lkey() const { return mr_->lkey; }

 private:
  Host& host_;
  std::byte* memory_;
  std::size_t bytes_;
  ibv_mr* mr_;
};

// P: TxPacket or RxPacket.
template <class P>
class PacketPool {
 public:
  // Buffers of BUFFER bytes; PER_SLAB of them at a time. `access`: IBV_ACCESS_*.
  PacketPool(Host& host, Engine& engine, std::size_t buffer, std::size_t per_slab, int access)
      : host_(host),
        engine_(engine),
        buffer_((buffer + kLine - 1) / kLine * kLine),
        capacity_(buffer),
        per_slab_(per_slab),
        access_(access) {}

  // @returns false if not even one packet is to be had
  bool prepare() { return free_ != nullptr || grow(); }
  // @returns null when no more memory can be registered
  P* take() {
    if (free_ == nullptr && !grow()) return nullptr;
    P* packet = static_cast<P*>(free_);
    free_ = packet->next_free;
    return packet;
  }
  void give(P& packet) {
    packet.next_free = free_;
    free_ = &packet;
  }

  std::size_t size() const { return slabs_.size() * per_slab_; }
  std::size_t in_use() const {  // for tests
    std::size_t count = size();
    for (const Work* packet = free_; packet != nullptr; packet = packet->next_free) --count;
    return count;
  }
  std::size_t buffer_bytes() const { return slabs_.size() * per_slab_ * buffer_; }

 private:
  static constexpr std::size_t kLine = 64;

  [[gnu::noinline, gnu::cold]] bool grow() {
    auto slab = Slab::make(host_, per_slab_ * buffer_, access_);
    if (!slab) return false;
    auto packets = std::make_unique<P[]>(per_slab_);
    for (std::size_t i = per_slab_; i-- > 0;) {
      P& packet = packets[i];
      packet.engine = &engine_;
      packet.buffer = slab->memory() + i * buffer_;
      packet.lkey = slab->lkey();
      packet.capacity = static_cast<std::uint32_t>(capacity_);
      give(packet);
    }
    slabs_.push_back(std::move(slab));
    packets_.push_back(std::move(packets));
    return true;
  }

  Host& host_;
  Engine& engine_;
  const std::size_t buffer_;
  const std::size_t capacity_;
  const std::size_t per_slab_;
  const int access_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::vector<std::unique_ptr<P[]>> packets_;
  Work* free_ = nullptr;  // a list by next_free
};

}  // namespace efa::rdm

#endif
