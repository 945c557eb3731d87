/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One EFA function: what lives as long as the PCI driver is bound to it.
 *
 * Strata, lowest first; each knows only those below it:
 *   mmio      registers by read-less reads                      efa_mmio.c
 *   aq        transport of admin commands                       efa_aq.c
 *   cmd       typed admin commands                              efa_cmd*.c
 *   aenq, eq  events                                            efa_aenq.c efa_eq.c
 *   device    reset, start, stop, recovery of the function      efa_reset.c efa_device.c
 *                                                               efa_recovery.c
 *   verbs     the ib_device and its objects                     efa_verbs.h
 *   pci       probe, remove, shutdown                           efa_pci.c efa_module.c
 *
 * All but the last are compiled as one object, efa_driver.c. Functions that another object
 * uses are __visible.
 *
 * The device is not trusted: nothing that it wrote is used as an index, a length
 * or an offset before it was checked.
 */
#ifndef EFA_DEV_H
#define EFA_DEV_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "efa_aq.h"
#include "efa_hw.h"

struct efa_ibdev;

/* Read-less register access (device-regs R3): one request at a time. */
struct efa_mmio {
	void __iomem *regs;
	struct efa_mmio_read_resp *resp;
	dma_addr_t resp_dma;
	struct mutex lock; /* one outstanding request */
	u16 seq;
	bool silent; /* the last request was not answered, which was said */
	u32 timeout_us;
};

/* Async event queue (device-admin A6). */
struct efa_aenq {
	struct efa_aenq_entry *ring;
	dma_addr_t ring_dma;
	u32 cc; /* consumer count, free running */
};

/* One completion event queue (device-admin A7) with its MSI-X vector. */
struct efa_eq {
	struct efa_dev *dev;
	struct efa_eqe *ring;
	dma_addr_t ring_dma;
	u32 cc;
	u16 depth;
	u16 eqn;
	unsigned int irq;
	unsigned int vector;
	bool live; /* created, its interrupt requested */
	char name[48];
};

/* What the device offers; every number was checked when it was read (efa_attr.c). */
struct efa_attr {
	u64 page_size_cap;
	u64 supported_features;
	u32 fw_version;
	u32 device_version;
	u32 device_caps; /* bits of struct efa_device_attr.device_caps, see efa_has() */
	u32 max_rdma_size;
	__be64 guid;
	u32 max_link_speed_gbps;
	u8 db_bar;

	u32 max_qp;
	u32 max_sq_depth;
	u32 max_rq_depth;
	u32 max_cq;
	u32 max_cq_depth;
	u32 inline_buf_size;
	u32 inline_buf_size_ex; /* inline_buf_size if the device has no larger one */
	u16 sub_cqs_per_cq;
	u16 min_sq_depth;
	u16 max_wr_send_sges;
	u16 max_wr_recv_sges;
	u16 max_wr_rdma_sges;
	u16 max_tx_batch;
	u32 max_mr;
	u32 max_mr_pages;
	u32 max_pd;
	u32 max_ah;
	u32 max_llq_size;

	u32 counter_events; /* bits: enum efa_event_counter_qp_event */
	u32 max_counters;
	u64 counter_max_val;

	u32 max_eq;
	u16 max_eq_depth;

	u8 gid[EFA_GID_SIZE];
	u32 mtu;
};

/* Counters of the driver itself (verbs A10); shown in hw_counters of the device. */
enum efa_sw_stat {
	EFA_STAT_SUBMITTED_CMDS,
	EFA_STAT_COMPLETED_CMDS,
	EFA_STAT_CMDS_ERR,
	EFA_STAT_NO_COMPLETION_CMDS,
	EFA_STAT_KEEP_ALIVE_RCVD,
	EFA_STAT_ALLOC_PD_ERR,
	EFA_STAT_CREATE_QP_ERR,
	EFA_STAT_CREATE_CQ_ERR,
	EFA_STAT_REG_MR_ERR,
	EFA_STAT_ALLOC_UCONTEXT_ERR,
	EFA_STAT_CREATE_AH_ERR,
	EFA_STAT_MMAP_ERR,
	/* Not upstream's: */
	EFA_STAT_FATAL_EVENTS,
	EFA_STAT_DEVICE_RESETS,
	EFA_STAT_COUNT
};

enum efa_dev_state {
	EFA_DEV_STOPPED,  /* not started yet, or torn down */
	EFA_DEV_RUNNING,
	EFA_DEV_FAILED,	  /* a command timed out: commands fail at once, recovery is on its way */
	EFA_DEV_QUIESCED, /* in reset, unplugged or cut from the bus: it touches no memory any more */
};

struct efa_dev {
	struct pci_dev *pdev;
	struct efa_mmio mmio;
	struct efa_aq aq;
	struct efa_aenq aenq;
	struct efa_attr attr;

	struct efa_eq *eqs;
	unsigned int num_eqs;
	unsigned int num_vectors;
	unsigned int mgmt_irq;
	char mgmt_irq_name[48];

	phys_addr_t bar_phys[6]; /* 0 where the function has no memory BAR */
	resource_size_t bar_len[6];
	bool db_bar_requested; /* the doorbells have a BAR of their own */
	u8 dma_addr_width;
	u8 reset_polls;	 /* CAPS.reset_timeout: 100 ms each */
	u32 api_version; /* register VERSION */

	/*
	 * RUNNING to FAILED happens in any context, by cmpxchg; FAILED to QUIESCED under
	 * reset_lock; the rest under life.
	 */
	enum efa_dev_state state;
	enum efa_reset_reason fail_reason;
	struct completion quiesced; /* complete while the device cannot touch memory */
	struct mutex life;	    /* start, stop, recovery, remove: one at a time */
	struct mutex reset_lock;    /* DEV_CTL; inside life. Quiescing takes only this one */
	struct delayed_work recovery;
	struct delayed_work watch;	/* is the function still on the bus? */
	unsigned int failed_recoveries; /* in a row */
	bool started;			/* efa_device_stop() has something to do */
	bool gone;			/* it left the bus */
	bool cut_off;			/* no reset worked; never to master the bus again */
	bool removing;

	struct efa_ibdev *ibdev; /* NULL while no verbs device is registered; under life */
	struct xarray cqs;	 /* cqn -> struct efa_cq with events, for the EQ handlers; owned by verbs */

	atomic64_t stats[EFA_STAT_COUNT];
};

static inline void efa_count(struct efa_dev *dev, enum efa_sw_stat stat)
{
	atomic64_inc(&dev->stats[stat]);
}

/* Does the device have this capability? cap: RDMA_READ, RNR_RETRY, ... */
#define efa_has(dev, cap) (!!((dev)->attr.device_caps & EFA_DEVICE_ATTR_##cap##_MASK))

/* ---- mmio (efa_mmio.c) ---- */
int efa_mmio_init(struct efa_dev *dev);
void efa_mmio_exit(struct efa_dev *dev);
void efa_mmio_program(struct efa_dev *dev); /* answer buffer address; again after each reset */
u32 efa_mmio_read(struct efa_dev *dev, enum efa_reg reg); /* EFA_READLESS_INVALID on failure */
void efa_mmio_write(struct efa_dev *dev, enum efa_reg reg, u32 value);

/* ---- attributes (efa_attr.c) ---- */
int efa_attr_query(struct efa_dev *dev);

/* ---- events ---- */
int efa_aenq_init(struct efa_dev *dev);
void efa_aenq_exit(struct efa_dev *dev);
int efa_aenq_enable(struct efa_dev *dev);
void efa_aenq_scan(struct efa_dev *dev); /* management interrupt */
__visible const char *efa_aenq_group_name(u16 group);
int efa_eqs_create(struct efa_dev *dev);
void efa_eqs_destroy(struct efa_dev *dev); /* commands, interrupts */
void efa_eqs_free(struct efa_dev *dev);	   /* memory, after a reset */

/* ---- host description (efa_host.c) ---- */
void efa_host_info_send(struct efa_dev *dev);

/* ---- reset (efa_reset.c) ---- */
int efa_reset(struct efa_dev *dev, enum efa_reset_reason reason);
void efa_quiesce(struct efa_dev *dev, enum efa_reset_reason reason); /* cannot fail */
bool efa_gone(struct efa_dev *dev);

/* ---- device (efa_device.c): the function between "bound" and "usable" ---- */

/* Reset, admin queue, attributes, EQs, host info. */
int efa_device_start(struct efa_dev *dev, enum efa_reset_reason reason);
void efa_device_stop(struct efa_dev *dev, enum efa_reset_reason reason);

/* ---- recovery (efa_recovery.c) ---- */

void efa_recovery_init(struct efa_dev *dev);
void efa_recovery_watch(struct efa_dev *dev);  /* from now on */
void efa_recovery_cancel(struct efa_dev *dev); /* and wait; removing is set */

/*
 * Called by whoever finds the device unusable (a command timed out). From any
 * context. Marks the device failed, so that commands fail at once, and schedules
 * quiesce, unregister, reset, start, register. Does nothing to a device that is not
 * running.
 */
void efa_device_failed(struct efa_dev *dev, enum efa_reset_reason reason);

/*
 * Outcome of a destroy command on a device that may be dead. A dead device cannot
 * confirm, but its reset forgets every object; so wait (bounded) until it cannot
 * touch host memory any more, then report success, as ib_core demands of destroy.
 * On a live device returns err unchanged. May sleep.
 */
int efa_destroy_outcome(struct efa_dev *dev, int err);

/* Waits (bounded) until a dead device cannot touch host memory. False: it still might. */
bool efa_wait_quiesced(struct efa_dev *dev);

/* ---- PCI (efa_pci.c), for efa_module.c ---- */
__visible int efa_probe(struct pci_dev *pdev, const struct pci_device_id *id);
__visible void efa_remove(struct pci_dev *pdev);
__visible void efa_shutdown(struct pci_dev *pdev);
__visible void efa_reset_done(struct pci_dev *pdev);

/* ---- verbs, as seen from below (efa_verbs.c, efa_cq.c) ---- */
int efa_verbs_register(struct efa_dev *dev);	/* sets dev->ibdev */
void efa_verbs_unregister(struct efa_dev *dev); /* disassociates users; dev->ibdev = NULL */
void efa_cq_event(struct efa_dev *dev, u16 cqn);	/* EQ interrupt: completion event of a CQ */

#endif
