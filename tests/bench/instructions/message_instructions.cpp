// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Counts what a libfabric provider executes for a tagged message, between two endpoints of one
/// process:
///
///     efa-emu run -- valgrind --tool=callgrind --collect-atstart=no message_instructions MODE
///     [FLOW...]
///     efa-emu run -- message_instructions MODE step [FLOW...]
///
/// The second form counts without callgrind (step_counter.hpp) and prints the counts.
/// MODE is locked (FI_THREAD_SAFE) or single-threaded (FI_THREAD_DOMAIN). Before a completion queue
/// is read, the program waits without calling libfabric until the device has done all it can: so
/// each read that is counted finds what there is, and counts repeat. Callgrind writes one file for
/// each row, labelled FLOW/PART; standard output has lines of "word value...".
/// message_instructions.py makes the table of it.
#include <rdma/fi_errno.h>
#include <valgrind/callgrind.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "fabric_pair.hpp"
#include "loopback.hpp"
#include "step_counter.hpp"

namespace {

using namespace efa::bench;

constexpr unsigned kMostBurst = 16;
constexpr std::uint64_t kTag = 0x1234;

/// A kind of message.
struct Flow {
  const char* key;
  std::size_t bytes;
  bool registered;
  bool inject;
  unsigned burst;     // messages sent before completions are read
  unsigned messages;  // counted for each part
  bool answers;       // packets go both ways: one more round takes the last completions
};

constexpr Flow kFlows[] = {
    {"64", 64, true, false, 1, 512, false},       {"64-plain", 64, false, false, 1, 512, false},
    {"64-inject", 64, true, true, 1, 512, false}, {"64-burst", 64, true, false, 16, 1024, false},
    {"16K", 16384, true, false, 1, 128, false},   {"16K-plain", 16384, false, false, 1, 128, false},
    {"1M", 1 << 20, true, false, 1, 16, true},    {"1M-plain", 1 << 20, false, false, 1, 16, true},
};

enum class Part { kNone, kSend, kReceive, kReceiverReads, kSenderReads };

constexpr struct {
  Part part;
  const char* key;
} kParts[] = {{Part::kSend, "send"},
              {Part::kReceive, "receive"},
              {Part::kReceiverReads, "receiver-reads"},
              {Part::kSenderReads, "sender-reads"}};

/// What a call needs, ready, so that little of it happens between the toggles.
struct Call {
  fid_ep* endpoint;
  fid_cq* cq;
  void* buffer;
  std::size_t bytes;
  void* descriptor;
  fi_addr_t peer;
  fi_context2* context;
};

// Not inlined: the same code calls a provider and, for its own share, functions that do nothing.
[[gnu::noinline]] ssize_t call_send(const Call& c) {
  return fi_tsend(c.endpoint, c.buffer, c.bytes, c.descriptor, c.peer, kTag, c.context);
}
[[gnu::noinline]] ssize_t call_inject(const Call& c) {
  return fi_tinject(c.endpoint, c.buffer, c.bytes, c.peer, kTag);
}
[[gnu::noinline]] ssize_t call_receive(const Call& c) {
  return fi_trecv(c.endpoint, c.buffer, c.bytes, c.descriptor, c.peer, kTag, 0, c.context);
}
[[gnu::noinline]] ssize_t call_read(const Call& c) {
  static fi_cq_tagged_entry entries[kMostBurst];
  return fi_cq_read(c.cq, entries, kMostBurst);
}

void toggle() {
  if (StepCounter::runs())
    StepCounter::toggle();
  else
    CALLGRIND_TOGGLE_COLLECT;
}

void zero() {
  if (StepCounter::runs())
    StepCounter::zero();
  else
    CALLGRIND_ZERO_STATS;
}

void dump(const std::string& label) {
  if (StepCounter::runs())
    std::printf("count %s %llu\n", label.c_str(),
                static_cast<unsigned long long>(StepCounter::count()));
  else
    CALLGRIND_DUMP_STATS_AT(label.c_str());
}

using Function = ssize_t (*)(const Call&);

ssize_t run(Function function, const Call& call, bool counted, unsigned& calls) {
  if (!counted) return function(call);
  ++calls;
  toggle();
  const ssize_t result = function(call);
  toggle();
  return result;
}

[[noreturn]] void die(const char* call, ssize_t result) {
  std::fprintf(stderr, "%s: %s\n", call, fi_strerror(static_cast<int>(-result)));
  std::exit(1);
}

/// The traffic of one flow.
class Traffic {
 public:
  Traffic(const Flow& flow, FabricPair& pair, Loopback& device)
      : flow_(flow),
        device_(device),
        send_(call_of(pair.sender())),
        receive_(call_of(pair.receiver())) {
    std::memset(send_.buffer, 0x5a, flow.bytes);
  }

  /// @returns how many calls of the part were counted
  unsigned run_messages(Part part, unsigned messages) {
    part_ = part;
    calls_ = 0;
    for (unsigned done = 0; done < messages; done += flow_.burst) run_burst();
    return calls_;
  }

  void check() const {
    if (std::memcmp(send_.buffer, receive_.buffer, flow_.bytes) == 0) return;
    std::fprintf(stderr, "%s: what arrived is not what was sent\n", flow_.key);
    std::exit(1);
  }

  unsigned run_empty_reads(unsigned count) {
    unsigned calls = 0;
    for (unsigned i = 0; i < count; ++i)
      if (const ssize_t got = run(call_read, send_, true, calls); got != -FI_EAGAIN)
        die("fi_cq_read of an empty queue", got);
    return calls;
  }

 private:
  Call call_of(FabricSide& side) {
    return {side.endpoint.get(), side.cq.get(), side.buffer.data(), side.buffer.size(),
            side.descriptor(),   side.other,    contexts_};
  }

  void run_burst() {
    contexts_used_ = received_ = 0;
    sent_ = flow_.inject ? flow_.burst : 0;
    for (unsigned i = 0; i < flow_.burst; ++i) post(call_receive, receive_, Part::kReceive);
    for (unsigned i = 0; i < flow_.burst; ++i)
      post(flow_.inject ? call_inject : call_send, send_, Part::kSend);
    do {
      round();
    } while (received_ < flow_.burst || sent_ < flow_.burst);
    if (flow_.answers) round();
  }

  void post(Function function, Call& call, Part part) {
    call.context = &contexts_[contexts_used_++];
    for (;;) {
      const ssize_t result = run(function, call, part_ == part, calls_);
      if (result == 0) return;
      // Before the handshake; later it would be counted, and must not happen.
      if (result != -FI_EAGAIN || part_ != Part::kNone) die("fi_tsend, fi_trecv", result);
      round();
    }
  }

  void round() {
    device_.settle_sends();
    received_ += read(receive_, Part::kReceiverReads);
    device_.settle_sends();
    sent_ += read(send_, Part::kSenderReads);
  }

  unsigned read(const Call& call, Part part) {
    const ssize_t got = run(call_read, call, part_ == part, calls_);
    if (got == -FI_EAGAIN) return 0;
    if (got < 0) die("fi_cq_read", got);
    return static_cast<unsigned>(got);
  }

  const Flow& flow_;
  Loopback& device_;
  fi_context2 contexts_[2 * kMostBurst];
  unsigned contexts_used_ = 0;
  unsigned received_ = 0, sent_ = 0;
  Call send_, receive_;
  Part part_ = Part::kNone;
  unsigned calls_ = 0;
};

/// Objects whose functions return 0: what is counted with them is the program's own share.
struct NullFabric {
  fi_ops_tagged tagged{};
  fi_ops_cq cq_ops{};
  fid_ep endpoint{};
  fid_cq cq{};

  NullFabric();
};

asm(R"(
    .text
    .globl efa_bench_fabric_null
    .type efa_bench_fabric_null, @function
efa_bench_fabric_null:
    xorl %eax, %eax
    ret
    .size efa_bench_fabric_null, . - efa_bench_fabric_null
)");
extern "C" int efa_bench_fabric_null();
constexpr unsigned kNullInstructions = 2;

template <class F>
void nullify(F& pointer) {
  pointer = reinterpret_cast<F>(reinterpret_cast<void*>(&efa_bench_fabric_null));
}

NullFabric::NullFabric() {
  nullify(tagged.send);
  nullify(tagged.inject);
  nullify(tagged.recv);
  nullify(cq_ops.read);
  endpoint.tagged = &tagged;
  cq.ops = &cq_ops;
}

void count_null(const char* key, Function function) {
  NullFabric null;
  fi_context2 context;
  const Call call{&null.endpoint, &null.cq, nullptr, 0, nullptr, 0, &context};
  unsigned calls = 0;
  zero();
  for (unsigned i = 0; i < 1000; ++i) run(function, call, true, calls);
  dump(std::string("null/") + key);
  std::printf("row null/%s %u %u\n", key, calls, calls);
}

void count_flow(const Flow& flow, bool locked, Loopback& device) {
  FabricPair pair({locked, flow.registered, flow.bytes});
  Traffic traffic(flow, pair, device);
  // Handshakes, first registrations, buffers that are allocated once.
  traffic.run_messages(Part::kNone, 2 * flow.messages);
  traffic.check();
  for (const auto& [part, key] : kParts) {
    zero();
    const unsigned calls = traffic.run_messages(part, flow.messages);
    const std::string label = std::string(flow.key) + "/" + key;
    dump(label);
    std::printf("row %s %u %u\n", label.c_str(), flow.messages, calls);
  }
  std::printf("provider %s\n", pair.provider().c_str());
  if (&flow != kFlows) return;
  zero();
  const unsigned calls = traffic.run_empty_reads(1000);
  dump("empty/read");
  std::printf("row empty/read %u %u\n", calls, calls);
}

}  // namespace

int main(int argc, char** argv) {
  const bool locked = argc >= 2 && std::strcmp(argv[1], "locked") == 0;
  if (!locked && (argc < 2 || std::strcmp(argv[1], "single-threaded") != 0)) {
    std::fprintf(stderr, "usage: %s locked|single-threaded [step] [FLOW...]\n", argv[0]);
    return 2;
  }
  const int first = argc > 2 && std::strcmp(argv[2], "step") == 0 ? 3 : 2;
  if (first == 3 && !StepCounter::start()) {
    std::fprintf(stderr, "no steps: ptrace and fork are needed\n");
    return 1;
  }
  const auto wanted = [&](const Flow& flow) {
    return argc == first || std::any_of(argv + first, argv + argc, [&](const char* key) {
             return std::strcmp(key, flow.key) == 0;
           });
  };
  std::string refusal;
  const auto device = Loopback::create({}, refusal);
  if (!device) {
    std::fprintf(stderr, "%s\n", refusal.c_str());
    return 1;
  }
  std::printf("null %u\n", kNullInstructions);
  count_null("send", call_send);
  count_null("inject", call_inject);
  count_null("receive", call_receive);
  count_null("read", call_read);
  for (const Flow& flow : kFlows)
    if (wanted(flow)) count_flow(flow, locked, *device);
  return 0;
}
