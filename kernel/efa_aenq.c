// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Async event queue (device-admin A6). Shares the management interrupt. */

#include <linux/dma-mapping.h>

#include "efa_cmd.h"
#include "efa_dev.h"
#include "efa_log.h"
#include "efa_trace.h"

#define EFA_AENQ_GROUPS                                                                            \
	(BIT(EFA_AENQ_GROUP_FATAL_ERROR) | BIT(EFA_AENQ_GROUP_WARNING) |                           \
	 BIT(EFA_AENQ_GROUP_NOTIFICATION) | BIT(EFA_AENQ_GROUP_KEEP_ALIVE))

#define EFA_AENQ_SIZE (EFA_AENQ_DEPTH * sizeof(struct efa_aenq_entry))

int efa_aenq_init(struct efa_dev *dev)
{
	struct efa_aenq *aenq = &dev->aenq;
	u32 caps;

	aenq->ring = dma_alloc_coherent(&dev->pdev->dev, EFA_AENQ_SIZE, &aenq->ring_dma,
					GFP_KERNEL);
	if (!aenq->ring)
		return -ENOMEM;
	aenq->cc = 0;

	efa_mmio_write(dev, EFA_REG_AENQ_BASE_LO, lower_32_bits(aenq->ring_dma));
	efa_mmio_write(dev, EFA_REG_AENQ_BASE_HI, upper_32_bits(aenq->ring_dma));
	caps = efa_reg_aenq_caps_set_aenq_depth(0, EFA_AENQ_DEPTH);
	caps = efa_reg_aenq_caps_set_aenq_entry_size(caps, sizeof(struct efa_aenq_entry));
	caps = efa_reg_aenq_caps_set_aenq_msix_vector(caps, EFA_MGMT_MSIX_VECTOR);
	efa_mmio_write(dev, EFA_REG_AENQ_CAPS, caps);
	efa_mmio_write(dev, EFA_REG_AENQ_CONS_DB, 0);
	return 0;
}

/* The device is quiet and the management interrupt was freed. */
void efa_aenq_exit(struct efa_dev *dev)
{
	dma_free_coherent(&dev->pdev->dev, EFA_AENQ_SIZE, dev->aenq.ring, dev->aenq.ring_dma);
	dev->aenq.ring = NULL;
}

int efa_aenq_enable(struct efa_dev *dev)
{
	struct efa_get_feature_resp resp;
	u32 supported;
	int err;

	err = efa_cmd_get_feature(dev, EFA_FEATURE_ID_AENQ_CONFIG, &resp);
	if (err) {
		efa_err(dev, "reading feature AENQ_CONFIG failed: %d\n", err);
		return err;
	}
	supported = le32_to_cpu(resp.aenq_config.supported_groups);
	if (EFA_AENQ_GROUPS & ~supported) {
		efa_err(dev, "the device lacks async event groups (supports mask %#x, needed %#lx)\n",
			supported, EFA_AENQ_GROUPS);
		return -EOPNOTSUPP;
	}
	err = efa_cmd_set_aenq_config(dev, EFA_AENQ_GROUPS);
	if (err)
		efa_err(dev, "enabling async events failed: %d\n", err);
	return err;
}

const char *efa_aenq_group_name(u16 group)
{
	switch (group) {
	case EFA_AENQ_GROUP_FATAL_ERROR:
		return "FATAL_ERROR";
	case EFA_AENQ_GROUP_WARNING:
		return "WARNING";
	case EFA_AENQ_GROUP_NOTIFICATION:
		return "NOTIFICATION";
	case EFA_AENQ_GROUP_KEEP_ALIVE:
		return "KEEP_ALIVE";
	default:
		return "unknown group";
	}
}

/* The codes have no public meaning; the vendor knows them. */
static void efa_aenq_report(struct efa_dev *dev, u16 group, u16 syndrome)
{
	switch (group) {
	case EFA_AENQ_GROUP_KEEP_ALIVE:
		efa_count(dev, EFA_STAT_KEEP_ALIVE_RCVD);
		break;
	case EFA_AENQ_GROUP_FATAL_ERROR:
		efa_count(dev, EFA_STAT_FATAL_EVENTS);
		efa_err_rl(dev,
			   "the device reports a fatal error (syndrome %#x); if jobs hang, unbind and bind the driver, or stop and start the instance\n",
			   syndrome);
		break;
	case EFA_AENQ_GROUP_WARNING:
		efa_warn_rl(dev, "the device reports a warning (syndrome %#x)\n", syndrome);
		break;
	case EFA_AENQ_GROUP_NOTIFICATION:
		efa_warn_rl(dev, "the device sent a notification (syndrome %#x)\n", syndrome);
		break;
	default:
		efa_warn_rl(dev, "async event of unknown group %u (syndrome %#x)\n", group,
			    syndrome);
	}
}

static bool efa_aenq_take(struct efa_dev *dev)
{
	struct efa_aenq *aenq = &dev->aenq;
	struct efa_aenq_common_desc *ring = &aenq->ring[aenq->cc % EFA_AENQ_DEPTH].aenq_common_desc;
	struct efa_aenq_common_desc desc;
	u8 phase = !((aenq->cc / EFA_AENQ_DEPTH) & 1);
	u64 timestamp;

	if ((READ_ONCE(ring->flags) & EFA_AENQ_COMMON_DESC_PHASE_MASK) != phase)
		return false;

	/* The rest was written before the byte with the phase. */
	dma_rmb();
	desc = *ring;
	aenq->cc++;
	timestamp = efa_addr_join(desc.timestamp_low, desc.timestamp_high);
	trace_efa_aenq(dev, le16_to_cpu(desc.group), le16_to_cpu(desc.syndrome), timestamp);
	efa_aenq_report(dev, le16_to_cpu(desc.group), le16_to_cpu(desc.syndrome));
	return true;
}

/* Only the management interrupt calls it, and that does not run twice at a time. */
void efa_aenq_scan(struct efa_dev *dev)
{
	u32 before = dev->aenq.cc;
	unsigned int i;

	/* Bounded, whatever the device writes. */
	for (i = 0; i < EFA_AENQ_DEPTH; i++)
		if (!efa_aenq_take(dev))
			break;
	if (dev->aenq.cc != before)
		efa_mmio_write(dev, EFA_REG_AENQ_CONS_DB, dev->aenq.cc);
}
