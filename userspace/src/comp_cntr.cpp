// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "comp_cntr.hpp"

#if EFA_IBVERBS_RELEASE == 65

#include <cerrno>

#include "log.hpp"
#include "uverbs_ioctl.hpp"

namespace efa {
namespace {

constexpr std::uint16_t kCreateHandle = 0;
constexpr std::uint16_t kMethodCreate = 0;

int check(const Context& context, const ibv_comp_cntr_init_attr& attr,
          const efadv_comp_cntr_init_attr& efa) {
  constexpr std::uint32_t kFlags =
      EFADV_COMP_CNTR_INIT_WITH_COMP_EXTERNAL_MEM | EFADV_COMP_CNTR_INIT_WITH_ERR_EXTERNAL_MEM;
  if (attr.comp_mask != 0 || attr.flags != 0 || attr.type == IBV_COMP_CNTR_TYPE_BYTES) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "completion counter: comp_mask 0x%x, flags 0x%x, type %d: EFA counts "
                    "completions only, without options",
                    attr.comp_mask, attr.flags, attr.type);
  }
  if (efa.comp_mask != 0 || (efa.flags & ~kFlags) != 0) {
    return EFA_FAIL(context, EOPNOTSUPP, "completion counter: unknown EFA comp_mask or flags 0x%x",
                    efa.flags);
  }
  return 0;
}

/// Describes the memory of one counter to the kernel. @returns 0 or EOPNOTSUPP
int describe(const Context& context, const efadv_memory_location* external, std::uint64_t* own,
             uverbs::BufferDescriptor& buffer, const std::uint64_t*& readable) {
  buffer = {};
  buffer.length = sizeof(std::uint64_t);
  if (external == nullptr) {
    buffer.type = uverbs::BufferDescriptor::kVa;
    buffer.addr = reinterpret_cast<std::uintptr_t>(own);
    readable = own;
    return 0;
  }
  readable = reinterpret_cast<const std::uint64_t*>(external->ptr);
  switch (external->type) {
    case EFADV_MEMORY_LOCATION_VA:
      buffer.type = uverbs::BufferDescriptor::kVa;
      buffer.addr = reinterpret_cast<std::uintptr_t>(external->ptr);
      return 0;
    case EFADV_MEMORY_LOCATION_DMABUF:
      buffer.type = uverbs::BufferDescriptor::kDmabuf;
      buffer.fd = external->dmabuf.fd;
      buffer.addr = external->dmabuf.offset;
      return 0;
    default:
      return EFA_FAIL(context, EOPNOTSUPP, "completion counter: memory type %u is unknown",
                      external->type);
  }
}

int read(const std::uint64_t* at, std::uint64_t* value) {
  if (at == nullptr) return EOPNOTSUPP;
  *value = __atomic_load_n(at, __ATOMIC_ACQUIRE);
  return 0;
}

}  // namespace

ibv_comp_cntr* create_efa_comp_cntr(Context& context, const ibv_comp_cntr_init_attr& attr,
                                    const efadv_comp_cntr_init_attr& efa) {
  int error = check(context, attr, efa);
  Owned<CompCntr> counter = error == 0 ? make<CompCntr>() : nullptr;
  if (counter == nullptr) {
    errno = error != 0 ? error : ENOMEM;
    return nullptr;
  }
  const bool own_comp = !(efa.flags & EFADV_COMP_CNTR_INIT_WITH_COMP_EXTERNAL_MEM);
  const bool own_err = !(efa.flags & EFADV_COMP_CNTR_INIT_WITH_ERR_EXTERNAL_MEM);
  uverbs::BufferDescriptor completions, errors;
  error = describe(context, own_comp ? nullptr : &efa.comp_cntr_ext_mem, &counter->completions,
                   completions, counter->completions_at);
  if (error == 0) {
    error = describe(context, own_err ? nullptr : &efa.err_cntr_ext_mem, &counter->errors, errors,
                     counter->errors_at);
  }
  if (error == 0) {
    UverbsIoctl<3> command(uverbs::kObjectCompCntr, kMethodCreate);
    command.add_new_object(kCreateHandle);
    command.add_in(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_COMP_BUFFER, completions);
    command.add_in(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_ERR_BUFFER, errors);
    error = command.send(*context.base());
    if (error == EPROTONOSUPPORT || error == ENOTTY) error = EOPNOTSUPP;
    counter->base.handle = command.handle();
  }
  if (error != 0) {
    errno = error;
    return nullptr;
  }
  counter->base.context = context.base();
  return &counter.release()->base;
}

ibv_comp_cntr* create_comp_cntr(ibv_context* context, ibv_comp_cntr_init_attr* attr) {
  return create_efa_comp_cntr(Context::of(context), *attr, {});
}

int destroy_comp_cntr(ibv_comp_cntr* counter) {
  const int error = ibv::ibv_cmd_destroy_comp_cntr(counter);
  if (error == 0) Owned<CompCntr>{&CompCntr::of(counter)}.reset();
  return error;
}

int read_comp_cntr(ibv_comp_cntr* counter, std::uint64_t* value) {
  return read(CompCntr::of(counter).completions_at, value);
}

int read_err_comp_cntr(ibv_comp_cntr* counter, std::uint64_t* value) {
  return read(CompCntr::of(counter).errors_at, value);
}

}  // namespace efa

#endif
