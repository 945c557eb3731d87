// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a device says of itself (device-admin A9.13): zero, huge, contradictory. */
#include <linux/random.h>
#include <linux/sizes.h>

#include "../efa_attr.c"

#include "mock_device.h"
#include "suites.h"

#define LLQ_BAR_BYTES SZ_8M

static struct mock_device *with_bars(struct kunit *test)
{
	struct mock_device *mock = mock_create_running(test, EFA_API_VERSION_AQ_V2);

	mock->dev.bar_phys[EFA_BAR_REGISTERS] = 0x10000000;
	mock->dev.bar_len[EFA_BAR_REGISTERS] = SZ_1M;
	mock->dev.bar_phys[EFA_BAR_LLQ] = 0x20000000;
	mock->dev.bar_len[EFA_BAR_LLQ] = LLQ_BAR_BYTES;
	mock->dev.mmio.timeout_us = EFA_READLESS_TIMEOUT_US;
	mock->dev.aq.poll_interval_ms = EFA_POLL_INTERVAL_MS;
	return mock;
}

/* What the rest of the driver takes for granted once efa_attr_query() has returned 0. */
static void expect_sound(struct mock_device *mock)
{
	const struct efa_attr *attr = &mock->dev.attr;
	struct kunit *test = mock->test;

	KUNIT_EXPECT_TRUE(test, attr->page_size_cap & SZ_4K);
	KUNIT_EXPECT_TRUE(test, attr->db_bar < ARRAY_SIZE(mock->dev.bar_len) &&
					mock->dev.bar_len[attr->db_bar]);
	KUNIT_EXPECT_TRUE(test, attr->max_qp && attr->max_qp <= 65536);
	KUNIT_EXPECT_TRUE(test, attr->max_cq && attr->max_cq <= 65536);
	KUNIT_EXPECT_TRUE(test, attr->max_pd && attr->max_pd <= 65536);
	KUNIT_EXPECT_TRUE(test, attr->max_ah && attr->max_ah <= INT_MAX);
	KUNIT_EXPECT_TRUE(test, attr->max_mr && attr->max_mr <= INT_MAX);
	KUNIT_EXPECT_TRUE(test, attr->max_mr_pages);
	KUNIT_EXPECT_TRUE(test, attr->max_sq_depth && attr->max_sq_depth <= 32768);
	KUNIT_EXPECT_TRUE(test, attr->max_rq_depth && attr->max_rq_depth <= 32768);
	KUNIT_EXPECT_TRUE(test, attr->max_cq_depth && attr->max_cq_depth <= 65535);
	KUNIT_EXPECT_TRUE(test, attr->sub_cqs_per_cq);
	KUNIT_EXPECT_LE(test, (u32)attr->min_sq_depth, attr->max_sq_depth);
	KUNIT_EXPECT_TRUE(test, attr->max_wr_send_sges && attr->max_wr_recv_sges);
	KUNIT_EXPECT_LE(test, attr->inline_buf_size, attr->inline_buf_size_ex);
	KUNIT_EXPECT_LE(test, attr->inline_buf_size_ex, 128);
	KUNIT_EXPECT_LE(test, (u64)attr->max_llq_size, (u64)LLQ_BAR_BYTES);
	KUNIT_EXPECT_TRUE(test, !attr->max_eq || is_power_of_2(attr->max_eq_depth));
	KUNIT_EXPECT_TRUE(test, attr->mtu >= 256 && attr->mtu <= 65535);
	KUNIT_EXPECT_TRUE(test, attr->max_link_speed_gbps);
	if (efa_has(&mock->dev, EVENT_COUNTERS))
		KUNIT_EXPECT_TRUE(test, attr->max_counters >= 2 && attr->counter_max_val);
	KUNIT_EXPECT_TRUE(test, mock->dev.mmio.timeout_us && mock->dev.aq.timeout_us &&
					mock->dev.aq.poll_interval_ms);
}

static void device_in_order_is_taken_as_it_is(struct kunit *test)
{
	struct mock_device *mock = with_bars(test);
	const struct efa_attr *attr = &mock->dev.attr;

	KUNIT_ASSERT_EQ(test, efa_attr_query(&mock->dev), 0);
	expect_sound(mock);
	KUNIT_EXPECT_EQ(test, attr->max_qp, 256);
	KUNIT_EXPECT_EQ(test, attr->max_sq_depth, 4096);
	KUNIT_EXPECT_EQ(test, attr->max_llq_size, SZ_512K);
	KUNIT_EXPECT_EQ(test, attr->inline_buf_size_ex, EFA_INLINE_128);
	KUNIT_EXPECT_EQ(test, attr->max_eq, 8);
	KUNIT_EXPECT_EQ(test, attr->max_eq_depth, 4096);
	KUNIT_EXPECT_EQ(test, attr->max_counters, 64);
	KUNIT_EXPECT_EQ(test, attr->mtu, 8928);
	KUNIT_EXPECT_EQ(test, attr->max_link_speed_gbps, 200);
	KUNIT_EXPECT_EQ(test, attr->gid[15], 1);
	KUNIT_EXPECT_EQ(test, memcmp(&attr->guid, &mock->features.device.guid, 8), 0);
}

/* One field at a time. */
static const struct lie {
	const char *name;
	size_t offset, size;
	u64 value;
	int err;
} lies[] = {
#define LIE(field, value, err)                                                                     \
	{ #field " = " #value, offsetof(struct mock_features, field),                              \
	  sizeof_field(struct mock_features, field), value, err }
	LIE(device.admin_api_version, 0, -EINVAL),
	LIE(device.supported_features, 0, -EOPNOTSUPP),
	LIE(device.supported_features, 0x3a, -EOPNOTSUPP), /* without AENQ_CONFIG */
	LIE(device.supported_features, 0x3c, 0),	   /* the least */
	LIE(device.supported_features, U64_MAX, 0),
	LIE(device.page_size_cap, 0, -EINVAL),
	LIE(device.page_size_cap, SZ_64K, -EINVAL),
	LIE(device.page_size_cap, U64_MAX, 0),
	LIE(device.db_bar, 1, -ENODEV),
	LIE(device.db_bar, 6, -ENODEV),
	LIE(device.db_bar, 256, -ENODEV), /* 0 in its lower byte */
	LIE(device.db_bar, U16_MAX, -ENODEV),
	LIE(device.max_link_speed_gbps, 0, 0),
	LIE(device.device_caps, U32_MAX, 0),
	LIE(device.max_rdma_size, U32_MAX, 0),
	LIE(queues.max_qp, 0, -EINVAL),
	LIE(queues.max_qp, 65536, 0),
	LIE(queues.max_qp, U32_MAX, -EINVAL),
	LIE(queues.max_cq, 0, -EINVAL),
	LIE(queues.max_cq, U32_MAX, -EINVAL),
	LIE(queues.max_pd, 0, -EINVAL),
	LIE(queues.max_pd, U32_MAX, -EINVAL),
	LIE(queues.max_ah, 0, -EINVAL),
	LIE(queues.max_ah, U32_MAX, -EINVAL),
	LIE(queues.max_mr, 0, -EINVAL),
	LIE(queues.max_mr, U32_MAX, -EINVAL),
	LIE(queues.max_mr_pages, 0, -EINVAL),
	LIE(queues.max_mr_pages, U32_MAX, 0),
	LIE(queues.max_sq_depth, 0, -EINVAL),
	LIE(queues.max_sq_depth, U32_MAX, -EINVAL),
	LIE(queues.max_rq_depth, 0, -EINVAL),
	LIE(queues.max_rq_depth, 65536, -EINVAL), /* A9.5: users count descriptors in 16 bits */
	LIE(queues.max_cq_depth, 0, -EINVAL),
	LIE(queues.max_cq_depth, U32_MAX, -EINVAL),
	LIE(queues.sub_cqs_per_cq, 0, -EINVAL),
	LIE(queues.sub_cqs_per_cq, U16_MAX, -EINVAL),
	LIE(queues.min_sq_depth, 4096, 0),
	LIE(queues.min_sq_depth, 4097, -EINVAL), /* above max_sq_depth */
	LIE(queues.max_wr_send_sges, 0, -EINVAL),
	LIE(queues.max_wr_send_sges, U16_MAX, -EINVAL),
	LIE(queues.max_wr_recv_sges, 0, -EINVAL),
	LIE(queues.max_wr_recv_sges, U16_MAX, -EINVAL),
	LIE(queues.max_wr_rdma_sges, U16_MAX, -EINVAL),
	LIE(queues.inline_buf_size, U32_MAX, -EINVAL),
	LIE(queues.max_llq_size, 0, -EINVAL),
	LIE(queues.max_llq_size, LLQ_BAR_BYTES, 0),
	LIE(queues.max_llq_size, LLQ_BAR_BYTES + 1, -EINVAL),
	LIE(queues2.inline_buf_size_ex, 0, 0), /* not said: as without the feature */
	LIE(queues2.inline_buf_size_ex, 31, -EINVAL), /* less than inline_buf_size */
	LIE(queues2.inline_buf_size_ex, U16_MAX, -EINVAL),
	LIE(queues2.max_event_counters, U32_MAX, -EINVAL),
	LIE(event_queues.max_eq, 0, 0),
	LIE(event_queues.max_eq, U32_MAX, 0),
	LIE(event_queues.max_eq_depth, 0, -EINVAL),
	LIE(event_queues.max_eq_depth, 4095, 0),
	LIE(event_queues.max_eq_depth, U32_MAX, 0),
	LIE(network.mtu, 0, -EINVAL),
	LIE(network.mtu, 255, -EINVAL),
	LIE(network.mtu, U32_MAX, -EINVAL),
	LIE(hints.mmio_read_timeout, U16_MAX, 0),
	LIE(hints.admin_completion_timeout, U16_MAX, 0),
	LIE(hints.poll_interval, U16_MAX, 0),
#undef LIE
};

static void lie_name(const struct lie *lie, char *name)
{
	strscpy(name, lie->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(lie, lies, lie_name);

static void one_field_is_wrong(struct kunit *test)
{
	const struct lie *lie = test->param_value;
	struct mock_device *mock = with_bars(test);
	const __le64 value = cpu_to_le64(lie->value);
	int err;

	memcpy((void *)&mock->features + lie->offset, &value, lie->size);
	err = efa_attr_query(&mock->dev);
	KUNIT_EXPECT_EQ(test, err, lie->err);
	if (!err)
		expect_sound(mock);
}

/* Counters that could not count are no reason to refuse the device. */
static void useless_counters_are_not_offered(struct kunit *test)
{
	struct mock_device *mock = with_bars(test);

	mock->features.queues2.max_event_counters = cpu_to_le32(1);
	KUNIT_EXPECT_EQ(test, efa_attr_query(&mock->dev), 0);
	KUNIT_EXPECT_FALSE(test, efa_has(&mock->dev, EVENT_COUNTERS));
	mock_features_default(&mock->features);
	mock->features.queues2.event_counter_max_val = 0;
	KUNIT_EXPECT_EQ(test, efa_attr_query(&mock->dev), 0);
	KUNIT_EXPECT_FALSE(test, efa_has(&mock->dev, EVENT_COUNTERS));
	mock_features_default(&mock->features);
	KUNIT_EXPECT_EQ(test, efa_attr_query(&mock->dev), 0);
	KUNIT_EXPECT_TRUE(test, efa_has(&mock->dev, EVENT_COUNTERS));
}

/* A first answer must not survive in a second query, which a reset brings. */
static void optional_features_may_go_away(struct kunit *test)
{
	struct mock_device *mock = with_bars(test);

	KUNIT_ASSERT_EQ(test, efa_attr_query(&mock->dev), 0);
	mock->features.device.supported_features = cpu_to_le64(0x3c);
	KUNIT_ASSERT_EQ(test, efa_attr_query(&mock->dev), 0);
	KUNIT_EXPECT_EQ(test, mock->dev.attr.max_eq, 0);
	KUNIT_EXPECT_EQ(test, mock->dev.attr.inline_buf_size_ex, EFA_INLINE_64);
	KUNIT_EXPECT_EQ(test, mock->dev.attr.max_counters, 0);
	KUNIT_EXPECT_FALSE(test, efa_has(&mock->dev, EVENT_COUNTERS));
	expect_sound(mock);
}

static void blank_answers_are_refused(struct kunit *test)
{
	struct mock_device *mock = with_bars(test);

	memset(&mock->features, 0, sizeof(mock->features));
	KUNIT_EXPECT_LT(test, efa_attr_query(&mock->dev), 0);
	memset(&mock->features, 0xff, sizeof(mock->features));
	KUNIT_EXPECT_LT(test, efa_attr_query(&mock->dev), 0);
}

/* From a fixed seed: a few bytes of a good device at a time, so that many get far. */
static void random_answers_are_refused_or_sound(struct kunit *test)
{
	struct mock_device *mock = with_bars(test);
	struct rnd_state random;
	unsigned int round, i, taken = 0;

	prandom_seed_state(&random, 0xefa);
	for (round = 0; round < 1000; round++) {
		mock_features_default(&mock->features);
		for (i = 0; i < 1 + round % 4; i++)
			((u8 *)&mock->features)[prandom_u32_state(&random) %
						sizeof(mock->features)] = prandom_u32_state(&random);
		if (efa_attr_query(&mock->dev))
			continue;
		taken++;
		expect_sound(mock);
	}
	/* both kinds came up, so the loop has tested something */
	KUNIT_EXPECT_GT(test, taken, 50);
	KUNIT_EXPECT_LT(test, taken, 950);
}

static void answer_refusing_param(struct mock_device *mock, const struct mock_cmd *cmd,
				  struct efa_acq_entry *cqe)
{
	const u8 *feature = mock->test->param_value;

	if (cmd->opcode == EFA_AQ_OPCODE_GET_FEATURE && cmd->body[13] == *feature)
		cqe->acq_common_desc.status = EFA_AQ_COMPLETION_STATUS_UNKNOWN_ERROR;
	else
		mock_answer_default(mock, cmd, cqe);
}

static const u8 features[] = {
	EFA_FEATURE_ID_DEVICE_ATTR,  EFA_FEATURE_ID_NETWORK_ATTR,     EFA_FEATURE_ID_QUEUE_ATTR_1,
	EFA_FEATURE_ID_QUEUE_ATTR_2, EFA_FEATURE_ID_EVENT_QUEUE_ATTR, EFA_FEATURE_ID_HW_HINTS,
};

static void feature_name(const u8 *feature, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "feature %u", *feature);
}

KUNIT_ARRAY_PARAM(feature, features, feature_name);

static void promised_feature_that_is_refused_is_an_error(struct kunit *test)
{
	struct mock_device *mock = with_bars(test);

	mock->answer = answer_refusing_param;
	KUNIT_EXPECT_EQ(test, efa_attr_query(&mock->dev), -EINVAL);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(device_in_order_is_taken_as_it_is),
	KUNIT_CASE_PARAM(one_field_is_wrong, lie_gen_params),
	KUNIT_CASE(useless_counters_are_not_offered),
	KUNIT_CASE(optional_features_may_go_away),
	KUNIT_CASE(blank_answers_are_refused),
	KUNIT_CASE(random_answers_are_refused_or_sound),
	KUNIT_CASE_PARAM(promised_feature_that_is_refused_is_an_error, feature_gen_params),
	{}
};

struct kunit_suite efa_device_limits_suite = {
	.name = "efa_device_limits",
	.exit = mock_destroy,
	.test_cases = cases,
};
