// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Async events and completion events, also from a device that never stops (device-admin A6, A7). */
#include "../efa_aenq.c"
#include "../efa_eq.c"

#include "mock_device.h"
#include "suites.h"

#define EQ_DEPTH 64

/* ---- async events ---- */

static void aenq_write(struct mock_device *mock, u32 index, u16 group)
{
	struct efa_aenq_entry entry = {
		.aenq_common_desc = { .group = cpu_to_le16(group) },
	};

	efa_aenq_common_desc_set_phase(&entry.aenq_common_desc, !(index / EFA_AENQ_DEPTH & 1));
	mock->dev.aenq.ring[index % EFA_AENQ_DEPTH] = entry;
}

static struct mock_device *with_aenq(struct kunit *test)
{
	struct mock_device *mock = mock_create_running(test, EFA_API_VERSION_AQ_V2);

	KUNIT_ASSERT_EQ(test, efa_aenq_init(&mock->dev), 0);
	return mock;
}

static s64 keep_alives(struct mock_device *mock)
{
	return atomic64_read(&mock->dev.stats[EFA_STAT_KEEP_ALIVE_RCVD]);
}

static void async_events_are_counted_over_many_turns(struct kunit *test)
{
	struct mock_device *mock = with_aenq(test);
	u32 sent = 0, i;

	while (sent < 5 * EFA_AENQ_DEPTH) {
		for (i = 0; i < 3; i++)
			aenq_write(mock, sent++, EFA_AENQ_GROUP_KEEP_ALIVE);
		efa_aenq_scan(&mock->dev);
		KUNIT_EXPECT_EQ(test, keep_alives(mock), sent);
		KUNIT_EXPECT_EQ(test, mock->regs[EFA_REG_AENQ_CONS_DB / 4], sent);
	}
	efa_aenq_exit(&mock->dev);
}

static void scan_without_async_events_rings_no_doorbell(struct kunit *test)
{
	struct mock_device *mock = with_aenq(test);

	mock->regs[EFA_REG_AENQ_CONS_DB / 4] = 0xabcd;
	efa_aenq_scan(&mock->dev);
	KUNIT_EXPECT_EQ(test, mock->regs[EFA_REG_AENQ_CONS_DB / 4], 0xabcd);
	efa_aenq_exit(&mock->dev);
}

static void async_events_of_every_group_are_consumed(struct kunit *test)
{
	struct mock_device *mock = with_aenq(test);
	const u16 groups[] = { 0, 1, 2, 3, 4, 5, 31, 32, 64, 0xffff };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		aenq_write(mock, i, groups[i]);
	efa_aenq_scan(&mock->dev);
	KUNIT_EXPECT_EQ(test, mock->dev.aenq.cc, ARRAY_SIZE(groups));
	KUNIT_EXPECT_EQ(test, keep_alives(mock), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&mock->dev.stats[EFA_STAT_FATAL_EVENTS]), 1);
	efa_aenq_exit(&mock->dev);
}

static void async_events_need_all_groups(struct kunit *test)
{
	struct mock_device *mock = with_aenq(test);
	u32 missing;

	mock->dev.attr.supported_features = BIT(EFA_FEATURE_ID_AENQ_CONFIG);
	KUNIT_EXPECT_EQ(test, efa_aenq_enable(&mock->dev), 0);
	KUNIT_EXPECT_EQ(test, mock->last.opcode, EFA_AQ_OPCODE_SET_FEATURE);
	for (missing = 1; missing <= 4; missing++) {
		mock->features.aenq.supported_groups = cpu_to_le32(0x1e & ~BIT(missing));
		KUNIT_EXPECT_EQ(test, efa_aenq_enable(&mock->dev), -EOPNOTSUPP);
	}
	efa_aenq_exit(&mock->dev);
}

/* ---- completion events ---- */

static unsigned int cq_events;
static u16 cq_last;
static struct efa_eq *flooded; /* the device adds an entry for each that is taken */
static u32 flooded_index;

static void eq_write(struct efa_eq *eq, u32 index, u16 cqn, u8 type)
{
	struct efa_eqe eqe = { .comp_event.cqn = cpu_to_le16(cqn) };

	efa_eqe_set_event_type(&eqe, type);
	efa_eqe_set_phase(&eqe, !(index / eq->depth & 1));
	eq->ring[index % eq->depth] = eqe;
}

/* In the place of efa_cq.c. */
void efa_cq_event(struct efa_dev *dev, u16 cqn)
{
	cq_events++;
	cq_last = cqn;
	if (flooded)
		eq_write(flooded, flooded_index++, cqn, EFA_EQE_EVENT_TYPE_COMPLETION);
}

static struct efa_eq *eq_create(struct kunit *test)
{
	struct mock_device *mock = mock_create(test, EFA_API_VERSION_AQ_V2);
	struct efa_eq *eq = kunit_kzalloc(test, sizeof(*eq), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, eq);
	eq->dev = &mock->dev;
	eq->depth = EQ_DEPTH;
	eq->eqn = 3;
	eq->ring = kunit_kcalloc(test, EQ_DEPTH, sizeof(*eq->ring), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, eq->ring);
	cq_events = 0;
	flooded = NULL;
	return eq;
}

/* Runs the handler, which must end by arming this queue (A7, "Arming"). */
static void eq_interrupt(struct efa_eq *eq)
{
	u32 *doorbell = &mock_of(eq->dev)->regs[EFA_REG_EQ_DB / 4];
	struct kunit *test = mock_of(eq->dev)->test;

	*doorbell = 0;
	KUNIT_EXPECT_EQ(test, (int)efa_eq_interrupt(0, eq), (int)IRQ_HANDLED);
	KUNIT_EXPECT_EQ(test, efa_reg_eq_db_eqn(*doorbell), 3);
	KUNIT_EXPECT_EQ(test, efa_reg_eq_db_arm(*doorbell), 1);
}

static void completion_events_reach_their_queues_over_many_turns(struct kunit *test)
{
	struct efa_eq *eq = eq_create(test);
	u32 sent = 0, i;

	while (sent < 5 * EQ_DEPTH) {
		for (i = 0; i < 7; i++, sent++)
			eq_write(eq, sent, sent, EFA_EQE_EVENT_TYPE_COMPLETION);
		eq_interrupt(eq);
		KUNIT_EXPECT_EQ(test, cq_events, sent);
		KUNIT_EXPECT_EQ(test, cq_last, (u16)(sent - 1));
	}
}

static void interrupt_without_events_arms_again(struct kunit *test)
{
	struct efa_eq *eq = eq_create(test);

	eq_interrupt(eq);
	KUNIT_EXPECT_EQ(test, cq_events, 0);
}

static void events_of_unknown_type_are_skipped(struct kunit *test)
{
	struct efa_eq *eq = eq_create(test);

	eq_write(eq, 0, 1, 255);
	eq_write(eq, 1, 2, EFA_EQE_EVENT_TYPE_COMPLETION);
	eq_interrupt(eq);
	KUNIT_EXPECT_EQ(test, cq_events, 1);
	KUNIT_EXPECT_EQ(test, cq_last, 2);
}

/* A handler that never returned would stop a CPU. */
static void device_that_floods_does_not_keep_the_handler(struct kunit *test)
{
	struct efa_eq *eq = eq_create(test);

	for (flooded_index = 0; flooded_index < EQ_DEPTH; flooded_index++)
		eq_write(eq, flooded_index, 9, EFA_EQE_EVENT_TYPE_COMPLETION);
	flooded = eq;
	eq_interrupt(eq);
	KUNIT_EXPECT_EQ(test, cq_events, EQ_DEPTH);
	eq_interrupt(eq);
	KUNIT_EXPECT_EQ(test, cq_events, 2 * EQ_DEPTH);
	flooded = NULL;
}

static struct kunit_case cases[] = {
	KUNIT_CASE(async_events_are_counted_over_many_turns),
	KUNIT_CASE(scan_without_async_events_rings_no_doorbell),
	KUNIT_CASE(async_events_of_every_group_are_consumed),
	KUNIT_CASE(async_events_need_all_groups),
	KUNIT_CASE(completion_events_reach_their_queues_over_many_turns),
	KUNIT_CASE(interrupt_without_events_arms_again),
	KUNIT_CASE(events_of_unknown_type_are_skipped),
	KUNIT_CASE(device_that_floods_does_not_keep_the_handler),
	{}
};

struct kunit_suite efa_events_suite = {
	.name = "efa_events",
	.exit = mock_destroy,
	.test_cases = cases,
};
