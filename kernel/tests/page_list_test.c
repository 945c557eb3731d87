// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Page lists, read back as the device reads them: all counts are derived from the number
 * of pages, lengths are only compared (device-admin A10).
 */
#include <linux/dma-mapping.h>

static dma_addr_t map_or_fail(struct device *dev, struct page *page, size_t offset, size_t size,
			      enum dma_data_direction dir);

/* The only way to have a mapping fail where the test wants it. */
static dma_addr_t real_map(struct device *dev, struct page *page, size_t offset, size_t size,
			   enum dma_data_direction dir)
{
	return dma_map_page(dev, page, offset, size, dir);
}

#undef dma_map_page
#define dma_map_page map_or_fail
#include "../efa_pbl.c"

#include "page_list_reader.h"
#include "suites.h"

#define PAGES_PER_PIECE 512
#define PAGES_PER_CHUNK (PAGES_PER_PIECE * 510)

static const struct list_case {
	u64 pages;
	bool indirect;
} lists[] = {
	{ 1 },
	{ EFA_PBL_INLINE_PAGES },
	{ EFA_PBL_INLINE_PAGES + 1 },
	{ PAGES_PER_PIECE - 1 },
	{ PAGES_PER_PIECE },
	{ PAGES_PER_PIECE + 1 },
	{ EFA_PBL_DIRECT_PAGES },
	{ EFA_PBL_DIRECT_PAGES + 1, true },
	{ PAGES_PER_CHUNK - 1, true },
	{ PAGES_PER_CHUNK, true }, /* exact multiples: the defect of 3.1.0 (A10) */
	{ PAGES_PER_CHUNK + 1, true },
	{ 2 * PAGES_PER_CHUNK, true },
	{ 2 * PAGES_PER_CHUNK + PAGES_PER_PIECE + 1, true },
};

static void list_name(const struct list_case *list, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%llu pages", list->pages);
}

KUNIT_ARRAY_PARAM(list, lists, list_name);

/* Addresses that need all 64 bits and differ in both words. */
static u64 address_of(u64 page)
{
	return (0xa000000000000000 | page << 33) ^ page << 12;
}

static void fill(struct kunit *test, struct efa_pbl *pbl)
{
	struct efa_pbl_cursor cursor = { .pbl = pbl };
	u64 page;

	for (page = 0; page < pbl->num_pages; page++) {
		KUNIT_ASSERT_FALSE(test, efa_pbl_full(&cursor));
		KUNIT_ASSERT_TRUE(test, efa_pbl_put(&cursor, address_of(page)));
	}
	KUNIT_EXPECT_TRUE(test, efa_pbl_full(&cursor));
	KUNIT_EXPECT_FALSE(test, efa_pbl_put(&cursor, 0));
}

static void expect_pages(struct kunit *test, const struct efa_reg_mr_params *params, u64 pages)
{
	struct page_list_reader reader;
	u64 page;

	page_list_open(test, &reader, params, pages);
	for (page = 0; page < pages; page++)
		if (page_list_next(&reader) != address_of(page))
			break;
	KUNIT_EXPECT_EQ(test, page, pages);
	page_list_expect_end(&reader);
}

static void device_reads_what_was_set(struct kunit *test)
{
	const struct list_case *list = test->param_value;
	struct mock_device *mock = mock_create(test, EFA_API_VERSION_BASE);
	struct device *dma_dev = &mock->dev.pdev->dev;
	struct efa_reg_mr_params params = {};
	struct efa_pbl pbl;

	KUNIT_ASSERT_EQ(test, 0, efa_pbl_alloc(&pbl, list->pages));
	fill(test, &pbl);
	KUNIT_EXPECT_EQ(test, 0, efa_pbl_map(&pbl, dma_dev));
	efa_pbl_describe(&pbl, &params);
	KUNIT_EXPECT_EQ(test, params.indirect, list->indirect);
	KUNIT_EXPECT_EQ(test, params.inline_pages,
			list->pages <= EFA_PBL_INLINE_PAGES ? (unsigned int)list->pages : 0);
	expect_pages(test, &params, list->pages);
	efa_pbl_free(&pbl, dma_dev);
}

static void free_is_right_at_every_stage(struct kunit *test)
{
	const struct list_case *list = test->param_value;
	struct mock_device *mock = mock_create(test, EFA_API_VERSION_BASE);
	struct device *dma_dev = &mock->dev.pdev->dev;
	struct efa_pbl pbl;

	KUNIT_ASSERT_EQ(test, 0, efa_pbl_alloc(&pbl, list->pages));
	efa_pbl_free(&pbl, dma_dev);
	KUNIT_EXPECT_EQ(test, pbl.num_mapped, 0);
	KUNIT_ASSERT_EQ(test, 0, efa_pbl_alloc(&pbl, list->pages));
	fill(test, &pbl);
	KUNIT_EXPECT_EQ(test, 0, efa_pbl_map(&pbl, dma_dev));
	efa_pbl_free(&pbl, dma_dev);
	KUNIT_EXPECT_EQ(test, pbl.num_mapped, 0);
}

static void impossible_lists_are_refused(struct kunit *test)
{
	struct mock_device *mock = mock_create(test, EFA_API_VERSION_BASE);
	struct efa_pbl pbl;

	KUNIT_EXPECT_EQ(test, efa_pbl_alloc(&pbl, 0), -EINVAL);
	efa_pbl_free(&pbl, &mock->dev.pdev->dev);
	KUNIT_EXPECT_EQ(test, efa_pbl_alloc(&pbl, (u64)U32_MAX + 1), -EINVAL);
	efa_pbl_free(&pbl, &mock->dev.pdev->dev);
	KUNIT_EXPECT_EQ(test, efa_pbl_alloc(&pbl, U64_MAX), -EINVAL);
	efa_pbl_free(&pbl, &mock->dev.pdev->dev);
}

static unsigned int mappings_left = UINT_MAX;

static dma_addr_t map_or_fail(struct device *dev, struct page *page, size_t offset, size_t size,
			      enum dma_data_direction dir)
{
	if (!mappings_left)
		return DMA_MAPPING_ERROR;
	mappings_left--;
	return real_map(dev, page, offset, size, dir);
}

/* DMA_API_DEBUG, where the kernel has it, finds what free forgets or frees twice. */
static void list_that_cannot_be_mapped_is_given_back(struct kunit *test)
{
	struct mock_device *mock = mock_create(test, EFA_API_VERSION_BASE);
	const unsigned int blocks = EFA_PBL_DIRECT_PAGES / PAGES_PER_PIECE + 1 + 1;
	struct device *dma_dev = &mock->dev.pdev->dev;
	struct efa_pbl pbl;
	unsigned int i;
	int err;

	for (i = 0; i <= blocks; i++) {
		KUNIT_ASSERT_EQ(test, 0, efa_pbl_alloc(&pbl, EFA_PBL_DIRECT_PAGES + 1));
		mappings_left = i;
		err = efa_pbl_map(&pbl, dma_dev);
		mappings_left = UINT_MAX;
		KUNIT_EXPECT_EQ(test, err, i < blocks ? -ENOMEM : 0);
		KUNIT_EXPECT_EQ(test, pbl.num_mapped, i);
		efa_pbl_free(&pbl, dma_dev);
		KUNIT_EXPECT_EQ(test, pbl.num_mapped, 0);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(device_reads_what_was_set, list_gen_params),
	KUNIT_CASE_PARAM(free_is_right_at_every_stage, list_gen_params),
	KUNIT_CASE(impossible_lists_are_refused),
	KUNIT_CASE(list_that_cannot_be_mapped_is_given_back),
	{}
};

struct kunit_suite efa_page_list_suite = {
	.name = "efa_page_list",
	.exit = mock_destroy,
	.test_cases = cases,
};
