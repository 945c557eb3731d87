// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Prints how many devices libibverbs offers.
#include <infiniband/verbs.h>
#include <stdio.h>

int main(void) {
  int count = 0;
  struct ibv_device** list = ibv_get_device_list(&count);

  if (!list) return 1;
  printf("%d devices\n", count);
  ibv_free_device_list(list);
  return 0;
}
