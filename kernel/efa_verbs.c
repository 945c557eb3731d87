// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The ib_device: its operations, registration with the core and the way back (verbs A1, A7). */
#include <linux/module.h>
#include <rdma/ib_user_verbs.h>

#include "efa_compat_ops.h"
#include "efa_verbs.h"

int efa_check_no_input(struct ib_device *ib, const char *verb, struct ib_udata *udata)
{
	int err = ib_is_udata_in_empty(udata);

	if (err)
		efa_user_error(ib,
			       "%s: private input of %zu bytes, of which none is known (%d); it is for a newer driver",
			       verb, udata->inlen, err);
	return err;
}

/*
 * disassociate_ucontext is there, unlike upstream's: the device can leave while
 * processes hold it open (verbs D4).
 */
static const struct ib_device_ops efa_ops = {
	.owner = THIS_MODULE,
	.driver_id = RDMA_DRIVER_EFA,
	.uverbs_abi_ver = EFA_UVERBS_ABI_VERSION,

	.alloc_hw_device_stats = efa_alloc_hw_device_stats,
	.alloc_hw_port_stats = efa_alloc_hw_port_stats,
	.alloc_pd = efa_alloc_pd,
	.alloc_ucontext = efa_alloc_ucontext,
	.create_qp = efa_create_qp,
	.create_user_ah = efa_create_ah,
	.dealloc_pd = efa_dealloc_pd,
	.dealloc_ucontext = efa_dealloc_ucontext,
	.dereg_mr = efa_dereg_mr,
	.destroy_ah = efa_destroy_ah,
	.destroy_cq = efa_destroy_cq,
	.destroy_qp = efa_destroy_qp,
	.disassociate_ucontext = efa_disassociate_ucontext,
	.get_hw_stats = efa_get_hw_stats,
	.get_link_layer = efa_get_link_layer,
	.get_port_immutable = efa_get_port_immutable,
	.mmap = efa_mmap,
	.mmap_free = efa_mmap_free,
	.modify_qp = efa_modify_qp,
	.query_device = efa_query_device,
	.query_gid = efa_query_gid,
	.query_pkey = efa_query_pkey,
	.query_port = efa_query_port,
	.query_qp = efa_query_qp,

	INIT_RDMA_OBJ_SIZE(ib_ah, efa_ah, ib),
	INIT_RDMA_OBJ_SIZE(ib_cq, efa_cq, ib),
	INIT_RDMA_OBJ_SIZE(ib_pd, efa_pd, ib),
	INIT_RDMA_OBJ_SIZE(ib_qp, efa_qp, ib),
	INIT_RDMA_OBJ_SIZE(ib_ucontext, efa_ucontext, ib),
};

static void describe(struct efa_dev *dev, struct ib_device *ib)
{
	ib->node_type = RDMA_NODE_UNSPECIFIED;
	ib->node_guid = dev->attr.guid;
	ib->phys_port_cnt = 1;
	ib->num_comp_vectors = max(dev->num_eqs, 1U);
	ib->dev.parent = &dev->pdev->dev;
	ib->driver_def = efa_uapi_defs;
	ib_set_device_ops(ib, &efa_ops);
	ib_set_device_ops(ib, &efa_compat_ops);
}

/**
 * efa_verbs_register() - offer a started device to verbs users
 * @dev: device, started, without an ib_device
 *
 * Return: 0 or what the core said.
 */
int efa_verbs_register(struct efa_dev *dev)
{
	struct efa_ibdev *ibdev;
	int err;

	ibdev = ib_alloc_device(efa_ibdev, ib);
	if (!ibdev)
		return -ENOMEM;

	ibdev->dev = dev;
	describe(dev, &ibdev->ib);

	err = ib_register_device(&ibdev->ib, "efa_%d", &dev->pdev->dev);
	if (err) {
		efa_err(dev, "the RDMA core refused the device (%d)\n", err);
		ib_dealloc_device(&ibdev->ib);
		return err;
	}
	WRITE_ONCE(dev->ibdev, ibdev);
	ibdev_info(&ibdev->ib, "IB device registered\n");
	return 0;
}

/*
 * Processes that hold the device open lose it: verbs fail with EIO, I/O mappings are
 * replaced, IBV_EVENT_DEVICE_FATAL is delivered. Their objects are destroyed here.
 */
void efa_verbs_unregister(struct efa_dev *dev)
{
	struct efa_ibdev *ibdev = dev->ibdev;

	if (!ibdev)
		return;
	ibdev_info(&ibdev->ib, "Unregister ib device\n");
	ib_unregister_device(&ibdev->ib);
	dev->ibdev = NULL;
	ib_dealloc_device(&ibdev->ib);
}
