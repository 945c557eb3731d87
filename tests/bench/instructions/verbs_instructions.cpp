// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Runs the operations of rows.hpp for callgrind to count:
///
///     efa-emu run -- valgrind --tool=callgrind --collect-atstart=no verbs_instructions MODE
///
/// MODE is locked or single-threaded. Callgrind writes one file for each dump, labelled KEY/real or
/// KEY/null; standard output says in lines of "word value..." what was counted and which library it
/// was. verbs_instructions.py makes the table of it. Without callgrind the lines "ticks KEY" mean
/// something: verbs_times.py compares those of two libraries.
#include <valgrind/callgrind.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "loopback.hpp"
#include "nulls.hpp"
#include "rows.hpp"

namespace {

using namespace efa::bench;

// Rounds of 10 batches: 20,000 operations, and the rings of 256 wrap in different places.
constexpr unsigned kOperations = 20'000;
constexpr unsigned kRound = 160;
static_assert(kOperations % kRound == 0 && kRound % kBatch == 0 && kRound < kDepth);

/// Of the time stamp counter, for each round of calls.
using Ticks = std::vector<std::uint64_t>;

/// Reads the time stamp counter when all that was executed before is done.
std::uint64_t now() {
  _mm_lfence();
  const std::uint64_t ticks = __rdtsc();
  _mm_lfence();
  return ticks;
}

void run_calls(const Row& row, Target& target, unsigned operations, int expected) {
  for (unsigned done = 0; done < operations; done += row.operations) {
    const int result = row.run(target);
    if (result == expected) continue;
    std::fprintf(stderr, "%s: the call returned %d instead of %d\n", row.key, result, expected);
    std::exit(1);
  }
}

/// Traffic that has to be there before the counted calls, and that is left to do after them.
void before(const Row& row, Loopback& loopback) {
  switch (row.part) {
    case Part::kSends:
      return loopback.post_receives(kRound);
    case Part::kSendPolls:
      loopback.post_receives(kRound);
      loopback.post_sends(kRound);
      loopback.drain_receives(kRound);
      return loopback.settle_sends();
    case Part::kReceivePolls:
      loopback.post_receives(kRound);
      loopback.post_sends(kRound);
      // A send completes after its message was received (SRD), so all receives are there then.
      return loopback.drain_sends(kRound);
    case Part::kReads:
    case Part::kReceivePosts:
    case Part::kEmptyPolls:
      return;
  }
}

void after(const Row& row, Loopback& loopback) {
  switch (row.part) {
    case Part::kReceivePosts:
      loopback.post_sends(kRound);
      [[fallthrough]];
    case Part::kSends:
      loopback.drain_sends(kRound);
      return loopback.drain_receives(kRound);
    case Part::kReads:
      return loopback.drain_sends(kRound);
    case Part::kSendPolls:
    case Part::kReceivePolls:
    case Part::kEmptyPolls:
      return;
  }
}

void round(const Row& row, Loopback& loopback, Target& target, Ticks& ticks) {
  before(row, loopback);
  const std::uint64_t start = now();
  run_calls(row, target, kRound, row.expected);
  ticks.push_back(now() - start);
  after(row, loopback);
}

void dump(const Row& row, const char* kind) {
  const std::string label = std::string(row.key) + "/" + kind;
  CALLGRIND_DUMP_STATS_AT(label.c_str());
}

Target target_of(const Row& row, Loopback& loopback) {
  Target target;
  target.qp = loopback.qp();
  target.extended_qp = loopback.extended_qp();
  target.cq = row.part == Part::kReceivePolls ? loopback.receive_cq() : loopback.send_cq();
  // The same object (verbs.h: ibv_cq_ex_to_cq is a cast), if it was created as an extended one.
  target.extended_cq = reinterpret_cast<ibv_cq_ex*>(target.cq);
  target.ah = loopback.ah();
  target.peer_qpn = target.qp->qp_num;
  target.rkey = loopback.mr()->rkey;
  target.sge = loopback.sge();
  return target;
}

Target target_of(NullVerbs& nulls) {
  Target target;
  target.qp = &nulls.qp.qp_base;
  target.extended_qp = &nulls.qp;
  target.extended_cq = &nulls.cq;
  target.cq = ibv_cq_ex_to_cq(&nulls.cq);
  return target;
}

/// The operations, and the functions entered for them.
void print_counted(const Row& row) {
  std::printf("title %s %s\nrow %s %u %u\n", row.key, row.title, row.key, kOperations,
              kOperations / row.operations * row.verbs);
}

/// The instructions of the loop itself.
void count_null(const Row& row, NullVerbs& nulls) {
  Target target = target_of(nulls);
  target.prepare();
  CALLGRIND_ZERO_STATS;
  run_calls(row, target, kOperations, 0);
  dump(row, "null");
}

/// Ticks of one operation in the median round, with the loop's share.
void print_ticks(const Row& row, Ticks& ticks) {
  const auto middle = ticks.begin() + static_cast<std::ptrdiff_t>(ticks.size() / 2);
  std::nth_element(ticks.begin(), middle, ticks.end());
  std::printf("ticks %s %.1f\n", row.key, static_cast<double>(*middle) / kRound);
}

void count_row(const Row& row, bool single_threaded) {
  std::string refusal;
  const auto loopback = Loopback::create({single_threaded, row.extended_cq, row.send_ops}, refusal);
  if (!loopback) {
    std::printf("title %s %s\nrefused %s %s\n", row.key, row.title, row.key, refusal.c_str());
    return;
  }
  Target target = target_of(row, *loopback);
  target.prepare();
  Ticks ticks;
  round(row, *loopback, target, ticks);  // the dynamic linker binds functions in the first calls
  ticks.clear();
  CALLGRIND_ZERO_STATS;
  for (unsigned done = 0; done < kOperations; done += kRound) round(row, *loopback, target, ticks);
  dump(row, "real");
  NullVerbs nulls;
  count_null(row, nulls);
  print_counted(row);
  print_ticks(row, ticks);
}

/// A function of which everything is known is counted like the others.
void count_control(const char* key, void (NullVerbs::*become)()) {
  Row row = rows().front();
  row.key = key;
  row.title = "control";
  NullVerbs nulls, others;
  (nulls.*become)();
  Target target = target_of(nulls);
  target.prepare();
  run_calls(row, target, row.operations, 0);
  CALLGRIND_ZERO_STATS;
  run_calls(row, target, kOperations, 0);
  dump(row, "real");
  count_null(row, others);
  print_counted(row);
}

/// The file of libefa that this process has mapped: with another one nothing would be compared.
void print_library() {
  std::set<std::string> files;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto path = line.find('/');
    if (path == std::string::npos) continue;
    const std::string file = line.substr(path);
    if (file.substr(file.rfind('/') + 1).rfind("libefa", 0) == 0) files.insert(file);
  }
  for (const auto& file : files) std::printf("library %s\n", file.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const bool single_threaded = argc == 2 && std::strcmp(argv[1], "single-threaded") == 0;
  if (!single_threaded && (argc != 2 || std::strcmp(argv[1], "locked") != 0)) {
    std::fprintf(stderr, "usage: %s locked|single-threaded\n", argv[0]);
    return 2;
  }
  std::printf("null %u\n", kNullInstructions);
  count_control("known", &NullVerbs::post_send_known);
  count_control("guilty", &NullVerbs::post_send_guilty);
  for (const Row& row : rows()) count_row(row, single_threaded);
  print_library();
  return 0;
}
