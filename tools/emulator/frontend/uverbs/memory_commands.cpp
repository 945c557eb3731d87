// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Protection domains, address handles, memory regions (verbs A8.1, A8.6, A8.7).
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "efa_uabi.h"
#include "frontend/uverbs/context.hpp"
#include "frontend/uverbs/uverbs_ids.hpp"

namespace efa::emu {

namespace {

constexpr unsigned kMaxPageShift = 31;

/// Private input where none is defined must be empty or zero (A3).
int refuse_private_input(Call& call) {
  Input in;
  if (const int error = call.uhw_in(in)) return error;
  return in.zero_from(0) ? 0 : EOPNOTSUPP;
}

template <class T>
int read_core(Call& call, T& out) {
  Input in;
  if (const int error = call.core_in(in)) return error;
  std::memcpy(&out, in.bytes.data(), sizeof(out));
  return 0;
}

/// Peers may write only where the owner may: a check of the RDMA core.
int check_remote_access(std::uint32_t access) noexcept {
  const std::uint32_t remote = kAccessRemoteWrite | kAccessRemoteAtomic;
  return (access & remote) != 0 && (access & kAccessLocalWrite) == 0 ? EINVAL : 0;
}

/// log2 of the largest page for which `va` and `iova` have the same offset.
unsigned best_page_shift(std::uint64_t va, std::uint64_t iova) noexcept {
  const std::uint64_t difference = va ^ iova;
  return difference == 0
             ? kMaxPageShift
             : std::min(kMaxPageShift, static_cast<unsigned>(std::countr_zero(difference)));
}

}  // namespace

int Context::alloc_pd(Call& call) {
  call.failures = &driver_.counters().alloc_pd_err;
  if (const int error = refuse_private_input(call)) return error;
  efa_alloc_pd_cmd command{};
  efa_alloc_pd_resp allocated{};
  if (const int error = driver_.execute(EFA_AQ_OPCODE_ALLOC_PD, command, allocated)) return error;
  auto pd = std::make_unique<PdObject>();
  pd->number = allocated.pd;
  const std::uint32_t handle = insert(std::move(pd));
  efa_uabi_alloc_pd_resp response{};
  response.pdn = allocated.pd;
  ib_uverbs_alloc_pd_resp core{};
  core.pd_handle = handle;
  int error = call.uhw_out(response);
  if (error == 0) error = call.core_out(core);
  if (error != 0) remove_pd(handle);
  return error;
}

int Context::remove_pd(std::uint32_t handle) {
  PdObject* pd = find<PdObject>(handle);
  if (pd == nullptr) return not_found(handle);
  if (pd->users != 0) return EBUSY;
  efa_dealloc_pd_cmd command{};
  efa_dealloc_pd_resp response{};
  command.pd = pd->number;
  driver_.execute(EFA_AQ_OPCODE_DEALLOC_PD, command, response);
  objects_.erase(handle);
  return 0;
}

int Context::dealloc_pd(Call& call) {
  ib_uverbs_dealloc_pd request;
  if (const int error = read_core(call, request)) return error;
  return remove_pd(request.pd_handle);
}

int Context::destroy_pd(Call& call) {
  return destroy_by_handle(call, &Context::remove_pd);
}

int Context::create_ah(Call& call) {
  ib_uverbs_create_ah request;
  if (const int error = read_core(call, request)) return error;
  if (request.attr.port_num != 1) return EINVAL;
  PdObject* pd = find<PdObject>(request.pd_handle);
  if (pd == nullptr) return not_found(request.pd_handle);
  call.failures = &driver_.counters().create_ah_err;
  if (const int error = refuse_private_input(call)) return error;

  efa_create_ah_cmd command{};
  efa_create_ah_resp created{};
  // Without a global route there is no destination: the device refuses the zero GID.
  if (request.attr.is_global)
    std::memcpy(&command.dest_addr, request.attr.grh.dgid, sizeof(command.dest_addr));
  command.pd = pd->number;
  if (const int error = driver_.execute(EFA_AQ_OPCODE_CREATE_AH, command, created)) return error;
  auto ah = std::make_unique<AhObject>();
  ah->number = created.ah;
  ah->pd = pd;
  ++pd->users;
  const std::uint32_t handle = insert(std::move(ah));
  efa_uabi_create_ah_resp response{};
  response.efa_address_handle = created.ah;
  ib_uverbs_create_ah_resp core{};
  core.ah_handle = handle;
  int error = call.uhw_out(response);
  if (error == 0) error = call.core_out(core);
  if (error != 0) remove_ah(handle);
  return error;
}

int Context::remove_ah(std::uint32_t handle) {
  AhObject* ah = find<AhObject>(handle);
  if (ah == nullptr) return not_found(handle);
  efa_destroy_ah_cmd command{};
  efa_destroy_ah_resp response{};
  command.ah = ah->number;
  command.pd = ah->pd->number;
  driver_.execute(EFA_AQ_OPCODE_DESTROY_AH, command, response);
  --ah->pd->users;
  objects_.erase(handle);
  return 0;
}

int Context::dealloc_ah(Call& call) {
  ib_uverbs_destroy_ah request;
  if (const int error = read_core(call, request)) return error;
  return remove_ah(request.ah_handle);
}

int Context::destroy_ah(Call& call) {
  return destroy_by_handle(call, &Context::remove_ah);
}

int Context::reg_mr(Call& call) {
  ib_uverbs_reg_mr request;
  if (const int error = read_core(call, request)) return error;
  // The core's checks.
  if (((request.start ^ request.hca_va) & (kPageSize - 1)) != 0) return EINVAL;
  if (const int error = check_remote_access(request.access_flags)) return error;
  if (request.length == 0 || request.start + request.length < request.start ||
      request.hca_va + request.length < request.hca_va)
    return EINVAL;
  PdObject* pd = find<PdObject>(request.pd_handle);
  if (pd == nullptr) return not_found(request.pd_handle);
  CallerMemory memory;
  if (const int error = check_mr(call, request.access_flags)) return error;
  // Pages are not pinned here, but what pinning would refuse is refused.
  const bool writable = (request.access_flags & (kAccessLocalWrite | kAccessRemoteWrite)) != 0;
  if (const int error = pin_range(call, request.start, request.length, writable, memory))
    return error;
  open_window(*call.caller, request.start, memory);
  std::uint32_t handle = 0;
  if (const int error =
          add_mr(std::move(memory), request.hca_va, request.access_flags, *pd, handle))
    return error;
  const MrObject& mr = *find<MrObject>(handle);
  ib_uverbs_reg_mr_resp response{};
  response.lkey = mr.response.l_key;
  response.rkey = mr.response.r_key;
  response.mr_handle = handle;
  const int error = call.core_out(response);
  if (error != 0) remove_mr(handle);
  return error;
}

/// The first of the driver's checks of a registration.
int Context::check_mr(Call& call, std::uint32_t access) {
  call.failures = &driver_.counters().reg_mr_err;
  if (const int error = refuse_private_input(call)) return error;
  std::uint32_t supported = kAccessLocalWrite | kAccessOptionalRange;
  if (driver_.attributes().has(EFA_DEVICE_ATTR_RDMA_READ_MASK)) supported |= kAccessRemoteRead;
  if (driver_.attributes().has(EFA_DEVICE_ATTR_RDMA_WRITE_MASK)) supported |= kAccessRemoteWrite;
  return (access & ~supported) == 0 ? 0 : EOPNOTSUPP;
}

int Context::add_mr(CallerMemory memory, std::uint64_t iova, std::uint32_t access, PdObject& pd,
                    std::uint32_t& handle) {
  auto mr = std::make_unique<MrObject>();
  mr->memory = std::move(memory);
  if (const int error = register_pages(iova, access, pd, *mr)) {
    unpin(mr->memory);
    return error;
  }
  mr->pd = &pd;
  mr->lkey = mr->response.l_key;
  ++pd.users;
  handle = insert(std::move(mr));
  return 0;
}

int Context::register_pages(std::uint64_t iova, std::uint32_t access, const PdObject& pd,
                            MrObject& mr) {
  const std::uint64_t start = mr.memory.address, length = mr.memory.length;
  const unsigned shift = best_page_shift(start, iova);
  const std::uint64_t page = std::uint64_t{1} << shift;
  const std::uint64_t count = ((iova + length - 1) >> shift) - (iova >> shift) + 1;
  if (count > driver_.attributes().queues.max_mr_pages) return EINVAL;
  const DmaAddr first = start & ~(page - 1);
  std::vector<DmaAddr> pages(count);
  for (std::uint64_t i = 0; i < count; ++i) pages[i] = first + i * page;

  efa_reg_mr_cmd command{};
  command.pd = pd.number;
  command.mr_length = length;
  command.iova = iova;
  efa_reg_mr_cmd_set_phys_page_size_shift(&command, shift);
  efa_reg_mr_cmd_set_local_write_enable(&command, (access & kAccessLocalWrite) != 0);
  efa_reg_mr_cmd_set_remote_write_enable(&command, (access & kAccessRemoteWrite) != 0);
  efa_reg_mr_cmd_set_remote_read_enable(&command, (access & kAccessRemoteRead) != 0);
  if (count <= EFA_PBL_INLINE_PAGES) {
    std::memcpy(command.pbl.inline_pbl_array, pages.data(), count * sizeof(DmaAddr));
    return driver_.execute(EFA_AQ_OPCODE_REG_MR, command, mr.response);
  }
  const std::size_t bytes = pages.size() * sizeof(DmaAddr);
  const DmaAddr list = driver_.memory().add(reinterpret_cast<std::byte*>(pages.data()), bytes);
  if (list == 0) return ENOMEM;
  efa_aq_common_desc_set_ctrl_data(&command.aq_common_desc, 1);
  command.pbl.pbl.length = static_cast<std::uint32_t>(bytes);
  efa_mem_addr_set(&command.pbl.pbl.address, list);
  const int error = driver_.execute(EFA_AQ_OPCODE_REG_MR, command, mr.response);
  driver_.memory().remove(list);
  return error;
}

int Context::reg_dmabuf_mr(Call& call) {
  AttributeBundle& attributes = call.attributes;
  std::uint64_t offset = 0, length = 0, iova = 0;
  std::uint32_t access = 0;
  PdObject* pd = find<PdObject>(attributes.handle(UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE));
  if (const int error = attributes.get(UVERBS_ATTR_REG_DMABUF_MR_OFFSET, offset)) return error;
  if (const int error = attributes.get(UVERBS_ATTR_REG_DMABUF_MR_LENGTH, length)) return error;
  if (const int error = attributes.get(UVERBS_ATTR_REG_DMABUF_MR_IOVA, iova)) return error;
  // A number of 4 bytes to older kernels, a descriptor attribute to newer ones: in the same place.
  const auto fd = attributes.handle(UVERBS_ATTR_REG_DMABUF_MR_FD);
  if (!fd) return EINVAL;
  if (const int error = attributes.get(UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, access))
    return error;
  if (pd == nullptr || ((offset ^ iova) & (kPageSize - 1)) != 0 || iova + length < iova)
    return EINVAL;
  constexpr std::uint32_t kKnown = kAccessLocalWrite | kAccessRemoteWrite | kAccessRemoteRead |
                                   kAccessRemoteAtomic | kAccessRelaxedOrdering;
  if ((access & ~kKnown) != 0) return EINVAL;
  if (const int error = check_remote_access(access)) return error;
  if (const int error = check_mr(call, access)) return error;
  CallerMemory memory;
  if (const int error = import_dma_buffer(call, static_cast<int>(*fd), offset, length, memory))
    return error;
  std::uint32_t handle = 0;
  if (const int error = add_mr(std::move(memory), iova, access, *pd, handle)) return error;
  const efa_reg_mr_resp& keys = find<MrObject>(handle)->response;
  int error = attributes.put(UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, std::uint32_t{keys.l_key});
  if (error == 0)
    error = attributes.put(UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, std::uint32_t{keys.r_key});
  if (error == 0) error = attributes.put_handle(UVERBS_ATTR_REG_DMABUF_MR_HANDLE, handle);
  if (error != 0) remove_mr(handle);
  return error;
}

int Context::remove_mr(std::uint32_t handle) {
  MrObject* mr = find<MrObject>(handle);
  if (mr == nullptr) return not_found(handle);
  efa_dereg_mr_cmd command{};
  efa_dereg_mr_resp response{};
  command.l_key = mr->lkey;
  if (const int error = driver_.execute(EFA_AQ_OPCODE_DEREG_MR, command, response)) return error;
  --mr->pd->users;
  unpin(mr->memory);
  objects_.erase(handle);
  release_ended_spaces();
  return 0;
}

int Context::dereg_mr(Call& call) {
  ib_uverbs_dereg_mr request;
  if (const int error = read_core(call, request)) return error;
  return remove_mr(request.mr_handle);
}

int Context::destroy_mr(Call& call) {
  return destroy_by_handle(call, &Context::remove_mr);
}

int Context::query_mr(Call& call) {
  const MrObject* mr = find<MrObject>(call.attributes.handle(EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE));
  if (mr == nullptr) return not_found(call.attributes.handle(EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE));
  const efa_reg_mr_resp& ids = mr->response;
  const std::pair<std::uint16_t, std::uint16_t> values[] = {
      {EFA_UABI_IDS_ATTR_QUERY_MR_RESP_IC_ID_VALIDITY, ids.validity},
      {EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RECV_IC_ID, ids.recv_ic_id},
      {EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_READ_IC_ID, ids.rdma_read_ic_id},
      {EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_RECV_IC_ID, ids.rdma_recv_ic_id},
  };
  for (const auto& [id, value] : values)
    if (const int error = call.attributes.put(id, value)) return error;
  return 0;
}

}  // namespace efa::emu
