// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Which libraries a process has. */
#ifndef EFA_TESTS_MPI_MAPPED_H
#define EFA_TESTS_MPI_MAPPED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the library that EFA_EXPECTED_LIBRARY names (the start of its path) is loaded; true
 * without it. */
static inline int expected_library_is_mapped(void) {
  const char* expected = getenv("EFA_EXPECTED_LIBRARY");
  FILE* maps = expected ? fopen("/proc/self/maps", "r") : NULL;
  char line[4096];
  int found = 0;

  if (!expected) return 1;
  while (maps && !found && fgets(line, sizeof line, maps)) found = strstr(line, expected) != NULL;
  if (maps) fclose(maps);
  return found;
}

#endif
