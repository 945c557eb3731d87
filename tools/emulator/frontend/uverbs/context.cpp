// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/context.hpp"

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "efa_uabi.h"
#include "frontend/uverbs/uverbs_ids.hpp"

namespace efa::emu {

Context::Context(NativeDriver& driver, std::unique_ptr<QueueMemory> memory, std::string name,
                 pid_t opener)
    : driver_(driver), memory_(std::move(memory)), name_(std::move(name)), opener_(opener) {
  queue_space_ = driver_.memory().add(*memory_);
}

// The order in which the RDMA core destroys what a dying process leaves behind.
Context::~Context() {
  std::vector<std::uint32_t> pds, ahs, mrs, cqs, qps, counters;
  for (const auto& [handle, object] : objects_) {
    if (dynamic_cast<QpObject*>(object.get())) qps.push_back(handle);
    if (dynamic_cast<CqObject*>(object.get())) cqs.push_back(handle);
    if (dynamic_cast<MrObject*>(object.get())) mrs.push_back(handle);
    if (dynamic_cast<AhObject*>(object.get())) ahs.push_back(handle);
    if (dynamic_cast<CounterObject*>(object.get())) counters.push_back(handle);
    if (dynamic_cast<PdObject*>(object.get())) pds.push_back(handle);
  }
  for (const std::uint32_t handle : qps) remove_qp(handle);
  for (const std::uint32_t handle : counters) remove_counter(handle);
  ib_uverbs_destroy_cq_resp ignored;
  for (const std::uint32_t handle : cqs) remove_cq(handle, ignored);
  for (const std::uint32_t handle : mrs) remove_mr(handle);
  for (const std::uint32_t handle : ahs) remove_ah(handle);
  for (const std::uint32_t handle : pds) remove_pd(handle);
  if (opened_) {
    efa_dealloc_uar_cmd command{};
    efa_dealloc_uar_resp response{};
    command.uar = uar_;
    driver_.execute(EFA_AQ_OPCODE_DEALLOC_UAR, command, response);
  }
  for (const auto& [offset, range] : doorbell_pages_) {
    driver_.clear_window(driver_.doorbell_window(offset), kPageSize);
    memory_->release(range);
  }
  for (const auto& [inode, channel] : channels_) ::close(channel->write_end);
  if (async_write_end_ >= 0) ::close(async_write_end_);
  for (const auto& [pid, space] : process_spaces_) driver_.memory().remove(space);
  driver_.memory().remove(queue_space_);
}

bool Context::Method::knows(std::uint16_t attribute) const noexcept {
  if (private_data && (attribute == UVERBS_ATTR_UHW_IN || attribute == UVERBS_ATTR_UHW_OUT))
    return true;
  return attribute >= first_attribute && attribute - first_attribute < attributes;
}

const Context::Method* Context::find_method(std::uint16_t object, std::uint16_t method) {
  static constexpr Method kMethods[] = {
      {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_INVOKE_WRITE, &Context::invoke_write, 3, true},
      {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT, &Context::get_context, 3, true},
      {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, &Context::query_port, 2},
      {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_GID_TABLE, &Context::query_gid_table, 4},
      {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_GID_ENTRY, &Context::query_gid_entry, 4},
      {UVERBS_OBJECT_DEVICE, kMethodQueryPortSpeed, &Context::query_port_speed, 2},
      {UVERBS_OBJECT_DEVICE, kMethodQueryCompCntrCaps, &Context::query_counter_caps, 3},
      // The driver's two buffer attributes have the numbers that private data has elsewhere.
      {kObjectCompCntr, kMethodCompCntrCreate, &Context::create_counter, 1, true},
      {kObjectCompCntr, kMethodCompCntrDestroy, &Context::destroy_counter, 1},
      {kObjectCompCntr, kMethodCompCntrModify, &Context::modify_counter, 4},
      {kObjectCompCntr, kMethodCompCntrRead, &Context::read_counter, 3},
      {UVERBS_OBJECT_QP, kMethodQpAttachCompCntr, &Context::attach_counter, 3},
      {UVERBS_OBJECT_ASYNC_EVENT, UVERBS_METHOD_ASYNC_EVENT_ALLOC, &Context::alloc_async_event, 1},
      {UVERBS_OBJECT_PD, UVERBS_METHOD_PD_DESTROY, &Context::destroy_pd, 1},
      {UVERBS_OBJECT_AH, UVERBS_METHOD_AH_DESTROY, &Context::destroy_ah, 1},
      {UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY, &Context::destroy_mr, 1},
      {UVERBS_OBJECT_MR, UVERBS_METHOD_REG_DMABUF_MR, &Context::reg_dmabuf_mr, 9},
      {UVERBS_OBJECT_MR, EFA_UABI_IDS_METHOD_MR_QUERY, &Context::query_mr, 5, false,
       EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE},
      {UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE, &Context::create_cq, kAttrCqBufferUmem + 1, true},
      {UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_DESTROY, &Context::destroy_cq, 2},
      {UVERBS_OBJECT_QP, UVERBS_METHOD_QP_CREATE, &Context::create_qp,
       UVERBS_ATTR_CREATE_QP_RESP_QP_NUM + 1, true},
      {UVERBS_OBJECT_QP, UVERBS_METHOD_QP_DESTROY, &Context::destroy_qp, 2},
  };
  const auto found = std::find_if(std::begin(kMethods), std::end(kMethods), [&](const Method& m) {
    return m.object == object && m.method == method;
  });
  return found == std::end(kMethods) ? nullptr : found;
}

const Context::WriteCommand* Context::find_write_command(std::uint32_t command) {
  static constexpr std::uint32_t kExtended = IB_USER_VERBS_CMD_FLAG_EXTENDED;
  static constexpr WriteCommand kCommands[] = {
      {IB_USER_VERBS_CMD_QUERY_DEVICE, sizeof(ib_uverbs_query_device),
       sizeof(ib_uverbs_query_device_resp), &Context::query_device},
      {kExtended | IB_USER_VERBS_EX_CMD_QUERY_DEVICE, sizeof(ib_uverbs_ex_query_device),
       offsetof(ib_uverbs_ex_query_device_resp, odp_caps), &Context::query_device_ex},
      {IB_USER_VERBS_CMD_ALLOC_PD, sizeof(ib_uverbs_alloc_pd), sizeof(ib_uverbs_alloc_pd_resp),
       &Context::alloc_pd},
      {IB_USER_VERBS_CMD_DEALLOC_PD, sizeof(ib_uverbs_dealloc_pd), 0, &Context::dealloc_pd},
      {IB_USER_VERBS_CMD_CREATE_AH, sizeof(ib_uverbs_create_ah), sizeof(ib_uverbs_create_ah_resp),
       &Context::create_ah},
      {IB_USER_VERBS_CMD_DESTROY_AH, sizeof(ib_uverbs_destroy_ah), 0, &Context::dealloc_ah},
      {IB_USER_VERBS_CMD_REG_MR, sizeof(ib_uverbs_reg_mr), sizeof(ib_uverbs_reg_mr_resp),
       &Context::reg_mr},
      {IB_USER_VERBS_CMD_DEREG_MR, sizeof(ib_uverbs_dereg_mr), 0, &Context::dereg_mr},
      {IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL, sizeof(ib_uverbs_create_comp_channel),
       sizeof(ib_uverbs_create_comp_channel_resp), &Context::create_comp_channel},
      {IB_USER_VERBS_CMD_MODIFY_QP, sizeof(ib_uverbs_modify_qp), 0, &Context::modify_qp},
      {kExtended | IB_USER_VERBS_EX_CMD_MODIFY_QP, sizeof(ib_uverbs_modify_qp), 0,
       &Context::modify_qp},
      {IB_USER_VERBS_CMD_QUERY_QP, sizeof(ib_uverbs_query_qp), sizeof(ib_uverbs_query_qp_resp),
       &Context::query_qp},
  };
  const auto found =
      std::find_if(std::begin(kCommands), std::end(kCommands),
                   [&](const WriteCommand& entry) { return entry.command == command; });
  return found == std::end(kCommands) ? nullptr : found;
}

int Context::serve(Call& call) {
  const Method* method = find_method(call.attributes.object(), call.attributes.method());
  if (method == nullptr) return EPROTONOSUPPORT;
  for (const ib_uverbs_attr& attribute : call.attributes.all())
    if ((attribute.flags & UVERBS_ATTR_F_MANDATORY) != 0 && !method->knows(attribute.attr_id))
      return EPROTONOSUPPORT;
  // Before the device is opened there is nothing that other methods could work on.
  const bool opens = method->handler == &Context::get_context;
  const bool probes = method->handler == &Context::invoke_write;
  if (!opened_ && !opens && !probes) return EINVAL;
  const int error = (this->*method->handler)(call);
  if (error != 0 && call.failures != nullptr) ++*call.failures;
  return error;
}

int Context::invoke_write(Call& call) {
  std::uint32_t number = 0;
  if (const int error = call.attributes.get(UVERBS_ATTR_WRITE_CMD, number)) return error;
  const WriteCommand* command = find_write_command(number);
  if (command == nullptr) return EOPNOTSUPP;
  Input core;
  if (const int error = call.core_in(core)) return error;
  if (core.length < command->request_bytes ||
      call.attributes.output_room(UVERBS_ATTR_CORE_OUT) < command->response_bytes)
    return ENOSPC;
  if (!opened_) return EINVAL;
  return (this->*command->handler)(call);
}

void Context::process_ended(pid_t pid) {
  if (pid == opener_) opener_ = 0;
  const auto found = process_spaces_.find(pid);
  if (found == process_spaces_.end()) return;
  // Not given up while a region names it: the next process to get the number would be exposed.
  ended_spaces_.push_back(found->second);
  process_spaces_.erase(found);
  release_ended_spaces();
}

void Context::release_ended_spaces() {
  std::erase_if(ended_spaces_, [this](DmaAddr space) {
    for (const auto& [handle, object] : objects_)
      if (object->refers_to(space)) return false;
    driver_.memory().remove(space);
    return true;
  });
}

DmaAddr Context::space_of(const std::shared_ptr<Process>& process) {
  const auto found = process_spaces_.find(process->pid());
  if (found != process_spaces_.end()) return found->second;
  const DmaAddr space = driver_.memory().add(process);
  if (space != 0) process_spaces_[process->pid()] = space;
  return space;
}

std::uint32_t Context::insert(std::unique_ptr<UverbsObject> object) {
  while (objects_.contains(next_handle_)) ++next_handle_;
  objects_[next_handle_] = std::move(object);
  return next_handle_++;
}

int Context::destroy_by_handle(Call& call, int (Context::*remove)(std::uint32_t)) {
  const auto handle = call.attributes.handle(kDestroyHandle);
  if (!handle) return EINVAL;
  return (this->*remove)(*handle);
}

}  // namespace efa::emu
