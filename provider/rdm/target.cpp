// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What peers do to the application's memory (spec efa-rdm-protocol 11.7, 11.8, 11.10, 17). Each
// address and key of a packet is checked against the registrations of the domain.
#include <endian.h>
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <cstring>

#include "rdm/engine.hpp"
#include "wire/build_control.hpp"

namespace efa::rdm {
namespace {

bool whole_elements(const Buffers& memory, std::size_t size) {
  for (std::size_t i = 0; i < memory.count(); ++i)
    if (memory[i].length % size != 0) return false;
  return true;
}

}  // namespace

// The memory that a packet's remote iovs name, if each lies in one registration that allows ACCESS.
bool Engine::target_of(const Peer& peer, const Packet& packet, std::uint64_t access,
                       Buffers& memory) {
  for (std::size_t i = 0; i < packet.rma_iov_count(); ++i) {
    const Iov iov = packet.rma_iov(i);
    const Region* region = iov.len != 0 ? host_.find_region(iov.key) : nullptr;
    const bool fits = iov.len == 0 || (region != nullptr && (region->access & access) == access &&
                                       region->contains(iov.addr, iov.len));
    if (!fits) {
      bad_packet(&peer, ProviderErrno::kRmaAddress,
                 std::to_string(iov.len) + " bytes at " + std::to_string(iov.addr) + " with key " +
                     std::to_string(iov.key) +
                     (region == nullptr                     ? ": no registration has this key"
                      : (region->access & access) != access ? ": the registration does not allow it"
                                                            : ": they are not inside it"));
      return false;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address that came as a number
    memory.add(reinterpret_cast<void*>(iov.addr), iov.len, region);
  }
  return true;
}

void Engine::on_write(Peer& peer, const Packet& packet) {
  if (packet.is_trigger()) return;
  Buffers memory;
  if (!target_of(peer, packet, FI_REMOTE_WRITE, memory)) return;
  if (memory.length() != packet.total_length())
    return bad_packet(&peer, ProviderErrno::kSizeMismatch,
                      std::to_string(packet.total_length()) + " bytes for a target of " +
                          std::to_string(memory.length()));
  const std::optional<std::uint64_t> cq_data = packet.cq_data();
  if (packet.kind() == Kind::kEagerWrite) {
    memory.copy_in(0, packet.payload().data(), packet.payload().size());
    if (packet.delivery_complete()) send_receipt(peer, packet.send_id(), 0);
    return report_remote_write(cq_data.has_value(), cq_data.value_or(0), memory.length(), peer);
  }
  IncomingOp* op = new_incoming(InKind::kWriteTarget, peer);
  if (op == nullptr) return bad_packet(&peer, ProviderErrno::kRxStatesExhausted, "a write is lost");
  op->type = packet.type();
  op->matched = true;
  op->destination = memory;
  op->total = packet.total_length();
  op->peer_id = packet.send_id();
  op->peer_id_known = true;
  op->delivery_complete = packet.delivery_complete();
  op->has_cq_data = cq_data.has_value();
  op->cq_data = cq_data.value_or(0);
  if (packet.kind() == Kind::kLongCtsWrite) {
    place(*op, 0, packet.payload());
    return grant(*op);
  }
  for (std::size_t i = 0; i < packet.read_iov_count(); ++i) op->remote.iov[i] = packet.read_iov(i);
  op->remote.count = packet.read_iov_count();
  start_read(*op);
}

void Engine::report_remote_write(bool has_data, std::uint64_t data, std::uint64_t length,
                                 const Peer& peer) {
  if (queues_.remote_writes != nullptr) queues_.remote_writes->add();
  if (!has_data || queues_.rx == nullptr) return;
  Completion completion;
  completion.flags = FI_REMOTE_WRITE | FI_RMA | FI_REMOTE_CQ_DATA;
  completion.length = length;
  completion.data = data;
  completion.source = peer.source;
  queues_.rx->push(completion);
}

// Answers a read: the first bytes at once, the rest in windows.
void Engine::on_read(Peer& peer, const Packet& packet) {
  Buffers memory;
  if (!target_of(peer, packet, FI_REMOTE_READ, memory)) return;
  if (memory.length() != packet.total_length())
    return bad_packet(&peer, ProviderErrno::kSizeMismatch,
                      std::to_string(packet.total_length()) + " bytes from a source of " +
                          std::to_string(memory.length()));
  OutgoingOp* op = new_outgoing(OutKind::kReadAnswer, peer);
  if (op == nullptr) return bad_packet(&peer, ProviderErrno::kTxStatesExhausted, "a read is lost");
  op->source = memory;
  op->total = memory.length();
  op->peer_id = packet.recv_id();
  const std::uint64_t window = packet.kind() == Kind::kShortRead
                                   ? op->total
                                   : std::min<std::uint64_t>(op->total, packet.first_window());
  const std::uint64_t first =
      std::min<std::uint64_t>(window, payload_capacity(config_.mtu, PacketType::kReadRsp, 0));
  const bool copies = must_copy(*op, 0, first);
  TxPacket* answer = take_packet(copies ? first : 0);
  if (answer == nullptr) {
    release(*op);
    return bad_packet(&peer, ProviderErrno::kNoMemory, "a read is lost");
  }
  answer->kind = WorkKind::kData;
  answer->peer = &peer;
  answer->outgoing = op;
  const std::size_t header =
      build_readrsp(room_of(*answer), config_.own.connid, {op->id, op->peer_id}, first);
  fill(*answer, header, op->source, 0, first, copies);
  op->sent = first;
  op->window = window - first;
  op->takes_windows = true;
  ++op->outstanding;
  if (op->window != 0) wait_in(windows_, *op);
  submit(*answer);
}

// Applies an atomic operation, in the order of messages.
void Engine::on_atomic(Peer& peer, const Packet& packet) {
  const std::uint32_t datatype = packet.datatype();
  const std::uint32_t operation = packet.op();
  const AtomicForm form = packet.kind() == Kind::kAtomicWrite   ? AtomicForm::kWrite
                          : packet.kind() == Kind::kAtomicFetch ? AtomicForm::kFetch
                                                                : AtomicForm::kCompare;
  Buffers memory;
  const std::uint64_t access = form == AtomicForm::kWrite    ? FI_REMOTE_WRITE
                               : operation == FI_ATOMIC_READ ? FI_REMOTE_READ
                                                             : FI_REMOTE_WRITE | FI_REMOTE_READ;
  if (!target_of(peer, packet, access, memory)) return;
  if (!atomic_valid(form, datatype, operation) || !whole_elements(memory, atomic_size(datatype)))
    return bad_packet(
        &peer, ProviderErrno::kAtomicDatatype,
        "datatype " + std::to_string(datatype) + ", operation " + std::to_string(operation));
  // An atomic read has no operand that would limit its answer.
  if (memory.length() > payload_capacity(config_.mtu, PacketType::kAtomRsp, 0))
    return bad_packet(&peer, ProviderErrno::kSizeMismatch,
                      "an atomic operation on " + std::to_string(memory.length()) +
                          " bytes, more than a packet takes");
  const bool needs_operand = operation != FI_ATOMIC_READ;
  const std::uint64_t needed =
      (needs_operand ? memory.length() : 0) + (form == AtomicForm::kCompare ? memory.length() : 0);
  if (packet.payload().size() < needed)
    return bad_packet(&peer, ProviderErrno::kSizeMismatch,
                      std::to_string(packet.payload().size()) + " bytes of operands for " +
                          std::to_string(memory.length()));
  if (form == AtomicForm::kWrite) {
    apply(form, datatype, operation, memory, packet.payload().data(), nullptr);
    if (packet.delivery_complete()) send_receipt(peer, packet.send_id(), packet.msg_id());
    if (queues_.remote_writes != nullptr) queues_.remote_writes->add();
    return;
  }
  TxPacket* answer = take_packet(memory.length());
  if (answer == nullptr)
    return bad_packet(&peer, ProviderErrno::kNoMemory, "the result of an atomic is lost");
  answer->kind = WorkKind::kLast;
  answer->peer = &peer;
  const std::size_t header =
      build_atomrsp(room_of(*answer), config_.own.connid, packet.recv_id(), memory.length());
  apply(form, datatype, operation, memory, packet.payload().data(), answer->buffer + header);
  if (queues_.remote_reads != nullptr) queues_.remote_reads->add();
  send_control(*answer, header + memory.length());
}

// OPERANDS: those of all pieces, then as many bytes to compare with.
void Engine::apply(AtomicForm form, std::uint32_t datatype, std::uint32_t operation,
                   const Buffers& memory, const std::byte* operands, std::byte* results) {
  const std::byte* compare = operands + memory.length();
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < memory.count(); ++i) {
    const Span& span = memory[i];
    atomic_apply(form, datatype, operation, span.at, operands + offset,
                 form == AtomicForm::kCompare ? compare + offset : nullptr,
                 results != nullptr ? results + offset : nullptr,
                 span.length / atomic_size(datatype));
    offset += span.length;
  }
}

// A write of the device with data (section 17).
void Engine::arrived_immediate(ibv_cq_ex& cq) {
  const auto ahn = static_cast<std::uint16_t>(ibv_wc_read_slid(&cq));
  const Peer* peer = peers_.find_sender(ahn, ibv_wc_read_src_qp(&cq));
  if (queues_.remote_writes != nullptr) queues_.remote_writes->add();
  if (queues_.rx == nullptr) return;
  Completion completion;
  completion.flags = FI_REMOTE_WRITE | FI_RMA | FI_REMOTE_CQ_DATA;
  completion.length = ibv_wc_read_byte_len(&cq);
  completion.data = be32toh(ibv_wc_read_imm_data(&cq));
  if (peer != nullptr) completion.source = peer->source;
  queues_.rx->push(completion);
}

}  // namespace efa::rdm
