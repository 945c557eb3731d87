/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The part of the kernel's types that the headers use. */
#ifndef STUB_LINUX_TYPES_H
#define STUB_LINUX_TYPES_H

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;

typedef struct {
	uint16_t raw;
} __le16;

typedef struct {
	uint32_t raw;
} __le32;

typedef struct {
	uint64_t raw;
} __le64;

#endif
