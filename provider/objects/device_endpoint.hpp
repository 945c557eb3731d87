// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// An endpoint whose calls are work requests of the device, one for one: direct ones and datagrams
/// (spec libfabric-api 2.1, 2.2). No copies, no system calls, no allocations on the way.
#pragma once

#include <endian.h>
#include <rdma/fi_errno.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "objects/direct_cq.hpp"
#include "objects/endpoint.hpp"
#include "objects/op_flags.hpp"
#include "objects/payload.hpp"
#include "objects/rma_bounce.hpp"
#include "objects/silent_mark.hpp"

namespace efa::fi {

class DeviceEndpoint : public Endpoint {
 public:
  DeviceEndpoint(Domain& domain, const fi_info& info, void* context);
  ~DeviceEndpoint() override;

  static DeviceEndpoint& of(fid_ep* endpoint) { return *static_cast<DeviceEndpoint*>(endpoint); }

  int start() override;
  void progress() override;
  int set_option(int option, const void* value, size_t size) override;
  int get_option(int option, void* value, size_t* size) override;
  int control(int command, void* argument) override;

  /// Flags of calls that have none of their own.
  uint64_t tx_flags() const { return tx_flags_ & FI_COMPLETION; }
  uint64_t rx_flags() const { return rx_flags_ & FI_COMPLETION; }

  template <class Payload>
  ssize_t send(const Payload& payload, fi_addr_t to, void* context, uint64_t flags, uint64_t data);
  template <class Payload>
  ssize_t receive(const Payload& payload, void* context, uint64_t flags);
  template <class Payload>
  ssize_t read(const Payload& payload, fi_addr_t from, uint64_t address, uint64_t key,
               void* context, uint64_t flags);
  template <class Payload>
  ssize_t write(const Payload& payload, fi_addr_t to, uint64_t address, uint64_t key, void* context,
                uint64_t flags, uint64_t data);
  template <class Payload>
  ssize_t inject_write(const Payload& payload, fi_addr_t to, uint64_t address, uint64_t key,
                       void* context, uint64_t flags, uint64_t data);

  /// A request of the send queue has completed. @returns whether the application wants to know
  bool sent(uint32_t opcode, uint64_t id, rdm::Completion& completion);
  /// A posted receive was used. @returns whether the application wants to know
  bool received(uint64_t id, rdm::Completion& completion);
  /// A write of a peer with data has arrived. @param receive  null: it took no posted receive
  void written(const uint64_t* receive, rdm::Completion& completion);
  /// An operation failed, with the error that is in `failure`: fills in what else the application
  /// gets to know of it.
  void failed(uint32_t opcode, uint64_t id, rdm::FailedCompletion& failure);

  /// Rings the doorbell for the requests that FI_MORE held back. @returns 0 or a negative error
  int flush_requests();

  bool takes_unsolicited() const { return unsolicited; }

  /// Of the completion of a request of the send queue.
  static uint64_t flags_of_sent(uint32_t opcode) {
    constexpr uint64_t kFlags[] = {FI_SEND | FI_MSG, FI_RMA | FI_WRITE, FI_RMA | FI_READ, 0};
    static_assert(IBV_WC_SEND == 0 && IBV_WC_RDMA_WRITE == 1 && IBV_WC_RDMA_READ == 2);
    return kFlags[opcode & 3];
  }

 private:
  /// Begins a request; close_request() has to follow. @returns false: the queue is full
  bool open_request(uint64_t id);
  ssize_t close_request(uint64_t flags);
  void keep_session();
  /// Leaves with the operation whom it is for, in the memory that FI_CONTEXT2 gives the provider.
  void note_peer(void* context, fi_addr_t peer) const {
    if (has_context_memory_ && context)
      static_cast<fi_context2*>(context)->internal[0] = reinterpret_cast<void*>(peer);
  }
  void explain(rdm::FailedCompletion& failure);
  int flush_receives();
  template <class Payload>
  ssize_t send_now(const Payload& payload, const AvEntry& peer, bool copy, uint64_t id,
                   uint64_t flags, uint64_t data);
  template <class Payload>
  void put_remote(const Payload& payload);
  void aim(const AvEntry& peer) { ibv_wr_set_ud_addr(qpx, peer.ah, peer.qpn, peer.qkey); }
  bool is_silent(uint64_t flags) const {
    return (flags & kSilent) || (tx_selective && !(flags & FI_COMPLETION));
  }
  void begin_write(const AvEntry& peer, uint64_t address, uint64_t key, uint64_t flags,
                   uint64_t data);
  void tally(uint32_t opcode);
  Counter* counter_of(uint32_t opcode) const;
  bool sent_silently(uint64_t id, rdm::Completion& completion);

  // What each operation looks at.
  const bool has_context_memory_;  ///< FI_CONTEXT2
  SilentMark mark_;
  uint64_t tx_flags_;
  uint64_t rx_flags_;
  size_t max_message_;
  size_t inject_size_;
  size_t inline_size_;
  size_t max_rma_;
  uint32_t tx_free_ = 0;
  uint32_t rx_free_ = 0;
  uint32_t batched_ = 0;  ///< requests begun since the last doorbell
  uint32_t max_batch_ = 16;
  DirectCq* completes_ = nullptr;  ///< where requests do
  bool counting_ = false;

  // Seldom used.
  RmaBounce bounce_;
  size_t inject_rma_size_;
  struct HeldReceive {
    ibv_recv_wr request;
    ibv_sge segments[Buffers::kMost];
  };
  std::vector<HeldReceive> held_receives_;  ///< of FI_MORE; as long as a batch
  uint32_t held_ = 0;
  uint64_t failures_ = 0;
};

// ---- Posting -----------------------------------------------------------------------------------

[[gnu::always_inline]] inline bool DeviceEndpoint::open_request(uint64_t id) {
  if (tx_free_ == 0) [[unlikely]] {
    if (batched_) flush_requests();
    return false;
  }
  if (batched_ == 0) ibv_wr_start(qpx);
  qpx->wr_id = id;
  qpx->wr_flags = IBV_SEND_SIGNALED;
  return true;
}

[[gnu::always_inline]] inline ssize_t DeviceEndpoint::close_request(uint64_t flags) {
  --tx_free_;
  ++batched_;
  if (!(flags & FI_MORE) || batched_ == max_batch_) return flush_requests();
  if (batched_ == 1) keep_session();
  return 0;
}

template <class Payload>
[[gnu::always_inline]] inline ssize_t DeviceEndpoint::send(const Payload& payload, fi_addr_t to,
                                                           void* context, uint64_t flags,
                                                           uint64_t data) {
  const Guard guard(domain.lock);
  const AvEntry* peer = av->find(to);
  if (!peer) [[unlikely]]
    return -FI_EINVAL;
  const size_t length = payload.length();
  const bool copy = length <= inline_size_ && payload.on_host();
  if (!copy) {
    if (length > max_message_) [[unlikely]]
      return -FI_EMSGSIZE;
    if (flags & FI_INJECT) [[unlikely]]
      return -FI_EOPNOTSUPP;
    if (!payload.registered()) [[unlikely]]
      return -FI_EINVAL;
  } else if ((flags & FI_INJECT) && length > inject_size_) [[unlikely]] {
    return -FI_EOPNOTSUPP;
  }
  const uint64_t id = mark_.encode(context, is_silent(flags));
  note_peer(context, to);
  if (!(flags & FI_MORE) && batched_ == 0) [[likely]]
    return send_now(payload, *peer, copy, id, flags, data);
  if (!open_request(id)) [[unlikely]]
    return -FI_EAGAIN;
  if (flags & FI_REMOTE_CQ_DATA)
    ibv_wr_send_imm(qpx, htobe32(static_cast<uint32_t>(data)));
  else
    ibv_wr_send(qpx);
  aim(*peer);
  copy ? payload.put_inline(qpx) : payload.put_segments(qpx);
  return close_request(flags);
}

/// In one call of the library: half the instructions of a session for one request.
template <class Payload>
[[gnu::always_inline]] inline ssize_t DeviceEndpoint::send_now(const Payload& payload,
                                                               const AvEntry& peer, bool copy,
                                                               uint64_t id, uint64_t flags,
                                                               uint64_t data) {
  if (tx_free_ == 0) [[unlikely]]
    return -FI_EAGAIN;
  ibv_sge segments[Buffers::kMost];
  ibv_send_wr request;
  request.wr_id = id;
  request.next = nullptr;
  request.sg_list = segments;
  request.num_sge = payload.segments(segments);
  request.opcode = flags & FI_REMOTE_CQ_DATA ? IBV_WR_SEND_WITH_IMM : IBV_WR_SEND;
  request.send_flags = IBV_SEND_SIGNALED | (copy ? unsigned{IBV_SEND_INLINE} : 0U);
  request.imm_data = htobe32(static_cast<uint32_t>(data));
  request.wr.ud.ah = peer.ah;
  request.wr.ud.remote_qpn = peer.qpn;
  request.wr.ud.remote_qkey = peer.qkey;
  ibv_send_wr* bad;
  if (const int error = ibv_post_send(qp, &request, &bad)) [[unlikely]]
    return error == ENOMEM ? -FI_EAGAIN : -error;
  --tx_free_;
  return 0;
}

template <class Payload>
[[gnu::always_inline]] inline ssize_t DeviceEndpoint::receive(const Payload& payload, void* context,
                                                              uint64_t flags) {
  const Guard guard(domain.lock);
  if (!payload.registered() && payload.length() > 0) [[unlikely]]
    return -FI_EINVAL;
  if (rx_free_ == 0) [[unlikely]] {
    if (held_) flush_receives();
    return -FI_EAGAIN;
  }
  const uint64_t id = mark_.encode(context, rx_selective && !(flags & FI_COMPLETION));
  --rx_free_;
  if (!(flags & FI_MORE) && held_ == 0) [[likely]] {
    ibv_sge segments[Buffers::kMost];
    ibv_recv_wr request{id, nullptr, segments, payload.segments(segments)};
    ibv_recv_wr* bad;
    if (const int error = ibv_post_recv(qp, &request, &bad)) [[unlikely]] {
      ++rx_free_;
      return error == ENOMEM ? -FI_EAGAIN : -error;
    }
    return 0;
  }
  HeldReceive& held = held_receives_[held_++];
  held.request = {id, nullptr, held.segments, payload.segments(held.segments)};
  return (flags & FI_MORE) && held_ < held_receives_.size() ? 0 : flush_receives();
}

/// The local side of RMA. The device wants a segment also of nothing.
template <class Payload>
[[gnu::always_inline]] inline void DeviceEndpoint::put_remote(const Payload& payload) {
  if (payload.length() > 0) [[likely]]
    payload.put_segments(qpx);
  else
    ibv_wr_set_sge(qpx, bounce_.lkey(), bounce_.address(0), 0);
}

template <class Payload>
[[gnu::always_inline]] inline ssize_t DeviceEndpoint::read(const Payload& payload, fi_addr_t from,
                                                           uint64_t address, uint64_t key,
                                                           void* context, uint64_t flags) {
  const Guard guard(domain.lock);
  const AvEntry* peer = av->find(from);
  const size_t length = payload.length();
  if (!peer || key > UINT32_MAX || length > max_rma_ || (length > 0 && !payload.registered()))
      [[unlikely]]
    return -FI_EINVAL;
  if (!open_request(mark_.encode(context, is_silent(flags)))) [[unlikely]]
    return -FI_EAGAIN;
  note_peer(context, from);
  ibv_wr_rdma_read(qpx, static_cast<uint32_t>(key), address);
  aim(*peer);
  put_remote(payload);
  return close_request(flags);
}

[[gnu::always_inline]] inline void DeviceEndpoint::begin_write(const AvEntry& peer,
                                                               uint64_t address, uint64_t key,
                                                               uint64_t flags, uint64_t data) {
  if (flags & FI_REMOTE_CQ_DATA)
    ibv_wr_rdma_write_imm(qpx, static_cast<uint32_t>(key), address,
                          htobe32(static_cast<uint32_t>(data)));
  else
    ibv_wr_rdma_write(qpx, static_cast<uint32_t>(key), address);
  aim(peer);
}

template <class Payload>
[[gnu::always_inline]] inline ssize_t DeviceEndpoint::write(const Payload& payload, fi_addr_t to,
                                                            uint64_t address, uint64_t key,
                                                            void* context, uint64_t flags,
                                                            uint64_t data) {
  const Guard guard(domain.lock);
  const AvEntry* peer = av->find(to);
  const size_t length = payload.length();
  if (!peer || key > UINT32_MAX || length > max_rma_ || (length > 0 && !payload.registered()))
      [[unlikely]]
    return -FI_EINVAL;
  if (!open_request(mark_.encode(context, is_silent(flags)))) [[unlikely]]
    return -FI_EAGAIN;
  note_peer(context, to);
  begin_write(*peer, address, key, flags, data);
  put_remote(payload);
  return close_request(flags);
}

/// From a copy, for the device takes no inline data with RDMA.
template <class Payload>
ssize_t DeviceEndpoint::inject_write(const Payload& payload, fi_addr_t to, uint64_t address,
                                     uint64_t key, void* context, uint64_t flags, uint64_t data) {
  const Guard guard(domain.lock);
  const AvEntry* peer = av->find(to);
  const size_t length = payload.length();
  if (length > inject_rma_size_ || !payload.on_host()) return -FI_EOPNOTSUPP;
  if (!peer || key > UINT32_MAX) return -FI_EINVAL;
  const uint32_t slot = tx_free_ ? bounce_.acquire(context, is_silent(flags)) : 0;
  if (slot == 0) {
    if (batched_) flush_requests();
    return -FI_EAGAIN;
  }
  note_peer(context, to);
  open_request(RmaBounce::id(slot));
  payload.copy_to(reinterpret_cast<void*>(bounce_.address(slot)));
  begin_write(*peer, address, key, flags, data);
  ibv_wr_set_sge(qpx, bounce_.lkey(), bounce_.address(slot), static_cast<uint32_t>(length));
  return close_request(flags);
}

// ---- Completions -------------------------------------------------------------------------------

[[gnu::always_inline]] inline bool DeviceEndpoint::sent(uint32_t opcode, uint64_t id,
                                                        rdm::Completion& completion) {
  ++tx_free_;
  if (counting_) [[unlikely]]
    tally(opcode);
  if (mark_.is_silent(id)) return sent_silently(id, completion);
  completion.context = reinterpret_cast<void*>(id);
  completion.flags = flags_of_sent(opcode);
  return true;
}

[[gnu::always_inline]] inline bool DeviceEndpoint::received(uint64_t id,
                                                            rdm::Completion& completion) {
  ++rx_free_;
  if (counting_) [[unlikely]]
    tally(IBV_WC_RECV);
  completion.context = reinterpret_cast<void*>(id);
  completion.flags = FI_RECV | FI_MSG;
  return !mark_.is_silent(id);
}

}  // namespace efa::fi
