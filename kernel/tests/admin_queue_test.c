// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The admin queue against a device that keeps the rules, and against one that does not. */
#include "mock_device.h"
#include "suites.h"

#define SHORT_LIMIT_US 20000

/* One command with a value in it; the device answers with the value plus one. */
struct call {
	struct work_struct work;
	struct mock_device *mock;
	u16 value;
	u16 answer;
	int err;
};

static void answer_next(struct mock_device *mock, const struct mock_cmd *cmd,
			struct efa_acq_entry *cqe)
{
	struct efa_alloc_pd_resp *resp = (void *)cqe;
	__le16 value;

	mock_answer_default(mock, cmd, cqe);
	memcpy(&value, cmd->body, sizeof(value));
	resp->pd = cpu_to_le16(le16_to_cpu(value) + 1);
}

static void do_call(struct call *call)
{
	struct efa_dealloc_pd_cmd cmd = {
		.aq_common_desc.opcode = EFA_AQ_OPCODE_DEALLOC_PD,
		.pd = cpu_to_le16(call->value),
	};
	struct efa_alloc_pd_resp resp = {};

	call->err = efa_aq_execute(&call->mock->dev, &cmd, sizeof(cmd), &resp, sizeof(resp));
	call->answer = le16_to_cpu(resp.pd);
}

static int one(struct mock_device *mock, u16 value)
{
	struct call call = { .mock = mock, .value = value };

	do_call(&call);
	if (!call.err)
		KUNIT_EXPECT_EQ(mock->test, call.answer, (u16)(value + 1));
	return call.err;
}

static void call_work(struct work_struct *work)
{
	do_call(container_of(work, struct call, work));
}

/* count commands at the same time, with values from 0 on; returns when all have ended. */
static struct call *many(struct mock_device *mock, unsigned int count)
{
	struct workqueue_struct *wq = alloc_workqueue("mock_calls", WQ_UNBOUND, count);
	struct call *calls = kunit_kcalloc(mock->test, count, sizeof(*calls), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(mock->test, wq);
	KUNIT_ASSERT_NOT_NULL(mock->test, calls);
	for (i = 0; i < count; i++) {
		calls[i].mock = mock;
		calls[i].value = i;
		INIT_WORK(&calls[i].work, call_work);
		queue_work(wq, &calls[i].work);
	}
	destroy_workqueue(wq);
	return calls;
}

static void expect_answers(struct mock_device *mock, const struct call *calls, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		KUNIT_EXPECT_EQ(mock->test, calls[i].err, 0);
		KUNIT_EXPECT_EQ(mock->test, calls[i].answer, (u16)(calls[i].value + 1));
	}
}

static void expect_rules_kept(struct mock_device *mock)
{
	KUNIT_EXPECT_FALSE(mock->test, mock->bad_phase);
	KUNIT_EXPECT_FALSE(mock->test, mock->overrun);
	KUNIT_EXPECT_EQ(mock->test, mock->failures, 0);
}

static s64 stat(struct mock_device *mock, enum efa_sw_stat which)
{
	return atomic64_read(&mock->dev.stats[which]);
}

/* device-admin A2: format v1 with and without checksums in the completion, format v2 */
static const u32 levels[] = { EFA_API_VERSION_BASE, EFA_API_VERSION_ACQ_CRC,
			      EFA_API_VERSION_AQ_V2 };

static void level_name(const u32 *level, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "API 0.%u", *level);
}

KUNIT_ARRAY_PARAM(level, levels, level_name);

static struct mock_device *running(struct kunit *test)
{
	const u32 *level = test->param_value;
	struct mock_device *mock =
		mock_create_running(test, level ? *level : EFA_API_VERSION_AQ_V2);

	mock->answer = answer_next;
	return mock;
}

static struct mock_device *running_short(struct kunit *test)
{
	struct mock_device *mock = running(test);

	mock->dev.aq.timeout_us = SHORT_LIMIT_US;
	return mock;
}

/* The command that the device spoiled is lost, and with it the queue (device-admin A5). */
static void expect_lost(struct mock_device *mock)
{
	struct kunit *test = mock->test;

	KUNIT_EXPECT_EQ(test, one(mock, 1), -ETIME);
	KUNIT_EXPECT_EQ(test, mock->failures, 1);
	KUNIT_EXPECT_EQ(test, mock->quiesce_waits, 1);
	KUNIT_EXPECT_EQ(test, stat(mock, EFA_STAT_NO_COMPLETION_CMDS), 1);
	KUNIT_EXPECT_EQ(test, one(mock, 2), -ENODEV);
	KUNIT_EXPECT_EQ(test, mock->total, 1);
	KUNIT_EXPECT_EQ(test, mock->failures, 1);
}

static void registers_describe_the_rings(struct kunit *test)
{
	struct mock_device *mock = running(test);
	const u32 level = *(const u32 *)test->param_value;
	const u32 aq = mock->regs[EFA_REG_AQ_CAPS / 4];
	const u32 acq = mock->regs[EFA_REG_ACQ_CAPS / 4];

	KUNIT_EXPECT_EQ(test, efa_reg_aq_caps_aq_depth(aq), EFA_ADMIN_QUEUE_DEPTH);
	KUNIT_EXPECT_EQ(test, efa_reg_aq_caps_aq_entry_size(aq),
			level >= EFA_API_VERSION_AQ_V2 ? EFA_AQ_ENTRY_SIZE_V2 :
							 EFA_AQ_ENTRY_SIZE_V1);
	KUNIT_EXPECT_EQ(test, efa_reg_acq_caps_acq_depth(acq), EFA_ADMIN_QUEUE_DEPTH);
	KUNIT_EXPECT_EQ(test, efa_reg_acq_caps_acq_entry_size(acq), EFA_ACQ_ENTRY_SIZE);
	KUNIT_EXPECT_EQ(test, efa_reg_acq_caps_acq_msix_vector(acq), EFA_MGMT_MSIX_VECTOR);
	KUNIT_EXPECT_EQ(test, mock->regs[EFA_REG_INTR_MASK / 4], 0);
}

static void answers_arrive(struct kunit *test)
{
	struct mock_device *mock = running(test);

	KUNIT_EXPECT_EQ(test, one(mock, 7), 0);
	KUNIT_EXPECT_EQ(test, mock->last.opcode, EFA_AQ_OPCODE_DEALLOC_PD);
	KUNIT_EXPECT_TRUE(test, mock->last.checksum_ok);
	KUNIT_EXPECT_EQ(test, stat(mock, EFA_STAT_SUBMITTED_CMDS), 1);
	KUNIT_EXPECT_EQ(test, stat(mock, EFA_STAT_COMPLETED_CMDS), 1);
	expect_rules_kept(mock);
}

/* Long enough for the 12 bits of the command id to wrap too (128 turns of 32 slots). */
static void rings_wrap(struct kunit *test)
{
	struct mock_device *mock = running(test);
	unsigned int i;

	for (i = 0; i < 4096 + 3 * EFA_ADMIN_QUEUE_DEPTH + 5; i++)
		KUNIT_ASSERT_EQ(test, one(mock, i), 0);
	KUNIT_EXPECT_EQ(test, mock->total, i);
	expect_rules_kept(mock);
}

static void commands_shorter_than_the_entry_are_padded_with_zeros(struct kunit *test)
{
	struct mock_device *mock = running(test);
	unsigned int i;
	u8 other[EFA_AQ_ENTRY_SIZE_V1];

	/* fill every entry of the ring with something longer first */
	memset(other, 0xee, sizeof(other));
	((struct efa_aq_common_desc *)other)->opcode = EFA_AQ_OPCODE_SERVICE;
	for (i = 0; i < EFA_ADMIN_QUEUE_DEPTH; i++) {
		struct efa_acq_entry resp;

		KUNIT_ASSERT_EQ(test, 0, efa_aq_execute(&mock->dev, other, sizeof(other), &resp,
							sizeof(resp)));
		((struct efa_aq_common_desc *)other)->flags = 0;
	}
	KUNIT_ASSERT_EQ(test, one(mock, 1), 0);
	for (i = sizeof(struct efa_dealloc_pd_cmd) - sizeof(struct efa_aq_common_desc);
	     i < sizeof(mock->last.body); i++)
		KUNIT_EXPECT_EQ(test, mock->last.body[i], 0);
}

static void no_more_of_the_answer_is_copied_than_asked(struct kunit *test)
{
	struct mock_device *mock = running(test);
	struct efa_aq_common_desc cmd = { .opcode = EFA_AQ_OPCODE_ALLOC_PD };
	struct {
		struct efa_acq_common_desc resp;
		u8 guard[8];
	} buffer;

	memset(&buffer, 0x5a, sizeof(buffer));
	KUNIT_EXPECT_EQ(test, 0,
			efa_aq_execute(&mock->dev, &cmd, sizeof(cmd), &buffer.resp,
				       sizeof(buffer.resp)));
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(buffer.guard, 0x5a, sizeof(buffer.guard)), NULL);
}

static void answers_out_of_order_find_their_commands(struct kunit *test)
{
	struct mock_device *mock = running(test);

	mock_set_hold(mock, EFA_ADMIN_QUEUE_DEPTH);
	expect_answers(mock, many(mock, EFA_ADMIN_QUEUE_DEPTH), EFA_ADMIN_QUEUE_DEPTH);
	expect_rules_kept(mock);
}

static void more_commands_than_slots_wait_their_turn(struct kunit *test)
{
	struct mock_device *mock = running(test);
	const unsigned int count = 3 * EFA_ADMIN_QUEUE_DEPTH + 1;

	mock_set_hold(mock, EFA_ADMIN_QUEUE_DEPTH);
	expect_answers(mock, many(mock, count), count);
	KUNIT_EXPECT_EQ(test, mock->total, count);
	expect_rules_kept(mock);
}

/* Until the management interrupt works, commands poll (device-admin A5). */
static void polling_needs_no_interrupt(struct kunit *test)
{
	struct mock_device *mock = mock_create(test, *(const u32 *)test->param_value);

	mock->answer = answer_next;
	KUNIT_ASSERT_EQ(test, 0, efa_aq_init(&mock->dev));
	KUNIT_EXPECT_EQ(test, one(mock, 1), 0);
	KUNIT_EXPECT_EQ(test, one(mock, 2), 0);
	efa_aq_start_interrupts(&mock->dev);
	KUNIT_EXPECT_EQ(test, one(mock, 3), 0);
	expect_rules_kept(mock);
}

/* Device-admin A4. */
static const struct status_case {
	u8 status;
	int err;
} statuses[] = {
	{ EFA_AQ_COMPLETION_STATUS_SUCCESS, 0 },
	{ EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE, -ENOMEM },
	{ EFA_AQ_COMPLETION_STATUS_BAD_OPCODE, -EINVAL },
	{ EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE, -EOPNOTSUPP },
	{ EFA_AQ_COMPLETION_STATUS_MALFORMED_REQUEST, -EINVAL },
	{ EFA_AQ_COMPLETION_STATUS_ILLEGAL_PARAMETER, -EINVAL },
	{ EFA_AQ_COMPLETION_STATUS_UNKNOWN_ERROR, -EINVAL },
	{ EFA_AQ_COMPLETION_STATUS_RESOURCE_BUSY, -EINVAL },
	{ 8, -EINVAL },
	{ 255, -EINVAL },
};

static void status_name(const struct status_case *status, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "status %u", status->status);
}

KUNIT_ARRAY_PARAM(status, statuses, status_name);

static void answer_param_status(struct mock_device *mock, const struct mock_cmd *cmd,
				struct efa_acq_entry *cqe)
{
	const struct status_case *param = mock->test->param_value;

	cqe->acq_common_desc.status = param->status;
}

static void statuses_become_errors(struct kunit *test)
{
	const struct status_case *param = test->param_value;
	struct mock_device *mock = mock_create_running(test, EFA_API_VERSION_AQ_V2);
	struct call call = { .mock = mock };

	mock->answer = answer_param_status;
	do_call(&call);
	KUNIT_EXPECT_EQ(test, call.err, param->err);
	KUNIT_EXPECT_EQ(test, stat(mock, EFA_STAT_CMDS_ERR), param->err ? 1 : 0);
	mock->answer = answer_next;
	KUNIT_EXPECT_EQ(test, one(mock, 5), 0);
	expect_rules_kept(mock);
}

static void lost_command_times_out(struct kunit *test)
{
	struct mock_device *mock = running_short(test);

	mock_set_fault(mock, MOCK_FAULT_NO_ANSWER, 1);
	expect_lost(mock);
}

static void lost_command_times_out_while_polling(struct kunit *test)
{
	struct mock_device *mock = mock_create(test, EFA_API_VERSION_AQ_V2);

	KUNIT_ASSERT_EQ(test, 0, efa_aq_init(&mock->dev));
	WRITE_ONCE(mock->dev.state, EFA_DEV_RUNNING);
	mock->dev.aq.timeout_us = SHORT_LIMIT_US;
	mock_set_fault(mock, MOCK_FAULT_NO_ANSWER, 1);
	KUNIT_EXPECT_EQ(test, one(mock, 1), -ETIME);
	KUNIT_EXPECT_EQ(test, mock->failures, 1);
}

static void answer_for_a_slot_not_in_use_is_dropped(struct kunit *test)
{
	struct mock_device *mock = running_short(test);

	mock_set_fault(mock, MOCK_FAULT_UNKNOWN_ID, 1);
	expect_lost(mock);
}

static void answer_for_an_older_command_is_dropped(struct kunit *test)
{
	struct mock_device *mock = running_short(test);

	mock_set_fault(mock, MOCK_FAULT_STALE_ID, 1);
	expect_lost(mock);
}

static void answer_with_the_old_phase_is_not_seen(struct kunit *test)
{
	struct mock_device *mock = running_short(test);

	mock_set_fault(mock, MOCK_FAULT_STALE_PHASE, 1);
	expect_lost(mock);
}

static void garbage_is_dropped(struct kunit *test)
{
	struct mock_device *mock = running_short(test);

	mock_set_fault(mock, MOCK_FAULT_GARBAGE, 1);
	expect_lost(mock);
}

/* Only levels 0.2 and 0.3 have a checksum; 0.1 has other fields in its place. */
static void wrong_checksum_is_dropped(struct kunit *test)
{
	struct mock_device *mock = running_short(test);

	mock_set_fault(mock, MOCK_FAULT_BAD_CHECKSUM, 1);
	if (mock->api_version >= EFA_API_VERSION_ACQ_CRC)
		expect_lost(mock);
	else
		KUNIT_EXPECT_EQ(test, one(mock, 1), 0);
}

static void answer_extended(struct mock_device *mock, const struct mock_cmd *cmd,
			    struct efa_acq_entry *cqe)
{
	answer_next(mock, cmd, cqe);
	cqe->acq_common_desc.extended_status = cpu_to_le16(0xbeef);
	cqe->acq_common_desc.sq_head_indx = cpu_to_le16(mock->taken);
}

static void extended_status_is_no_checksum_at_level_1(struct kunit *test)
{
	struct mock_device *mock = mock_create_running(test, EFA_API_VERSION_BASE);

	mock->answer = answer_extended;
	KUNIT_EXPECT_EQ(test, one(mock, 1), 0);
}

/* The second copy must neither wake nor answer whoever uses the slot next. */
static void answer_that_comes_twice_counts_once(struct kunit *test)
{
	struct mock_device *mock = running(test);
	unsigned int i;

	mock_set_fault(mock, MOCK_FAULT_TWICE, 1);
	KUNIT_EXPECT_EQ(test, one(mock, 100), 0);
	for (i = 0; i < 2 * EFA_ADMIN_QUEUE_DEPTH; i++)
		KUNIT_EXPECT_EQ(test, one(mock, i), 0);
	KUNIT_EXPECT_EQ(test, stat(mock, EFA_STAT_COMPLETED_CMDS),
			2 * EFA_ADMIN_QUEUE_DEPTH + 1);
	KUNIT_EXPECT_EQ(test, mock->failures, 0);
}

static void late_answer_changes_nothing(struct kunit *test)
{
	struct mock_device *mock = running_short(test);

	mock_set_fault(mock, MOCK_FAULT_NO_ANSWER, 1);
	KUNIT_EXPECT_EQ(test, one(mock, 1), -ETIME);
	mock_complete(mock, mock->last.id, EFA_AQ_COMPLETION_STATUS_SUCCESS);
	KUNIT_EXPECT_EQ(test, stat(mock, EFA_STAT_COMPLETED_CMDS), 0);
	KUNIT_EXPECT_EQ(test, one(mock, 2), -ENODEV);
}

static void scan_without_news_is_harmless(struct kunit *test)
{
	struct mock_device *mock = running(test);

	efa_aq_scan(&mock->dev);
	KUNIT_EXPECT_EQ(test, one(mock, 1), 0);
	efa_aq_scan(&mock->dev);
	KUNIT_EXPECT_EQ(test, one(mock, 2), 0);
	expect_rules_kept(mock);
}

/* device-admin A5 [Q]: upstream gives the device up; the answer is there, so it counts. */
static void answer_without_interrupt_is_used(struct kunit *test)
{
	struct mock_device *mock = running(test);

	mock_set_fault(mock, MOCK_FAULT_NO_INTERRUPT, 1);
	KUNIT_EXPECT_EQ(test, one(mock, 1), 0);
	KUNIT_EXPECT_FALSE(test, mock->dev.aq.polling);
	KUNIT_EXPECT_EQ(test, one(mock, 2), 0);
	expect_rules_kept(mock);
}

static void without_any_interrupt_commands_are_polled(struct kunit *test)
{
	struct mock_device *mock = running(test);
	unsigned int i;

	mock_set_fault(mock, MOCK_FAULT_NO_INTERRUPT, UINT_MAX);
	for (i = 0; i < 2 * EFA_ADMIN_QUEUE_DEPTH; i++)
		KUNIT_ASSERT_EQ(test, one(mock, i), 0);
	KUNIT_EXPECT_TRUE(test, mock->dev.aq.polling);
	expect_rules_kept(mock);
}

/* Long before the time limit of 30 s: the bus is asked now and then. */
static void unplugged_device_ends_the_wait(struct kunit *test)
{
	struct mock_device *mock = running(test);
	unsigned long start = jiffies;

	mock_set_fault(mock, MOCK_FAULT_NO_ANSWER, 1);
	WRITE_ONCE(mock->gone, true);
	KUNIT_EXPECT_EQ(test, one(mock, 1), -ENODEV);
	KUNIT_EXPECT_EQ(test, mock->failures, 1);
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + 5 * HZ));
}

struct stopper {
	struct work_struct work;
	struct mock_device *mock;
};

/* Like a removal: stopped on purpose, so nothing has failed. */
static void stop_work(struct work_struct *work)
{
	struct efa_dev *dev = &container_of(work, struct stopper, work)->mock->dev;

	WRITE_ONCE(dev->state, EFA_DEV_STOPPED);
	efa_aq_stop(dev);
}

static struct stopper stopper;

/* Nobody answers; the device model stops the queue as soon as all commands are in it. */
static void answer_never_but_stop(struct mock_device *mock, const struct mock_cmd *cmd,
				  struct efa_acq_entry *cqe)
{
	queue_work(system_long_wq, &stopper.work);
}

static void stop_ends_commands_in_flight(struct kunit *test)
{
	struct mock_device *mock = running(test);
	struct call *calls;
	unsigned int i;

	stopper.mock = mock;
	INIT_WORK(&stopper.work, stop_work);
	mock->answer = answer_never_but_stop;
	mock_set_fault(mock, MOCK_FAULT_NO_ANSWER, EFA_ADMIN_QUEUE_DEPTH);
	mock_set_hold(mock, EFA_ADMIN_QUEUE_DEPTH);
	calls = many(mock, EFA_ADMIN_QUEUE_DEPTH);
	flush_work(&stopper.work);
	for (i = 0; i < EFA_ADMIN_QUEUE_DEPTH; i++)
		KUNIT_EXPECT_EQ(test, calls[i].err, -ENODEV);
	KUNIT_EXPECT_EQ(test, one(mock, 1), -ENODEV);
	KUNIT_EXPECT_EQ(test, mock->failures, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(registers_describe_the_rings, level_gen_params),
	KUNIT_CASE_PARAM(answers_arrive, level_gen_params),
	KUNIT_CASE_PARAM(rings_wrap, level_gen_params),
	KUNIT_CASE_PARAM(commands_shorter_than_the_entry_are_padded_with_zeros, level_gen_params),
	KUNIT_CASE_PARAM(no_more_of_the_answer_is_copied_than_asked, level_gen_params),
	KUNIT_CASE_PARAM(answers_out_of_order_find_their_commands, level_gen_params),
	KUNIT_CASE_PARAM(more_commands_than_slots_wait_their_turn, level_gen_params),
	KUNIT_CASE_PARAM(polling_needs_no_interrupt, level_gen_params),
	KUNIT_CASE_PARAM(statuses_become_errors, status_gen_params),
	KUNIT_CASE_PARAM(lost_command_times_out, level_gen_params),
	KUNIT_CASE(lost_command_times_out_while_polling),
	KUNIT_CASE_PARAM(answer_for_a_slot_not_in_use_is_dropped, level_gen_params),
	KUNIT_CASE_PARAM(answer_for_an_older_command_is_dropped, level_gen_params),
	KUNIT_CASE_PARAM(answer_with_the_old_phase_is_not_seen, level_gen_params),
	KUNIT_CASE_PARAM(garbage_is_dropped, level_gen_params),
	KUNIT_CASE_PARAM(wrong_checksum_is_dropped, level_gen_params),
	KUNIT_CASE(extended_status_is_no_checksum_at_level_1),
	KUNIT_CASE_PARAM(answer_that_comes_twice_counts_once, level_gen_params),
	KUNIT_CASE(late_answer_changes_nothing),
	KUNIT_CASE(scan_without_news_is_harmless),
	KUNIT_CASE(answer_without_interrupt_is_used),
	KUNIT_CASE(without_any_interrupt_commands_are_polled),
	KUNIT_CASE(unplugged_device_ends_the_wait),
	KUNIT_CASE(stop_ends_commands_in_flight),
	{}
};

struct kunit_suite efa_admin_queue_suite = {
	.name = "efa_admin_queue",
	.exit = mock_destroy,
	.test_cases = cases,
};
