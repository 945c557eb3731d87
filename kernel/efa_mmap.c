// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a process may map: rings, doorbell pages and device memory of its own objects
 * (verbs A4). The core hands out the keys and, when the device goes away, replaces
 * the I/O mappings.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "efa_trace.h"
#include "efa_verbs.h"

/* Shown by the trace event when the key named nothing. */
#define EFA_MMAP_KIND_NONE 255

static struct efa_mmap_entry *to_efa_mmap_entry(struct rdma_user_mmap_entry *rdma)
{
	return container_of(rdma, struct efa_mmap_entry, rdma);
}

static struct efa_mmap_entry *insert(struct efa_ucontext *ucontext, phys_addr_t address,
				     size_t bytes, enum efa_mmap_type type)
{
	struct efa_mmap_entry *entry;
	int err;

	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return ERR_PTR(-ENOMEM);

	entry->address = address;
	entry->type = type;
	err = rdma_user_mmap_entry_insert(&ucontext->ib, &entry->rdma, bytes);
	if (err) {
		kfree(entry);
		return ERR_PTR(-ENOMEM); /* whatever the core says (verbs A4) */
	}
	return entry;
}

struct efa_mmap_entry *efa_mmap_ring(struct efa_ucontext *ucontext, const struct efa_ring *ring)
{
	return insert(ucontext, virt_to_phys(ring->mem), ring->size, EFA_MMAP_DMA_PAGE);
}

/*
 * The pages of a BAR that hold bytes from offset on. The command layer checked that
 * they lie in the BAR; whole pages of it must, too, or the process would get what lies
 * behind.
 */
struct efa_mmap_entry *efa_mmap_bar(struct efa_ucontext *ucontext, u8 bar, u32 offset, u32 bytes,
				    enum efa_mmap_type type)
{
	struct efa_dev *dev = to_efa_dev(ucontext->ib.device);
	u64 length = PAGE_ALIGN((u64)offset_in_page(offset) + bytes);
	u64 start = offset & PAGE_MASK;

	if (start + length > dev->bar_len[bar] || !PAGE_ALIGNED(dev->bar_phys[bar])) {
		efa_err_rl(dev, "BAR %u has %#llx bytes, pages up to %#llx would be mapped\n", bar,
			   (u64)dev->bar_len[bar], start + length);
		return ERR_PTR(-EPROTO);
	}
	return insert(ucontext, dev->bar_phys[bar] + start, length, type);
}

/* entry may be NULL or an error: the ladders of CQ and QP need not know how far they got. */
void efa_mmap_remove(struct efa_mmap_entry *entry)
{
	if (!IS_ERR_OR_NULL(entry))
		rdma_user_mmap_entry_remove(&entry->rdma);
}

u64 efa_mmap_key(struct efa_mmap_entry *entry)
{
	return rdma_user_mmap_get_offset(&entry->rdma);
}

/* The last mapping is gone and so is the object. */
void efa_mmap_free(struct rdma_user_mmap_entry *rdma)
{
	kfree(to_efa_mmap_entry(rdma));
}

static int map_ring(struct vm_area_struct *vma, struct efa_mmap_entry *entry)
{
	unsigned long pfn = PHYS_PFN(entry->address);
	unsigned long va;
	int err;

	for (va = vma->vm_start; va < vma->vm_end; va += PAGE_SIZE, pfn++) {
		err = vm_insert_page(vma, va, pfn_to_page(pfn));
		if (err)
			return err;
	}
	return 0;
}

static int map_io(struct ib_ucontext *ib, struct vm_area_struct *vma, struct efa_mmap_entry *entry,
		  pgprot_t prot)
{
	return rdma_user_mmap_io(ib, vma, PHYS_PFN(entry->address),
				 entry->rdma.npages * PAGE_SIZE, prot, &entry->rdma);
}

static int map_entry(struct ib_ucontext *ib, struct vm_area_struct *vma,
		     struct efa_mmap_entry *entry)
{
	switch (entry->type) {
	case EFA_MMAP_DMA_PAGE:
		return map_ring(vma, entry);
	case EFA_MMAP_IO_WC:
		return map_io(ib, vma, entry, pgprot_writecombine(vma->vm_page_prot));
	case EFA_MMAP_IO_NC:
		return map_io(ib, vma, entry, pgprot_noncached(vma->vm_page_prot));
	}
	return -EINVAL;
}

int efa_mmap(struct ib_ucontext *ib, struct vm_area_struct *vma)
{
	struct efa_dev *dev = to_efa_dev(ib->device);
	size_t length = vma->vm_end - vma->vm_start;
	u64 key = (u64)vma->vm_pgoff << PAGE_SHIFT;
	struct rdma_user_mmap_entry *rdma;
	u8 kind = EFA_MMAP_KIND_NONE;
	int err = -EINVAL;

	rdma = rdma_user_mmap_entry_get(ib, vma);
	if (rdma) {
		kind = to_efa_mmap_entry(rdma)->type;
		err = map_entry(ib, vma, to_efa_mmap_entry(rdma));
		rdma_user_mmap_entry_put(rdma);
	}
	trace_efa_mmap(dev, key, length, kind, err);
	if (!err)
		return 0;

	efa_count(dev, EFA_STAT_MMAP_ERR);
	efa_user_error(ib->device,
		       "mmap: key %#llx, %zu bytes: %s (%d); keys come from create_cq and create_qp, with exact sizes, for MAP_SHARED",
		       key, length, rdma ? "mapping failed" : "no such object", err);
	return err;
}
