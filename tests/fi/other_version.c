// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Preloaded, makes a provider believe that it is in libfabric 2.1.
#include <stdint.h>

uint32_t fi_version(void);

uint32_t fi_version(void) {
  return 2 << 16 | 1;
}
