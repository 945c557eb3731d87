// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A plugin for QEMU that counts the instructions of a guest with one CPU between two marks, and
 * the time that the emulation of the CPU took of the host's. Neither depends on what else the
 * machine does, unlike the time of day. A mark is an instruction that does nothing and that no
 * compiler emits: nopl 0x0efa0001(%rax) begins, nopl 0x0efa0000(%rax) ends.
 *
 * Usage: qemu-system-x86_64 -plugin instruction_counter.so,out=FILE ...
 * FILE gets a line 'INSTRUCTIONS NANOSECONDS' for each end.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- what is used of QEMU's interface for plugins, version 7 ---- */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;

typedef struct {
  struct qemu_plugin_scoreboard* score;
  size_t offset;
} qemu_plugin_u64;

enum { QEMU_PLUGIN_INLINE_ADD_U64 = 0, QEMU_PLUGIN_CB_NO_REGS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*translated)(struct qemu_plugin_tb*, void*),
                                           void* data);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb* tb, int operation,
                                                       qemu_plugin_u64 entry, uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn* insn,
                                            void (*executed)(unsigned, void*), int flags,
                                            void* data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* tb);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb* tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn* insn, void* to, size_t size);
struct qemu_plugin_scoreboard* qemu_plugin_scoreboard_new(size_t size);
uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned vcpu);

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int qemu_plugin_version = 7;
EXPORTED int qemu_plugin_install(uint64_t id, const void* info, int argc, char** argv);

/* ---- the plugin ---- */

static const uint8_t end_mark[] = {0x0f, 0x1f, 0x80, 0x00, 0x00, 0xfa, 0x0e};
static const uint8_t begin_mark[] = {0x0f, 0x1f, 0x80, 0x01, 0x00, 0xfa, 0x0e};

static qemu_plugin_u64 executed;
static uint64_t instructions_at_begin, time_at_begin;
static FILE* results;

/* That the calling thread has used; marks are called by that of the emulated CPU. */
static uint64_t cpu_time(void) {
  struct timespec now;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void begin(unsigned vcpu, void* unused) {
  (void)unused;
  instructions_at_begin = qemu_plugin_u64_get(executed, vcpu);
  time_at_begin = cpu_time();
}

static void end(unsigned vcpu, void* unused) {
  uint64_t took = cpu_time() - time_at_begin;

  (void)unused;
  fprintf(results, "%llu %llu\n",
          (unsigned long long)(qemu_plugin_u64_get(executed, vcpu) - instructions_at_begin),
          (unsigned long long)took);
  fflush(results);
}

static void look_for_mark(struct qemu_plugin_insn* insn) {
  uint8_t bytes[sizeof(end_mark)];

  if (qemu_plugin_insn_data(insn, bytes, sizeof(bytes)) != sizeof(bytes)) return;
  if (memcmp(bytes, begin_mark, sizeof(bytes)) == 0)
    qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, QEMU_PLUGIN_CB_NO_REGS, NULL);
  if (memcmp(bytes, end_mark, sizeof(bytes)) == 0)
    qemu_plugin_register_vcpu_insn_exec_cb(insn, end, QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void translated(struct qemu_plugin_tb* tb, void* unused) {
  size_t count = qemu_plugin_tb_n_insns(tb);

  (void)unused;
  qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64, executed,
                                                    count);
  for (size_t i = 0; i < count; ++i) look_for_mark(qemu_plugin_tb_get_insn(tb, i));
}

int qemu_plugin_install(uint64_t id, const void* info, int argc, char** argv) {
  static const char option[] = "out=";

  (void)info;
  if (argc != 1 || strncmp(argv[0], option, strlen(option)) != 0) {
    fprintf(stderr, "instruction_counter: usage: -plugin instruction_counter.so,out=FILE\n");
    return 1;
  }
  results = fopen(argv[0] + strlen(option), "w");
  if (!results) {
    perror(argv[0] + strlen(option));
    return 1;
  }
  executed.score = qemu_plugin_scoreboard_new(sizeof(uint64_t));
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated, NULL);
  return 0;
}
