// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A device without a front end: host memory is a plain array, interrupts are recorded, time moves
/// only when told to. Shared by the tests of the device model and of the data path.
#pragma once

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "device/device.hpp"

namespace efa::emu::test {

/// Zeroed, page-aligned bytes that cost nothing until touched.
class ZeroedBytes {
 public:
  explicit ZeroedBytes(std::size_t size) : size_(size) {
    void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(base);
  }
  ~ZeroedBytes() { munmap(data_, size_); }
  ZeroedBytes(const ZeroedBytes&) = delete;
  ZeroedBytes& operator=(const ZeroedBytes&) = delete;

  std::byte* data() const noexcept { return data_; }
  std::span<std::byte> span() const noexcept { return {data_, size_}; }

 private:
  std::byte* data_;
  std::size_t size_;
};

/// Host memory as one array that starts at DMA address kBase.
class ArrayMemory final : public DmaSpace {
 public:
  static constexpr DmaAddr kBase = 0x100000000;  // above 4 GiB: both address halves count

  explicit ArrayMemory(std::size_t size = std::size_t{256} << 20) : bytes_(size) {}

  std::byte* map(DmaAddr addr, std::size_t length) noexcept override {
    if (addr < kBase || length > bytes_.span().size()) return nullptr;
    if (addr - kBase > bytes_.span().size() - length) return nullptr;
    if (addr < hidden_.addr + hidden_.length && hidden_.addr < addr + length) return nullptr;
    return bytes_.data() + (addr - kBase);
  }

  /// Fresh zeroed memory. Never given back.
  DmaAddr allocate(std::size_t size, std::size_t alignment = 4096) {
    const DmaAddr addr = (next_ + alignment - 1) / alignment * alignment;
    next_ = addr + size;
    if (next_ > kBase + bytes_.span().size()) throw std::bad_alloc();
    return addr;
  }

  /// Makes one range inaccessible; hide(0, 0) shows everything again.
  void hide(DmaAddr addr, std::size_t length) {
    hidden_ = {addr, length};
    invalidate_mappings();
  }

  /// Host's view, also of hidden ranges.
  template <class T>
  T& at(DmaAddr addr) const {
    return *reinterpret_cast<T*>(bytes_.data() + (addr - kBase));
  }

  /// An address the device cannot reach.
  static constexpr DmaAddr kUnmapped = 0x1000;

 private:
  ZeroedBytes bytes_;
  DmaAddr next_ = kBase + 4096;
  DmaSegment hidden_;
};

/// Every call of the device to the data path, in order, as text.
class RecordedHooks final : public DataPathHooks {
 public:
  void qp_created(QueuePair& qp) override { note("qp_created", qp.number); }
  void qp_modified(QueuePair& qp, efa_qp_state from) override {
    calls.push_back("qp_modified " + std::to_string(qp.number) + ": " + std::to_string(from) +
                    " to " + std::to_string(qp.state));
  }
  void qp_destroyed(QueuePair& qp) override { note("qp_destroyed", qp.number); }
  void cq_created(CompletionQueue& cq) override { note("cq_created", cq.config().number); }
  void cq_destroyed(CompletionQueue& cq) override { note("cq_destroyed", cq.config().number); }
  void ah_destroyed(std::uint16_t ah, std::uint16_t pd) override {
    calls.push_back("ah_destroyed " + std::to_string(ah) + " of PD " + std::to_string(pd));
  }
  void device_reset() override { calls.push_back("device_reset"); }

  std::vector<std::string> calls;

 private:
  void note(const char* call, unsigned number) {
    calls.push_back(std::string(call) + " " + std::to_string(number));
  }
};

/// Every vector that was signalled, in order.
class RecordedInterrupts final : public InterruptSink {
 public:
  void signal(unsigned vector) noexcept override {
    vectors.push_back(vector);
    if (handler) handler(vector);
  }

  std::size_t count(unsigned vector) const {
    std::size_t n = 0;
    for (const unsigned seen : vectors) n += seen == vector;
    return n;
  }

  std::vector<unsigned> vectors;
  std::function<void(unsigned)> handler;  ///< may be empty; runs inside signal()
};

inline constexpr auto kSuccess = EFA_AQ_COMPLETION_STATUS_SUCCESS;
inline constexpr auto kNoResources = EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE;
inline constexpr auto kBadOpcode = EFA_AQ_COMPLETION_STATUS_BAD_OPCODE;
inline constexpr auto kUnsupported = EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE;
inline constexpr auto kMalformed = EFA_AQ_COMPLETION_STATUS_MALFORMED_REQUEST;
inline constexpr auto kIllegal = EFA_AQ_COMPLETION_STATUS_ILLEGAL_PARAMETER;
inline constexpr auto kBusy = EFA_AQ_COMPLETION_STATUS_RESOURCE_BUSY;

/// Status and body of one admin command.
template <class Response>
struct Answer {
  efa_aq_completion_status status;
  Response body;

  bool ok() const { return status == EFA_AQ_COMPLETION_STATUS_SUCCESS; }
};

/// A command of which only one number counts.
template <class Command, class Number>
Command numbered(Number Command::*field, std::uint32_t number) {
  Command command{};
  command.*field = static_cast<Number>(number);
  return command;
}

/// Identity of test device number `last`.
inline DeviceIdentity default_identity(std::uint8_t last = 1) {
  return {Gid::from_mac({0x02, 0, 0, 0, 0, last}), {0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0, last}};
}

/// One device of generation `name` with its surroundings.
struct Rig {
  explicit Rig(std::string_view name = kDefaultGeneration, const DeviceOptions& options = {},
               const DeviceIdentity& identity = default_identity(),
               std::size_t doorbell_bytes = std::size_t{4} << 20,
               std::size_t llq_bytes = std::size_t{64} << 20)
      : llq(llq_bytes),
        doorbells(doorbell_bytes),
        device(*find_profile(name), identity, options,
               DeviceEnvironment{memory, interrupts, clock, llq.span(), doorbells.span()}) {}

  /// Executes `command` as `opcode`.
  template <class Response, class Command>
  Answer<Response> execute(unsigned opcode, Command command) {
    command.aq_common_desc.opcode = static_cast<std::uint8_t>(opcode);
    std::array<std::byte, kAdminEntrySize> in{};
    std::array<std::byte, kAdminEntrySize> out{};
    std::memcpy(in.data(), &command, sizeof command);
    Answer<Response> answer{device.execute(in, out), {}};
    std::memcpy(static_cast<void*>(&answer.body), out.data(), sizeof answer.body);
    return answer;
  }

  std::uint16_t pd() {
    return execute<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}).body.pd;
  }
  std::uint16_t uar() {
    return execute<efa_alloc_uar_resp>(EFA_AQ_OPCODE_ALLOC_UAR, efa_alloc_uar_cmd{}).body.uar;
  }

  efa_create_eq_cmd eq_command(std::uint8_t vector = 1, std::uint16_t depth = 512) {
    efa_create_eq_cmd cmd{};
    cmd.depth = depth;
    cmd.msix_vec = vector;
    efa_create_eq_cmd_set_entry_size_words(&cmd, sizeof(efa_eqe) / 4);
    efa_create_eq_cmd_set_completion_events(&cmd, 1);
    efa_mem_addr_set(&cmd.ba, memory.allocate(std::size_t{depth} * sizeof(efa_eqe)));
    return cmd;
  }
  std::uint16_t eq(std::uint8_t vector = 1, std::uint16_t depth = 512) {
    return execute<efa_create_eq_resp>(EFA_AQ_OPCODE_CREATE_EQ, eq_command(vector, depth)).body.eqn;
  }

  /// A polled CQ with 32-byte entries.
  efa_create_cq_cmd cq_command(std::uint16_t uar, std::uint16_t depth = 64) {
    efa_create_cq_cmd cmd{};
    efa_create_cq_cmd_set_cq_entry_size_words(&cmd, sizeof(efa_rx_cdesc_ex) / 4);
    cmd.sub_cq_depth = depth;
    cmd.num_sub_cqs = device.sub_cqs_per_cq();
    cmd.uar = uar;
    efa_mem_addr_set(&cmd.cq_ba, memory.allocate(std::size_t{depth} * sizeof(efa_rx_cdesc_ex) *
                                                 device.sub_cqs_per_cq()));
    return cmd;
  }
  efa_create_cq_cmd cq_command_with_events(std::uint16_t uar, std::uint16_t eqn,
                                           std::uint16_t depth = 64) {
    efa_create_cq_cmd cmd = cq_command(uar, depth);
    efa_create_cq_cmd_set_interrupt_mode_enabled(&cmd, 1);
    cmd.eqn = eqn;
    return cmd;
  }
  Answer<efa_create_cq_resp> create_cq(const efa_create_cq_cmd& cmd) {
    return execute<efa_create_cq_resp>(EFA_AQ_OPCODE_CREATE_CQ, cmd);
  }

  /// SRD, 64-byte WQEs, one descriptor per receive.
  efa_create_qp_cmd qp_command(std::uint16_t pd, std::uint16_t uar, std::uint16_t cq,
                               efa_qp_type type = EFA_QP_TYPE_SRD, std::uint32_t depth = 16,
                               std::uint32_t wqe_size = sizeof(efa_tx_wqe)) {
    efa_create_qp_cmd cmd{};
    cmd.pd = pd;
    cmd.uar = uar;
    cmd.qp_type = static_cast<std::uint8_t>(type);
    cmd.send_cq_idx = cq;
    cmd.recv_cq_idx = cq;
    cmd.qp_alloc_size.send_queue_depth = depth;
    cmd.qp_alloc_size.send_queue_ring_size = depth * wqe_size;
    cmd.qp_alloc_size.recv_queue_depth = depth;
    cmd.qp_alloc_size.recv_queue_ring_size =
        depth * static_cast<std::uint32_t>(sizeof(efa_rx_desc));
    cmd.rq_base_addr = memory.allocate(cmd.qp_alloc_size.recv_queue_ring_size);
    return cmd;
  }
  Answer<efa_create_qp_resp> create_qp(const efa_create_qp_cmd& cmd) {
    return execute<efa_create_qp_resp>(EFA_AQ_OPCODE_CREATE_QP, cmd);
  }

  efa_aq_completion_status modify_qp(const efa_modify_qp_cmd& cmd) {
    return execute<efa_modify_qp_resp>(EFA_AQ_OPCODE_MODIFY_QP, cmd).status;
  }
  /// RESET to RTS with the attributes that each step needs.
  void bring_up(std::uint32_t handle, std::uint32_t qkey = 0x11111111) {
    efa_modify_qp_cmd cmd{};
    cmd.qp_handle = handle;
    efa_modify_qp_cmd_set_qp_state(&cmd, 1);
    efa_modify_qp_cmd_set_qkey(&cmd, 1);
    cmd.qkey = qkey;
    cmd.qp_state = EFA_QP_STATE_INIT;
    modify_qp(cmd);
    cmd.qp_state = EFA_QP_STATE_RTR;
    modify_qp(cmd);
    efa_modify_qp_cmd_set_sq_psn(&cmd, 1);
    cmd.qp_state = EFA_QP_STATE_RTS;
    modify_qp(cmd);
  }

  Answer<efa_create_ah_resp> create_ah(const Gid& gid, std::uint16_t pd) {
    efa_create_ah_cmd cmd{};
    std::memcpy(cmd.dest_addr, gid.raw.data(), gid.raw.size());
    cmd.pd = pd;
    return execute<efa_create_ah_resp>(EFA_AQ_OPCODE_CREATE_AH, cmd);
  }

  /// One page-aligned region of at most four 4-KiB pages.
  efa_reg_mr_cmd mr_command(std::uint16_t pd, DmaAddr addr, std::uint64_t length,
                            std::uint8_t permissions = kLocalWrite | kRemoteWrite | kRemoteRead) {
    efa_reg_mr_cmd cmd{};
    cmd.pd = pd;
    cmd.iova = addr;
    cmd.mr_length = length;
    cmd.permissions = permissions;
    efa_reg_mr_cmd_set_phys_page_size_shift(&cmd, 12);
    for (unsigned i = 0; i < EFA_PBL_INLINE_PAGES && i * 4096 < length; ++i)
      cmd.pbl.inline_pbl_array[i] = addr + i * 4096;
    return cmd;
  }
  Answer<efa_reg_mr_resp> reg_mr(const efa_reg_mr_cmd& cmd) {
    return execute<efa_reg_mr_resp>(EFA_AQ_OPCODE_REG_MR, cmd);
  }

  efa_aq_completion_status dealloc_pd(std::uint32_t pd) {
    return execute<efa_dealloc_pd_resp>(EFA_AQ_OPCODE_DEALLOC_PD,
                                        numbered(&efa_dealloc_pd_cmd::pd, pd))
        .status;
  }
  efa_aq_completion_status dealloc_uar(std::uint32_t uar) {
    return execute<efa_dealloc_uar_resp>(EFA_AQ_OPCODE_DEALLOC_UAR,
                                         numbered(&efa_dealloc_uar_cmd::uar, uar))
        .status;
  }
  efa_aq_completion_status destroy_eq(std::uint32_t eqn) {
    return execute<efa_destroy_eq_resp>(EFA_AQ_OPCODE_DESTROY_EQ,
                                        numbered(&efa_destroy_eq_cmd::eqn, eqn))
        .status;
  }
  efa_aq_completion_status destroy_cq(std::uint32_t cq) {
    return execute<efa_destroy_cq_resp>(EFA_AQ_OPCODE_DESTROY_CQ,
                                        numbered(&efa_destroy_cq_cmd::cq_idx, cq))
        .status;
  }
  efa_aq_completion_status destroy_qp(std::uint32_t handle) {
    return execute<efa_destroy_qp_resp>(EFA_AQ_OPCODE_DESTROY_QP,
                                        numbered(&efa_destroy_qp_cmd::qp_handle, handle))
        .status;
  }
  efa_aq_completion_status dereg_mr(std::uint32_t key) {
    return execute<efa_dereg_mr_resp>(EFA_AQ_OPCODE_DEREG_MR,
                                      numbered(&efa_dereg_mr_cmd::l_key, key))
        .status;
  }
  efa_aq_completion_status destroy_ah(std::uint16_t ah, std::uint16_t pd) {
    efa_destroy_ah_cmd cmd{};
    cmd.ah = ah;
    cmd.pd = pd;
    return execute<efa_destroy_ah_resp>(EFA_AQ_OPCODE_DESTROY_AH, cmd).status;
  }

  ArrayMemory memory;
  RecordedInterrupts interrupts;
  ManualClock clock;
  ZeroedBytes llq;
  ZeroedBytes doorbells;
  Device device;
};

}  // namespace efa::emu::test
