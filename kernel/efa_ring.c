// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Rings in host memory that a process maps and the device reads or writes (verbs A4).
 * Pages from alloc_pages_exact() have a reference count each: a mapping that outlives
 * the ring keeps its pages.
 */
#include <linux/dma-mapping.h>
#include <linux/gfp.h>

#include "efa_verbs.h"

int efa_ring_alloc(struct efa_dev *dev, struct efa_ring *ring, size_t bytes,
		   enum dma_data_direction dir)
{
	struct device *dma_dev = &dev->pdev->dev;

	ring->size = PAGE_ALIGN(bytes);
	ring->dir = dir;
	ring->mem = alloc_pages_exact(ring->size, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!ring->mem)
		return -ENOMEM;

	ring->dma = dma_map_page(dma_dev, virt_to_page(ring->mem), 0, ring->size, dir);
	if (!dma_mapping_error(dma_dev, ring->dma))
		return 0;

	free_pages_exact(ring->mem, ring->size);
	ring->mem = NULL;
	return -ENOMEM;
}

/* The device has let go of it. */
void efa_ring_free(struct efa_dev *dev, struct efa_ring *ring)
{
	if (!ring->mem)
		return;
	dma_unmap_page(&dev->pdev->dev, ring->dma, ring->size, ring->dir);
	free_pages_exact(ring->mem, ring->size);
	ring->mem = NULL;
}
