// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Answers of a device that lies: offsets become user mappings and numbers become
 * indices, so each must be refused or harmless (device-admin A9.3, A9.5, A9.7).
 */
#include <linux/sizes.h>

#include "efa_cmd.h"
#include "mock_device.h"
#include "suites.h"

#define REGISTER_BAR_BYTES SZ_64K
#define LLQ_BAR_BYTES	   SZ_1M
#define SQ_BYTES	   SZ_16K

static struct efa_create_qp_resp qp_answer;
static struct efa_create_cq_resp cq_answer;
static struct efa_query_qp_resp query_answer;
static unsigned int destroyed;
static u32 destroyed_handle;

static void answer_scripted(struct mock_device *mock, const struct mock_cmd *cmd,
			    struct efa_acq_entry *cqe)
{
	const size_t header = sizeof(struct efa_acq_common_desc);
	void *body = cqe->response_specific_data;

	switch (cmd->opcode) {
	case EFA_AQ_OPCODE_CREATE_QP:
		memcpy(body, (void *)&qp_answer + header, sizeof(qp_answer) - header);
		break;
	case EFA_AQ_OPCODE_CREATE_CQ:
		memcpy(body, (void *)&cq_answer + header, sizeof(cq_answer) - header);
		break;
	case EFA_AQ_OPCODE_QUERY_QP:
		memcpy(body, (void *)&query_answer + header, sizeof(query_answer) - header);
		break;
	case EFA_AQ_OPCODE_DESTROY_QP:
	case EFA_AQ_OPCODE_DESTROY_CQ:
		destroyed++;
		memcpy(&destroyed_handle, cmd->body, sizeof(destroyed_handle));
	}
}

static struct mock_device *scripted(struct kunit *test, u8 db_bar)
{
	struct mock_device *mock = mock_create_running(test, EFA_API_VERSION_AQ_V2);

	mock->answer = answer_scripted;
	mock->dev.bar_len[EFA_BAR_REGISTERS] = REGISTER_BAR_BYTES;
	mock->dev.bar_len[EFA_BAR_LLQ] = LLQ_BAR_BYTES;
	mock->dev.bar_len[4] = REGISTER_BAR_BYTES;
	mock->dev.attr.db_bar = db_bar;
	mock->dev.attr.sub_cqs_per_cq = 2;
	destroyed = 0;
	return mock;
}

/* ---- CREATE_QP ---- */

static const struct qp_case {
	const char *name;
	u32 sq_db, rq_db, llq;
	u16 send_sub_cq, recv_sub_cq;
	u8 db_bar;
	bool ok;
} qps[] = {
	{ "in order", 0x1000, 0x1004, 0, 0, 0, 0, true },
	{ "last places", 0xfffc, 0xfff8, LLQ_BAR_BYTES - SQ_BYTES, 1, 1, 0, true },
	{ "doorbells in a bar of their own", 0, 4, 0, 0, 0, 4, true },
	{ "SQ doorbell behind the bar", 0x10000, 0x1004, 0, 0, 0, 0, false },
	{ "RQ doorbell behind the bar", 0x1000, 0x10000, 0, 0, 0, 0, false },
	{ "SQ doorbell far away", 0xfffffffc, 0x1004, 0, 0, 0, 0, false },
	{ "RQ doorbell far away", 0x1000, 0xfffffffc, 0, 0, 0, 0, false },
	{ "SQ doorbell off its place", 0x1002, 0x1004, 0, 0, 0, 0, false },
	{ "RQ doorbell off its place", 0x1000, 0x1005, 0, 0, 0, 0, false },
	{ "SQ doorbell is a register", EFA_REG_DEV_CTL, 0x1004, 0, 0, 0, 0, false },
	{ "RQ doorbell shares the page of registers", 0x1000, 0xffc, 0, 0, 0, 0, false },
	{ "SQ behind the bar", 0x1000, 0x1004, LLQ_BAR_BYTES, 0, 0, 0, false },
	{ "SQ reaches behind the bar", 0x1000, 0x1004, LLQ_BAR_BYTES - SQ_BYTES + 64, 0, 0, 0,
	  false },
	{ "SQ far away", 0x1000, 0x1004, 0xffffffc0, 0, 0, 0, false },
	{ "SQ off its place", 0x1000, 0x1004, 32, 0, 0, 0, false },
	{ "send sub-CQ that does not exist", 0x1000, 0x1004, 0, 2, 0, 0, false },
	{ "receive sub-CQ that does not exist", 0x1000, 0x1004, 0, 0, 0xffff, 0, false },
};

static void qp_name(const struct qp_case *qp, char *name)
{
	strscpy(name, qp->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(qp, qps, qp_name);

static void queue_pair_lies_where_it_may(struct kunit *test)
{
	const struct qp_case *qp = test->param_value;
	struct mock_device *mock = scripted(test, qp->db_bar);
	const struct efa_create_qp_params params = {
		.sq_ring_size = SQ_BYTES,
		.sq_depth = SQ_BYTES / 64,
		.rq = 0x1000,
		.rq_ring_size = SZ_4K,
		.rq_depth = SZ_4K / 16,
		.type = EFA_QP_TYPE_SRD,
	};
	struct efa_create_qp_result result;
	int err;

	qp_answer = (struct efa_create_qp_resp){
		.qp_handle = cpu_to_le32(0xdead),
		.sq_db_offset = cpu_to_le32(qp->sq_db),
		.rq_db_offset = cpu_to_le32(qp->rq_db),
		.llq_descriptors_offset = cpu_to_le32(qp->llq),
		.send_sub_cq_idx = cpu_to_le16(qp->send_sub_cq),
		.recv_sub_cq_idx = cpu_to_le16(qp->recv_sub_cq),
	};
	err = efa_cmd_create_qp(&mock->dev, &params, &result);
	KUNIT_EXPECT_EQ(test, err, qp->ok ? 0 : -EPROTO);
	/* what is refused is not left behind in the device */
	KUNIT_EXPECT_EQ(test, destroyed, !qp->ok);
	if (!qp->ok)
		KUNIT_EXPECT_EQ(test, destroyed_handle, 0xdead);
	else
		KUNIT_EXPECT_EQ(test, result.llq_offset, qp->llq);
}

/* ---- CREATE_CQ ---- */

static const struct cq_case {
	const char *name;
	u32 db;
	u16 depth;
	bool db_valid, events, ok;
} cqs[] = {
	{ "polled, no doorbell", 0, 256, false, false, true },
	{ "no doorbell, so its place does not matter", 0xffffffff, 256, false, false, true },
	{ "polled, with a doorbell", 0x1000, 256, true, false, true },
	{ "events", 0xfffc, 256, true, true, true },
	{ "events without a doorbell", 0, 256, false, true, false },
	{ "doorbell behind the bar", 0x10000, 256, true, true, false },
	{ "doorbell far away", 0xfffffffc, 256, true, false, false },
	{ "doorbell off its place", 0x1001, 256, true, true, false },
	{ "doorbell is a register", EFA_REG_EQ_DB, 256, true, true, false },
	{ "deeper than asked", 0x1000, 257, true, true, false },
	{ "deepest", 0, 0xffff, false, false, false },
};

static void cq_name(const struct cq_case *cq, char *name)
{
	strscpy(name, cq->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(cq, cqs, cq_name);

static void completion_queue_lies_where_it_may(struct kunit *test)
{
	const struct cq_case *cq = test->param_value;
	struct mock_device *mock = scripted(test, EFA_BAR_REGISTERS);
	const struct efa_create_cq_params params = {
		.ring = 0x1000,
		.depth = 256,
		.num_sub_cqs = 1,
		.entry_size = 32,
		.events = cq->events,
	};
	struct efa_create_cq_result result;
	int err;

	cq_answer = (struct efa_create_cq_resp){
		.cq_idx = cpu_to_le16(77),
		.sub_cq_actual_depth = cpu_to_le16(cq->depth),
		.db_offset = cpu_to_le32(cq->db),
	};
	efa_create_cq_resp_set_db_valid(&cq_answer, cq->db_valid);
	err = efa_cmd_create_cq(&mock->dev, &params, &result);
	KUNIT_EXPECT_EQ(test, err, cq->ok ? 0 : -EPROTO);
	KUNIT_EXPECT_EQ(test, destroyed, !cq->ok);
	if (!cq->ok)
		KUNIT_EXPECT_EQ(test, destroyed_handle, 77);
}

/* ---- QUERY_QP ---- */

static void state_that_does_not_exist_is_refused(struct kunit *test)
{
	struct mock_device *mock = scripted(test, EFA_BAR_REGISTERS);
	struct efa_query_qp_result result;
	u32 state;

	for (state = 0; state <= EFA_QP_STATE_ERR; state++) {
		query_answer.qp_state = cpu_to_le32(state);
		KUNIT_EXPECT_EQ(test, efa_cmd_query_qp(&mock->dev, 1, &result), 0);
		KUNIT_EXPECT_EQ(test, (u32)result.state, state);
	}
	query_answer.qp_state = cpu_to_le32(EFA_QP_STATE_ERR + 1);
	KUNIT_EXPECT_EQ(test, efa_cmd_query_qp(&mock->dev, 1, &result), -EPROTO);
	query_answer.qp_state = cpu_to_le32(U32_MAX);
	KUNIT_EXPECT_EQ(test, efa_cmd_query_qp(&mock->dev, 1, &result), -EPROTO);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(queue_pair_lies_where_it_may, qp_gen_params),
	KUNIT_CASE_PARAM(completion_queue_lies_where_it_may, cq_gen_params),
	KUNIT_CASE(state_that_does_not_exist_is_refused),
	{}
};

struct kunit_suite efa_device_answers_suite = {
	.name = "efa_device_answers",
	.exit = mock_destroy,
	.test_cases = cases,
};
