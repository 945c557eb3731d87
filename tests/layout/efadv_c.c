// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* efadv.h against the table of spec verbs B6. Compiled as C99 and, through efadv_cxx.cpp, as
 * C++20. */
#if defined(__cplusplus)
#define CHECK(condition, what) static_assert(condition, what)
#else
#define CHECK(condition, what) _Static_assert(condition, what)
#endif
#include <infiniband/efa_diag.h>

#include "efadv_facts.h"

/* Where unknown to libibverbs, completion counters are only pointers. */
CHECK(sizeof(struct ibv_comp_cntr *) == sizeof(void *), "ibv_comp_cntr is declared");

/* The compilation is the test. */
int main(void)
{
	return 0;
}
