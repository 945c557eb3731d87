/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The suites of efa_kunit.ko, each at the end of its *_test.c. */
#ifndef EFA_TEST_SUITES_H
#define EFA_TEST_SUITES_H

#include <kunit/test.h>

extern struct kunit_suite efa_register_read_suite;
extern struct kunit_suite efa_checksum_suite;
extern struct kunit_suite efa_admin_queue_suite;
extern struct kunit_suite efa_page_list_suite;
extern struct kunit_suite efa_memory_region_suite;
extern struct kunit_suite efa_ah_cache_suite;
extern struct kunit_suite efa_device_answers_suite;
extern struct kunit_suite efa_device_limits_suite;
extern struct kunit_suite efa_events_suite;

#endif
