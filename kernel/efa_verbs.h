/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The ib_device and its objects (verbs.md part A). Everything here lives between
 * efa_verbs_register() and efa_verbs_unregister(); the core frees the objects that
 * it allocated (ucontext, PD, AH, CQ, QP, counter), the driver frees its MRs.
 */
#ifndef EFA_VERBS_H
#define EFA_VERBS_H

#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <rdma/ib_verbs.h>

#include "efa_cmd.h"
#include "efa_compat.h"
#include "efa_dev.h"
#include "efa_log.h"

struct uapi_definition;
struct uverbs_attr_bundle;

/* A fresh one for each registration: recovery of the device makes a new ib_device. */
struct efa_ibdev {
	struct ib_device ib;
	struct efa_dev *dev;
};

struct efa_ah_peer;

struct efa_ucontext {
	struct ib_ucontext ib;
	u16 uarn;
};

struct efa_pd {
	struct ib_pd ib;
	u16 pdn;
	struct mutex ah_lock; /* the tree, the counts in it, the spare and its admin commands */
	struct rb_root ah_peers; /* struct efa_ah_peer by GID */
	struct efa_ah_peer *ah_spare; /* in no tree */
};

struct efa_ah {
	struct ib_ah ib;
	struct efa_ah_peer *peer;
};

struct efa_mr {
	struct ib_mr ib;
	struct ib_umem *umem;
	struct efa_reg_mr_result keys;
};

/* verbs A4 */
enum efa_mmap_type {
	EFA_MMAP_DMA_PAGE, /* rings in host memory: cached */
	EFA_MMAP_IO_WC,	   /* SQ ring in device memory: write-combining */
	EFA_MMAP_IO_NC,	   /* doorbells: uncached */
};

struct efa_mmap_entry {
	struct rdma_user_mmap_entry rdma;
	enum efa_mmap_type type;
	phys_addr_t address; /* page aligned */
};

/* Zeroed, physically contiguous host memory, mapped for DMA. */
struct efa_ring {
	void *mem; /* NULL: there is none */
	dma_addr_t dma;
	size_t size; /* whole pages */
	enum dma_data_direction dir;
};

struct efa_cq {
	struct ib_cq ib;
	struct efa_ring ring;
	struct ib_umem *umem; /* the caller's memory instead of ring */
	struct efa_eq *eq;    /* NULL: no completion events */
	u16 cqn;
	struct efa_mmap_entry *ring_entry;
	struct efa_mmap_entry *db_entry;
};

/* An event counter of the device and the 8 bytes that it writes. */
struct efa_event_counter {
	struct ib_umem *umem;
	u32 handle;
};

struct efa_comp_cntr {
	struct ib_comp_cntr ib;
	struct efa_event_counter success;
	struct efa_event_counter error;
};

struct efa_qp {
	struct ib_qp ib;
	struct efa_ring rq;
	u32 handle;
	enum ib_qp_type type;
	struct ib_qp_cap cap;
	struct mutex modify_lock; /* state, and the commands that depend on it */
	enum ib_qp_state state;
	struct efa_mmap_entry *sq_db_entry;
	struct efa_mmap_entry *sq_entry;
	struct efa_mmap_entry *rq_db_entry;
	struct efa_mmap_entry *rq_entry;
};

static inline struct efa_ibdev *to_efa_ibdev(struct ib_device *ib)
{
	return container_of(ib, struct efa_ibdev, ib);
}

static inline struct efa_dev *to_efa_dev(struct ib_device *ib)
{
	return to_efa_ibdev(ib)->dev;
}

static inline struct efa_ucontext *to_efa_ucontext(struct ib_ucontext *ib)
{
	return container_of(ib, struct efa_ucontext, ib);
}

static inline struct efa_pd *to_efa_pd(struct ib_pd *ib)
{
	return container_of(ib, struct efa_pd, ib);
}

static inline struct efa_ah *to_efa_ah(struct ib_ah *ib)
{
	return container_of(ib, struct efa_ah, ib);
}

static inline struct efa_mr *to_efa_mr(struct ib_mr *ib)
{
	return container_of(ib, struct efa_mr, ib);
}

static inline struct efa_cq *to_efa_cq(struct ib_cq *ib)
{
	return container_of(ib, struct efa_cq, ib);
}

static inline struct efa_qp *to_efa_qp(struct ib_qp *ib)
{
	return container_of(ib, struct efa_qp, ib);
}

static inline struct efa_comp_cntr *to_efa_comp_cntr(struct ib_comp_cntr *ib)
{
	return container_of(ib, struct efa_comp_cntr, ib);
}

/*
 * May memory that a failed command named be given back? Not if the device could have
 * taken the command all the same: then only once it was reset. May sleep.
 */
static inline bool efa_let_go(struct efa_dev *dev, int err)
{
	return (err != -ETIME && err != -ENODEV) || !efa_destroy_outcome(dev, err);
}

/* Refuses private input to a verb that defines none (verbs A3). */
int efa_check_no_input(struct ib_device *ib, const char *verb, struct ib_udata *udata);

/* ---- device, port, GID and P_Key (efa_query.c) ---- */
int efa_query_device(struct ib_device *ib, struct ib_device_attr *attr, struct ib_udata *udata);
int efa_query_port(struct ib_device *ib, u32 port, struct ib_port_attr *attr);
int efa_query_port_speed(struct ib_device *ib, u32 port, u64 *speed);
int efa_query_gid(struct ib_device *ib, u32 port, int index, union ib_gid *gid);
int efa_query_pkey(struct ib_device *ib, u32 port, u16 index, u16 *pkey);
int efa_get_port_immutable(struct ib_device *ib, u32 port, struct ib_port_immutable *immutable);
enum rdma_link_layer efa_get_link_layer(struct ib_device *ib, u32 port);

/* ---- efa_ucontext.c, efa_pd.c, efa_ah.c ---- */
int efa_alloc_ucontext(struct ib_ucontext *ib, struct ib_udata *udata);
void efa_dealloc_ucontext(struct ib_ucontext *ib);
void efa_disassociate_ucontext(struct ib_ucontext *ib);
int efa_alloc_pd(struct ib_pd *ib, struct ib_udata *udata);
int efa_dealloc_pd(struct ib_pd *ib, struct ib_udata *udata);
int efa_create_ah(struct ib_ah *ib, struct rdma_ah_init_attr *attr, struct ib_udata *udata);
int efa_destroy_ah(struct ib_ah *ib, u32 flags);
void efa_ah_forget(struct efa_pd *pd);

/* ---- memory (efa_mr.c, efa_ring.c) ---- */
struct ib_mr *efa_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 iova, int access,
			      struct ib_dmah *dmah, struct ib_udata *udata);
struct ib_mr *efa_reg_user_mr_dmabuf(struct ib_pd *pd, u64 offset, u64 length, u64 iova, int fd,
				     int access, struct ib_dmah *dmah,
				     struct uverbs_attr_bundle *attrs);
int efa_dereg_mr(struct ib_mr *ib, struct ib_udata *udata);
int efa_ring_alloc(struct efa_dev *dev, struct efa_ring *ring, size_t bytes,
		   enum dma_data_direction dir);
void efa_ring_free(struct efa_dev *dev, struct efa_ring *ring);

/* ---- queues (efa_cq.c, efa_qp.c, efa_qp_modify.c, efa_qp_state.c) ---- */
int efa_create_user_cq(struct ib_cq *ib, const struct ib_cq_init_attr *attr,
		       struct uverbs_attr_bundle *attrs);
int efa_destroy_cq(struct ib_cq *ib, struct ib_udata *udata);
int efa_create_qp(struct ib_qp *ib, struct ib_qp_init_attr *attr, struct ib_udata *udata);
int efa_destroy_qp(struct ib_qp *ib, struct ib_udata *udata);
int efa_modify_qp(struct ib_qp *ib, struct ib_qp_attr *attr, int mask, struct ib_udata *udata);
int efa_query_qp(struct ib_qp *ib, struct ib_qp_attr *attr, int mask,
		 struct ib_qp_init_attr *init_attr);
bool efa_qp_transition_ok(enum ib_qp_type type, enum ib_qp_state cur, enum ib_qp_state next,
			  int mask);

/* ---- user mappings (efa_mmap.c) ---- */
int efa_mmap(struct ib_ucontext *ib, struct vm_area_struct *vma);
void efa_mmap_free(struct rdma_user_mmap_entry *rdma);
struct efa_mmap_entry *efa_mmap_ring(struct efa_ucontext *ucontext, const struct efa_ring *ring);
struct efa_mmap_entry *efa_mmap_bar(struct efa_ucontext *ucontext, u8 bar, u32 offset, u32 bytes,
				    enum efa_mmap_type type);
void efa_mmap_remove(struct efa_mmap_entry *entry);
u64 efa_mmap_key(struct efa_mmap_entry *entry);

/* ---- statistics, driver's own methods (efa_stats.c, efa_uapi.c) ---- */
struct rdma_hw_stats *efa_alloc_hw_device_stats(struct ib_device *ib);
struct rdma_hw_stats *efa_alloc_hw_port_stats(struct ib_device *ib, u32 port);
int efa_get_hw_stats(struct ib_device *ib, struct rdma_hw_stats *stats, u32 port, int index);
extern const struct uapi_definition efa_uapi_defs[];

/* ---- completion counters (efa_counter.c), where the core has them ---- */
int efa_query_comp_cntr_caps(struct ib_device *ib, struct ib_comp_cntr_caps *caps,
			     struct uverbs_attr_bundle *attrs);
int efa_create_comp_cntr(struct ib_comp_cntr *ib, struct uverbs_attr_bundle *attrs);
int efa_destroy_comp_cntr(struct ib_comp_cntr *ib);
int efa_modify_comp_cntr(struct ib_comp_cntr *ib, enum ib_comp_cntr_entry entry,
			 enum ib_comp_cntr_modify_op op, u64 value);
int efa_qp_attach_comp_cntr(struct ib_qp *ib, struct ib_comp_cntr *ib_cntr,
			    struct ib_qp_attach_comp_cntr_attr *attr);
extern const struct uapi_definition efa_counter_uapi_defs[];

#endif
