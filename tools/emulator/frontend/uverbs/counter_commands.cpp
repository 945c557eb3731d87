// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion counters: each is two event counters of the device, one of good completions and one
/// of errors, in memory that the client brings along (verbs A5.1, device-admin A9.16).
#include <cerrno>
#include <cstring>

#include "efa_uabi.h"
#include "frontend/uverbs/context.hpp"

namespace efa::emu {

namespace {

/// What one bit of the attach mask counts.
struct CountedOp {
  std::uint32_t good, bad;  ///< bits of device events
};

constexpr std::uint32_t event(efa_event_counter_qp_event number) noexcept {
  return 1u << number;
}

// By bit number. What peers do to this QP's memory has no error event.
constexpr CountedOp kCountedOps[] = {
    {event(EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP), event(EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP_ERR)},
    {event(EFA_EVENT_COUNTER_QP_EVENT_RECV_COMP), event(EFA_EVENT_COUNTER_QP_EVENT_RECV_COMP_ERR)},
    {event(EFA_EVENT_COUNTER_QP_EVENT_READ_COMP), event(EFA_EVENT_COUNTER_QP_EVENT_READ_COMP_ERR)},
    {event(EFA_EVENT_COUNTER_QP_EVENT_REMOTE_READ_COMP), 0},
    {event(EFA_EVENT_COUNTER_QP_EVENT_WRITE_COMP),
     event(EFA_EVENT_COUNTER_QP_EVENT_WRITE_COMP_ERR)},
    {event(EFA_EVENT_COUNTER_QP_EVENT_REMOTE_WRITE_COMP), 0},
};
constexpr std::uint32_t kKnownOps = (1u << std::size(kCountedOps)) - 1;

/// All events of the operations in `mask`.
CountedOp events_of(std::uint32_t mask) noexcept {
  CountedOp all{0, 0};
  for (unsigned op = 0; op < std::size(kCountedOps); ++op)
    if ((mask >> op & 1) != 0) {
      all.good |= kCountedOps[op].good;
      all.bad |= kCountedOps[op].bad;
    }
  return all;
}

/// Operations of which the device has every event.
std::uint32_t supported_ops(const DeviceAttributes& attributes) noexcept {
  const std::uint32_t events = attributes.queues_2.supported_event_counter_qp_events;
  std::uint32_t ops = 0;
  for (unsigned op = 0; op < std::size(kCountedOps); ++op) {
    const std::uint32_t needed = kCountedOps[op].good | kCountedOps[op].bad;
    if ((events & needed) == needed) ops |= 1u << op;
  }
  return ops;
}

/// A constant of 4 or 8 bytes.
int get_constant(Call& call, std::uint16_t id, std::uint64_t& out) {
  Input in;
  if (const int error = call.attributes.input(id, in)) return error;
  if (in.length != sizeof(std::uint32_t) && in.length != sizeof(out)) return EINVAL;
  std::memcpy(&out, in.bytes.data(), sizeof(out));
  return 0;
}

efa_attach_detach_event_counter_cmd attachment(std::uint32_t counter, const QpObject& qp,
                                               std::uint32_t events) {
  efa_attach_detach_event_counter_cmd command{};
  command.cntr_handle = counter;
  command.attach_type = EFA_EVENT_COUNTER_ATTACH_TYPE_QP_EVENTS;
  command.qp_events.qp_handle = qp.handle;
  command.qp_events.events = events;
  return command;
}

constexpr std::uint32_t kStateReset = 0, kStateInit = 1;

}  // namespace

int Context::query_counter_caps(Call& call) {
  const DeviceAttributes& attributes = driver_.attributes();
  if (!attributes.has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK)) return EOPNOTSUPP;
  const std::uint32_t counters = attributes.queues_2.max_event_counters / 2;
  const std::uint64_t value = attributes.queues_2.event_counter_max_val;
  if (const int error = call.attributes.put(kAttrCompCntrCapsMaxCounters, counters)) return error;
  if (const int error = call.attributes.put(kAttrCompCntrCapsMaxValue, value)) return error;
  return call.attributes.put(kAttrCompCntrCapsAttachOps, supported_ops(attributes));
}

/// The 8 bytes that one event counter is written to.
int Context::pin_counter(Call& call, std::uint16_t attribute, CallerMemory& out) {
  BufferDescriptor descriptor;
  if (const int error = call.attributes.get(attribute, descriptor)) return error;
  if (descriptor.length < sizeof(std::uint64_t)) return EINVAL;
  descriptor.length = sizeof(std::uint64_t);
  if (const int error = pin(call, descriptor, out)) return error;
  if (out.address % sizeof(std::uint64_t) == 0) return 0;
  unpin(out);
  return EINVAL;
}

int Context::create_device_counters(CounterObject& counter) {
  efa_create_event_counter_cmd command{};
  efa_create_event_counter_resp created{};
  command.uar = uar_;
  command.paddr = counter.completions.memory.address;
  if (const int error = driver_.execute(EFA_AQ_OPCODE_CREATE_EVENT_COUNTER, command, created))
    return error;
  counter.completions.number = created.cntr_handle;
  command.paddr = counter.errors.memory.address;
  const int error = driver_.execute(EFA_AQ_OPCODE_CREATE_EVENT_COUNTER, command, created);
  if (error != 0) destroy_device_counter(counter.completions.number);
  counter.errors.number = created.cntr_handle;
  return error;
}

void Context::destroy_device_counter(std::uint32_t number) {
  efa_destroy_event_counter_cmd command{};
  efa_destroy_event_counter_resp response{};
  command.cntr_handle = number;
  driver_.execute(EFA_AQ_OPCODE_DESTROY_EVENT_COUNTER, command, response);
}

int Context::create_counter(Call& call) {
  if (!driver_.attributes().has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK)) return EOPNOTSUPP;
  auto object = std::make_unique<CounterObject>();
  CounterObject& counter = *object;
  int error =
      pin_counter(call, EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_COMP_BUFFER, counter.completions.memory);
  if (error == 0)
    error = pin_counter(call, EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_ERR_BUFFER, counter.errors.memory);
  if (error == 0) error = create_device_counters(counter);
  if (error != 0) {
    unpin(counter.completions.memory);
    unpin(counter.errors.memory);
    return error;
  }
  const std::uint32_t handle = insert(std::move(object));
  error = call.attributes.put_handle(kAttrCompCntrHandle, handle);
  if (error != 0) remove_counter(handle);
  return error;
}

int Context::remove_counter(std::uint32_t handle) {
  CounterObject* counter = find<CounterObject>(handle);
  if (counter == nullptr) return not_found(handle);
  if (counter->users != 0) return EBUSY;
  for (CounterObject::Entry* entry : {&counter->completions, &counter->errors}) {
    destroy_device_counter(entry->number);
    unpin(entry->memory);
  }
  objects_.erase(handle);
  release_ended_spaces();
  return 0;
}

int Context::destroy_counter(Call& call) {
  return destroy_by_handle(call, &Context::remove_counter);
}

int Context::modify_counter(Call& call) {
  const CounterObject* counter = find<CounterObject>(call.attributes.handle(kAttrCompCntrHandle));
  if (counter == nullptr) return not_found(call.attributes.handle(kAttrCompCntrHandle));
  std::uint64_t entry = 0, operation = 0;
  efa_modify_event_counter_cmd command{};
  efa_modify_event_counter_resp response{};
  if (const int error = get_constant(call, kAttrCompCntrEntry, entry)) return error;
  if (const int error = get_constant(call, kAttrModifyCompCntrOp, operation)) return error;
  std::uint64_t value = 0;
  if (const int error = call.attributes.get(kAttrModifyCompCntrValue, value)) return error;
  if (entry > kCompCntrErrors || operation > kCompCntrIncrement) return EINVAL;
  command.cntr_handle =
      entry == kCompCntrErrors ? counter->errors.number : counter->completions.number;
  command.operation =
      static_cast<std::uint8_t>(operation == kCompCntrSet ? EFA_EVENT_COUNTER_MODIFY_OP_SET
                                                          : EFA_EVENT_COUNTER_MODIFY_OP_ADD);
  command.value = value;
  return driver_.execute(EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER, command, response);
}

/// The client reads its own memory.
int Context::read_counter(Call& call) {
  const bool known = find<CounterObject>(call.attributes.handle(kAttrCompCntrHandle)) != nullptr;
  return known ? EOPNOTSUPP : EINVAL;
}

int Context::attach_counter(Call& call) {
  QpObject* qp = find<QpObject>(call.attributes.handle(kAttrQpAttachHandle));
  CounterObject* counter = find<CounterObject>(call.attributes.handle(kAttrQpAttachCounter));
  if (qp == nullptr || counter == nullptr) return EINVAL;
  std::uint64_t mask = 0;
  if (const int error = get_constant(call, kAttrQpAttachOps, mask)) return error;
  if (mask == 0 || (mask & ~std::uint64_t{kKnownOps}) != 0) return EINVAL;
  const auto ops = static_cast<std::uint32_t>(mask);
  if ((ops & qp->counted_ops) != 0) return EBUSY;
  if ((ops & ~supported_ops(driver_.attributes())) != 0) return EOPNOTSUPP;
  if (qp->state != kStateReset && qp->state != kStateInit) return EINVAL;

  const CountedOp events = events_of(ops);
  efa_attach_detach_event_counter_resp response{};
  auto good = attachment(counter->completions.number, *qp, events.good);
  if (const int error = driver_.execute(EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER, good, response))
    return error;
  auto bad = attachment(counter->errors.number, *qp, events.bad);
  const int error =
      events.bad == 0 ? 0 : driver_.execute(EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER, bad, response);
  if (error != 0) {
    driver_.execute(EFA_AQ_OPCODE_DETACH_EVENT_COUNTER, good, response);
    return error;
  }
  qp->counted_ops |= ops;
  qp->counters.push_back(counter);
  ++counter->users;
  return 0;
}

}  // namespace efa::emu
