// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What a hostile peer does to an endpoint: any packets in any state of its operations, with ids
/// that it has seen, between calls of the application. Nothing is read or written outside of what
/// was given away, no rule of verbs is broken, and nothing is left when the endpoint is closed.
#include <rdma/fabric.h>

#include <cstdio>
#include <cstdlib>

#include "sim/node.hpp"
#include "wire/described.hpp"

using namespace efa::rdm;
using namespace efa::rdm::sim;
using test::Described;

namespace {

class Script {
 public:
  Script(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool empty() const { return at_ == end_; }
  unsigned byte() { return empty() ? 0 : *at_++; }
  unsigned below(unsigned limit) { return byte() % limit; }
  bool coin() { return (byte() & 1) != 0; }
  std::uint32_t word() { return byte() | byte() << 8 | byte() << 16 | byte() << 24; }

  /// Lengths and offsets at which something may go wrong.
  std::uint64_t length() {
    constexpr std::uint64_t kLengths[] = {
        0,    1,    8,    64,    900,   976,  992,        1000,  1024,      2000,      4096,
        4097, 5000, 8192, 16384, 40000, 1000, 1ULL << 32, ~0ULL, ~0ULL - 8, 1ULL << 63};
    const unsigned which = byte();
    return which < 21 ? kLengths[which] : which * 8;
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

Settings settings_of(Script& script) {
  Settings settings;
  const unsigned bits = script.byte();
  settings.rdma_read = (bits & 1) == 0;
  settings.rdma_write = (bits & 2) == 0;
  if ((bits & 4) != 0) settings.runt_size = 3000;
  if ((bits & 8) != 0) settings.tx_depth = settings.rx_depth = 4;
  if ((bits & 16) != 0) settings.max_implicit_peers = 1;
  settings.retries = (bits & 32) == 0;
  return settings;
}

class Attack {
 public:
  Attack(const std::uint8_t* data, std::size_t size)
      : script_(data, size), victim_(network_, settings_of(script_)), hostile_(network_, {}) {
    network_.reorders = script_.coin();
    target_ = victim_.register_region(memory_, sizeof memory_, ~0ULL);
    bait_ = hostile_.register_region(hostile_memory_, sizeof hostile_memory_, ~0ULL);
    hostile_.acquire_destination(victim_.address().gid);
    if (script_.coin()) victim_.connect(hostile_);
  }

  void run() {
    while (!script_.empty()) {
      if (script_.below(3) == 0)
        application();
      else
        packet();
      victim_.engine().progress();
      step();
    }
    victim_.engine().dump();
    victim_.close();
    if (!network_.violations.empty()) {
      std::fprintf(stderr, "%s\n", network_.violations[0].c_str());
      std::abort();
    }
    if (victim_.registrations() != 1) std::abort();  // that of the target
  }

 private:
  void step() {
    network_.rnr_percent = script_.below(8) == 0 ? 100 : 0;
    for (unsigned i = script_.below(4); i > 0; --i) {
      if (hostile_.posted.empty())
        hostile_.posted.push_back(
            {0, {reinterpret_cast<std::uintptr_t>(received_), sizeof received_, 0}});
      network_.step();
      while (!hostile_.receive_queue().entries.empty()) {
        const std::size_t bytes = hostile_.receive_queue().entries.front().bytes;
        hostile_.receive_queue().entries.pop_front();
        learn({received_, bytes});
      }
    }
  }

  /// The victim's ids.
  void learn(std::span<const std::byte> bytes) {
    const Parsed packet = parse(bytes);
    if (!packet) return;
    const std::uint32_t id = packet->has(Field::kSendId) ? packet->send_id() : packet->recv_id();
    ids_[id_count_++ % 8] = id;
    if (packet->has(Field::kRecvId)) ids_[id_count_++ % 8] = packet->recv_id();
  }

  std::uint32_t id() {
    const unsigned which = script_.below(12);
    return which < 8 ? ids_[which] : which < 10 ? which - 8 : script_.word();
  }

  std::vector<Iov> iovs(const Region& region) {
    std::vector<Iov> made;
    for (unsigned i = script_.below(5); i > 0; --i)
      made.push_back({region.start + script_.below(200), script_.length(),
                      script_.below(8) == 0 ? script_.byte() : region.rkey});
    return made;
  }

  void packet() {
    Described d;
    constexpr unsigned kTypes[] = {3,   4,   5,   7,   8,   9,   10,  11,  12,  64,  65,  66,
                                   67,  68,  69,  70,  71,  72,  73,  74,  75,  76,  128, 129,
                                   130, 133, 134, 135, 136, 137, 138, 139, 140, 141, 145, 146};
    d.type = static_cast<PacketType>(kTypes[script_.below(36)]);
    const unsigned bits = script_.byte();
    d.after_read_nack = (bits & 1) != 0;
    d.emulated_read = (bits & 2) != 0;
    if ((bits & 4) != 0) d.cq_data = bits;
    RawAddress own = hostile_.address();
    if ((bits & 0x18) == 0x18) own.connid += bits >> 6;
    if ((bits & 8) != 0)
      d.connid = own.connid;
    else
      d.address = own;
    d.msg_id = next_ + ((bits & 0x20) != 0 ? script_.below(4) - 1 : 0);
    if (is_message(shape(d.type).kind) || is_atomic(shape(d.type).kind)) next_ = d.msg_id + 1;
    d.send_id = id();
    d.recv_id = d.op_id = id();
    d.ref_kind = static_cast<ReferenceKind>(script_.below(4));
    if (d.ref_kind != ReferenceKind::kOperation && d.type == PacketType::kPeerError)
      d.op_id = next_ + script_.below(3);
    d.tag = script_.below(3);
    d.total_length = script_.length();
    d.recv_length = d.runt_length = script_.length();
    d.seg_offset = script_.length();
    d.first_window = static_cast<std::uint32_t>(script_.length());
    d.payload.resize(script_.length() % 1025);
    d.seg_length = script_.below(4) == 0 ? script_.length() : d.payload.size();
    d.datatype = script_.below(20);
    d.op = script_.below(20);
    d.rma_iovs = iovs(*target_);
    d.read_iovs = iovs(*bait_);
    d.words.assign(1 + script_.below(3), script_.byte() | script_.byte() << 8);
    if (script_.below(4) == 0) d.user_recv_qp = HandshakeUserRecvQp{hostile_.address().qpn, 1};
    test::Bytes bytes = test::build(d);
    if (script_.below(6) == 0 && !bytes.empty())
      bytes[script_.byte() % bytes.size()] = static_cast<std::byte>(script_.byte());
    network_.inject(hostile_, victim_, bytes);
  }

  Buffers local(std::uint64_t length) {
    Buffers buffers;
    buffers.assign(application_memory_, length % sizeof application_memory_, nullptr);
    return buffers;
  }

  void message() {
    Message message;
    message.source = local(script_.length());
    message.tagged = script_.coin();
    message.delivery_complete = script_.coin();
    message.inject = message.source.length() < 900 && script_.coin();
    message.context = this;
    message.reports = true;
    victim_.engine().send(message);
  }

  void receive() {
    ReceiveRequest request;
    request.destination = local(script_.length());
    request.tagged = script_.coin();
    request.tag = script_.below(3);
    request.ignore = script_.below(2);
    request.source = script_.coin() ? kAnySource : 0;
    request.context = contexts_ + script_.below(4);
    constexpr std::uint64_t kFlags[] = {0,        FI_MULTI_RECV,        FI_PEEK,
                                        FI_CLAIM, FI_PEEK | FI_DISCARD, FI_PEEK | FI_CLAIM,
                                        0,        FI_CLAIM | FI_DISCARD};
    request.flags = kFlags[script_.below(8)];
    if (!request.tagged) request.flags &= FI_MULTI_RECV, request.tag = request.ignore = 0;
    victim_.engine().receive(request);
  }

  void one_sided() {
    Rma request;
    request.local = local(script_.length());
    request.remote.count = 1;
    request.remote.iov[0] = {bait_->start, request.local.length(), bait_->rkey};
    request.delivery_complete = script_.coin();
    request.context = this;
    if (script_.coin())
      victim_.engine().write(request);
    else
      victim_.engine().read(request);
  }

  void atomic() {
    AtomicRequest request;
    request.form = static_cast<AtomicForm>(script_.below(3));
    request.operand = request.compare = request.result = local(64);
    request.remote.count = 1;
    request.remote.iov[0] = {bait_->start, 64, bait_->rkey};
    request.datatype = FI_UINT64;
    request.op = request.form == AtomicForm::kCompare ? FI_CSWAP : FI_SUM;
    request.delivery_complete = script_.coin();
    request.context = this;
    victim_.engine().atomic(request);
  }

  void application() {
    switch (script_.below(10)) {
      case 0:
      case 1:
        return message();
      case 2:
      case 3:
      case 4:
        return receive();
      case 5:
        return one_sided();
      case 6:
        return atomic();
      case 7:
        victim_.engine().cancel(contexts_ + script_.below(4));
        return;
      case 8:
        hostile_.silent = script_.below(2) != 0 ? 0 : kUnresponsive;
        victim_.registrations_left = script_.below(4) == 0 ? 0 : ~std::size_t{0};
        network_.clock += 1000;
        return;
      default:
        return move_peer();
    }
  }

  /// Into the address vector, or out of it.
  void move_peer() {
    if (sources_ != 0 && script_.coin()) {
      victim_.engine().remove_peer(--sources_);
    } else {
      RawAddress address = hostile_.address();
      address.connid += script_.below(2);
      sources_ = victim_.connect(address) + 1;
    }
  }

  Script script_;
  Network network_;
  std::byte memory_[4096] = {};
  std::byte hostile_memory_[65536] = {};
  std::byte application_memory_[50000] = {};
  std::byte received_[1024] = {};
  char contexts_[4] = {};
  Node victim_;
  Node hostile_;
  Region* target_ = nullptr;
  Region* bait_ = nullptr;
  std::uint32_t next_ = 0;
  std::uint32_t ids_[8] = {};
  unsigned id_count_ = 0;
  std::size_t sources_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 2000) return 0;
  Attack(data, size).run();
  return 0;
}
