// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Prints what abi_list.h lists as libefa declares it. Signatures are compared while this compiles.
#include <cstdio>
#include <type_traits>

#include "ibverbs_abi.hpp"
#include "uverbs_ioctl.hpp"

using namespace efa;
using namespace efa::ibv;

// The names of rdma-core's headers in the signatures of the list. Only now: some are function
// names, too.
#undef ibv_reg_mr
#undef ibv_query_port
#define verbs_context_ops efa::ibv::ContextOps
#define verbs_device_ops efa::ibv::DeviceOps
#define verbs_device efa::ibv::VerbsDevice
#define verbs_sysfs_dev efa::ibv::SysfsDevice
#define verbs_mr efa::ibv::VerbsMr
#define verbs_qp efa::ibv::VerbsQp
#define verbs_cq efa::ibv::VerbsCq
#define ibv_get_context efa::ibv::GetContext
#define ibv_query_port efa::ibv::QueryPort
#define ibv_alloc_pd efa::ibv::AllocPd
#define ibv_reg_mr efa::ibv::RegMr
#define ibv_create_qp efa::ibv::CreateQp
#define ibv_query_qp efa::ibv::QueryQp
#define ibv_modify_qp efa::ibv::ModifyQp
#define ibv_create_cq_ex efa::ibv::CreateCqEx
#define ibv_command_buffer efa::ibv::CommandBuffer
#define ibv_fd_arr efa::ibv::FdArray
#define verbs_create_cq_prov_attr efa::ibv::CreateCqProviderAttr

#define SHOW(what, value) std::printf("%s %lld\n", what, static_cast<long long>(value));
#define SAME_SIGNATURE(type, result, arguments, what)      \
  static_assert(std::is_same_v<type, result(*) arguments>, \
                what ": libefa declares another signature");

#define ABI_SIZE(real, ours) SHOW("sizeof " #ours, sizeof(ours))
#define ABI_MEMBER(real, real_member, ours, our_member)             \
  SHOW("offset " #ours "." #our_member, offsetof(ours, our_member)) \
  SHOW("size " #ours "." #our_member, sizeof(static_cast<ours*>(nullptr)->our_member))
#define ABI_VALUE(real, ours) SHOW("value " #ours, ours)
#define ABI_OP_OF(table, name, result, arguments) \
  SHOW("op " #name, offsetof(table, name))        \
  SAME_SIGNATURE(decltype(table::name), result, arguments, #name)
#define ABI_OP(name, result, arguments) ABI_OP_OF(ContextOps, name, result, arguments)
#define ABI_DEVICE_OP(name, result, arguments) ABI_OP_OF(DeviceOps, name, result, arguments)
#define ABI_FUNCTION(name, result, arguments)               \
  SAME_SIGNATURE(decltype(&name), result, arguments, #name) \
  std::printf("function %s", #name " " #result #arguments "\n");

int main() {
#include "abi_list.h"
}
