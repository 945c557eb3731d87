// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Checksums and the two entry formats (device-admin A2). */
#include "../efa_aq_entry.c"

#include "mock_device.h"
#include "suites.h"

static const struct vector {
	const char *name;
	const char *bytes;
	size_t size;
	bool counting; /* bytes 0, 1, 2 ... instead of zeros where bytes is NULL */
	u16 crc;
} vectors[] = {
	{ "the usual nine digits", "123456789", 9, false, 0xb4c8 },
	{ "64 zeros", NULL, 64, false, 0xd0bf },
	{ "0 to 63", NULL, 64, true, 0xf726 },
	{ "128 zeros", NULL, 128, false, 0x0401 },
	{ "0 to 127", NULL, 128, true, 0xfd25 },
};

static void vector_name(const struct vector *vector, char *name)
{
	strscpy(name, vector->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(vector, vectors, vector_name);

static void vector_bytes(const struct vector *vector, u8 *bytes)
{
	size_t i;

	for (i = 0; i < vector->size; i++)
		bytes[i] = vector->bytes ? vector->bytes[i] : vector->counting ? i : 0;
}

static void checksum_is_that_of_the_specification(struct kunit *test)
{
	const struct vector *vector = test->param_value;
	u8 bytes[128];

	vector_bytes(vector, bytes);
	KUNIT_EXPECT_EQ(test, efa_crc(bytes, vector->size), vector->crc);
	/* the mock device computes its own way; a common error would hide here otherwise */
	KUNIT_EXPECT_EQ(test, mock_crc16(bytes, vector->size), vector->crc);
}

static struct efa_acq_entry sample_entry(void)
{
	struct efa_acq_entry entry = {
		.acq_common_desc = { .command = cpu_to_le16(0x20), .flags = 1 },
	};

	((struct efa_acq_common_desc_02 *)&entry)->checksum = cpu_to_le16(0x084a);
	return entry;
}

static void completion_of_the_specification_is_intact(struct kunit *test)
{
	struct efa_acq_entry entry = sample_entry();

	KUNIT_EXPECT_TRUE(test, efa_acq_entry_intact(&entry));
}

static void every_flipped_bit_is_found(struct kunit *test)
{
	struct efa_acq_entry entry = sample_entry();
	u8 *bytes = (u8 *)&entry;
	unsigned int bit;

	for (bit = 0; bit < 8 * sizeof(entry); bit++) {
		bytes[bit / 8] ^= BIT(bit % 8);
		KUNIT_EXPECT_FALSE_MSG(test, efa_acq_entry_intact(&entry), "bit %u", bit);
		bytes[bit / 8] ^= BIT(bit % 8);
	}
}

static void looking_changes_nothing(struct kunit *test)
{
	struct efa_acq_entry entry = sample_entry();
	const struct efa_acq_entry before = entry;

	efa_acq_entry_intact(&entry);
	KUNIT_EXPECT_EQ(test, memcmp(&entry, &before, sizeof(entry)), 0);
}

static void format_1_is_the_command_and_zeros(struct kunit *test)
{
	u8 entry[EFA_AQ_ENTRY_SIZE_V2], cmd[12];

	memset(entry, 0xee, sizeof(entry));
	memset(cmd, 0x11, sizeof(cmd));
	efa_aq_entry_fill(entry, EFA_AQ_ENTRY_SIZE_V1, cmd, sizeof(cmd));
	KUNIT_EXPECT_EQ(test, memcmp(entry, cmd, sizeof(cmd)), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(entry + sizeof(cmd), 0,
					   EFA_AQ_ENTRY_SIZE_V1 - sizeof(cmd)));
	/* and not a byte more */
	KUNIT_EXPECT_NULL(test, memchr_inv(entry + EFA_AQ_ENTRY_SIZE_V1, 0xee,
					   sizeof(entry) - EFA_AQ_ENTRY_SIZE_V1));
}

static void format_2_moves_the_payload_by_8(struct kunit *test)
{
	u8 entry[EFA_AQ_ENTRY_SIZE_V2], cmd[EFA_AQ_ENTRY_SIZE_V1];
	u16 checksum;
	size_t i;

	memset(entry, 0xee, sizeof(entry));
	for (i = 0; i < sizeof(cmd); i++)
		cmd[i] = i + 1;
	efa_aq_entry_fill(entry, sizeof(entry), cmd, sizeof(cmd));
	KUNIT_EXPECT_EQ(test, memcmp(entry, cmd, 4), 0);
	KUNIT_EXPECT_EQ(test, memcmp(entry + 12, cmd + 4, sizeof(cmd) - 4), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(entry + 6, 0, 6)); /* payload_ver, reserved */
	KUNIT_EXPECT_NULL(test, memchr_inv(entry + 72, 0, sizeof(entry) - 72));
	checksum = entry[4] | entry[5] << 8;
	entry[4] = 0;
	entry[5] = 0;
	KUNIT_EXPECT_EQ(test, checksum, mock_crc16(entry, sizeof(entry)));
}

/* verbs A8.9; names are for people, so only that there is one, always. */
static void every_number_has_a_name_and_an_error(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i <= U8_MAX; i++) {
		KUNIT_EXPECT_NOT_NULL(test, efa_aq_opcode_name(i));
		KUNIT_EXPECT_NOT_NULL(test, efa_aq_status_name(i));
		KUNIT_EXPECT_EQ(test, efa_aq_status_to_errno(i) == 0, i == 0);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(checksum_is_that_of_the_specification, vector_gen_params),
	KUNIT_CASE(completion_of_the_specification_is_intact),
	KUNIT_CASE(every_flipped_bit_is_found),
	KUNIT_CASE(looking_changes_nothing),
	KUNIT_CASE(format_1_is_the_command_and_zeros),
	KUNIT_CASE(format_2_moves_the_payload_by_8),
	KUNIT_CASE(every_number_has_a_name_and_an_error),
	{}
};

struct kunit_suite efa_checksum_suite = {
	.name = "efa_checksum",
	.test_cases = cases,
};
