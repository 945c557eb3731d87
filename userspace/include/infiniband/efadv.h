/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * EFA direct verbs: what an EFA device offers beyond <infiniband/verbs.h>.
 *
 * Names, values and layouts are those of the efadv interface at the level of rdma-core 65
 * (spec verbs B6); programs written for any earlier level compile and run unchanged. "Since" below
 * names the rdma-core release whose libefa first had the function. This library has all of them,
 * whichever release of libibverbs it is built for (44, 56, 65); only efadv_create_comp_cntr() needs
 * 65.
 *
 * Extensible structures are passed with their size in bytes, `inlen`:
 *   - smaller than the first published form of the structure: EINVAL;
 *   - smaller than here: members beyond inlen are neither read nor written;
 *   - larger than here: for a structure that is read, the extra bytes must be 0, else EINVAL; for
 * one that is filled in, see each function. `comp_mask` is reserved. The caller sets it to 0 in
 * what is read; the library sets it to 0 in what it fills in. Reserved members must be 0.
 *
 * Every function but the two efadv_*_from_* casts checks that its object belongs to an EFA device
 * opened through this very library, and fails with EOPNOTSUPP if not. Two copies of libefa in one
 * process therefore do not know each other's objects.
 *
 * Functions may be called from several threads at once, unless their description says otherwise.
 * Objects are destroyed with the functions of libibverbs.
 */
/* The guard has the traditional name, so that this header and an installed older one exclude each
 * other. */
#ifndef __EFADV_H__
#define __EFADV_H__

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>     /* not needed here; programs have come to rely on it */
#include <sys/types.h> /* likewise */

#ifdef __cplusplus
extern "C" {
#endif

/* Defined by <infiniband/verbs.h> from rdma-core 65 on. */
struct ibv_comp_cntr;
struct ibv_comp_cntr_init_attr;

/* ---- Device ------------------------------------------------------------------------------- */

/* efadv_device_attr.device_caps */
enum {
  EFADV_DEVICE_ATTR_CAPS_RDMA_READ = 1 << 0,    /* RDMA read */
  EFADV_DEVICE_ATTR_CAPS_RNR_RETRY = 1 << 1,    /* rnr_retry of an SRD QP can be set */
  EFADV_DEVICE_ATTR_CAPS_CQ_WITH_SGID = 1 << 2, /* EFADV_WC_EX_WITH_SGID */
  EFADV_DEVICE_ATTR_CAPS_RDMA_WRITE = 1 << 3,   /* RDMA write, with and without immediate */
  EFADV_DEVICE_ATTR_CAPS_UNSOLICITED_WRITE_RECV = 1
                                                  << 4, /* EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV */
  EFADV_DEVICE_ATTR_CAPS_CQ_WITH_EXT_MEM_DMABUF = 1 << 5, /* EFADV_CQ_INIT_FLAGS_EXT_MEM_DMABUF */
  EFADV_DEVICE_ATTR_CAPS_COMP_CNTR = 1 << 6,              /* completion counters */
};

/* First published size: 24 bytes. */
struct efadv_device_attr {
  uint64_t comp_mask;
  uint32_t max_sq_wr;          /* work requests of a send queue at minimal inline size */
  uint32_t max_rq_wr;          /* descriptors of a receive queue */
  uint16_t max_sq_sge;         /* segments of a send */
  uint16_t max_rq_sge;         /* segments of a receive */
  uint16_t inline_buf_size;    /* bytes of inline data in a 64-byte WQE */
  uint16_t inline_buf_size_ex; /* bytes of inline data in the widest WQE (rdma-core 63) */
  uint32_t device_caps;        /* EFADV_DEVICE_ATTR_CAPS_* */
  uint32_t max_rdma_size;      /* bytes of one RDMA read or write */
};

/**
 * efadv_query_device() - what the device can do, beyond ibv_query_device_ex().
 * @ibvctx: an opened EFA device.
 * @attr:   filled in. The bits RDMA_READ and RDMA_WRITE are only reported to callers whose inlen
 *          covers max_rdma_size. Bytes beyond this structure are set to 0.
 * @inlen:  size of *attr in bytes, 24 or more.
 *
 * Return: 0, or a positive errno: EINVAL (inlen), EOPNOTSUPP (not an EFA device), or an error of
 * the kernel. Since 26.
 */
int efadv_query_device(struct ibv_context* ibvctx, struct efadv_device_attr* attr, uint32_t inlen);

/* ---- Address handles ---------------------------------------------------------------------- */

/* First published size: 10 bytes (up to ahn). */
struct efadv_ah_attr {
  uint64_t comp_mask;
  uint16_t ahn; /* the device's number of the address handle */
  uint8_t reserved[6];
};

/**
 * efadv_query_ah() - the device's number of an address handle.
 * @ibvah: an address handle of an EFA device.
 * @attr:  filled in. Two handles of one protection domain with the same GID may have the same
 * number. Receive completions report the number of the sender as slid. Bytes beyond this structure
 *         are set to 0.
 * @inlen: size of *attr in bytes, 10 or more.
 *
 * Return: 0, or a positive errno: EINVAL (inlen), EOPNOTSUPP (not an EFA device). No system call.
 * Since 26.
 */
int efadv_query_ah(struct ibv_ah* ibvah, struct efadv_ah_attr* attr, uint32_t inlen);

/* ---- Memory regions ----------------------------------------------------------------------- */

/* efadv_mr_attr.ic_id_validity */
enum {
  EFADV_MR_ATTR_VALIDITY_RECV_IC_ID = 1 << 0,
  EFADV_MR_ATTR_VALIDITY_RDMA_READ_IC_ID = 1 << 1,
  EFADV_MR_ATTR_VALIDITY_RDMA_RECV_IC_ID = 1 << 2,
};

/* First published size: 16 bytes. */
struct efadv_mr_attr {
  uint64_t comp_mask;
  uint16_t ic_id_validity;  /* EFADV_MR_ATTR_VALIDITY_*: which of the following are set */
  uint16_t recv_ic_id;      /* interconnect by which receives reach the memory */
  uint16_t rdma_read_ic_id; /* ... by which the device writes the data of its RDMA reads */
  uint16_t rdma_recv_ic_id; /* ... by which RDMA writes of peers arrive */
};

/**
 * efadv_query_mr() - the physical interconnects that the device uses for a memory region.
 * @ibvmr: a memory region of an EFA device.
 * @attr:  filled in; a member without its validity bit has no meaning. Bytes beyond this structure
 *         are set to 0.
 * @inlen: size of *attr in bytes, 16 or more.
 *
 * Return: 0, or a positive errno: EINVAL (inlen), EOPNOTSUPP (not an EFA device), EPROTONOSUPPORT
 * or ENOTTY (a kernel driver without this query, such as those for Linux 6.1). Since 50.
 */
int efadv_query_mr(struct ibv_mr* ibvmr, struct efadv_mr_attr* attr, uint32_t inlen);

/* ---- Completion queues -------------------------------------------------------------------- */

/* efadv_cq_init_attr.wc_flags: what completions report beyond ibv_cq_init_attr_ex.wc_flags. */
enum {
  EFADV_WC_EX_WITH_SGID = 1 << 0,           /* GID of senders without an address handle here */
  EFADV_WC_EX_WITH_IS_UNSOLICITED = 1 << 1, /* was there a receive request (rdma-core 52) */
};

/* efadv_cq_init_attr.flags */
enum {
  EFADV_CQ_INIT_FLAGS_EXT_MEM_DMABUF = 1 << 0, /* the ring is in ext_mem_dmabuf (rdma-core 59) */
};

/* First published size: 16 bytes (up to wc_flags). */
struct efadv_cq_init_attr {
  uint64_t comp_mask;
  uint64_t wc_flags; /* EFADV_WC_EX_WITH_* */
  uint64_t flags;    /* EFADV_CQ_INIT_FLAGS_* */
  struct {
    uint8_t* buffer; /* where this process sees the memory; NULL: it never polls the CQ itself */
    uint64_t length; /* bytes, at least the ring rounded up to whole pages */
    uint64_t offset; /* bytes from the start of the DMA buffer */
    int32_t fd;      /* the DMA buffer */
    uint8_t reserved[4];
  } ext_mem_dmabuf;
};

/* The EFA side of an extended CQ. Call its operations through the inline functions below. */
struct efadv_cq {
  uint64_t comp_mask;
  int (*wc_read_sgid)(struct efadv_cq* efadv_cq, union ibv_gid* sgid);
  bool (*wc_is_unsolicited)(struct efadv_cq* efadv_cq);
};

/**
 * efadv_create_cq() - an extended CQ with EFA's own properties.
 * @ibvctx:   an opened EFA device.
 * @attr_ex:  as for ibv_create_cq_ex(). cqe is rounded up to a power of two.
 * @efa_attr: what is EFA's own.
 * @inlen:    size of *efa_attr in bytes, 16 or more.
 *
 * Return: the CQ, or NULL and errno: EINVAL (inlen, comp_mask, cqe 0 or above max_cqe, vector,
 * ext_mem_dmabuf too short), EOPNOTSUPP (a flag that the device lacks or nobody knows, a completion
 * channel on a device without notifications, not an EFA device), ENOMEM, or an error of the kernel.
 * Since 43.
 */
struct ibv_cq_ex* efadv_create_cq(struct ibv_context* ibvctx, struct ibv_cq_init_attr_ex* attr_ex,
                                  struct efadv_cq_init_attr* efa_attr, uint32_t inlen);

/**
 * efadv_cq_from_ibv_cq_ex() - the EFA side of an extended CQ.
 * @ibvcqx: a CQ from efadv_create_cq(). No check is made.
 *
 * Return: part of the same object; never NULL, not to be freed. No system call. Since 43.
 */
struct efadv_cq* efadv_cq_from_ibv_cq_ex(struct ibv_cq_ex* ibvcqx);

/**
 * efadv_wc_read_sgid() - GID of the sender of the current completion.
 * @efadv_cq: a CQ created with EFADV_WC_EX_WITH_SGID, between ibv_start_poll() and ibv_end_poll().
 * @sgid:     set to the GID when 0 is returned.
 *
 * Return: 0, or -ENOENT when the sender has an address handle here: its number is
 * ibv_wc_read_slid(). To be called by the thread that polls. Since 43.
 */
static inline int efadv_wc_read_sgid(struct efadv_cq* efadv_cq, union ibv_gid* sgid) {
  return efadv_cq->wc_read_sgid(efadv_cq, sgid);
}

/**
 * efadv_wc_is_unsolicited() - did the current completion come without a receive request?
 * @efadv_cq: a CQ created with EFADV_WC_EX_WITH_IS_UNSOLICITED, between ibv_start_poll() and
 *            ibv_end_poll().
 *
 * Return: true for an RDMA write with immediate to a QP with EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV.
 * Its wr_id is 0 and no posted receive was used. To be called by the thread that polls. Since 52.
 */
static inline bool efadv_wc_is_unsolicited(struct efadv_cq* efadv_cq) {
  return efadv_cq->wc_is_unsolicited(efadv_cq);
}

/* First published size: 24 bytes (up to num_entries). */
struct efadv_cq_attr {
  uint64_t comp_mask;
  uint8_t* buffer;      /* the ring; NULL: external memory that the process does not see */
  uint32_t entry_size;  /* bytes of a completion */
  uint32_t num_entries; /* completions of the ring (of each one, on devices with sub-CQs) */
  uint32_t* doorbell;   /* arms notifications; NULL: the CQ has none */
};

/**
 * efadv_query_cq() - where the ring of a CQ is, for programs that read it themselves.
 * @ibvcq: a CQ of an EFA device.
 * @attr:  filled in up to inlen; bytes beyond this structure are left as they are.
 * @inlen: size of *attr in bytes, 24 or more.
 *
 * The memory belongs to the CQ and goes away with it. Who reads it must not poll by libibverbs too.
 *
 * Return: 0, or a positive errno: EINVAL (inlen), EOPNOTSUPP (not an EFA device). No system call.
 * Since 59.
 */
int efadv_query_cq(struct ibv_cq* ibvcq, struct efadv_cq_attr* attr, uint32_t inlen);

/* ---- Queue pairs -------------------------------------------------------------------------- */

/* driver_qp_type */
enum {
  EFADV_QP_DRIVER_TYPE_SRD = 0, /* scalable reliable datagram: reliable, unordered */
};

/* efadv_qp_init_attr.flags */
enum {
  EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV =
      1 << 0,                           /* writes with immediate use no posted receive (52) */
  EFADV_QP_FLAGS_INLINE_WRITE = 1 << 1, /* inline data in RDMA writes (rdma-core 63) */
};

/* efadv_qp_init_attr.wr_flags: setters of struct efadv_qp that will be used. */
enum {
  EFADV_WR_EX_WITH_PROCESSING_HINTS = 1 << 0, /* (rdma-core 64) */
};

/* First published size: 12 bytes (up to driver_qp_type). */
struct efadv_qp_init_attr {
  uint64_t comp_mask;
  uint32_t driver_qp_type; /* EFADV_QP_DRIVER_TYPE_* */
  uint16_t flags;          /* EFADV_QP_FLAGS_* */
  uint8_t sl;              /* service level; 0 is the device's default (rdma-core 55) */
  uint8_t reserved;
  uint64_t wr_flags; /* EFADV_WR_EX_WITH_* */
};

/* Bits of efadv_wr_set_processing_hints(). */
enum efadv_wr_processing_hint {
  EFADV_WR_PROCESSING_HINT_BURST_PPS_SENSITIVE = 1
                                                 << 0, /* bursts of small messages; rate matters */
};

/* The EFA side of an extended QP. Call its operations through the inline functions below. */
struct efadv_qp {
  uint64_t comp_mask;
  void (*wr_set_processing_hints)(struct efadv_qp* efadv_qp, uint32_t hints);
};

/**
 * efadv_create_driver_qp() - an SRD queue pair for ibv_post_send() and ibv_post_recv().
 * @ibvpd:          protection domain.
 * @attr:           qp_type must be IBV_QPT_DRIVER; cap is rounded up and written back.
 * @driver_qp_type: EFADV_QP_DRIVER_TYPE_SRD.
 *
 * Sends only: RDMA and inline data above inline_buf_size need efadv_create_qp_ex().
 *
 * Return: the QP in state RESET, or NULL and errno: EINVAL (qp_type, a missing CQ, an SRQ, cap
 * above the device's limits), EOPNOTSUPP (driver_qp_type, not an EFA device), ENOMEM, or an error
 * of the kernel. Since 24.
 */
struct ibv_qp* efadv_create_driver_qp(struct ibv_pd* ibvpd, struct ibv_qp_init_attr* attr,
                                      uint32_t driver_qp_type);

/**
 * efadv_create_qp_ex() - an SRD queue pair for the ibv_wr_* builder.
 * @ibvctx:   an opened EFA device.
 * @attr_ex:  as for ibv_create_qp_ex(), with qp_type IBV_QPT_DRIVER and a pd. send_ops_flags may
 * have SEND, SEND_WITH_IMM, and by capability RDMA_READ, RDMA_WRITE, RDMA_WRITE_WITH_IMM. cap is
 *            rounded up and written back.
 * @efa_attr: what is EFA's own.
 * @inlen:    size of *efa_attr in bytes, 12 or more.
 *
 * Return: the QP in state RESET, or NULL and errno: EINVAL (inlen, comp_mask or reserved of
 * efa_attr, qp_type, a missing PD or CQ, an SRQ, cap above the device's limits), EOPNOTSUPP (a flag
 * or operation that the device lacks or nobody knows, driver_qp_type, not an EFA device), ENOMEM,
 * or an error of the kernel. Since 26.
 */
struct ibv_qp* efadv_create_qp_ex(struct ibv_context* ibvctx, struct ibv_qp_init_attr_ex* attr_ex,
                                  struct efadv_qp_init_attr* efa_attr, uint32_t inlen);

/**
 * efadv_qp_from_ibv_qp_ex() - the EFA side of an extended QP.
 * @ibvqpx: ibv_qp_to_qp_ex() of a QP from efadv_create_qp_ex(). No check is made.
 *
 * Return: part of the same object; never NULL, not to be freed. Its setters are NULL unless
 * wr_flags asked for them. No system call. Since 64.
 */
struct efadv_qp* efadv_qp_from_ibv_qp_ex(struct ibv_qp_ex* ibvqpx);

/**
 * efadv_wr_set_processing_hints() - how the device should treat the current work request.
 * @efadv_qp: a QP created with EFADV_WR_EX_WITH_PROCESSING_HINTS, after an operation such as
 *            ibv_wr_send() and before the next one or ibv_wr_complete().
 * @hints:    EFADV_WR_PROCESSING_HINT_*, or'ed. Unknown bits are ignored.
 *
 * To be called by the thread that builds the request. Since 64.
 */
static inline void efadv_wr_set_processing_hints(struct efadv_qp* efadv_qp, uint32_t hints) {
  efadv_qp->wr_set_processing_hints(efadv_qp, hints);
}

/* efadv_wq_attr.caps */
enum {
  EFADV_WQ_CAPS_64_BIT_REQ_ID =
      1 << 0, /* requests and completions carry 64-bit ids (rdma-core 65) */
};

/* First published size: 36 bytes (up to max_batch). */
struct efadv_wq_attr {
  uint64_t comp_mask;
  uint8_t* buffer;      /* SQ: device memory, write only; RQ: ring in host memory */
  uint32_t entry_size;  /* bytes of a WQE (SQ) or descriptor (RQ) */
  uint32_t num_entries; /* of the ring, a power of two */
  uint32_t* doorbell;   /* takes the 16-bit count of entries written so far */
  uint32_t max_batch;   /* entries that may be written between two doorbells */
  uint16_t caps;        /* EFADV_WQ_CAPS_* */
  uint8_t reserved[2];
};

/**
 * efadv_query_qp_wqs() - where the queues of a QP are, for programs that write them themselves.
 * @ibvqp:   a QP of an EFA device.
 * @sq_attr: filled in for the send queue up to inlen; bytes beyond this structure are left as they
 *           are.
 * @rq_attr: the same for the receive queue.
 * @inlen:   size of each of the two in bytes, 36 or more.
 *
 * The memory belongs to the QP and goes away with it. Who writes it must not post by libibverbs
 * too.
 *
 * Return: 0, or a positive errno: EINVAL (inlen), EOPNOTSUPP (not an EFA device). No system call.
 * Since 59.
 */
int efadv_query_qp_wqs(struct ibv_qp* ibvqp, struct efadv_wq_attr* sq_attr,
                       struct efadv_wq_attr* rq_attr, uint32_t inlen);

/* ---- Queue depths ------------------------------------------------------------------------- */

/* efadv_sq_depth_attr.flags */
enum {
  EFADV_SQ_DEPTH_ATTR_INLINE_WRITE = 1 << 0, /* as EFADV_QP_FLAGS_INLINE_WRITE */
};

/* First published size: 24 bytes. */
struct efadv_sq_depth_attr {
  uint64_t comp_mask;
  uint32_t flags;           /* EFADV_SQ_DEPTH_ATTR_* */
  uint32_t max_send_sge;    /* segments of a send */
  uint32_t max_rdma_sge;    /* segments of an RDMA read or write */
  uint32_t max_inline_data; /* bytes */
};

/* First published size: 12 bytes (up to max_recv_sge). */
struct efadv_rq_depth_attr {
  uint64_t comp_mask;
  uint32_t max_recv_sge; /* segments of a receive, at least 1 */
};

/**
 * efadv_get_max_sq_depth() - how many work requests a send queue of these properties can have.
 * @ibvctx: an opened EFA device.
 * @attr:   what the QP will be created with. Wide inline data and inline writes need 128-byte WQEs,
 *          which halve the depth.
 * @inlen:  size of *attr in bytes, 24 or more.
 *
 * Return: the depth (a power of two), or a negative errno: -EINVAL (inlen, comp_mask, flags, a
 * member above the device's limit), -EOPNOTSUPP (not an EFA device). No system call. Since 63.
 */
int efadv_get_max_sq_depth(struct ibv_context* ibvctx, struct efadv_sq_depth_attr* attr,
                           uint32_t inlen);

/**
 * efadv_get_max_rq_depth() - how many work requests a receive queue of these properties can have.
 * @ibvctx: an opened EFA device.
 * @attr:   what the QP will be created with.
 * @inlen:  size of *attr in bytes, 12 or more.
 *
 * Return: the depth, or a negative errno: -EINVAL (inlen, comp_mask, max_recv_sge 0 or above the
 * device's limit), -EOPNOTSUPP (not an EFA device). No system call. Since 63.
 */
int efadv_get_max_rq_depth(struct ibv_context* ibvctx, struct efadv_rq_depth_attr* attr,
                           uint32_t inlen);

/* ---- Completion counters ------------------------------------------------------------------ */

/* efadv_memory_location.type */
enum {
  EFADV_MEMORY_LOCATION_VA = 0,     /* ptr */
  EFADV_MEMORY_LOCATION_DMABUF = 1, /* dmabuf, and ptr if this process sees the memory */
};

/* Eight bytes for a counter, aligned to 8. */
struct efadv_memory_location {
  uint8_t* ptr;
  struct {
    uint64_t offset; /* bytes from the start of the DMA buffer */
    int32_t fd;
    uint32_t reserved;
  } dmabuf;
  uint8_t type; /* EFADV_MEMORY_LOCATION_* */
  uint8_t reserved[7];
};

/* efadv_comp_cntr_init_attr.flags: which counter lies in memory of the caller. */
enum {
  EFADV_COMP_CNTR_INIT_WITH_COMP_EXTERNAL_MEM = 1 << 0,
  EFADV_COMP_CNTR_INIT_WITH_ERR_EXTERNAL_MEM = 1 << 1,
};

/* First published size: 80 bytes. */
struct efadv_comp_cntr_init_attr {
  uint64_t comp_mask;
  uint32_t flags; /* EFADV_COMP_CNTR_INIT_* */
  uint32_t reserved;
  struct efadv_memory_location comp_cntr_ext_mem; /* of successful completions */
  struct efadv_memory_location err_cntr_ext_mem;  /* of failed ones */
};

/**
 * efadv_create_comp_cntr() - a completion counter whose values may lie in memory of the caller.
 * @ibvctx:   an opened EFA device.
 * @attr:     as for ibv_create_comp_cntr().
 * @efa_attr: where the two values go. The memory must stay until the counter is destroyed.
 * @inlen:    size of *efa_attr in bytes, 80 or more.
 *
 * A counter in a DMA buffer that has no ptr cannot be read by ibv_read_comp_cntr().
 *
 * Return: the counter, or NULL and errno: EINVAL (inlen, misaligned memory), EOPNOTSUPP (comp_mask,
 * a flag or type that nobody knows, a device or kernel without counters, not an EFA device),
 * ENOMEM, or an error of the kernel. Since 65, and only in a library built for libibverbs 65.
 */
struct ibv_comp_cntr* efadv_create_comp_cntr(struct ibv_context* ibvctx,
                                             struct ibv_comp_cntr_init_attr* attr,
                                             struct efadv_comp_cntr_init_attr* efa_attr,
                                             uint32_t inlen);

#ifdef __cplusplus
}
#endif

#endif /* __EFADV_H__ */
