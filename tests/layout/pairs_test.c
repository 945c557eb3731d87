// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Numbers stored in several words: addresses and 64-bit request ids. */
#include <stdio.h>
#include <string.h>

#include "efa_hw.h"

static const uint64_t number = 0x0123456789abcdefull;

/* The eight bytes of `number` as the device sees them. */
static const unsigned char bytes[8] = {0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};

static int failures;

static void expect(int ok, const char *what)
{
	if (!ok) {
		printf("pairs: %s\n", what);
		failures++;
	}
}

/* Writing must touch the given byte ranges only, in little-endian order. */
static void expect_bytes(const void *object, size_t size, size_t lo, size_t hi, size_t lo_size,
			 const char *what)
{
	unsigned char want[64];

	memset(want, 0xff, size);
	memcpy(want + lo, bytes, lo_size);
	memcpy(want + hi, bytes + lo_size, 8 - lo_size);
	expect(memcmp(object, want, size) == 0, what);
}

#define ROUND_TRIP(type, get, set, lo, hi, lo_size)                                                \
	do {                                                                                       \
		struct type object;                                                                \
		memset(&object, 0xff, sizeof(object));                                             \
		set(&object, number);                                                              \
		expect_bytes(&object, sizeof(object), lo, hi, lo_size, #set);                      \
		expect(get(&object) == number, #get);                                              \
	} while (0)

int main(void)
{
	ROUND_TRIP(efa_mem_addr, efa_mem_addr_get, efa_mem_addr_set, 0, 4, 4);
	ROUND_TRIP(efa_tx_buf_desc, efa_tx_buf_desc_addr, efa_tx_buf_desc_set_addr, 8, 12, 4);
	ROUND_TRIP(efa_remote_mem_addr, efa_remote_mem_addr_addr, efa_remote_mem_addr_set_addr, 8,
		   12, 4);
	ROUND_TRIP(efa_rx_desc, efa_rx_desc_addr, efa_rx_desc_set_addr, 0, 4, 4);
	ROUND_TRIP(efa_tx_meta_desc, efa_tx_meta_desc_req_id64, efa_tx_meta_desc_set_req_id64, 0,
		   26, 2);
	ROUND_TRIP(efa_tx_cdesc, efa_tx_cdesc_req_id64, efa_tx_cdesc_set_req_id64, 0, 6, 2);
	return failures != 0;
}
