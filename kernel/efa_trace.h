/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Trace events (tracefs: events/efa/): admin commands, async events, MRs, mmap. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM efa

#if !defined(EFA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define EFA_TRACE_H

#include <linux/pci.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "efa_dev.h"

#ifndef EFA_TRACE_PCI_LEN
#define EFA_TRACE_PCI_LEN 16 /* "0000:00:04.0" */
#endif

/*
 * Names of opcodes and event groups are in the record. For perf and trace-cmd an enumeration
 * would have to be declared, which the kernel then replaces in the text of all its events
 * when the module is loaded: a tenth of the whole time for 25 opcodes.
 */
#ifndef EFA_TRACE_NAME_LEN
#define EFA_TRACE_NAME_LEN 24 /* "DESTROY_EVENT_COUNTER" */
#endif

TRACE_EVENT(efa_cmd_submit,
	TP_PROTO(struct efa_dev *dev, u16 command_id, u8 opcode),
	TP_ARGS(dev, command_id, opcode),
	TP_STRUCT__entry(
		__array(char, pci, EFA_TRACE_PCI_LEN)
		__field(u16, command_id)
		__field(u8, opcode)
		__array(char, name, EFA_TRACE_NAME_LEN)
	),
	TP_fast_assign(
		strscpy(__entry->pci, pci_name(dev->pdev), EFA_TRACE_PCI_LEN);
		__entry->command_id = command_id;
		__entry->opcode = opcode;
		strscpy(__entry->name, efa_aq_opcode_name(opcode), EFA_TRACE_NAME_LEN);
	),
	TP_printk("%s id=%#x opcode=%s(%u)", __entry->pci, __entry->command_id,
		  __entry->name, __entry->opcode)
);

/* err is the outcome for the caller; status only counts if there was an answer. */
TRACE_EVENT(efa_cmd_complete,
	TP_PROTO(struct efa_dev *dev, u16 command_id, u8 opcode, u8 status, int err),
	TP_ARGS(dev, command_id, opcode, status, err),
	TP_STRUCT__entry(
		__array(char, pci, EFA_TRACE_PCI_LEN)
		__field(u16, command_id)
		__field(u8, opcode)
		__array(char, name, EFA_TRACE_NAME_LEN)
		__field(u8, status)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->pci, pci_name(dev->pdev), EFA_TRACE_PCI_LEN);
		__entry->command_id = command_id;
		__entry->opcode = opcode;
		strscpy(__entry->name, efa_aq_opcode_name(opcode), EFA_TRACE_NAME_LEN);
		__entry->status = status;
		__entry->err = err;
	),
	TP_printk("%s id=%#x opcode=%s(%u) status=%u err=%d", __entry->pci, __entry->command_id,
		  __entry->name, __entry->opcode, __entry->status, __entry->err)
);

TRACE_EVENT(efa_aenq,
	TP_PROTO(struct efa_dev *dev, u16 group, u16 syndrome, u64 timestamp),
	TP_ARGS(dev, group, syndrome, timestamp),
	TP_STRUCT__entry(
		__array(char, pci, EFA_TRACE_PCI_LEN)
		__field(u16, group)
		__array(char, name, EFA_TRACE_NAME_LEN)
		__field(u16, syndrome)
		__field(u64, timestamp)
	),
	TP_fast_assign(
		strscpy(__entry->pci, pci_name(dev->pdev), EFA_TRACE_PCI_LEN);
		__entry->group = group;
		strscpy(__entry->name, efa_aenq_group_name(group), EFA_TRACE_NAME_LEN);
		__entry->syndrome = syndrome;
		__entry->timestamp = timestamp;
	),
	TP_printk("%s group=%s(%u) syndrome=%#x timestamp=%llu", __entry->pci, __entry->name,
		  __entry->group, __entry->syndrome, __entry->timestamp)
);

/* Emitted by verbs: a region was registered, or the attempt failed. */
TRACE_EVENT(efa_mr_reg,
	TP_PROTO(struct efa_dev *dev, u32 lkey, u64 iova, u64 length, u8 page_shift, u64 pages,
		 u32 access, int err),
	TP_ARGS(dev, lkey, iova, length, page_shift, pages, access, err),
	TP_STRUCT__entry(
		__array(char, pci, EFA_TRACE_PCI_LEN)
		__field(u32, lkey)
		__field(u64, iova)
		__field(u64, length)
		__field(u8, page_shift)
		__field(u64, pages)
		__field(u32, access)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->pci, pci_name(dev->pdev), EFA_TRACE_PCI_LEN);
		__entry->lkey = lkey;
		__entry->iova = iova;
		__entry->length = length;
		__entry->page_shift = page_shift;
		__entry->pages = pages;
		__entry->access = access;
		__entry->err = err;
	),
	TP_printk("%s lkey=%#x iova=%#llx length=%llu page_shift=%u pages=%llu access=%#x err=%d",
		  __entry->pci, __entry->lkey, __entry->iova, __entry->length,
		  __entry->page_shift, __entry->pages, __entry->access, __entry->err)
);

TRACE_EVENT(efa_mr_dereg,
	TP_PROTO(struct efa_dev *dev, u32 lkey, int err),
	TP_ARGS(dev, lkey, err),
	TP_STRUCT__entry(
		__array(char, pci, EFA_TRACE_PCI_LEN)
		__field(u32, lkey)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->pci, pci_name(dev->pdev), EFA_TRACE_PCI_LEN);
		__entry->lkey = lkey;
		__entry->err = err;
	),
	TP_printk("%s lkey=%#x err=%d", __entry->pci, __entry->lkey, __entry->err)
);

/* kind as in verbs A4: 0 ring pages, 1 write-combining, 2 uncached. */
TRACE_EVENT(efa_mmap,
	TP_PROTO(struct efa_dev *dev, u64 key, u64 length, u8 kind, int err),
	TP_ARGS(dev, key, length, kind, err),
	TP_STRUCT__entry(
		__array(char, pci, EFA_TRACE_PCI_LEN)
		__field(u64, key)
		__field(u64, length)
		__field(u8, kind)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->pci, pci_name(dev->pdev), EFA_TRACE_PCI_LEN);
		__entry->key = key;
		__entry->length = length;
		__entry->kind = kind;
		__entry->err = err;
	),
	TP_printk("%s key=%#llx length=%llu kind=%s err=%d", __entry->pci, __entry->key,
		  __entry->length,
		  __print_symbolic(__entry->kind, { 0, "DMA_PAGE" }, { 1, "IO_WC" },
				   { 2, "IO_NC" }, { 255, "NONE" }),
		  __entry->err)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE efa_trace
#include <trace/define_trace.h>
