// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory regions: user memory and DMA-buf (verbs A8.6). */
#include <linux/sizes.h>
#include <linux/slab.h>

#include "efa_pbl.h"
#include "efa_trace.h"
#include "efa_verbs.h"

/*
 * Larger pages do not fit API 0.1's page shift (A16 K12, device D17); no host has smaller
 * ones, and a device that claimed to have pages of a byte would get endless lists.
 */
#define EFA_MR_PAGE_SIZES (((u64)SZ_2G << 1) - SZ_4K)

/* The verbs bits of the access rights are those of the device. */
#define EFA_MR_PERMISSIONS (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ)
static_assert((int)IB_ACCESS_LOCAL_WRITE == (int)EFA_REG_MR_CMD_LOCAL_WRITE_ENABLE_MASK);
static_assert((int)IB_ACCESS_REMOTE_WRITE == (int)EFA_REG_MR_CMD_REMOTE_WRITE_ENABLE_MASK);
static_assert((int)IB_ACCESS_REMOTE_READ == (int)EFA_REG_MR_CMD_REMOTE_READ_ENABLE_MASK);

static int check_access(struct ib_device *ib, int access)
{
	struct efa_dev *dev = to_efa_dev(ib);
	int supported = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_OPTIONAL;

	if (efa_has(dev, RDMA_READ))
		supported |= IB_ACCESS_REMOTE_READ;
	if (efa_has(dev, RDMA_WRITE))
		supported |= IB_ACCESS_REMOTE_WRITE;
	if (!(access & ~supported))
		return 0;

	efa_user_error(ib,
		       "reg_mr: access flags %#x are not supported, this device has %#x; register without the others",
		       access & ~supported, supported & ~IB_ACCESS_OPTIONAL);
	return -EOPNOTSUPP;
}

/*
 * Not by rdma_umem_for_each_dma_block(), which calls the core for every page: memory often is
 * in long runs. Inside of a run and between two, pages begin where page_size says; a region may
 * begin in the middle of a host page that has several of them.
 */
static int fill_pbl(struct efa_pbl *pbl, struct ib_umem *umem, u64 page_size)
{
	u64 skip = ALIGN_DOWN((u64)ib_umem_offset(umem), page_size);
	struct efa_pbl_cursor cursor = { .pbl = pbl };
	struct scatterlist *sg;
	unsigned int i;
	u64 page, end;

	for_each_sgtable_dma_sg(&umem->sgt_append.sgt, sg, i) {
		end = sg_dma_address(sg) + sg_dma_len(sg);
		for (page = ALIGN_DOWN(sg_dma_address(sg), page_size) + skip; page < end;
		     page += page_size)
			if (!efa_pbl_put(&cursor, page))
				return 0; /* of the last host page no more is needed */
		skip = 0;
	}
	return efa_pbl_full(&cursor) ? 0 : -EINVAL;
}

static int send_reg_mr(struct efa_dev *dev, struct efa_mr *mr, struct efa_reg_mr_params *params,
		       struct efa_pbl *pbl)
{
	int err;

	err = fill_pbl(pbl, mr->umem, 1ULL << params->page_shift);
	if (err)
		return err;
	err = efa_pbl_map(pbl, &dev->pdev->dev);
	if (err)
		return err;
	efa_pbl_describe(pbl, params);
	return efa_cmd_reg_mr(dev, params, &mr->keys);
}

static int register_pages(struct ib_device *ib, struct efa_mr *mr, struct efa_reg_mr_params *params,
			  u64 num_pages)
{
	struct efa_dev *dev = to_efa_dev(ib);
	struct efa_pbl pbl;
	int err;

	if (num_pages > dev->attr.max_mr_pages) {
		efa_over_limit(ib, "reg_mr", "pages", num_pages, dev->attr.max_mr_pages,
			       "register less at once or use huge pages");
		return -ENOMEM;
	}

	err = efa_pbl_alloc(&pbl, num_pages);
	if (!err)
		err = send_reg_mr(dev, mr, params, &pbl);
	if (efa_let_go(dev, err))
		efa_pbl_free(&pbl, &dev->pdev->dev);
	if (err)
		efa_user_error(ib,
			       "reg_mr: %llu bytes in %llu pages of %lu: failed (%d), the device has %u regions of up to %u pages; deregister unused ones",
			       params->length, num_pages, 1UL << params->page_shift, err,
			       dev->attr.max_mr, dev->attr.max_mr_pages);
	return err;
}

/* The largest pages that fit need the shortest list. */
static int register_umem(struct ib_pd *pd, struct efa_mr *mr, u64 iova, u64 length, int access)
{
	struct efa_dev *dev = to_efa_dev(pd->device);
	struct efa_reg_mr_params params = {
		.iova = iova,
		.length = length,
		.pdn = to_efa_pd(pd)->pdn,
		.permissions = access & EFA_MR_PERMISSIONS,
	};
	unsigned long page_size;
	u64 num_pages;
	int err;

	page_size = ib_umem_find_best_pgsz(mr->umem, dev->attr.page_size_cap & EFA_MR_PAGE_SIZES,
					   iova);
	if (!page_size) {
		efa_user_error(pd->device,
			       "reg_mr: %llu bytes at %#llx fit no page size of the device (%#llx); align address and iova alike",
			       length, iova, dev->attr.page_size_cap);
		return -EOPNOTSUPP;
	}

	params.page_shift = __ffs(page_size);
	num_pages = ib_umem_num_dma_blocks(mr->umem, page_size);
	err = register_pages(pd->device, mr, &params, num_pages);
	trace_efa_mr_reg(dev, mr->keys.lkey, iova, length, params.page_shift, num_pages, access,
			 err);
	return err;
}

static int mr_check_request(struct ib_pd *pd, int access, struct ib_dmah *dmah,
			 struct ib_udata *udata)
{
	int err;

	if (dmah) {
		efa_user_error(pd->device, "reg_mr: DMA handles are not supported");
		return -EOPNOTSUPP;
	}
	err = efa_check_no_input(pd->device, "reg_mr", udata) ?: ib_respond_empty_udata(udata);
	return err ?: check_access(pd->device, access);
}

/* Takes the pinned memory, also on failure; umem may be an error. */
static struct ib_mr *new_mr(struct ib_pd *pd, struct ib_umem *umem, u64 iova, u64 length,
			    int access)
{
	struct efa_mr *mr;
	int err;

	if (IS_ERR(umem)) {
		efa_user_error(pd->device,
			       "reg_mr: cannot pin %llu bytes (%ld); check the buffer and the locked-memory limit (ulimit -l)",
			       length, PTR_ERR(umem));
		return ERR_CAST(umem);
	}

	err = -ENOMEM;
	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		goto err_umem;

	mr->umem = umem;
	err = register_umem(pd, mr, iova, length, access);
	if (err)
		goto err_mr;

	mr->ib.lkey = mr->keys.lkey;
	mr->ib.rkey = mr->keys.rkey;
	mr->ib.length = length;
	return &mr->ib;

err_mr:
	kfree(mr);
err_umem:
	if (efa_let_go(to_efa_dev(pd->device), err))
		ib_umem_release(umem);
	return ERR_PTR(err);
}

static struct ib_mr *count_failure(struct ib_pd *pd, struct ib_mr *mr)
{
	if (IS_ERR(mr))
		efa_count(to_efa_dev(pd->device), EFA_STAT_REG_MR_ERR);
	return mr;
}

struct ib_mr *efa_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 iova, int access,
			      struct ib_dmah *dmah, struct ib_udata *udata)
{
	struct ib_umem *umem;
	int err;

	err = mr_check_request(pd, access, dmah, udata);
	if (err)
		return count_failure(pd, ERR_PTR(err));

	umem = ib_umem_get_va(pd->device, start, length, access);
	return count_failure(pd, new_mr(pd, umem, iova, length, access));
}

/* Pinned import: the exporter keeps the memory where it is (verbs A13). */
struct ib_mr *efa_reg_user_mr_dmabuf(struct ib_pd *pd, u64 offset, u64 length, u64 iova, int fd,
				     int access, struct ib_dmah *dmah,
				     struct uverbs_attr_bundle *attrs)
{
	struct ib_umem_dmabuf *dmabuf;
	struct ib_umem *umem;
	int err;

	err = mr_check_request(pd, access, dmah, attrs ? &attrs->driver_udata : NULL);
	if (err)
		return count_failure(pd, ERR_PTR(err));

	dmabuf = ib_umem_dmabuf_get_pinned(pd->device, offset, length, fd, access);
	umem = IS_ERR(dmabuf) ? ERR_CAST(dmabuf) : &dmabuf->umem;
	return count_failure(pd, new_mr(pd, umem, iova, length, access));
}

/* While the device may use the memory it stays pinned (verbs A8.6). */
int efa_dereg_mr(struct ib_mr *ib, struct ib_udata *udata)
{
	struct efa_dev *dev = to_efa_dev(ib->device);
	struct efa_mr *mr = to_efa_mr(ib);
	int err;

	err = efa_destroy_outcome(dev, efa_cmd_dereg_mr(dev, mr->keys.lkey));
	trace_efa_mr_dereg(dev, mr->keys.lkey, err);
	if (err) {
		efa_user_error(ib->device,
			       "dereg_mr: lkey %#x: the device refused (%d), the memory stays pinned",
			       mr->keys.lkey, err);
		return err;
	}
	ib_umem_release(mr->umem);
	kfree(mr);
	return 0;
}
