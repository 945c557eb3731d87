// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* efa_kunit.ko: all suites. */
#include <linux/module.h>

#include "suites.h"

kunit_test_suites(&efa_register_read_suite, &efa_checksum_suite, &efa_admin_queue_suite,
		  &efa_page_list_suite, &efa_memory_region_suite, &efa_ah_cache_suite,
		  &efa_device_answers_suite, &efa_device_limits_suite, &efa_events_suite);

MODULE_DESCRIPTION("KUnit suites of the EFA driver");
MODULE_LICENSE("Dual BSD/GPL");
