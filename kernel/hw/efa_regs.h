/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Registers of BAR 0 and read-less register reads (device-regs R1 to R5). */
#ifndef EFA_REGS_H
#define EFA_REGS_H

#include "efa_types.h"

/* Byte offsets in BAR 0. Drivers never load them; see efa_mmio_read_resp. */
enum efa_reg {
	EFA_REG_VERSION = 0x00,		   /* read */
	EFA_REG_CONTROLLER_VERSION = 0x04, /* read */
	EFA_REG_CAPS = 0x08,		   /* read */
	EFA_REG_AQ_BASE_LO = 0x10,	   /* write */
	EFA_REG_AQ_BASE_HI = 0x14,	   /* write */
	EFA_REG_AQ_CAPS = 0x18,		   /* write */
	EFA_REG_ACQ_BASE_LO = 0x20,	   /* write */
	EFA_REG_ACQ_BASE_HI = 0x24,	   /* write */
	EFA_REG_ACQ_CAPS = 0x28,	   /* write */
	EFA_REG_AQ_PROD_DB = 0x2c,	   /* write */
	EFA_REG_AENQ_CAPS = 0x34,	   /* write */
	EFA_REG_AENQ_BASE_LO = 0x38,	   /* write */
	EFA_REG_AENQ_BASE_HI = 0x3c,	   /* write */
	EFA_REG_AENQ_CONS_DB = 0x40,	   /* write */
	EFA_REG_INTR_MASK = 0x4c,	   /* write */
	EFA_REG_DEV_CTL = 0x54,		   /* write */
	EFA_REG_DEV_STS = 0x58,		   /* read */
	EFA_REG_MMIO_REG_READ = 0x5c,	   /* write */
	EFA_REG_MMIO_RESP_LO = 0x60,	   /* write */
	EFA_REG_MMIO_RESP_HI = 0x64,	   /* write */
	EFA_REG_EQ_DB = 0x68,		   /* write */
};

EFA_WORD_BITS(reg_version, minor_version, 0, 8, REG_VERSION_MINOR_VERSION);
EFA_WORD_BITS(reg_version, major_version, 8, 8, REG_VERSION_MAJOR_VERSION);

EFA_WORD_BITS(reg_controller_version, subminor_version, 0, 8,
	      REG_CONTROLLER_VERSION_SUBMINOR_VERSION);
EFA_WORD_BITS(reg_controller_version, minor_version, 8, 8, REG_CONTROLLER_VERSION_MINOR_VERSION);
EFA_WORD_BITS(reg_controller_version, major_version, 16, 8, REG_CONTROLLER_VERSION_MAJOR_VERSION);
EFA_WORD_BITS(reg_controller_version, impl_id, 24, 8, REG_CONTROLLER_VERSION_IMPL_ID);

EFA_WORD_BITS(reg_caps, contiguous_queue_required, 0, 1, REG_CAPS_CONTIGUOUS_QUEUE_REQUIRED);
EFA_WORD_BITS(reg_caps, reset_timeout, 1, 5, REG_CAPS_RESET_TIMEOUT);
EFA_WORD_BITS(reg_caps, dma_addr_width, 8, 8, REG_CAPS_DMA_ADDR_WIDTH);
EFA_WORD_BITS(reg_caps, admin_cmd_to, 16, 4, REG_CAPS_ADMIN_CMD_TO);

EFA_WORD_BITS(reg_aq_caps, aq_depth, 0, 16, REG_AQ_CAPS_AQ_DEPTH);
EFA_WORD_BITS(reg_aq_caps, aq_entry_size, 16, 16, REG_AQ_CAPS_AQ_ENTRY_SIZE);

EFA_WORD_BITS(reg_acq_caps, acq_depth, 0, 16, REG_ACQ_CAPS_ACQ_DEPTH);
EFA_WORD_BITS(reg_acq_caps, acq_entry_size, 16, 8, REG_ACQ_CAPS_ACQ_ENTRY_SIZE);
EFA_WORD_BITS(reg_acq_caps, acq_msix_vector, 24, 8, REG_ACQ_CAPS_ACQ_MSIX_VECTOR);

EFA_WORD_BITS(reg_aenq_caps, aenq_depth, 0, 16, REG_AENQ_CAPS_AENQ_DEPTH);
EFA_WORD_BITS(reg_aenq_caps, aenq_entry_size, 16, 8, REG_AENQ_CAPS_AENQ_ENTRY_SIZE);
EFA_WORD_BITS(reg_aenq_caps, aenq_msix_vector, 24, 8, REG_AENQ_CAPS_AENQ_MSIX_VECTOR);

EFA_WORD_BITS(reg_intr_mask, en, 0, 1, REG_INTR_MASK_EN);

EFA_WORD_BITS(reg_dev_ctl, dev_reset, 0, 1, REG_DEV_CTL_DEV_RESET);
EFA_WORD_BITS(reg_dev_ctl, aq_restart, 1, 1, REG_DEV_CTL_AQ_RESTART);
EFA_WORD_BITS(reg_dev_ctl, reset_reason, 28, 4, REG_DEV_CTL_RESET_REASON);

EFA_WORD_BITS(reg_dev_sts, ready, 0, 1, REG_DEV_STS_READY);
EFA_WORD_BITS(reg_dev_sts, aq_restart_in_progress, 1, 1, REG_DEV_STS_AQ_RESTART_IN_PROGRESS);
EFA_WORD_BITS(reg_dev_sts, aq_restart_finished, 2, 1, REG_DEV_STS_AQ_RESTART_FINISHED);
EFA_WORD_BITS(reg_dev_sts, reset_in_progress, 3, 1, REG_DEV_STS_RESET_IN_PROGRESS);
EFA_WORD_BITS(reg_dev_sts, reset_finished, 4, 1, REG_DEV_STS_RESET_FINISHED);
EFA_WORD_BITS(reg_dev_sts, fatal_error, 5, 1, REG_DEV_STS_FATAL_ERROR);

EFA_WORD_BITS(reg_mmio_reg_read, req_id, 0, 16, REG_MMIO_REG_READ_REQ_ID);
EFA_WORD_BITS(reg_mmio_reg_read, reg_off, 16, 16, REG_MMIO_REG_READ_REG_OFF);

EFA_WORD_BITS(reg_eq_db, eqn, 0, 16, REG_EQ_DB_EQN);
EFA_WORD_BITS(reg_eq_db, arm, 31, 1, REG_EQ_DB_ARM);

/* DEV_CTL.reset_reason, sampled together with dev_reset (device-regs R5) */
enum efa_reset_reason {
	EFA_RESET_REASON_NORMAL = 0,
	EFA_RESET_REASON_KEEP_ALIVE_TO = 1,
	EFA_RESET_REASON_ADMIN_TO = 2,
	EFA_RESET_REASON_INIT_ERR = 3,
	EFA_RESET_REASON_DRIVER_INVALID_STATE = 4,
	EFA_RESET_REASON_OS_TRIGGER = 5,
	EFA_RESET_REASON_SHUTDOWN = 6,
	EFA_RESET_REASON_USER_TRIGGER = 7,
	EFA_RESET_REASON_GENERIC = 8,
};

/*
 * Answer to MMIO_REG_READ, written by DMA (device-regs R3). The driver spins on
 * req_id, so the device must not make it visible before the other two fields.
 */
struct efa_mmio_read_resp {
	efa_le16 req_id;
	efa_le16 reg_off;
	efa_le32 reg_val;
};

#endif
