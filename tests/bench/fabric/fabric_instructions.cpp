// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Calls of libfabric's provider efa, for callgrind to count. fabric_instructions.py runs it.
///
/// Usage: fabric_instructions direct|datagram|rdm
#include <rdma/fi_errno.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>

#include "fabric_loopback.hpp"

namespace efa::bench {
namespace {

constexpr unsigned kRound = 64;  ///< calls in flight at a time
constexpr unsigned kRounds = 32;
constexpr unsigned kBatch = 16;

/// FI_CONTEXT2: memory of the provider while an operation runs.
fi_context2 contexts[2 * kRound];

/// What `body` executes is counted.
template <class Body>
void counted(Body&& body) {
  CALLGRIND_TOGGLE_COLLECT;
  body();
  CALLGRIND_TOGGLE_COLLECT;
}

/// The two endpoints of one domain.
struct Pair {
  Loopback& measured;
  Loopback& other;

  /// Until the device has completed all that is on the way on `measured`, of which nothing may be
  /// read yet: the other one makes more round trips than the device needs turns for a full queue.
  void settle() const {
    for (unsigned i = 0; i < 2 * kRound; ++i) {
      other.receive(&contexts[kRound]);
      other.send(8, &contexts[kRound + 1]);
      other.drain_receives(1);
      other.drain_sends(1);
    }
  }
  void receive_all() const {
    for (unsigned i = 0; i < kRound; ++i) measured.receive(&contexts[i]);
  }
  void send_all(size_t bytes) const {
    for (unsigned i = 0; i < kRound; ++i) measured.send(bytes, &contexts[i]);
  }
  void drain() const {
    measured.drain_sends(kRound);
    measured.drain_receives(kRound);
  }
};

void expect(ssize_t got, ssize_t wanted) {
  if (got != wanted)
    give_up("fi_cq_read gave " + std::to_string(got) + ", not " + std::to_string(wanted),
            -FI_EOTHER);
}

void count_sends(const Pair& pair, size_t bytes) {
  pair.receive_all();
  for (unsigned i = 0; i < kRound; ++i) counted([&] { pair.measured.send(bytes, &contexts[i]); });
  pair.drain();
}
void count_batches(const Pair& pair) {
  pair.receive_all();
  for (unsigned i = 0; i < kRound; ++i)
    counted([&] { pair.measured.send_more(32, &contexts[i], (i + 1) % kBatch != 0); });
  pair.drain();
}
void count_receives(const Pair& pair) {
  for (unsigned i = 0; i < kRound; ++i) counted([&] { pair.measured.receive(&contexts[i]); });
  pair.send_all(32);
  pair.drain();
}
void count_send_reads(const Pair& pair, unsigned batch) {
  pair.receive_all();
  pair.send_all(32);
  pair.settle();
  for (unsigned i = 0; i < kRound; i += batch) {
    ssize_t got = 0;
    counted([&] { got = pair.measured.read_sends(batch); });
    expect(got, batch);
  }
  pair.measured.drain_receives(kRound);
}
void count_receive_reads(const Pair& pair, unsigned batch) {
  pair.receive_all();
  pair.send_all(32);
  pair.settle();
  for (unsigned i = 0; i < kRound; i += batch) {
    ssize_t got = 0;
    counted([&] { got = pair.measured.read_receives(batch); });
    expect(got, batch);
  }
  pair.measured.drain_sends(kRound);
}
void count_empty_reads(const Pair& pair) {
  for (unsigned i = 0; i < kRound; ++i)
    counted([&] { expect(pair.measured.read_sends(1), -FI_EAGAIN); });
}
void count_writes(const Pair& pair) {
  for (unsigned i = 0; i < kRound; ++i) counted([&] { pair.measured.write(64, &contexts[i]); });
  pair.measured.drain_sends(kRound);
}
/// All that both ends of a message execute: posting, progress, reading.
void count_messages(const Pair& pair, size_t bytes) {
  for (unsigned i = 0; i < kRound; ++i) {
    counted([&] {
      pair.measured.receive(&contexts[0]);
      pair.measured.send(bytes, &contexts[1]);
    });
    pair.settle();
    counted([&] {
      pair.measured.drain_receives(1);
      pair.measured.drain_sends(1);
    });
  }
}

struct Row {
  const char* key;
  const char* title;
  std::function<void(const Pair&)> round;
};

std::vector<Row> rows_of(Fabric kind) {
  std::vector<Row> rows{
      {"send_inline", "send, 32 B inline", [](const Pair& p) { count_sends(p, 32); }},
      {"send_segment", "send, 1 KiB", [](const Pair& p) { count_sends(p, 1024); }},
      {"send_more", "send, 16 by FI_MORE", count_batches},
      {"receive", "receive", count_receives}};
  const Row polls[] = {
      {"read_send", "read a send completion", [](const Pair& p) { count_send_reads(p, 1); }},
      {"read_sends", "read 16 send completions, each",
       [](const Pair& p) { count_send_reads(p, kBatch); }},
      {"read_receive", "read a receive completion",
       [](const Pair& p) { count_receive_reads(p, 1); }},
      {"read_receives", "read 16 receive completions, each",
       [](const Pair& p) { count_receive_reads(p, kBatch); }},
      {"read_empty", "read, nothing there", count_empty_reads}};
  // An RDM endpoint completes what it progresses: who reads what is not the device's order.
  if (kind != Fabric::rdm) rows.insert(rows.end(), std::begin(polls), std::end(polls));
  if (kind == Fabric::direct) rows.push_back({"write", "write, 64 B", count_writes});
  if (kind == Fabric::rdm) {
    rows.push_back(
        {"message_64", "message of 64 B, both ends", [](const Pair& p) { count_messages(p, 64); }});
    rows.push_back({"message_16k", "message of 16 KiB, both ends",
                    [](const Pair& p) { count_messages(p, 16384); }});
  }
  return rows;
}

fi_info* choose(Fabric kind) {
  fi_info* hints = fi_allocinfo();
  hints->caps = FI_MSG;
  hints->mode = FI_CONTEXT | FI_CONTEXT2 | FI_MSG_PREFIX;
  hints->ep_attr->type = kind == Fabric::datagram ? FI_EP_DGRAM : FI_EP_RDM;
  hints->fabric_attr->prov_name = strdup("efa");
  hints->fabric_attr->name = strdup(kind == Fabric::direct ? "efa-direct" : "efa");
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  if (kind == Fabric::direct) hints->caps |= FI_RMA;
  if (kind == Fabric::rdm) hints->caps |= FI_TAGGED;
  fi_info* info = nullptr;
  const int error = fi_getinfo(fi_version(), nullptr, nullptr, 0, hints, &info);
  fi_freeinfo(hints);
  if (error) give_up("fi_getinfo", error);
  return info;
}

void count(const Row& row, const Pair& pair) {
  row.round(pair);  // the dynamic linker binds functions in the first calls
  CALLGRIND_ZERO_STATS;
  for (unsigned round = 0; round < kRounds; ++round) row.round(pair);
  const std::string label = std::string(row.key) + "/real";
  CALLGRIND_DUMP_STATS_AT(label.c_str());
  std::printf("row %s %u %s\n", row.key, kRounds * kRound, row.title);
}

int run(Fabric kind) {
  fi_info* info = choose(kind);
  std::printf("provider %u.%u\n", FI_MAJOR(info->fabric_attr->prov_version),
              FI_MINOR(info->fabric_attr->prov_version));
  fid_fabric* fabric = nullptr;
  fid_domain* domain = nullptr;
  if (const int error = fi_fabric(info->fabric_attr, &fabric, nullptr)) give_up("fi_fabric", error);
  if (const int error = fi_domain(fabric, info, &domain, nullptr)) give_up("fi_domain", error);
  {
    Loopback measured(kind, info, domain), other(kind, info, domain);
    for (const Row& row : rows_of(kind)) count(row, {measured, other});
  }
  fi_close(&domain->fid);
  fi_close(&fabric->fid);
  fi_freeinfo(info);
  return 0;
}

}  // namespace
}  // namespace efa::bench

int main(int arguments, char** argument) {
  const std::string_view kind = arguments > 1 ? argument[1] : "";
  if (kind == "direct") return efa::bench::run(efa::bench::Fabric::direct);
  if (kind == "datagram") return efa::bench::run(efa::bench::Fabric::datagram);
  if (kind == "rdm") return efa::bench::run(efa::bench::Fabric::rdm);
  std::fprintf(stderr, "usage: fabric_instructions direct|datagram|rdm\n");
  return 2;
}
