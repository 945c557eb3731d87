// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A host driver that knows the device only through registers, rings and interrupts.
#pragma once

#include <optional>

#include "base/clock.hpp"
#include "device/crc16.hpp"
#include "device/harness.hpp"

namespace efa::emu::test {

/// CRC of `entry`, whose checksum field must be 0.
template <class Entry>
std::uint16_t crc_of(const Entry& entry) {
  return crc16(std::as_bytes(std::span<const Entry, 1>(&entry, 1)));
}

class MockDriver {
 public:
  struct Geometry {
    std::uint32_t depth = EFA_ADMIN_QUEUE_DEPTH;
    std::uint32_t entry_size = EFA_AQ_ENTRY_SIZE_V1;
    std::uint32_t aenq_depth = EFA_AENQ_DEPTH;
  };

  explicit MockDriver(Rig& rig) : MockDriver(rig, Geometry{}) {}
  MockDriver(Rig& rig, const Geometry& geometry)
      : rig_(rig),
        geometry_(geometry),
        answer_(rig.memory.allocate(sizeof(efa_mmio_read_resp), 8)),
        aq_(rig.memory.allocate(geometry.depth * geometry.entry_size)),
        acq_(rig.memory.allocate(geometry.depth * sizeof(efa_acq_entry))),
        aenq_(rig.memory.allocate(geometry.aenq_depth * sizeof(efa_aenq_entry))) {}

  /// Steps 4 to 10 of a probe (device.md 7.1).
  void probe() {
    set_answer_buffer();
    reset();
    start_admin();
  }

  void set_answer_buffer() {
    write(EFA_REG_MMIO_RESP_HI, static_cast<std::uint32_t>(answer_ >> 32));
    write(EFA_REG_MMIO_RESP_LO, static_cast<std::uint32_t>(answer_));
  }

  /// True if reset_in_progress followed the control bit both ways.
  bool reset(efa_reset_reason reason = EFA_RESET_REASON_NORMAL) {
    const std::uint32_t start = efa_reg_dev_ctl_set_dev_reset(0, 1);
    write(EFA_REG_DEV_CTL, efa_reg_dev_ctl_set_reset_reason(start, reason));
    set_answer_buffer();
    const bool entered = in_reset();
    write(EFA_REG_DEV_CTL, 0);
    return entered && !in_reset();
  }

  bool in_reset() {
    return efa_reg_dev_sts_reset_in_progress(read(EFA_REG_DEV_STS).value_or(0)) != 0;
  }

  void start_admin() {
    write_address(EFA_REG_AQ_BASE_LO, EFA_REG_AQ_BASE_HI, aq_);
    write(EFA_REG_AQ_CAPS, aq_caps());
    write_address(EFA_REG_ACQ_BASE_LO, EFA_REG_ACQ_BASE_HI, acq_);
    write(EFA_REG_ACQ_CAPS, acq_caps());
    write(EFA_REG_INTR_MASK, 0);
    write_address(EFA_REG_AENQ_BASE_LO, EFA_REG_AENQ_BASE_HI, aenq_);
    write(EFA_REG_AENQ_CAPS, aenq_caps());
    write(EFA_REG_AENQ_CONS_DB, 0);
    produced_ = consumed_ = events_ = 0;
    clear(aq_, geometry_.depth * geometry_.entry_size);
    clear(acq_, geometry_.depth * sizeof(efa_acq_entry));
    clear(aenq_, geometry_.aenq_depth * sizeof(efa_aenq_entry));
  }

  std::uint32_t aq_caps() const {
    return efa_reg_aq_caps_set_aq_entry_size(efa_reg_aq_caps_set_aq_depth(0, geometry_.depth),
                                             geometry_.entry_size);
  }
  std::uint32_t acq_caps() const {
    return efa_reg_acq_caps_set_acq_entry_size(efa_reg_acq_caps_set_acq_depth(0, geometry_.depth),
                                               sizeof(efa_acq_entry));
  }
  std::uint32_t aenq_caps() const {
    return efa_reg_aenq_caps_set_aenq_entry_size(
        efa_reg_aenq_caps_set_aenq_depth(0, geometry_.aenq_depth), sizeof(efa_aenq_entry));
  }

  void write(std::uint32_t offset, std::uint32_t value) {
    rig_.device.write_register(offset, value);
  }
  void write_address(efa_reg lo, efa_reg hi, DmaAddr addr) {
    write(lo, static_cast<std::uint32_t>(addr));
    write(hi, static_cast<std::uint32_t>(addr >> 32));
  }

  /// Read-less register read; nothing if the device did not answer.
  std::optional<std::uint32_t> read(std::uint32_t offset) {
    auto& answer = rig_.memory.at<efa_mmio_read_resp>(answer_);
    ++sequence_;
    answer.req_id = static_cast<std::uint16_t>(sequence_ + 0x9a);
    write(EFA_REG_MMIO_REG_READ, efa_reg_mmio_reg_read_set_reg_off(
                                     efa_reg_mmio_reg_read_set_req_id(0, sequence_), offset));
    if (answer.req_id != sequence_ || answer.reg_off != offset) return std::nullopt;
    return answer.reg_val;
  }

  /// Puts a command into the ring without telling the device. v2 entries get their checksum.
  template <class Command>
  void submit(efa_aq_opcode opcode, Command command, std::uint16_t command_id = 0) {
    efa_aq_common_desc& header = command.aq_common_desc;
    efa_aq_common_desc_set_command_id(&header, command_id);
    header.opcode = static_cast<std::uint8_t>(opcode);
    efa_aq_common_desc_set_phase(&header, produced_ / geometry_.depth % 2 == 0 ? 1 : 0);
    if (geometry_.entry_size == EFA_AQ_ENTRY_SIZE_V1)
      put(command);
    else
      put(widened(command));
  }

  /// Puts a ready-made entry into the ring.
  template <class Entry>
  void put(const Entry& entry) {
    const DmaAddr slot = aq_ + produced_ % geometry_.depth * geometry_.entry_size;
    clear(slot, geometry_.entry_size);
    std::memcpy(&rig_.memory.at<std::byte>(slot), &entry, sizeof entry);
    ++produced_;
  }

  template <class Command>
  static efa_aq_entry_v2 widened(const Command& command) {
    efa_aq_entry_v2 entry{};
    entry.aq_common_desc = command.aq_common_desc;
    const auto* bytes = reinterpret_cast<const std::byte*>(&command);
    std::memcpy(entry.request_payload, bytes + sizeof entry.aq_common_desc,
                sizeof command - sizeof entry.aq_common_desc);
    entry.checksum = crc_of(entry);
    return entry;
  }

  void ring() { write(EFA_REG_AQ_PROD_DB, static_cast<std::uint16_t>(produced_)); }
  void ring(std::uint32_t count) { write(EFA_REG_AQ_PROD_DB, count); }

  /// The next completion, if its phase says that it is there.
  std::optional<efa_acq_entry> poll() {
    const auto& entry =
        rig_.memory.at<efa_acq_entry>(acq_ + consumed_ % geometry_.depth * sizeof(efa_acq_entry));
    const std::uint32_t phase = consumed_ / geometry_.depth % 2 == 0 ? 1 : 0;
    if (efa_acq_common_desc_phase(&entry.acq_common_desc) != phase) return std::nullopt;
    ++consumed_;
    return entry;
  }

  /// The next async event, without telling the device that it was taken.
  std::optional<efa_aenq_entry> poll_event() {
    const auto& entry = rig_.memory.at<efa_aenq_entry>(aenq_ + events_ % geometry_.aenq_depth *
                                                                   sizeof(efa_aenq_entry));
    const std::uint32_t phase = events_ / geometry_.aenq_depth % 2 == 0 ? 1 : 0;
    if (efa_aenq_common_desc_phase(&entry.aenq_common_desc) != phase) return std::nullopt;
    ++events_;
    return entry;
  }
  void acknowledge_events() { write(EFA_REG_AENQ_CONS_DB, events_); }

  /// One command from submission to completion; nothing if no matching completion came.
  template <class Response, class Command>
  std::optional<Answer<Response>> run(efa_aq_opcode opcode, const Command& command) {
    const auto id = static_cast<std::uint16_t>(produced_ & EFA_AQ_COMMON_DESC_COMMAND_ID_MASK);
    submit(opcode, command, id);
    ring();
    const auto entry = poll();
    if (!entry || efa_acq_common_desc_command_id(&entry->acq_common_desc) != id)
      return std::nullopt;
    Answer<Response> answer{static_cast<efa_aq_completion_status>(entry->acq_common_desc.status),
                            {}};
    std::memcpy(static_cast<void*>(&answer.body), &*entry, sizeof answer.body);
    return answer;
  }

  efa_aq_completion_status enable_events(std::uint32_t groups) {
    efa_set_feature_cmd cmd{};
    cmd.feature_common.feature_id = EFA_FEATURE_ID_AENQ_CONFIG;
    cmd.aenq.enabled_groups = groups;
    return run<efa_set_feature_resp>(EFA_AQ_OPCODE_SET_FEATURE, cmd)->status;
  }

  DmaAddr answer_buffer() const { return answer_; }
  DmaAddr aq() const { return aq_; }
  DmaAddr acq() const { return acq_; }
  DmaAddr aenq() const { return aenq_; }
  const Geometry& geometry() const { return geometry_; }

 private:
  void clear(DmaAddr addr, std::size_t bytes) {
    std::memset(&rig_.memory.at<std::byte>(addr), 0, bytes);
  }

  Rig& rig_;
  Geometry geometry_;
  DmaAddr answer_;
  DmaAddr aq_;
  DmaAddr acq_;
  DmaAddr aenq_;
  std::uint16_t sequence_ = 0;
  std::uint32_t produced_ = 0;
  std::uint32_t consumed_ = 0;
  std::uint32_t events_ = 0;
};

}  // namespace efa::emu::test
