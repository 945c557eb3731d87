// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Registration of memory that lies anyhow: whatever page size and form of list the
 * driver chooses, the device must reach each byte where the bus has it (device-admin
 * A9.10, "Translation"). Memory is only addresses here, so regions may be huge.
 */
#include "../efa_mr.c"

#include "page_list_reader.h"
#include "suites.h"

#define MAX_PIECES 3
#define MAX_PAGES  400000

/* What the device got with REG_MR, copied while the command ran (A9.10, "List lifetime"). */
static struct {
	struct efa_reg_mr_cmd cmd;
	u64 *pages;
	u64 num_pages;
	unsigned int commands;
} got;

static u64 got_page_size(void)
{
	return 1ULL << efa_reg_mr_cmd_phys_page_size_shift(&got.cmd);
}

/* "page_num is 0 upstream, compute it" */
static u64 got_page_count(void)
{
	u64 iova = le64_to_cpu(got.cmd.iova), size = got_page_size();

	return (round_up(iova + le64_to_cpu(got.cmd.mr_length), size) - round_down(iova, size)) /
	       size;
}

static void got_params(const struct mock_cmd *cmd, struct efa_reg_mr_params *params)
{
	if (!(cmd->flags & EFA_AQ_COMMON_DESC_CTRL_DATA_MASK)) {
		params->inline_pages = got.num_pages;
		params->pages = got.cmd.pbl.inline_pbl_array;
		return;
	}
	params->indirect = cmd->flags & EFA_AQ_COMMON_DESC_CTRL_DATA_INDIRECT_MASK;
	params->pbl = efa_mem_addr_get(&got.cmd.pbl.pbl.address);
	params->pbl_length = le32_to_cpu(got.cmd.pbl.pbl.length);
}

static void answer_reg_mr(struct mock_device *mock, const struct mock_cmd *cmd,
			  struct efa_acq_entry *cqe)
{
	const size_t header = sizeof(struct efa_aq_common_desc);
	struct efa_reg_mr_resp *resp = (void *)cqe;
	struct efa_reg_mr_params params = {};
	struct page_list_reader reader;
	u64 i;

	if (cmd->opcode != EFA_AQ_OPCODE_REG_MR)
		return;
	memcpy((void *)&got.cmd + header, cmd->body, sizeof(got.cmd) - header);
	got.commands++;
	got.num_pages = got_page_count();
	if (got.num_pages > MAX_PAGES) {
		cqe->acq_common_desc.status = EFA_AQ_COMPLETION_STATUS_ILLEGAL_PARAMETER;
		return;
	}
	got_params(cmd, &params);
	page_list_open(mock->test, &reader, &params, got.num_pages);
	for (i = 0; i < got.num_pages; i++)
		got.pages[i] = page_list_next(&reader);
	page_list_expect_end(&reader);
	resp->l_key = cpu_to_le32(0x112233);
	resp->r_key = cpu_to_le32(0x445566);
}

/* A region of user memory, as the core pinned and mapped it. */
struct region {
	struct mock_device *mock;
	struct efa_ibdev ibdev;
	struct efa_pd pd;
	struct ib_umem umem;
	struct scatterlist pieces[MAX_PIECES];
	struct efa_mr mr;
};

static struct region *region_create(struct kunit *test)
{
	struct region *region = kunit_kzalloc(test, sizeof(*region), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, region);
	region->mock = mock_create_running(test, EFA_API_VERSION_AQ_V2);
	region->mock->answer = answer_reg_mr;
	region->mock->dev.attr.page_size_cap = 0xfffff000;
	region->mock->dev.attr.max_mr_pages = MAX_PAGES;
	region->ibdev.dev = &region->mock->dev;
	region->pd.ib.device = &region->ibdev.ib;
	region->pd.pdn = 5;
	region->umem.ibdev = &region->ibdev.ib;
	region->mr.umem = &region->umem;
	sg_init_table(region->pieces, MAX_PIECES);
	region->umem.sgt_append.sgt.sgl = region->pieces;
	memset(&got.cmd, 0, sizeof(got.cmd));
	got.commands = 0;
	return region;
}

/* Adds a piece of physical memory: whole host pages. */
static void region_add(struct region *region, u64 dma, u32 bytes)
{
	struct sg_table *sgt = &region->umem.sgt_append.sgt;
	struct scatterlist *piece = &region->pieces[sgt->nents];

	sg_dma_address(piece) = dma;
	sg_dma_len(piece) = bytes;
	sgt->nents++;
	sgt->orig_nents = sgt->nents;
}

static int region_register(struct region *region, u64 iova)
{
	return register_umem(&region->pd.ib, &region->mr, iova, region->umem.length,
			     IB_ACCESS_LOCAL_WRITE);
}

/* Where the bus has byte number offset of the region. */
static u64 bus_address(const struct region *region, u64 offset)
{
	const struct scatterlist *piece = region->pieces;

	offset += offset_in_page(region->umem.address);
	for (; offset >= sg_dma_len(piece); piece++)
		offset -= sg_dma_len(piece);
	return sg_dma_address(piece) + offset;
}

/* Where the device looks for it. */
static u64 device_address(u64 offset)
{
	u64 iova = le64_to_cpu(got.cmd.iova), size = got_page_size();
	u64 page = (iova + offset - round_down(iova, size)) / size;

	return got.pages[page] + ((iova + offset) & (size - 1));
}

static void expect_same(struct region *region, u64 offset)
{
	if (offset < region->umem.length)
		KUNIT_EXPECT_EQ_MSG(region->mock->test, device_address(offset),
				    bus_address(region, offset), "byte %#llx", offset);
}

/* First and last byte of the region, of each piece, and of each page near them. */
static void expect_reachable(struct region *region)
{
	const struct sg_table *sgt = &region->umem.sgt_append.sgt;
	u64 start = -(u64)offset_in_page(region->umem.address);
	unsigned int i;

	expect_same(region, 0);
	expect_same(region, region->umem.length - 1);
	for (i = 0; i < sgt->nents; i++) {
		expect_same(region, start);
		expect_same(region, start + 1);
		expect_same(region, start + PAGE_SIZE);
		start += sg_dma_len(&region->pieces[i]);
		expect_same(region, start - 1);
		expect_same(region, start - PAGE_SIZE);
	}
}

static void expect_aligned_pages(struct region *region)
{
	u64 i;

	for (i = 0; i < got.num_pages; i++)
		if (!IS_ALIGNED(got.pages[i], got_page_size()))
			break;
	KUNIT_EXPECT_EQ(region->mock->test, i, got.num_pages);
}

/* Every page size that API 0.1 has: 4 KiB to 2 GiB. */
static const u8 shifts[] = { 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
			     22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };

static void shift_name(const u8 *shift, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "pages of 2^%u bytes", *shift);
}

KUNIT_ARRAY_PARAM(shift, shifts, shift_name);

/* Those whose pages, cut into host pages, give a list of at most MAX_PAGES. */
static const u8 cuttable_shifts[] = { 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28 };

KUNIT_ARRAY_PARAM(cuttable, cuttable_shifts, shift_name);

/* Three device pages far apart; the region starts and ends inside of the outer ones. */
static struct region *three_pages(struct kunit *test, u64 skip_front, u64 skip_back)
{
	const u64 size = 1ULL << *(const u8 *)test->param_value;
	struct region *region = region_create(test);
	u64 first = round_down(skip_front, PAGE_SIZE);

	region->umem.address = 0x700000000000 + skip_front;
	region->umem.length = 3 * size - skip_front - skip_back;
	region_add(region, 0x10 * size + first, size - first);
	region_add(region, 0x7 * size, size);
	region_add(region, 0x30 * size, round_up(size - skip_back, PAGE_SIZE));
	return region;
}

static void expect_registered(struct region *region, u64 iova, u64 page_size)
{
	struct kunit *test = region->mock->test;

	KUNIT_ASSERT_EQ(test, region_register(region, iova), 0);
	KUNIT_EXPECT_EQ(test, got.commands, 1);
	KUNIT_EXPECT_EQ(test, got_page_size(), page_size);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(got.cmd.iova), iova);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(got.cmd.mr_length), (u64)region->umem.length);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(got.cmd.pd), 5);
	KUNIT_EXPECT_EQ(test, got.cmd.permissions, EFA_REG_MR_CMD_LOCAL_WRITE_ENABLE_MASK);
	KUNIT_EXPECT_EQ(test, region->mr.keys.lkey, 0x112233);
	KUNIT_EXPECT_EQ(test, region->mr.keys.rkey, 0x445566);
	expect_aligned_pages(region);
	expect_reachable(region);
}

static void aligned_region(struct kunit *test)
{
	const u64 size = 1ULL << *(const u8 *)test->param_value;
	struct region *region = three_pages(test, 0, 0);

	expect_registered(region, region->umem.address, size);
}

static void region_that_starts_and_ends_anywhere(struct kunit *test)
{
	const u64 size = 1ULL << *(const u8 *)test->param_value;
	struct region *region = three_pages(test, size / 2 + 0x123, size / 2 - 0x77);

	expect_registered(region, region->umem.address, size);
}

static void region_of_few_bytes_in_the_outer_pages(struct kunit *test)
{
	const u64 size = 1ULL << *(const u8 *)test->param_value;
	struct region *region = three_pages(test, size - 1, size - 1);

	expect_registered(region, region->umem.address, size);
}

/* iova may be any value that agrees with the address below the page size. */
static void iova_in_other_pages_than_the_address(struct kunit *test)
{
	const u64 size = 1ULL << *(const u8 *)test->param_value;
	struct region *region = three_pages(test, size / 2 + 0x123, 0x55);

	expect_registered(region, 77 * size + size / 2 + 0x123, size);
}

static void iova_zero_based(struct kunit *test)
{
	const u64 size = 1ULL << *(const u8 *)test->param_value;

	expect_registered(three_pages(test, 0, 0x55), 0, size);
}

static void iova_at_the_end_of_the_address_space(struct kunit *test)
{
	const u64 size = 1ULL << *(const u8 *)test->param_value;

	expect_registered(three_pages(test, 0, 0), 0 - 4 * size, size);
}

/* One host page of disagreement between iova and address: only host pages are left. */
static void iova_that_disagrees_needs_small_pages(struct kunit *test)
{
	struct region *region = three_pages(test, 0, 0);

	expect_registered(region, region->umem.address + PAGE_SIZE, PAGE_SIZE);
}

static void iova_with_another_offset_in_the_page_is_refused(struct kunit *test)
{
	struct region *region = three_pages(test, 0, 0);

	KUNIT_EXPECT_EQ(test, region_register(region, region->umem.address + 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, got.commands, 0);
}

/* ---- device with few page sizes, limits ---- */

static struct region *one_piece(struct kunit *test, u64 dma, u32 bytes)
{
	struct region *region = region_create(test);

	region->umem.address = 0x700000000000 + offset_in_page(dma);
	region->umem.length = bytes;
	region_add(region, round_down(dma, PAGE_SIZE), round_up(bytes, PAGE_SIZE));
	return region;
}

static void only_page_sizes_of_the_device_are_used(struct kunit *test)
{
	struct region *region = one_piece(test, 0x40000000, SZ_1G);

	region->mock->dev.attr.page_size_cap = SZ_4K | SZ_2M;
	expect_registered(region, 0x40000000, SZ_2M);
	KUNIT_EXPECT_EQ(test, got.num_pages, 512);
}

/* device D17: 5 bits of page shift, so nothing above 2 GiB whatever the device offers */
static void pages_above_2_gib_are_not_used(struct kunit *test)
{
	struct region *region = one_piece(test, 0, SZ_2G);

	region->mock->dev.attr.page_size_cap = U64_MAX;
	expect_registered(region, 0, SZ_2G);
}

static void list_of_many_pages_is_indirect(struct kunit *test)
{
	struct region *region = one_piece(test, 0x40000000, 300000 * SZ_4K);

	region->mock->dev.attr.page_size_cap = SZ_4K;
	expect_registered(region, 0x40000000, SZ_4K);
	KUNIT_EXPECT_EQ(test, got.num_pages, 300000);
}

/* A region of whole pages has no start in the middle of one, whatever the device offers. */
static void pages_below_4_kib_are_not_used(struct kunit *test)
{
	struct region *region = one_piece(test, 0x40000000, SZ_64K);

	region->mock->dev.attr.page_size_cap = U64_MAX;
	KUNIT_EXPECT_EQ(test, region_register(region, 1), -EOPNOTSUPP);
	region->mock->dev.attr.page_size_cap = 0;
	KUNIT_EXPECT_EQ(test, region_register(region, 0), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, got.commands, 0);
}

static void limit_of_pages_is_kept(struct kunit *test)
{
	struct region *region = one_piece(test, 0x40000000, 17 * SZ_4K);

	region->mock->dev.attr.page_size_cap = SZ_4K;
	region->mock->dev.attr.max_mr_pages = 16;
	KUNIT_EXPECT_EQ(test, region_register(region, 0), -ENOMEM);
	KUNIT_EXPECT_EQ(test, got.commands, 0);
	region->mock->dev.attr.max_mr_pages = 17;
	expect_registered(region, 0, SZ_4K);
}

static int suite_init(struct kunit_suite *suite)
{
	got.pages = kvcalloc(MAX_PAGES, sizeof(*got.pages), GFP_KERNEL);
	return got.pages ? 0 : -ENOMEM;
}

static void suite_exit(struct kunit_suite *suite)
{
	kvfree(got.pages);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(aligned_region, shift_gen_params),
	KUNIT_CASE_PARAM(region_that_starts_and_ends_anywhere, shift_gen_params),
	KUNIT_CASE_PARAM(region_of_few_bytes_in_the_outer_pages, shift_gen_params),
	KUNIT_CASE_PARAM(iova_in_other_pages_than_the_address, shift_gen_params),
	KUNIT_CASE_PARAM(iova_zero_based, shift_gen_params),
	KUNIT_CASE_PARAM(iova_at_the_end_of_the_address_space, shift_gen_params),
	KUNIT_CASE_PARAM(iova_that_disagrees_needs_small_pages, cuttable_gen_params),
	KUNIT_CASE_PARAM(iova_with_another_offset_in_the_page_is_refused, shift_gen_params),
	KUNIT_CASE(only_page_sizes_of_the_device_are_used),
	KUNIT_CASE(pages_above_2_gib_are_not_used),
	KUNIT_CASE(list_of_many_pages_is_indirect),
	KUNIT_CASE(pages_below_4_kib_are_not_used),
	KUNIT_CASE(limit_of_pages_is_kept),
	{}
};

struct kunit_suite efa_memory_region_suite = {
	.name = "efa_memory_region",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.exit = mock_destroy,
	.test_cases = cases,
};
