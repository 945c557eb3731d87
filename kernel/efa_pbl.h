/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Page list of a memory region as the device takes it (device-admin A9.10, A10):
 * inline, direct (one array) or indirect (4096-byte pieces, listed by a chain of
 * chunks). Use: alloc, put each page, map, describe, send the command, free.
 */
#ifndef EFA_PBL_H
#define EFA_PBL_H

#include <linux/types.h>

#include "efa_hw.h"

struct device;
struct efa_reg_mr_params;

/* Page addresses of one indirect piece. */
#define EFA_PBL_PIECE_PAGES (EFA_PBL_CHUNK_SIZE / sizeof(__le64))

/* Longer lists are made of pieces: one large allocation may well not be there. */
#define EFA_PBL_DIRECT_PAGES (8 * EFA_PBL_PIECE_PAGES)

struct efa_pbl_block {
	union {
		__le64 *pages;
		struct efa_pbl_chunk *chunk;
		void *mem;
	};
	dma_addr_t dma;
};

struct efa_pbl {
	u64 num_pages;
	__le64 inline_pages[EFA_PBL_INLINE_PAGES];
	size_t piece_pages;	      /* page addresses in each piece; the last may have fewer */
	unsigned int num_pieces;      /* 0: inline */
	unsigned int num_chunks;      /* 0: direct */
	struct efa_pbl_block *blocks; /* pieces, then chunks */
	unsigned int num_mapped;      /* of blocks, in the order of mapping */
};

struct efa_pbl_run {
	__le64 *next;
	__le64 *end;
};

/* Where the next page address goes. Its users keep it in registers, hence the small steps. */
struct efa_pbl_cursor {
	struct efa_pbl *pbl;
	struct efa_pbl_run run; /* in the current piece */
	unsigned int piece;	/* the one after it */
};

int efa_pbl_alloc(struct efa_pbl *pbl, u64 num_pages);
struct efa_pbl_run efa_pbl_piece(struct efa_pbl *pbl, unsigned int piece);
int efa_pbl_map(struct efa_pbl *pbl, struct device *dma_dev);
void efa_pbl_describe(const struct efa_pbl *pbl, struct efa_reg_mr_params *params);
void efa_pbl_free(struct efa_pbl *pbl, struct device *dma_dev);

/* 262144 times for 1 GiB of small pages. Return: false if the list is full. */
static __always_inline bool efa_pbl_put(struct efa_pbl_cursor *cursor, u64 dma)
{
	if (unlikely(cursor->run.next == cursor->run.end)) {
		cursor->run = efa_pbl_piece(cursor->pbl, cursor->piece++);
		if (!cursor->run.next)
			return false;
	}
	*cursor->run.next++ = cpu_to_le64(dma);
	return true;
}

static __always_inline bool efa_pbl_full(const struct efa_pbl_cursor *cursor)
{
	return cursor->run.next == cursor->run.end &&
	       !efa_pbl_piece(cursor->pbl, cursor->piece).next;
}

#endif
