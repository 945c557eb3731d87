/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* PCI identity, sizes and defaults of the device (device.md 1). */
#ifndef EFA_CONST_H
#define EFA_CONST_H

#define EFA_PCI_VENDOR	    0x1d0f
#define EFA_PCI_DEVICE_EFA0 0xefa0
#define EFA_PCI_DEVICE_EFA1 0xefa1
#define EFA_PCI_DEVICE_EFA2 0xefa2
#define EFA_PCI_DEVICE_EFA3 0xefa3
#define EFA_PCI_DEVICE_EFA4 0xefa4

/* The doorbell BAR is not fixed: DEVICE_ATTR names it (db_bar). */
#define EFA_BAR_REGISTERS 0
#define EFA_BAR_LLQ	  2

#define EFA_MGMT_MSIX_VECTOR	 0
#define EFA_FIRST_EQ_MSIX_VECTOR 1

/* Management rings (device-admin A1); depths are those drivers choose. */
#define EFA_ADMIN_QUEUE_DEPTH 32
#define EFA_AENQ_DEPTH	      16
#define EFA_AQ_ENTRY_SIZE_V1  64
#define EFA_AQ_ENTRY_SIZE_V2  128
#define EFA_ACQ_ENTRY_SIZE    64
#define EFA_AENQ_ENTRY_SIZE   64
#define EFA_EQ_ENTRY_SIZE     16

/* Defaults where CAPS and HW_HINTS say 0 (device-admin A5, device-regs R3). */
#define EFA_READLESS_TIMEOUT_US 50000
#define EFA_ADMIN_TIMEOUT_US	30000000
#define EFA_POLL_INTERVAL_MS	100
#define EFA_READLESS_INVALID	0xffffffffu

/* Interface version in host_info, and VERSION register values (device.md 0). */
#define EFA_SPEC_VERSION_MAJOR	   2
#define EFA_SPEC_VERSION_MINOR	   0
#define EFA_API_VERSION_BASE	   1
#define EFA_API_VERSION_ACQ_CRC	   2
#define EFA_API_VERSION_AQ_V2	   3
#define EFA_CONTROLLER_VERSION_MIN 1
#define EFA_UVERBS_ABI_VERSION	   1

/* What one WQE holds (device-io I2, I3). */
#define EFA_TX_SGES	 2
#define EFA_TX_RDMA_SGES 1
#define EFA_INLINE_64	 32
#define EFA_INLINE_128	 80
#define EFA_AH_INVALID	 0xffff

/* Page lists (device-admin A9.10, A10); the rest of a chunk links the next. */
#define EFA_PBL_INLINE_PAGES   4
#define EFA_PBL_CHUNK_SIZE     4096
#define EFA_PBL_PTRS_PER_CHUNK 510
#define EFA_PBL_CHUNK_USED     4092

/* Fast registration of kernel clients (device-io I3.4). */
#define EFA_FRWR_INLINE_PAGES  1
#define EFA_FRWR_KEY_GEN_SHIFT 20
#define EFA_FRWR_KEY_GEN_MASK  0xf00000

/* Bytes of a GID; stored raw, in network order (device.md 0). */
#define EFA_GID_SIZE 16

#endif
