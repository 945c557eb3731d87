// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Page lists (device-admin A10). */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "efa_cmd.h"
#include "efa_pbl.h"

static struct efa_pbl_block *chunk_at(const struct efa_pbl *pbl, unsigned int chunk)
{
	return &pbl->blocks[pbl->num_pieces + chunk];
}

static size_t piece_bytes(const struct efa_pbl *pbl)
{
	return pbl->piece_pages * sizeof(__le64);
}

static size_t block_bytes(const struct efa_pbl *pbl, unsigned int block)
{
	return block < pbl->num_pieces ? piece_bytes(pbl) : EFA_PBL_CHUNK_SIZE;
}

/* Pieces that a chunk lists; the last one has the rest, 1 to 510. */
static unsigned int chunk_pieces(const struct efa_pbl *pbl, unsigned int chunk)
{
	return min_t(unsigned int, pbl->num_pieces - chunk * EFA_PBL_PTRS_PER_CHUNK,
		     EFA_PBL_PTRS_PER_CHUNK);
}

/* The link at the end counts although the last chunk does not use it (A10). */
static u32 chunk_length(const struct efa_pbl *pbl, unsigned int chunk)
{
	return chunk_pieces(pbl, chunk) * sizeof(__le64) + sizeof(struct efa_ctrl_buff_info);
}

static void free_blocks(struct efa_pbl *pbl, unsigned int count)
{
	while (count--)
		kfree(pbl->blocks[count].mem);
	kvfree(pbl->blocks);
	pbl->blocks = NULL;
}

/* What lies behind the last page address is not for the device to see. */
static gfp_t block_gfp(const struct efa_pbl *pbl, unsigned int block)
{
	bool full = block + 1 < pbl->num_pieces || !pbl->num_chunks;

	return GFP_KERNEL | __GFP_NOWARN | (full ? 0 : __GFP_ZERO);
}

static int alloc_blocks(struct efa_pbl *pbl)
{
	unsigned int count = pbl->num_pieces + pbl->num_chunks;
	unsigned int i;

	pbl->blocks = kvcalloc(count, sizeof(*pbl->blocks), GFP_KERNEL);
	if (!pbl->blocks)
		return -ENOMEM;

	for (i = 0; i < count; i++) {
		pbl->blocks[i].mem = kmalloc(block_bytes(pbl, i), block_gfp(pbl, i));
		if (!pbl->blocks[i].mem)
			goto err_blocks;
	}
	return 0;

err_blocks:
	free_blocks(pbl, i);
	return -ENOMEM;
}

static int alloc_direct(struct efa_pbl *pbl)
{
	pbl->piece_pages = pbl->num_pages;
	pbl->num_pieces = 1;
	pbl->num_chunks = 0;
	return alloc_blocks(pbl);
}

static int alloc_indirect(struct efa_pbl *pbl)
{
	pbl->piece_pages = EFA_PBL_PIECE_PAGES;
	pbl->num_pieces = DIV_ROUND_UP_ULL(pbl->num_pages, EFA_PBL_PIECE_PAGES);
	pbl->num_chunks = DIV_ROUND_UP(pbl->num_pieces, EFA_PBL_PTRS_PER_CHUNK);
	return alloc_blocks(pbl);
}

/**
 * efa_pbl_alloc() - room for the addresses of some pages
 * @pbl: list, whatever is in it
 * @num_pages: from 1 to U32_MAX
 *
 * Return: 0, -ENOMEM, -EINVAL.
 */
int efa_pbl_alloc(struct efa_pbl *pbl, u64 num_pages)
{
	memset(pbl, 0, sizeof(*pbl));
	if (!num_pages || num_pages > U32_MAX)
		return -EINVAL;

	pbl->num_pages = num_pages;
	if (num_pages <= EFA_PBL_INLINE_PAGES)
		return 0;
	if (num_pages <= EFA_PBL_DIRECT_PAGES && !alloc_direct(pbl))
		return 0;
	return alloc_indirect(pbl);
}

/* Where the page addresses of a piece go; nowhere if there is no such piece. */
struct efa_pbl_run efa_pbl_piece(struct efa_pbl *pbl, unsigned int piece)
{
	struct efa_pbl_run run = {};
	u64 first = (u64)piece * pbl->piece_pages;

	if (piece < pbl->num_pieces) {
		run.next = pbl->blocks[piece].pages;
		run.end = run.next + min_t(u64, pbl->num_pages - first, pbl->piece_pages);
	} else if (!pbl->num_pieces && !piece) {
		run.next = pbl->inline_pages;
		run.end = run.next + pbl->num_pages;
	}
	return run;
}

/* Its pieces and its successor have been mapped. */
static void fill_chunk(struct efa_pbl *pbl, unsigned int chunk)
{
	const struct efa_pbl_block *piece = &pbl->blocks[chunk * EFA_PBL_PTRS_PER_CHUNK];
	struct efa_pbl_chunk *mem = chunk_at(pbl, chunk)->chunk;
	unsigned int i;

	for (i = 0; i < chunk_pieces(pbl, chunk); i++)
		mem->page_list_ptr[i] = cpu_to_le64(piece[i].dma);
	if (chunk + 1 == pbl->num_chunks)
		return;
	mem->next.length = cpu_to_le32(chunk_length(pbl, chunk + 1));
	efa_mem_addr_set(&mem->next.address, chunk_at(pbl, chunk + 1)->dma);
}

/* Pieces first, then the chunks from the last on: each holds addresses of what came before. */
static unsigned int nth_mapped(const struct efa_pbl *pbl, unsigned int n)
{
	return n < pbl->num_pieces ? n : 2 * pbl->num_pieces + pbl->num_chunks - 1 - n;
}

/* After a failure the caller frees the list. */
int efa_pbl_map(struct efa_pbl *pbl, struct device *dma_dev)
{
	unsigned int count = pbl->num_pieces + pbl->num_chunks;
	struct efa_pbl_block *block;
	unsigned int i;

	for (; pbl->num_mapped < count; pbl->num_mapped++) {
		i = nth_mapped(pbl, pbl->num_mapped);
		block = &pbl->blocks[i];
		if (i >= pbl->num_pieces)
			fill_chunk(pbl, i - pbl->num_pieces);
		block->dma = dma_map_page(dma_dev, virt_to_page(block->mem),
					  offset_in_page(block->mem), block_bytes(pbl, i),
					  DMA_TO_DEVICE);
		if (dma_mapping_error(dma_dev, block->dma))
			return -ENOMEM;
	}
	return 0;
}

/* Fills the page list part of a REG_MR command. */
void efa_pbl_describe(const struct efa_pbl *pbl, struct efa_reg_mr_params *params)
{
	if (!pbl->num_pieces) {
		params->inline_pages = pbl->num_pages;
		params->pages = pbl->inline_pages;
		return;
	}
	params->inline_pages = 0;
	params->indirect = pbl->num_chunks;
	params->pbl = pbl->num_chunks ? chunk_at(pbl, 0)->dma : pbl->blocks[0].dma;
	params->pbl_length = pbl->num_chunks ? chunk_length(pbl, 0) : piece_bytes(pbl);
}

/* At any stage; the device copied the list before it completed the command. */
void efa_pbl_free(struct efa_pbl *pbl, struct device *dma_dev)
{
	unsigned int i;

	while (pbl->num_mapped) {
		i = nth_mapped(pbl, --pbl->num_mapped);
		dma_unmap_page(dma_dev, pbl->blocks[i].dma, block_bytes(pbl, i), DMA_TO_DEVICE);
	}
	if (pbl->blocks)
		free_blocks(pbl, pbl->num_pieces + pbl->num_chunks);
}
