// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Read-less register reads (device-regs R3) from a device that answers well, badly, never. */
#include <linux/io.h>

#include "efa_dev.h"

/* The real functions, beside those of mock_device.c; stores arrive in the test. */
u32 real_mmio_read(struct efa_dev *dev, enum efa_reg reg);
void real_mmio_write(struct efa_dev *dev, enum efa_reg reg, u32 value);
static void store(u32 value, const void __iomem *addr);

#define efa_mmio_read real_mmio_read
#define efa_mmio_write real_mmio_write
#undef writel
#define writel store
#include "../efa_mmio.c"

#include "mock_device.h"
#include "suites.h"

#define VALUE 0x12345678

enum manner { GOOD, SILENT, WRONG_OFFSET, WRONG_ID, LAST_ID };

static struct mock_device *mock;
static enum manner manner;
static unsigned int requests;
static u16 last_id;

static void answer(u32 request)
{
	struct efa_mmio_read_resp *resp = mock->dev.mmio.resp;
	u16 id = efa_reg_mmio_reg_read_req_id(request);
	u16 off = efa_reg_mmio_reg_read_reg_off(request);

	requests++;
	if (manner == SILENT)
		return;
	resp->reg_val = cpu_to_le32(VALUE + off);
	resp->reg_off = cpu_to_le16(manner == WRONG_OFFSET ? off + 4 : off);
	if (manner == WRONG_ID)
		id++;
	if (manner == LAST_ID)
		id--;
	WRITE_ONCE(resp->req_id, cpu_to_le16(id));
	last_id = id;
}

static void store(u32 value, const void __iomem *addr)
{
	size_t reg = addr - mock->dev.mmio.regs;

	mock->regs[reg / 4] = value;
	if (reg == EFA_REG_MMIO_REG_READ)
		answer(value);
}

static int mmio_init(struct kunit *test)
{
	mock = mock_create(test, EFA_API_VERSION_BASE);
	mock->dev.mmio.regs = (void __iomem *)mock->regs;
	manner = GOOD;
	requests = 0;
	if (efa_mmio_init(&mock->dev))
		return -ENOMEM;
	efa_mmio_program(&mock->dev);
	return 0;
}

static void mmio_exit(struct kunit *test)
{
	if (mock->dev.mmio.resp)
		efa_mmio_exit(&mock->dev);
	mock_destroy(test);
}

static void reads_return_the_value_of_their_register(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, real_mmio_read(&mock->dev, EFA_REG_VERSION),
			VALUE + EFA_REG_VERSION);
	KUNIT_EXPECT_EQ(test, real_mmio_read(&mock->dev, EFA_REG_DEV_STS),
			VALUE + EFA_REG_DEV_STS);
	KUNIT_EXPECT_EQ(test, requests, 2);
}

static void device_learns_where_to_answer(struct kunit *test)
{
	const u64 addr = mock->dev.mmio.resp_dma;

	KUNIT_EXPECT_EQ(test, mock->regs[EFA_REG_MMIO_RESP_LO / 4], lower_32_bits(addr));
	KUNIT_EXPECT_EQ(test, mock->regs[EFA_REG_MMIO_RESP_HI / 4], upper_32_bits(addr));
}

static void request_numbers_wrap(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 65536 + 3; i++)
		if (real_mmio_read(&mock->dev, EFA_REG_CAPS) != VALUE + EFA_REG_CAPS)
			break;
	KUNIT_EXPECT_EQ(test, i, 65536 + 3);
	KUNIT_EXPECT_EQ(test, last_id, 3);
}

static void expect_invalid_then_recovered(struct kunit *test, enum manner how)
{
	mock->dev.mmio.timeout_us = 2000;
	manner = how;
	KUNIT_EXPECT_EQ(test, real_mmio_read(&mock->dev, EFA_REG_CAPS), EFA_READLESS_INVALID);
	manner = GOOD;
	mock->dev.mmio.timeout_us = EFA_READLESS_TIMEOUT_US;
	KUNIT_EXPECT_EQ(test, real_mmio_read(&mock->dev, EFA_REG_CAPS), VALUE + EFA_REG_CAPS);
}

static void silence_is_invalid(struct kunit *test)
{
	expect_invalid_then_recovered(test, SILENT);
}

static void answer_of_another_register_is_invalid(struct kunit *test)
{
	expect_invalid_then_recovered(test, WRONG_OFFSET);
}

static void answer_with_another_number_is_invalid(struct kunit *test)
{
	expect_invalid_then_recovered(test, WRONG_ID);
}

static void answer_with_the_number_before_is_invalid(struct kunit *test)
{
	expect_invalid_then_recovered(test, LAST_ID);
}

/* R3 step 3: after a good read its answer still lies there. */
static void old_answer_is_not_taken_again(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, real_mmio_read(&mock->dev, EFA_REG_CAPS), VALUE + EFA_REG_CAPS);
	expect_invalid_then_recovered(test, SILENT);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(reads_return_the_value_of_their_register),
	KUNIT_CASE(device_learns_where_to_answer),
	KUNIT_CASE(request_numbers_wrap),
	KUNIT_CASE(silence_is_invalid),
	KUNIT_CASE(answer_of_another_register_is_invalid),
	KUNIT_CASE(answer_with_another_number_is_invalid),
	KUNIT_CASE(answer_with_the_number_before_is_invalid),
	KUNIT_CASE(old_answer_is_not_taken_again),
	{}
};

struct kunit_suite efa_register_read_suite = {
	.name = "efa_register_read",
	.init = mmio_init,
	.exit = mmio_exit,
	.test_cases = cases,
};
