// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One CREATE_AH for each (PD, GID), one DESTROY_AH for the last user (device-admin A9.9). */
#include "../efa_ah.c"

#include "mock_device.h"
#include "suites.h"

#define MANY_PEERS 1000

/* What the device got, and one protection domain of the driver. */
struct bench {
	struct mock_device *mock;
	struct efa_pd pd;
};

static struct bench *current_bench; /* of the test that runs */
static unsigned int creates, destroys;
static u8 refuse; /* opcode that is answered with RESOURCE_ALLOCATION_FAILURE */

static void answer_ah(struct mock_device *mock, const struct mock_cmd *cmd,
		      struct efa_acq_entry *cqe)
{
	struct efa_create_ah_resp *resp = (void *)cqe;

	if (cmd->opcode == refuse) {
		cqe->acq_common_desc.status = EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE;
		return;
	}
	if (cmd->opcode == EFA_AQ_OPCODE_CREATE_AH)
		resp->ah = cpu_to_le16(100 + creates++);
	if (cmd->opcode == EFA_AQ_OPCODE_DESTROY_AH)
		destroys++;
}

static void init_pd(struct efa_pd *pd, u16 pdn)
{
	pd->pdn = pdn;
	pd->ah_peers = RB_ROOT;
	mutex_init(&pd->ah_lock);
}

static struct bench *bench_create(struct kunit *test)
{
	struct bench *bench = kunit_kzalloc(test, sizeof(*bench), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bench);
	bench->mock = mock_create_running(test, EFA_API_VERSION_AQ_V2);
	bench->mock->answer = answer_ah;
	init_pd(&bench->pd, 1);
	current_bench = bench;
	creates = 0;
	destroys = 0;
	refuse = 0;
	return bench;
}

static void bench_destroy(struct kunit *test)
{
	if (current_bench)
		efa_ah_forget(&current_bench->pd);
	current_bench = NULL;
	mock_destroy(test);
}

static struct efa_ah_peer *get(struct bench *bench, u32 number)
{
	u8 gid[EFA_GID_SIZE] = { 0xfe, 0x80 };

	memcpy(gid + 12, &number, sizeof(number));
	return get_peer(&bench->mock->dev, &bench->pd, gid);
}

static int put(struct bench *bench, struct efa_ah_peer *peer)
{
	return put_peer(&bench->mock->dev, &bench->pd, peer);
}

static void users_of_one_peer_share_its_handle(struct kunit *test)
{
	struct bench *bench = bench_create(test);
	struct efa_ah_peer *first = get(bench, 1);
	struct efa_ah_peer *second = get(bench, 1);

	KUNIT_ASSERT_FALSE(test, IS_ERR(first));
	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_EQ(test, creates, 1);
	KUNIT_EXPECT_EQ(test, put(bench, first), 0);
	KUNIT_EXPECT_EQ(test, destroys, 0);
	KUNIT_EXPECT_EQ(test, put(bench, second), 0);
	KUNIT_EXPECT_EQ(test, destroys, 1);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&bench->pd.ah_peers));
}

static void peer_that_was_given_up_is_created_anew(struct kunit *test)
{
	struct bench *bench = bench_create(test);

	KUNIT_EXPECT_EQ(test, put(bench, get(bench, 1)), 0);
	KUNIT_EXPECT_EQ(test, put(bench, get(bench, 1)), 0);
	KUNIT_EXPECT_EQ(test, creates, 2);
	KUNIT_EXPECT_EQ(test, destroys, 2);
}

static void each_peer_has_its_own_handle(struct kunit *test)
{
	struct bench *bench = bench_create(test);
	struct efa_ah_peer **peers = kunit_kcalloc(test, MANY_PEERS, sizeof(*peers), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, peers);
	for (i = 0; i < MANY_PEERS; i++) {
		/* neither ascending nor descending */
		peers[i] = get(bench, i * 0x9e3779b9);
		KUNIT_ASSERT_FALSE(test, IS_ERR(peers[i]));
		KUNIT_EXPECT_EQ(test, peers[i]->ahn, (u16)(100 + i));
	}
	for (i = 0; i < MANY_PEERS; i++)
		KUNIT_EXPECT_PTR_EQ(test, get(bench, i * 0x9e3779b9), peers[i]);
	KUNIT_EXPECT_EQ(test, creates, MANY_PEERS);
	for (i = 0; i < 2 * MANY_PEERS; i++)
		KUNIT_EXPECT_EQ(test, put(bench, peers[i % MANY_PEERS]), 0);
	KUNIT_EXPECT_EQ(test, destroys, MANY_PEERS);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&bench->pd.ah_peers));
}

static void protection_domains_do_not_share(struct kunit *test)
{
	struct bench *bench = bench_create(test);
	struct bench other = { .mock = bench->mock };
	struct efa_ah_peer *mine, *theirs;

	init_pd(&other.pd, 2);
	mine = get(bench, 1);
	theirs = get(&other, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mine));
	KUNIT_ASSERT_FALSE(test, IS_ERR(theirs));
	KUNIT_EXPECT_PTR_NE(test, mine, theirs);
	KUNIT_EXPECT_EQ(test, creates, 2);
	KUNIT_EXPECT_EQ(test, put(bench, mine), 0);
	KUNIT_EXPECT_EQ(test, put(&other, theirs), 0);
	KUNIT_EXPECT_EQ(test, destroys, 2);
	efa_ah_forget(&other.pd);
}

static void refused_creation_leaves_nothing(struct kunit *test)
{
	struct bench *bench = bench_create(test);
	struct efa_ah_peer *peer;

	refuse = EFA_AQ_OPCODE_CREATE_AH;
	peer = get(bench, 1);
	KUNIT_EXPECT_PTR_EQ(test, peer, ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&bench->pd.ah_peers));
	refuse = 0;
	peer = get(bench, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(peer));
	KUNIT_EXPECT_EQ(test, put(bench, peer), 0);
}

/* The device still has the number, so a new user must get the same. */
static void refused_destruction_keeps_the_handle(struct kunit *test)
{
	struct bench *bench = bench_create(test);
	struct efa_ah_peer *peer = get(bench, 1);

	KUNIT_ASSERT_FALSE(test, IS_ERR(peer));
	refuse = EFA_AQ_OPCODE_DESTROY_AH;
	KUNIT_EXPECT_EQ(test, put(bench, peer), -ENOMEM);
	refuse = 0;
	KUNIT_EXPECT_PTR_EQ(test, get(bench, 1), peer);
	KUNIT_EXPECT_EQ(test, creates, 1);
	KUNIT_EXPECT_EQ(test, put(bench, peer), 0);
	KUNIT_EXPECT_EQ(test, destroys, 1);
}

static void handles_that_were_kept_go_with_the_domain(struct kunit *test)
{
	struct bench *bench = bench_create(test);
	struct efa_ah_peer *peer = get(bench, 1);

	KUNIT_ASSERT_FALSE(test, IS_ERR(peer));
	refuse = EFA_AQ_OPCODE_DESTROY_AH;
	KUNIT_EXPECT_EQ(test, put(bench, peer), -ENOMEM);
	efa_ah_forget(&bench->pd);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&bench->pd.ah_peers));
}

struct getter {
	struct work_struct work;
	struct bench *bench;
	struct efa_ah_peer *peer;
};

static void get_work(struct work_struct *work)
{
	struct getter *getter = container_of(work, struct getter, work);

	getter->peer = get(getter->bench, 7);
}

static void simultaneous_users_create_once(struct kunit *test)
{
	struct workqueue_struct *wq = alloc_workqueue("mock_ah", WQ_UNBOUND, 16);
	struct bench *bench = bench_create(test);
	struct getter getters[16] = {};
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, wq);
	for (i = 0; i < ARRAY_SIZE(getters); i++) {
		getters[i].bench = bench;
		INIT_WORK_ONSTACK(&getters[i].work, get_work);
		queue_work(wq, &getters[i].work);
	}
	destroy_workqueue(wq);
	KUNIT_EXPECT_EQ(test, creates, 1);
	for (i = 0; i < ARRAY_SIZE(getters); i++) {
		destroy_work_on_stack(&getters[i].work);
		KUNIT_ASSERT_PTR_EQ(test, getters[i].peer, getters[0].peer);
		KUNIT_EXPECT_EQ(test, put(bench, getters[i].peer), 0);
	}
	KUNIT_EXPECT_EQ(test, destroys, 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(users_of_one_peer_share_its_handle),
	KUNIT_CASE(peer_that_was_given_up_is_created_anew),
	KUNIT_CASE(each_peer_has_its_own_handle),
	KUNIT_CASE(protection_domains_do_not_share),
	KUNIT_CASE(refused_creation_leaves_nothing),
	KUNIT_CASE(refused_destruction_keeps_the_handle),
	KUNIT_CASE(handles_that_were_kept_go_with_the_domain),
	KUNIT_CASE(simultaneous_users_create_once),
	{}
};

struct kunit_suite efa_ah_cache_suite = {
	.name = "efa_ah_cache",
	.exit = bench_destroy,
	.test_cases = cases,
};
