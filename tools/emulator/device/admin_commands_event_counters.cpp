// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Event counters (A9.16), of devices with the capability only.
#include <algorithm>
#include <memory>

#include "device/admin_commands.hpp"

namespace efa::emu {

namespace {

using Attachment = QueuePair::Attachment;

bool reachable(DmaSpace& memory, DmaAddr target) {
  const std::uint64_t zero = 0;
  return memory.write(target, &zero, sizeof zero);
}

}  // namespace

AdminCommands::Status AdminCommands::create_event_counter(const efa_create_event_counter_cmd& cmd,
                                                          efa_create_event_counter_resp& resp) {
  if (!profile().has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK)) return kUnsupported;
  if (device_.counters_.full()) return kNoResources;
  UserAccessRegion* uar = device_.uars_.find(cmd.uar);
  if (uar == nullptr || cmd.paddr % sizeof(std::uint64_t) != 0) return kIllegal;
  if (!reachable(memory(), cmd.paddr)) return kIllegal;
  const std::uint32_t handle = device_.counters_.next_id();
  device_.counters_.insert(std::make_unique<EventCounter>(handle, cmd.uar, cmd.paddr, memory(),
                                                          profile().event_counter_max_value));
  ++uar->users;
  resp.cntr_handle = handle;
  return kSuccess;
}

AdminCommands::Status AdminCommands::destroy_event_counter(const efa_destroy_event_counter_cmd& cmd,
                                                           efa_destroy_event_counter_resp&) {
  if (!profile().has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK)) return kUnsupported;
  const EventCounter* counter = device_.counters_.find(cmd.cntr_handle);
  if (counter == nullptr) return kIllegal;
  if (counter->attachments != 0) return kBusy;
  --device_.uars_.find(counter->uar())->users;
  device_.counters_.remove(cmd.cntr_handle);
  return kSuccess;
}

/// The same event may feed a counter only once per QP; it may feed several counters.
AdminCommands::Status AdminCommands::attach_event_counter(
    const efa_attach_detach_event_counter_cmd& cmd, efa_attach_detach_event_counter_resp&) {
  if (!profile().has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK)) return kUnsupported;
  EventCounter* counter = device_.counters_.find(cmd.cntr_handle);
  QueuePair* qp = device_.qps_.find(cmd.qp_events.qp_handle);
  const std::uint32_t events = cmd.qp_events.events;
  if (counter == nullptr || qp == nullptr) return kIllegal;
  if (cmd.attach_type != EFA_EVENT_COUNTER_ATTACH_TYPE_QP_EVENTS) return kIllegal;
  if (events == 0 || (events & ~kEventCounterQpEvents) != 0) return kIllegal;
  const bool attached = std::ranges::any_of(qp->counters, [&](const Attachment& a) {
    return a.counter == counter && (a.events & events) != 0;
  });
  if (attached) return kIllegal;
  qp->counters.push_back({counter, events});
  ++counter->attachments;
  return kSuccess;
}

AdminCommands::Status AdminCommands::detach_event_counter(
    const efa_attach_detach_event_counter_cmd& cmd, efa_attach_detach_event_counter_resp&) {
  if (!profile().has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK)) return kUnsupported;
  EventCounter* counter = device_.counters_.find(cmd.cntr_handle);
  QueuePair* qp = device_.qps_.find(cmd.qp_events.qp_handle);
  if (counter == nullptr || qp == nullptr) return kIllegal;
  if (cmd.attach_type != EFA_EVENT_COUNTER_ATTACH_TYPE_QP_EVENTS) return kIllegal;
  const auto found = std::ranges::find_if(qp->counters, [&](const Attachment& a) {
    return a.counter == counter && a.events == cmd.qp_events.events;
  });
  if (found == qp->counters.end()) return kIllegal;
  qp->counters.erase(found);
  --counter->attachments;
  return kSuccess;
}

AdminCommands::Status AdminCommands::modify_event_counter(const efa_modify_event_counter_cmd& cmd,
                                                          efa_modify_event_counter_resp&) {
  if (!profile().has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK)) return kUnsupported;
  EventCounter* counter = device_.counters_.find(cmd.cntr_handle);
  if (counter == nullptr) return kIllegal;
  switch (cmd.operation) {
    case EFA_EVENT_COUNTER_MODIFY_OP_SET:
      counter->set(cmd.value);
      return kSuccess;
    case EFA_EVENT_COUNTER_MODIFY_OP_ADD:
      counter->add(cmd.value);
      return kSuccess;
    default:
      return kIllegal;
  }
}

}  // namespace efa::emu
