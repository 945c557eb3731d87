/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Types of the device contract and the macros that name its bit ranges.
 *
 * The headers of this folder are the only place with device offsets and masks.
 * They are read by the kernel driver (kernel C), the provider (C++20) and the
 * emulator, so all of them agree by construction. The names are those of
 * device-layout.csv; tests/layout checks every row of that table.
 *
 * No structure here needs packing: the layout has no hidden padding
 * (device.md 0) and every integer lies at a multiple of its size.
 */
#ifndef EFA_TYPES_H
#define EFA_TYPES_H

/*
 * Multi-byte device fields are little-endian. The kernel keeps them apart from
 * host integers so that sparse finds a missing conversion; user space only
 * supports little-endian hosts, where both are the same.
 */
#ifdef __KERNEL__

#include <linux/types.h>
#include <asm/byteorder.h>

typedef __le16 efa_le16;
typedef __le32 efa_le32;
typedef __le64 efa_le64;

#define EFA_FROM_LE16(x) le16_to_cpu(x)
#define EFA_FROM_LE32(x) le32_to_cpu(x)
#define EFA_TO_LE16(x)	 cpu_to_le16(x)
#define EFA_TO_LE32(x)	 cpu_to_le32(x)

#else

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "EFA user space needs a little-endian host"
#endif

typedef uint16_t efa_le16;
typedef uint32_t efa_le32;
typedef uint64_t efa_le64;

#define EFA_FROM_LE16(x) ((uint16_t)(x))
#define EFA_FROM_LE32(x) ((uint32_t)(x))
#define EFA_TO_LE16(x)	 ((uint16_t)(x))
#define EFA_TO_LE32(x)	 ((uint32_t)(x))

#endif

#define EFA_FROM_HOST(x) ((uint32_t)(x))
#define EFA_TO_HOST8(x)	 ((uint8_t)(x))
#define EFA_TO_HOST16(x) ((uint16_t)(x))
#define EFA_TO_HOST32(x) ((uint32_t)(x))

/*
 * C++20 deprecates arithmetic between two enums, which OR-ing two masks would
 * be; there the constants are integers and the accessors work at compile time.
 * In C, __extension__ admits masks with bit 31 under -Wpedantic.
 */
#ifdef __cplusplus
#define EFA_ACCESSOR		     constexpr
#define EFA_STATIC_ASSERT(cond, msg) static_assert(cond, msg)
#define EFA_BIT_CONSTANTS(NAME, shift, width)                                                      \
	inline constexpr uint32_t EFA_##NAME##_SHIFT = (shift);                                    \
	inline constexpr uint32_t EFA_##NAME##_MASK = EFA_BIT_MASK(shift, width)
#else
#define EFA_ACCESSOR		     static inline
#define EFA_STATIC_ASSERT(cond, msg) _Static_assert(cond, msg)
#define EFA_BIT_CONSTANTS(NAME, shift, width)                                                      \
	__extension__ enum {                                                                       \
		EFA_##NAME##_SHIFT = (shift),                                                      \
		EFA_##NAME##_MASK = EFA_BIT_MASK(shift, width)                                     \
	}
#endif

#define EFA_BIT_MASK(shift, width) ((0xffffffffu >> (32 - (width))) << (shift))

/*
 * A bit range of a bare 32-bit word (registers and doorbells). Defines
 * EFA_<NAME>_SHIFT and _MASK, the getter efa_<word>_<bit>(v), and
 * efa_<word>_set_<bit>(v, x), which returns v with only these bits replaced.
 */
#define EFA_WORD_BITS(word, bit, shift, width, NAME)                                               \
	EFA_BIT_CONSTANTS(NAME, shift, width);                                                     \
	EFA_ACCESSOR uint32_t efa_##word##_##bit(uint32_t v)                                       \
	{                                                                                          \
		return (v & EFA_BIT_MASK(shift, width)) >> (shift);                                \
	}                                                                                          \
	EFA_ACCESSOR uint32_t efa_##word##_set_##bit(uint32_t v, uint32_t x)                       \
	{                                                                                          \
		return (v & ~EFA_BIT_MASK(shift, width)) |                                         \
		       ((x << (shift)) & EFA_BIT_MASK(shift, width));                              \
	}                                                                                          \
	EFA_STATIC_ASSERT((shift) + (width) <= 32, #word "." #bit " leaves its word")

/*
 * A bit range of a structure's integer. Defines EFA_<NAME>_SHIFT and _MASK,
 * the getter efa_<type>_<bit>(const struct efa_<type> *), host order, and the
 * setter efa_<type>_set_<bit>(struct efa_<type> *, x), which replaces only
 * these bits.
 */
#define EFA_STRUCT_BITS(type, field, bits, load, store, bit, shift, width, NAME)                   \
	EFA_BIT_CONSTANTS(NAME, shift, width);                                                     \
	EFA_ACCESSOR uint32_t efa_##type##_##bit(const struct efa_##type *p)                       \
	{                                                                                          \
		return (load(p->field) & EFA_BIT_MASK(shift, width)) >> (shift);                   \
	}                                                                                          \
	EFA_ACCESSOR void efa_##type##_set_##bit(struct efa_##type *p, uint32_t x)                 \
	{                                                                                          \
		p->field = store((load(p->field) & ~EFA_BIT_MASK(shift, width)) |                  \
				 ((x << (shift)) & EFA_BIT_MASK(shift, width)));                   \
	}                                                                                          \
	EFA_STATIC_ASSERT(sizeof(((struct efa_##type *)0)->field) * 8 == (bits) &&                 \
				  (shift) + (width) <= (bits),                                     \
			  #type "." #bit " does not fit its integer")

#define EFA_BITS8(type, field, bit, shift, width, NAME)                                            \
	EFA_STRUCT_BITS(type, field, 8, EFA_FROM_HOST, EFA_TO_HOST8, bit, shift, width, NAME)
#define EFA_BITS16(type, field, bit, shift, width, NAME)                                           \
	EFA_STRUCT_BITS(type, field, 16, EFA_FROM_LE16, EFA_TO_LE16, bit, shift, width, NAME)
#define EFA_BITS32(type, field, bit, shift, width, NAME)                                           \
	EFA_STRUCT_BITS(type, field, 32, EFA_FROM_LE32, EFA_TO_LE32, bit, shift, width, NAME)

/* The same for host-order integers, which the kernel-to-user ABI uses. */
#define EFA_HOST_BITS16(type, field, bit, shift, width, NAME)                                      \
	EFA_STRUCT_BITS(type, field, 16, EFA_FROM_HOST, EFA_TO_HOST16, bit, shift, width, NAME)
#define EFA_HOST_BITS32(type, field, bit, shift, width, NAME)                                      \
	EFA_STRUCT_BITS(type, field, 32, EFA_FROM_HOST, EFA_TO_HOST32, bit, shift, width, NAME)

/* A 64-bit address stored as two words, low first. */
EFA_ACCESSOR uint64_t efa_addr_join(efa_le32 lo, efa_le32 hi)
{
	return (uint64_t)EFA_FROM_LE32(hi) << 32 | EFA_FROM_LE32(lo);
}

EFA_ACCESSOR void efa_addr_split(uint64_t addr, efa_le32 *lo, efa_le32 *hi)
{
	*lo = EFA_TO_LE32((uint32_t)addr);
	*hi = EFA_TO_LE32((uint32_t)(addr >> 32));
}

#endif
