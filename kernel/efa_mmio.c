// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Registers (device-regs R1 to R3). They are never loaded: a read is a store that asks
 * the device to write the value to host memory.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/ktime.h>

#include "efa_dev.h"
#include "efa_log.h"

/* No answer can be taken for that of an earlier request (R3, step 3). */
#define EFA_MMIO_STALE_OFFSET 0x9a

/* An answer normally comes within microseconds; after this the CPU is given away. */
#define EFA_MMIO_SPIN_US 100

/* Before the first read, and after each reset, comes efa_mmio_program(). */
int efa_mmio_init(struct efa_dev *dev)
{
	struct efa_mmio *mmio = &dev->mmio;

	mmio->resp = dma_alloc_coherent(&dev->pdev->dev, sizeof(*mmio->resp), &mmio->resp_dma,
					GFP_KERNEL);
	if (!mmio->resp)
		return -ENOMEM;

	mutex_init(&mmio->lock);
	mmio->seq = 0;
	mmio->timeout_us = EFA_READLESS_TIMEOUT_US;
	return 0;
}

void efa_mmio_exit(struct efa_dev *dev)
{
	struct efa_mmio *mmio = &dev->mmio;

	/* The device forgets the address, lest a late answer hits memory that is not ours. */
	efa_mmio_write(dev, EFA_REG_MMIO_RESP_HI, 0);
	efa_mmio_write(dev, EFA_REG_MMIO_RESP_LO, 0);
	dma_free_coherent(&dev->pdev->dev, sizeof(*mmio->resp), mmio->resp, mmio->resp_dma);
	mutex_destroy(&mmio->lock);
}

/* R3, step 1: the upper half first. */
void efa_mmio_program(struct efa_dev *dev)
{
	efa_mmio_write(dev, EFA_REG_MMIO_RESP_HI, upper_32_bits(dev->mmio.resp_dma));
	efa_mmio_write(dev, EFA_REG_MMIO_RESP_LO, lower_32_bits(dev->mmio.resp_dma));
}

void efa_mmio_write(struct efa_dev *dev, enum efa_reg reg, u32 value)
{
	writel(value, dev->mmio.regs + reg);
}

static bool efa_mmio_answered(struct efa_mmio *mmio)
{
	return le16_to_cpu(READ_ONCE(mmio->resp->req_id)) == mmio->seq;
}

static bool efa_mmio_wait(struct efa_mmio *mmio)
{
	ktime_t start = ktime_get();
	s64 waited;

	while (!efa_mmio_answered(mmio)) {
		waited = ktime_us_delta(ktime_get(), start);
		if (waited > mmio->timeout_us)
			return efa_mmio_answered(mmio);
		if (waited < EFA_MMIO_SPIN_US)
			udelay(1);
		else
			usleep_range(20, 50);
	}
	return true;
}

/* Whoever waits for a reset asks many times; once is news. */
static void efa_mmio_no_answer(struct efa_dev *dev, enum efa_reg reg)
{
	if (!dev->mmio.silent)
		efa_err(dev, "register %#x was not answered in %u ms\n", reg,
			dev->mmio.timeout_us / (u32)USEC_PER_MSEC);
	dev->mmio.silent = true;
}

static u32 efa_mmio_request(struct efa_dev *dev, enum efa_reg reg)
{
	struct efa_mmio *mmio = &dev->mmio;
	struct efa_mmio_read_resp resp;
	u32 request;

	mmio->seq++;
	WRITE_ONCE(mmio->resp->req_id, cpu_to_le16(mmio->seq + EFA_MMIO_STALE_OFFSET));

	request = efa_reg_mmio_reg_read_set_req_id(0, mmio->seq);
	request = efa_reg_mmio_reg_read_set_reg_off(request, reg);
	efa_mmio_write(dev, EFA_REG_MMIO_REG_READ, request);

	if (!efa_mmio_wait(mmio)) {
		efa_mmio_no_answer(dev, reg);
		return EFA_READLESS_INVALID;
	}
	mmio->silent = false;

	/* The device makes the value visible no later than req_id. */
	dma_rmb();
	resp = *mmio->resp;
	if (le16_to_cpu(resp.reg_off) != reg) {
		efa_err_rl(dev, "register %#x asked, register %#x answered\n", reg,
			   le16_to_cpu(resp.reg_off));
		return EFA_READLESS_INVALID;
	}
	return le32_to_cpu(resp.reg_val);
}

/* Sleeps. */
u32 efa_mmio_read(struct efa_dev *dev, enum efa_reg reg)
{
	u32 value;

	mutex_lock(&dev->mmio.lock);
	value = efa_mmio_request(dev, reg);
	mutex_unlock(&dev->mmio.lock);
	return value;
}
