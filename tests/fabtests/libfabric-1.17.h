/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What fabtests 2.1 uses and the headers of libfabric 1.17 do not have, for a compilation with -include. The
 * options get values that 1.17 answers with an error; memory of accelerators is not tested.
 */
#ifndef EFA_TESTS_LIBFABRIC_1_17_H
#define EFA_TESTS_LIBFABRIC_1_17_H

#include <stddef.h>
#include <stdint.h>

struct fi_mr_dmabuf {
	int fd;
	uint64_t offset;
	size_t len;
	void *base_addr;
};

#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

/* struct fi_mr_attr has no such member: the pointer lands in the one that means the same for host memory. */
#define dmabuf mr_iov
#define FI_MR_DMABUF (1ULL << 40)
#define FI_PROTO_LPP 0x7fff

enum {
	FI_PROGRESS_CONTROL_UNIFIED = 0x7f00,
	FI_OPT_MAX_MSG_SIZE = 0x7f00,
	FI_OPT_INJECT_MSG_SIZE,
	FI_OPT_INJECT_TAGGED_SIZE,
	FI_OPT_INJECT_RMA_SIZE,
	FI_OPT_CUDA_API_PERMITTED,
	FI_OPT_EFA_EMULATED_READ,
};

/* fabtests ask for the API of 1.21, which a library of 1.17 refuses. */
#define fi_getinfo(version, ...) fi_getinfo(FI_VERSION(1, 17), __VA_ARGS__)

static inline int fi_hmem_ze_device(int driver_index, int device_index)
{
	return driver_index << 16 | device_index;
}

#endif
