// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Completion event queues (device-admin A7), one MSI-X vector each. */

#include <linux/cpumask.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "efa_cmd.h"
#include "efa_dev.h"
#include "efa_log.h"

static size_t efa_eq_size(const struct efa_eq *eq)
{
	return eq->depth * sizeof(struct efa_eqe);
}

/* Asks for one interrupt; it comes at once if there is something unsignalled. */
static void efa_eq_arm(struct efa_eq *eq)
{
	u32 doorbell = efa_reg_eq_db_set_eqn(0, eq->eqn);

	efa_mmio_write(eq->dev, EFA_REG_EQ_DB, efa_reg_eq_db_set_arm(doorbell, 1));
}

static void efa_eq_dispatch(struct efa_eq *eq, const struct efa_eqe *eqe)
{
	u32 type = efa_eqe_event_type(eqe);

	if (type == EFA_EQE_EVENT_TYPE_COMPLETION)
		efa_cq_event(eq->dev, le16_to_cpu(eqe->comp_event.cqn));
	else
		efa_warn_rl(eq->dev, "event of unknown type %u on event queue %u\n", type, eq->eqn);
}

static bool efa_eq_take(struct efa_eq *eq)
{
	struct efa_eqe *ring = &eq->ring[eq->cc & (eq->depth - 1)];
	u32 phase = !((eq->cc / eq->depth) & 1);
	struct efa_eqe eqe;

	if ((le32_to_cpu(READ_ONCE(ring->common)) & EFA_EQE_PHASE_MASK) != phase)
		return false;

	/* The rest was written before the word with the phase. */
	dma_rmb();
	eqe = *ring;
	eq->cc++;
	efa_eq_dispatch(eq, &eqe);
	return true;
}

static irqreturn_t efa_eq_interrupt(int irq, void *data)
{
	struct efa_eq *eq = data;
	unsigned int i;

	/* Bounded, whatever the device writes; arming brings the rest. */
	for (i = 0; i < eq->depth; i++)
		if (!efa_eq_take(eq))
			break;
	efa_eq_arm(eq);
	return IRQ_HANDLED;
}

static int efa_eq_request_irq(struct efa_eq *eq, unsigned int index)
{
	struct pci_dev *pdev = eq->dev->pdev;
	unsigned int cpu;
	int err;

	eq->vector = EFA_FIRST_EQ_MSIX_VECTOR + index;
	eq->irq = pci_irq_vector(pdev, eq->vector);
	snprintf(eq->name, sizeof(eq->name), "efa-comp%u@pci:%s", index, pci_name(pdev));
	err = request_irq(eq->irq, efa_eq_interrupt, 0, eq->name, eq);
	if (err) {
		efa_err(eq->dev, "interrupt %u (%s) is not to be had: %d\n", eq->irq, eq->name, err);
		return err;
	}
	/* Only a hint: spread over the online CPUs, near ones first. */
	cpu = cpumask_local_spread(index, dev_to_node(&pdev->dev));
	irq_update_affinity_hint(eq->irq, cpumask_of(cpu));
	return 0;
}

static void efa_eq_free_irq(struct efa_eq *eq)
{
	irq_update_affinity_hint(eq->irq, NULL);
	free_irq(eq->irq, eq);
}

static int efa_eq_create(struct efa_dev *dev, struct efa_eq *eq, unsigned int index)
{
	int err;

	eq->dev = dev;
	eq->depth = dev->attr.max_eq_depth;
	eq->cc = 0;
	eq->ring = dma_alloc_coherent(&dev->pdev->dev, efa_eq_size(eq), &eq->ring_dma, GFP_KERNEL);
	if (!eq->ring)
		return -ENOMEM;

	err = efa_eq_request_irq(eq, index);
	if (err)
		return err;
	err = efa_cmd_create_eq(dev, eq->ring_dma, eq->depth, eq->vector, &eq->eqn);
	if (err) {
		efa_err(dev, "creating event queue %u of %u entries failed: %d\n", index,
			eq->depth, err);
		efa_eq_free_irq(eq);
		return err;
	}
	eq->live = true;
	efa_eq_arm(eq);
	return 0;
}

/*
 * A device without EQs, or with one vector, works; its CQs can only be polled. After an
 * error efa_eqs_destroy() and efa_eqs_free() clean up.
 */
int efa_eqs_create(struct efa_dev *dev)
{
	unsigned int count = min(dev->attr.max_eq, dev->num_vectors - EFA_FIRST_EQ_MSIX_VECTOR);
	int err;

	dev->eqs = kcalloc(count, sizeof(*dev->eqs), GFP_KERNEL);
	if (!dev->eqs)
		return -ENOMEM;

	for (dev->num_eqs = 0; dev->num_eqs < count; dev->num_eqs++) {
		err = efa_eq_create(dev, &dev->eqs[dev->num_eqs], dev->num_eqs);
		if (err) {
			dev->num_eqs++; /* its ring is freed with the others */
			return err;
		}
	}
	return 0;
}

/* The device may refuse; the rings stay until it was reset. */
void efa_eqs_destroy(struct efa_dev *dev)
{
	struct efa_eq *eq;
	unsigned int i;

	for (i = dev->num_eqs; i--;) {
		eq = &dev->eqs[i];
		if (!eq->live)
			continue;
		efa_cmd_destroy_eq(dev, eq->eqn);
		efa_eq_free_irq(eq);
		eq->live = false;
	}
}

/* The device is silent. */
void efa_eqs_free(struct efa_dev *dev)
{
	struct efa_eq *eq;

	while (dev->num_eqs) {
		eq = &dev->eqs[--dev->num_eqs];
		if (eq->ring)
			dma_free_coherent(&dev->pdev->dev, efa_eq_size(eq), eq->ring,
					  eq->ring_dma);
	}
	kfree(dev->eqs);
	dev->eqs = NULL;
}
