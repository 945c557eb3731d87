// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Builders of emulated writes, reads and atomics (spec efa-rdm-protocol 6.4), in the manner of
// build_message.hpp. RMA_IOVS are the responder's memory, at most kMaxIovs.
#ifndef EFA_PROVIDER_WIRE_BUILD_RMA_HPP
#define EFA_PROVIDER_WIRE_BUILD_RMA_HPP

#include "wire/build_message.hpp"
#include "wire/req_options.hpp"

namespace efa::rdm {

// Payload: the whole write, as long as the remote iovs are together.
inline std::size_t build_eager_write(Room room, std::span<const Iov> rma_iovs,
                                     const ReqOptions& options) {
  return detail::length(
      room, detail::put_rma(room, PacketType::kEagerRtw, rma_iovs, options, EagerWrite{}));
}

// Makes the peer send its handshake, and nothing else (7.3). No payload.
inline std::size_t build_trigger(Room room, const RawAddress& own) {
  return build_eager_write(room, {}, ReqOptions::with_address(own));
}

inline std::size_t build_dc_eager_write(Room room, std::uint32_t send_id,
                                        std::span<const Iov> rma_iovs, const ReqOptions& options) {
  DcEagerWrite header{};
  header.send_id = send_id;
  return detail::length(room,
                        detail::put_rma(room, PacketType::kDcEagerRtw, rma_iovs, options, header));
}

// Payload: the first bytes of the write, not all of it.
inline std::size_t build_longcts_write(Room room, const Transfer& transfer,
                                       std::span<const Iov> rma_iovs, const ReqOptions& options) {
  LongCtsWrite header{};
  header.msg_length = transfer.length;
  header.send_id = transfer.send_id;
  header.credit_request = transfer.credit_request;
  const PacketType type =
      transfer.delivery_complete ? PacketType::kDcLongCtsRtw : PacketType::kLongCtsRtw;
  return detail::length(room, detail::put_rma(room, type, rma_iovs, options, header));
}

// The peer reads the data from READ_IOVS (1 to kMaxIovs), which are counted in the length. No
// payload.
inline std::size_t build_longread_write(Room room, std::uint64_t length, std::uint32_t send_id,
                                        std::span<const Iov> rma_iovs,
                                        std::span<const Iov> read_iovs, const ReqOptions& options) {
  LongReadWrite header{};
  header.msg_length = length;
  header.send_id = send_id;
  header.read_iov_count = static_cast<std::uint32_t>(read_iovs.size());
  std::byte* at = detail::put_rma(room, PacketType::kLongReadRtw, rma_iovs, options, header);
  return detail::length(room, detail::put_iovs(at, read_iovs));
}

struct EmulatedRead {
  std::uint64_t length = 0;
  std::uint32_t recv_id = 0;       // echoed by the peer
  std::uint32_t first_window = 0;  // bytes of the first window; of a short read its length (6.4)
};

namespace detail {

inline std::size_t put_read(Room room, PacketType type, const EmulatedRead& read,
                            std::span<const Iov> rma_iovs, const ReqOptions& options) {
  ReadRequest header{};
  header.msg_length = read.length;
  header.recv_id = read.recv_id;
  header.first_window = read.first_window;
  return length(room, put_rma(room, type, rma_iovs, options, header));
}

}  // namespace detail

// All of it is expected in one READRSP. No payload.
inline std::size_t build_short_read(Room room, const EmulatedRead& read,
                                    std::span<const Iov> rma_iovs, const ReqOptions& options) {
  return detail::put_read(room, PacketType::kShortRtr, read, rma_iovs, options);
}

// READRSP, then CTSDATA in windows. No payload.
inline std::size_t build_longcts_read(Room room, const EmulatedRead& read,
                                      std::span<const Iov> rma_iovs, const ReqOptions& options) {
  return detail::put_read(room, PacketType::kLongCtsRtr, read, rma_iovs, options);
}

struct Atomic {
  std::uint32_t msg_id = 0;    // counted together with messages (section 9)
  std::uint32_t datatype = 0;  // enum fi_datatype
  std::uint32_t op = 0;        // enum fi_op
};

namespace detail {

template <class Header>
std::size_t put_atomic(Room room, PacketType type, const Atomic& atomic,
                       std::span<const Iov> rma_iovs, const ReqOptions& options, Header header) {
  header.msg_id = atomic.msg_id;
  header.datatype = atomic.datatype;
  header.op = atomic.op;
  return length(room, put_rma(room, type, rma_iovs, options, header, kReqAtomic));
}

}  // namespace detail

// Payload: the operand.
inline std::size_t build_atomic_write(Room room, const Atomic& atomic,
                                      std::span<const Iov> rma_iovs, const ReqOptions& options) {
  return detail::put_atomic(room, PacketType::kWriteRta, atomic, rma_iovs, options, AtomicWrite{});
}

inline std::size_t build_dc_atomic_write(Room room, const Atomic& atomic, std::uint32_t send_id,
                                         std::span<const Iov> rma_iovs, const ReqOptions& options) {
  DcAtomicWrite header{};
  header.send_id = send_id;
  return detail::put_atomic(room, PacketType::kDcWriteRta, atomic, rma_iovs, options, header);
}

// The peer answers with the old value, ATOMRSP to recv_id.
inline std::size_t build_atomic_fetch(Room room, const Atomic& atomic, std::uint32_t recv_id,
                                      std::span<const Iov> rma_iovs, const ReqOptions& options) {
  AtomicFetch header{};
  header.recv_id = recv_id;
  return detail::put_atomic(room, PacketType::kFetchRta, atomic, rma_iovs, options, header);
}

// Payload: the operand, then as many bytes to compare with.
inline std::size_t build_atomic_compare(Room room, const Atomic& atomic, std::uint32_t recv_id,
                                        std::span<const Iov> rma_iovs, const ReqOptions& options) {
  AtomicFetch header{};
  header.recv_id = recv_id;
  return detail::put_atomic(room, PacketType::kCompareRta, atomic, rma_iovs, options, header);
}

}  // namespace efa::rdm

#endif
