/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Walks a page list as a device does: by the number of pages alone (device-admin A10). */
#ifndef EFA_TEST_PAGE_LIST_READER_H
#define EFA_TEST_PAGE_LIST_READER_H

#include <linux/io.h>

#include "efa_cmd.h"
#include "mock_device.h"

struct page_list_reader {
	struct kunit *test;
	const struct efa_reg_mr_params *params;
	u64 pages; /* in all */
	u64 page;  /* next */
	const __le64 *list; /* piece or direct array that page is in */
	const struct efa_pbl_chunk *chunk;
};

static inline u64 page_list_pieces_left(const struct page_list_reader *reader)
{
	return DIV_ROUND_UP_ULL(reader->pages - reader->page, 512);
}

/* The bytes that a chunk says it uses, and the link in it. */
static inline void page_list_enter_chunk(struct page_list_reader *reader, u64 addr, u32 length)
{
	u64 pieces = page_list_pieces_left(reader);

	reader->chunk = phys_to_virt(addr);
	KUNIT_EXPECT_EQ(reader->test, length,
			pieces > EFA_PBL_PTRS_PER_CHUNK ? EFA_PBL_CHUNK_USED :
							  (u32)pieces * 8 + 12);
}

static inline void page_list_open(struct kunit *test, struct page_list_reader *reader,
				  const struct efa_reg_mr_params *params, u64 pages)
{
	*reader = (struct page_list_reader){ .test = test, .params = params, .pages = pages };
	if (params->inline_pages)
		return;
	if (params->indirect) {
		page_list_enter_chunk(reader, params->pbl, params->pbl_length);
		return;
	}
	KUNIT_EXPECT_EQ(test, params->pbl_length, (u32)(8 * pages));
	reader->list = phys_to_virt(params->pbl);
}

static inline void page_list_next_piece(struct page_list_reader *reader)
{
	u64 piece = reader->page / 512;
	u64 addr;

	if (piece && piece % EFA_PBL_PTRS_PER_CHUNK == 0)
		page_list_enter_chunk(reader, efa_mem_addr_get(&reader->chunk->next.address),
				      le32_to_cpu(reader->chunk->next.length));
	addr = le64_to_cpu(reader->chunk->page_list_ptr[piece % EFA_PBL_PTRS_PER_CHUNK]);
	KUNIT_EXPECT_EQ(reader->test, addr % 4096, 0);
	reader->list = phys_to_virt(addr);
}

static inline u64 page_list_next(struct page_list_reader *reader)
{
	u64 page;

	if (reader->params->inline_pages)
		return le64_to_cpu(reader->params->pages[reader->page++]);
	if (!reader->params->indirect)
		return le64_to_cpu(reader->list[reader->page++]);
	if (reader->page % 512 == 0)
		page_list_next_piece(reader);
	page = reader->page++ % 512;
	return le64_to_cpu(reader->list[page]);
}

/* The last chunk links nothing. */
static inline void page_list_expect_end(struct page_list_reader *reader)
{
	if (!reader->params->indirect)
		return;
	KUNIT_EXPECT_EQ(reader->test, reader->chunk->next.length, 0);
	KUNIT_EXPECT_EQ(reader->test, efa_mem_addr_get(&reader->chunk->next.address), 0);
}

#endif
