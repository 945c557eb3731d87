/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Pinned user memory: the getters and questions of release 7.3. */
#ifndef EFA_COMPAT_UMEM_H
#define EFA_COMPAT_UMEM_H

#include <linux/err.h>

#ifndef EFA_HAVE_UMEM_IS_CONTIGUOUS

static inline dma_addr_t ib_umem_start_dma_addr(struct ib_umem *umem)
{
	return sg_dma_address(umem->sgt_append.sgt.sgl) + ib_umem_offset(umem);
}

/* One run of bus addresses from the first byte to the last? */
static inline bool ib_umem_is_contiguous(struct ib_umem *umem)
{
	dma_addr_t next = ib_umem_start_dma_addr(umem) - ib_umem_offset(umem);
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(&umem->sgt_append.sgt, sg, i) {
		if (sg_dma_address(sg) != next)
			return false;
		next += sg_dma_len(sg);
	}
	return true;
}

#endif

#ifndef EFA_HAVE_UMEM_GET_VA

static inline struct ib_umem *ib_umem_get_va(struct ib_device *device, unsigned long addr,
					     size_t size, int access)
{
	return ib_umem_get(device, addr, size, access);
}

static inline struct ib_umem *efa_compat_cq_buf_va(struct ib_device *device,
						   const struct uverbs_attr_bundle *attrs,
						   u64 length, int access)
{
	u64 va;
	int err;

	if (uverbs_attr_is_valid(attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_FD) ||
	    uverbs_attr_is_valid(attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_OFFSET))
		return ERR_PTR(-EINVAL);
	err = uverbs_copy_from(&va, attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_VA);
	if (err)
		return ERR_PTR(err);
	return ib_umem_get(device, va, length, access);
}

static inline struct ib_umem *efa_compat_cq_buf_fd(struct ib_device *device,
						   const struct uverbs_attr_bundle *attrs,
						   u64 length, int access)
{
	struct ib_umem_dmabuf *dmabuf;
	u64 offset;
	int err;
	int fd;

	err = uverbs_get_raw_fd(&fd, attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_FD);
	if (err)
		return ERR_PTR(err);
	err = uverbs_copy_from(&offset, attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_OFFSET);
	if (err)
		return ERR_PTR(err == -ENOENT ? -EINVAL : err);
	dmabuf = ib_umem_dmabuf_get_pinned(device, offset, length, fd, access);
	return IS_ERR(dmabuf) ? ERR_CAST(dmabuf) : &dmabuf->umem;
}

/* Memory that the caller of CREATE_CQ gave for the ring; NULL if it gave none. */
static inline struct ib_umem *ib_umem_get_cq_buf(struct ib_device *device,
						 const struct uverbs_attr_bundle *attrs,
						 size_t size, int access)
{
	bool by_va = uverbs_attr_is_valid(attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_VA);
	bool by_fd = uverbs_attr_is_valid(attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_FD);
	u64 length;
	int err;

	if (!by_va && !by_fd)
		return uverbs_attr_is_valid(attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_LENGTH) ||
		       uverbs_attr_is_valid(attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_OFFSET) ?
		       ERR_PTR(-EINVAL) : NULL;
	err = uverbs_copy_from(&length, attrs, UVERBS_ATTR_CREATE_CQ_BUFFER_LENGTH);
	if (err)
		return ERR_PTR(err == -ENOENT ? -EINVAL : err);
	if (length < size)
		return ERR_PTR(-EINVAL);

	return by_va ? efa_compat_cq_buf_va(device, attrs, length, access) :
		       efa_compat_cq_buf_fd(device, attrs, length, access);
}

#endif
#endif
