// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Prints what abi_list.h lists as rdma-core's own headers have it. Signatures are compared while
// this compiles.
#include <infiniband/driver.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <stdio.h>

#define SHOW(what, value) printf("%s %lld\n", what, (long long)(value));
#define SAME_SIGNATURE(type, result, arguments, what)                     \
  _Static_assert(__builtin_types_compatible_p(type, result(*) arguments), \
                 what ": libibverbs declares another signature");

#define ABI_SIZE(real, ours) SHOW("sizeof " #ours, sizeof(real))
#define ABI_MEMBER(real, real_member, ours, our_member)              \
  SHOW("offset " #ours "." #our_member, offsetof(real, real_member)) \
  SHOW("size " #ours "." #our_member, sizeof(((real*)0)->real_member))
#define ABI_VALUE(real, ours) SHOW("value " #ours, real)
#define ABI_OP_OF(table, name, result, arguments) \
  SHOW("op " #name, offsetof(struct table, name)) \
  SAME_SIGNATURE(typeof(((struct table*)0)->name), result, arguments, #name)
#define ABI_OP(name, result, arguments) ABI_OP_OF(verbs_context_ops, name, result, arguments)
#define ABI_DEVICE_OP(name, result, arguments) ABI_OP_OF(verbs_device_ops, name, result, arguments)
#define ABI_FUNCTION(name, result, arguments)             \
  SAME_SIGNATURE(typeof(&name), result, arguments, #name) \
  printf("function " #name " " #result #arguments "\n");

int main(void) {
#include "abi_list.h"
  return 0;
}
