/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A device made of memory, for the KUnit suites: it takes the place of efa_mmio.c, so
 * register writes of the driver arrive here, and serves the admin queue from a work
 * item. It knows nothing of the driver but struct efa_dev, and finds the rings by the
 * addresses that the driver wrote to its registers (device-admin A1 to A3).
 */
#ifndef EFA_TEST_MOCK_DEVICE_H
#define EFA_TEST_MOCK_DEVICE_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/workqueue.h>

#include "efa_dev.h"

/* One admin command as the device sees it, whatever the entry format. */
struct mock_cmd {
	u16 id;
	u8 opcode;
	u8 flags;
	bool checksum_ok; /* format v2; true in format v1 */
	u8 body[116];	  /* bytes 4.. of the v1 form */
};

struct mock_device;

/* Fills status and response_specific_data of a zeroed completion. */
typedef void mock_answer_fn(struct mock_device *mock, const struct mock_cmd *cmd,
			    struct efa_acq_entry *cqe);

/* How the device breaks the rules, for the next commands. */
enum mock_fault {
	MOCK_FAULT_NONE,
	MOCK_FAULT_NO_ANSWER,
	MOCK_FAULT_UNKNOWN_ID,	   /* a slot that nobody uses */
	MOCK_FAULT_STALE_ID,	   /* the right slot, but an older generation of it */
	MOCK_FAULT_TWICE,	   /* the same completion again */
	MOCK_FAULT_STALE_PHASE,	   /* everything right but the phase bit */
	MOCK_FAULT_BAD_CHECKSUM,
	MOCK_FAULT_NO_INTERRUPT,   /* a good completion of which nobody is told */
	MOCK_FAULT_GARBAGE,	   /* 64 random bytes with the right phase bit, then nothing */
};

/* What GET_FEATURE answers; tests spoil it before the driver asks (device-admin A9.13). */
struct mock_features {
	struct efa_device_attr device;
	struct efa_queue_attr_1 queues;
	struct efa_queue_attr_2 queues2;
	struct efa_event_queue_attr event_queues;
	struct efa_aenq_config aenq;
	struct efa_network_attr network;
	struct efa_hw_hints hints;
};

struct mock_device {
	struct efa_dev dev;
	struct kunit *test;
	struct mock_features features;
	u32 regs[EFA_REG_EQ_DB / 4 + 1];
	u32 api_version; /* what the VERSION register says: chooses whether checksums are written */

	spinlock_t lock; /* everything below */
	u16 taken;	 /* commands fetched, free running */
	u16 written;	 /* completions written, free running */
	struct mock_cmd queue[EFA_ADMIN_QUEUE_DEPTH];
	unsigned int queued;
	unsigned int hold; /* answer only when so many commands are waiting, newest first */
	bool bad_phase;	   /* a command entry had the wrong phase bit */
	bool overrun;	   /* the doorbell ran ahead by more than the depth */
	enum mock_fault fault;
	unsigned int faults; /* how many commands it hits; 0: none */
	mock_answer_fn *answer;
	struct mock_cmd last; /* the command fetched most recently */
	unsigned int total;   /* commands fetched */
	unsigned int failures; /* how often the driver found the running device dead */
	unsigned int quiesce_waits;
	bool gone; /* what efa_gone() says */

	struct work_struct serve;
};

static inline struct mock_device *mock_of(struct efa_dev *dev)
{
	return container_of(dev, struct mock_device, dev);
}

/* A device with working registers and no admin queue yet. */
struct mock_device *mock_create(struct kunit *test, u32 api_version);

/* The same with the driver's admin queue running on it, by interrupts. */
struct mock_device *mock_create_running(struct kunit *test, u32 api_version);

void mock_set_fault(struct mock_device *mock, enum mock_fault fault, unsigned int commands);

/* The next commands wait until there are so many; then all are answered, newest first. */
void mock_set_hold(struct mock_device *mock, unsigned int commands);

/* Returns when everything that was asked so far has been served. */
void mock_settle(struct mock_device *mock);

/* Writes one completion by hand, checksum and all, and interrupts. */
void mock_complete(struct mock_device *mock, u16 command_id, u8 status);

/* CRC-16/USB bit by bit: slow, obvious, and not the driver's (device-admin A2). */
u16 mock_crc16(const void *data, size_t size);

/* Everything succeeds; numbers are small, offsets lie inside their BARs. */
mock_answer_fn mock_answer_default;

/* What a device in good order says of itself. */
void mock_features_default(struct mock_features *features);

/* exit of every suite that has a device */
void mock_destroy(struct kunit *test);

#endif
