/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Conversions of a little-endian host. */
#ifndef STUB_ASM_BYTEORDER_H
#define STUB_ASM_BYTEORDER_H

#include <linux/types.h>

static inline uint16_t le16_to_cpu(__le16 v)
{
	return v.raw;
}

static inline uint32_t le32_to_cpu(__le32 v)
{
	return v.raw;
}

static inline __le16 cpu_to_le16(uint16_t v)
{
	return (__le16){v};
}

static inline __le32 cpu_to_le32(uint32_t v)
{
	return (__le32){v};
}

#endif
