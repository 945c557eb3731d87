// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/native_driver.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace efa::emu {

namespace {

// device.md section 1: doorbell BAR of 4 MiB, LLQ BAR with room for every queue pair's ring.
constexpr std::size_t kDoorbellBytes = 4 << 20;

/// Address space without memory behind it until queue memory is mapped over it or it is written.
std::byte* reserve(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(at);
}

int errno_of(efa_aq_completion_status status) noexcept {
  switch (status) {
    case EFA_AQ_COMPLETION_STATUS_SUCCESS:
      return 0;
    case EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE:
      return ENOMEM;
    case EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE:
      return EOPNOTSUPP;
    default:
      return EINVAL;
  }
}

}  // namespace

NativeDriver::NativeDriver(const Profile& profile, const DeviceIdentity& identity,
                           const DeviceOptions& options, Switch& fabric, unsigned host)
    : llq_bytes_(page_align(std::size_t{profile.max_qp} * profile.max_llq_size)),
      llq_(reserve(llq_bytes_)),
      doorbells_(reserve(kDoorbellBytes)) {
  device_ = std::make_unique<Device>(
      profile, identity, options,
      DeviceEnvironment{
          memory_, *this, fabric.clock(), {llq_, llq_bytes_}, {doorbells_, kDoorbellBytes}});
  data_path_ = std::make_unique<DataPath>(*device_, fabric, host);

  if (get_feature(EFA_FEATURE_ID_DEVICE_ATTR, attributes_.device) != 0 ||
      get_feature(EFA_FEATURE_ID_QUEUE_ATTR_1, attributes_.queues) != 0 ||
      get_feature(EFA_FEATURE_ID_NETWORK_ATTR, attributes_.network) != 0)
    throw std::logic_error("the device model does not answer its mandatory features");
  get_feature(EFA_FEATURE_ID_QUEUE_ATTR_2, attributes_.queues_2);
  get_feature(EFA_FEATURE_ID_EVENT_QUEUE_ATTR, attributes_.events);
  attributes_.inline_buf_size_ex =
      attributes_.queues_2.inline_buf_size_ex != 0
          ? attributes_.queues_2.inline_buf_size_ex
          : static_cast<std::uint16_t>(attributes_.queues.inline_buf_size);
  create_event_queues();
}

NativeDriver::~NativeDriver() {
  data_path_.reset();
  device_.reset();
  ::munmap(llq_, llq_bytes_);
  ::munmap(doorbells_, kDoorbellBytes);
}

int NativeDriver::run(std::span<const std::byte, kAdminEntrySize> command,
                      std::span<std::byte, kAdminEntrySize> response) {
  ++counters_.submitted_cmds;
  const int error = errno_of(device_->execute(command, response));
  ++counters_.completed_cmds;
  if (error != 0) ++counters_.cmds_err;
  return error;
}

template <class Block>
int NativeDriver::get_feature(efa_feature_id id, Block& out) {
  efa_get_feature_cmd command{};
  efa_get_feature_resp response{};
  command.feature_common.feature_id = static_cast<std::uint8_t>(id);
  const int error = execute(EFA_AQ_OPCODE_GET_FEATURE, command, response);
  static_assert(sizeof(out) <= sizeof(response.raw));
  if (error == 0) std::memcpy(&out, response.raw, sizeof(out));
  return error;
}

void NativeDriver::create_event_queues() {
  const long cpus = std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L);
  const auto count =
      std::min<std::uint32_t>(attributes_.events.max_eq, static_cast<std::uint32_t>(cpus));
  for (std::uint32_t i = 0; i < count; ++i) {
    auto eq = std::make_unique<Eq>();
    eq->depth = static_cast<std::uint16_t>(attributes_.events.max_eq_depth);
    eq->ring.resize(eq->depth);
    const std::size_t bytes = eq->ring.size() * sizeof(efa_eqe);
    eq->address = memory_.add(reinterpret_cast<std::byte*>(eq->ring.data()), bytes);
    efa_create_eq_cmd command{};
    efa_create_eq_resp response{};
    command.depth = eq->depth;
    command.msix_vec = static_cast<std::uint8_t>(EFA_FIRST_EQ_MSIX_VECTOR + i);
    efa_create_eq_cmd_set_entry_size_words(&command, EFA_EQ_ENTRY_SIZE / 4);
    efa_create_eq_cmd_set_completion_events(&command, 1);
    efa_mem_addr_set(&command.ba, eq->address);
    if (execute(EFA_AQ_OPCODE_CREATE_EQ, command, response) != 0)
      throw std::logic_error("the device model refuses an event queue within its limits");
    eq->number = response.eqn;
    eqs_.push_back(std::move(eq));
    drain(*eqs_.back());
  }
}

void NativeDriver::signal(unsigned vector) noexcept {
  const std::size_t index = vector - EFA_FIRST_EQ_MSIX_VECTOR;
  if (vector < EFA_FIRST_EQ_MSIX_VECTOR || index >= eqs_.size()) return;
  eqs_[index]->pending = true;
  interrupted_ = true;
}

void NativeDriver::handle_interrupts() {
  if (!interrupted_) return;
  interrupted_ = false;
  for (const std::unique_ptr<Eq>& eq : eqs_)
    if (eq->pending) {
      eq->pending = false;
      drain(*eq);
    }
}

void NativeDriver::drain(Eq& eq) {
  for (;;) {
    const efa_eqe entry = eq.ring[eq.consumed & (eq.depth - 1u)];
    const unsigned phase = (eq.consumed / eq.depth & 1) == 0;
    if (efa_eqe_phase(&entry) != phase) break;
    ++eq.consumed;
    const auto found = handlers_.find(entry.comp_event.cqn);
    if (found != handlers_.end()) found->second();
  }
  device_->write_register(EFA_REG_EQ_DB, efa_reg_eq_db_set_arm(eq.number, 1));
}

void NativeDriver::clear_window(std::byte* at, std::size_t length) noexcept {
  ::mmap(at, length, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

}  // namespace efa::emu
