// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Packets that none of our engines sends, made by hand: what a receiver must accept, and what it
// must not be hurt by (spec efa-rdm-protocol 18, R1 - R20).
#include <algorithm>
#include <array>

#include "sim/world.hpp"
#include "wire/described.hpp"

namespace efa::rdm::sim {
namespace {

using test::Described;

class Packets : public ::testing::Test {
 protected:
  Packets() : a(world.add()), b(world.add()), target(b, 4096) {
    a.connect(b);
    b.connect(a);
    target.overwrite();
    b.engine().progress();  // posts receives
  }

  // A packet of this type from A, with its connid.
  Described of(PacketType type) const {
    Described d;
    d.type = type;
    d.connid = a.address().connid;
    return d;
  }
  static test::Bytes data(std::size_t length, unsigned seed = 1) {
    test::Bytes bytes(length);
    for (std::size_t i = 0; i < length; ++i)
      bytes[i] = static_cast<std::byte>((i * 7 + seed) & 0xff);
    return bytes;
  }
  void arrive(const Described& d) { arrive(test::build(d)); }
  void arrive(const test::Bytes& bytes) {
    ASSERT_TRUE(world.network.inject(a, b, bytes));
    b.engine().progress();
  }
  // What B sent to A meanwhile.
  std::vector<Described> answers() {
    std::vector<Described> all;
    std::array<std::byte, 1024> room{};
    std::deque<Posted> own;
    std::swap(own, a.posted);
    while (world.network.flying() != 0) {
      a.posted.push_back({0, {reinterpret_cast<std::uintptr_t>(room.data()), 1024, 0}});
      world.network.step();
      while (!a.receive_queue().entries.empty()) {
        const Parsed packet = parse({room.data(), a.receive_queue().entries.front().bytes});
        EXPECT_TRUE(packet);
        all.push_back(test::describe(*packet));
        a.receive_queue().entries.pop_front();
      }
      b.engine().progress();
    }
    std::swap(own, a.posted);
    return all;
  }
  std::vector<Described> answers_of(PacketType type) {
    std::vector<Described> all = answers();
    std::erase_if(all, [&](const Described& d) { return d.type != type; });
    return all;
  }
  void receive(std::uint64_t tag = 0, bool tagged = false) {
    ReceiveRequest request;
    request.destination = target.buffers();
    request.tag = tag;
    request.tagged = tagged;
    ASSERT_EQ(b.engine().receive(request), 0);
  }
  void expect_data(const test::Bytes& bytes, std::size_t at = 0) {
    const std::vector<std::byte> there = target.all();
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), there.begin() + static_cast<long>(at)));
  }
  void expect_report(int code) {
    ASSERT_EQ(b.reports.size(), 1U);
    EXPECT_EQ(b.reports[0].provider_errno, code) << b.reports[0].text;
    b.reports.clear();
  }
  void expect_untouched() {
    for (const std::byte byte : target.all()) ASSERT_EQ(byte, std::byte{0xdb});
  }

  World world;
  Node& a;
  Node& b;
  Memory target;
};

TEST_F(Packets, OfAllTypesForMessagesAreTaken) {  // R1, R2, R17
  std::uint32_t id = 0;
  for (const bool tagged : {false, true})
    for (const PacketType untagged : {PacketType::kEagerMsgRtm, PacketType::kDcEagerMsgRtm})
      for (const std::size_t length : {0U, 100U}) {
        receive(tagged ? 5 : 0, tagged);
        Described d = of(tagged_form(untagged, tagged));
        d.msg_id = id++;
        d.send_id = 77;
        d.tag = tagged ? 5 : 0;
        d.payload = data(length, id);
        arrive(d);
        expect_data(d.payload);
        ASSERT_EQ(read_all(b.rx).size(), 1U);
        const std::vector<Described> receipts = answers_of(PacketType::kReceipt);
        ASSERT_EQ(receipts.size(), untagged == PacketType::kDcEagerMsgRtm ? 1U : 0U);
        if (!receipts.empty()) {
          EXPECT_EQ(receipts[0].send_id, 77U);
          EXPECT_EQ(receipts[0].msg_id, d.msg_id);
        }
      }
  world.expect_clean();
}

TEST_F(Packets, OfAMediumMessageMayBeInAnyOrderAndOfAnySize) {  // R13
  const test::Bytes all = data(500);
  struct Part {
    std::size_t at, length;
  };
  for (const bool unexpected : {false, true}) {
    const std::uint32_t id = unexpected ? 1 : 0;
    if (!unexpected) receive();
    for (const Part part : {Part{200, 299}, Part{499, 1}, Part{1, 199}, Part{0, 1}}) {
      Described d = of(PacketType::kMediumMsgRtm);
      d.msg_id = id;
      d.total_length = all.size();
      d.seg_offset = part.at;
      d.payload.assign(all.begin() + static_cast<long>(part.at),
                       all.begin() + static_cast<long>(part.at + part.length));
      arrive(d);
    }
    if (unexpected) receive();
    expect_data(all);
    EXPECT_EQ(read_all(b.rx).size(), 1U);
    target.overwrite();
  }
  answers();
  world.expect_clean();
}

TEST_F(Packets, OfALaterMessageWait) {
  receive();
  receive();
  Described second = of(PacketType::kMediumMsgRtm);
  second.msg_id = 1;
  second.total_length = 20;
  for (const std::size_t at : {10U, 0U}) {
    second.seg_offset = at;
    second.payload = data(10, 2);
    arrive(second);
  }
  EXPECT_TRUE(b.rx.empty());
  EXPECT_NE(b.engine().dump().find("waits for its message 0"), std::string::npos);
  Described first = of(PacketType::kEagerMsgRtm);
  first.payload = data(3);
  arrive(first);
  const std::vector<Event> events = read_all(b.rx);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].length, 3U);
  EXPECT_EQ(events[1].length, 20U);
  arrive(first);  // a second time
  expect_report(4104);
  answers();
  world.expect_clean();
}

TEST_F(Packets, OfATriggerAreAnsweredByAHandshakeOnce) {  // R4, R9, R8
  Described trigger = of(PacketType::kEagerRtw);
  trigger.connid.reset();
  trigger.address = a.address();
  arrive(trigger);
  arrive(trigger);
  const std::vector<Described> all = answers();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].type, PacketType::kHandshake);
  EXPECT_EQ(all[0].words[0], Features::kAlways | Features::kRdmaRead | Features::kRdmaWrite);
  EXPECT_EQ(all[0].connid, b.address().connid);
  EXPECT_EQ(all[0].device, 0xefa1U);
  Described handshake = of(PacketType::kHandshake);
  handshake.words = {Features::kAlways, 1, 2, 3};
  handshake.hmem_p2p = true;
  arrive(handshake);
  handshake.words = {Features::kConstantHeader};
  arrive(handshake);
  EXPECT_TRUE(b.reports.empty());
  // The second one counts: raw addresses are wanted again.
  const Memory source(b, 4);
  Message message;
  message.source = source.buffers();
  ASSERT_EQ(b.engine().send(message), 0);
  const std::vector<Described> sent = answers();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].address, b.address());
}

TEST_F(Packets, WithoutConnidOrAddressAreOfTheKnownQueuePair) {  // R6, R7
  receive();
  Described d = of(PacketType::kEagerMsgRtm);
  d.connid.reset();
  d.payload = data(9);
  test::Bytes bytes = test::build(d);
  bytes[3] = std::byte{0x1f};  // flags that nobody knows
  arrive(bytes);
  expect_data(d.payload);
  EXPECT_EQ(read_all(b.rx).size(), 1U);
}

TEST_F(Packets, OfNobodyAreDropped) {
  Described d = of(PacketType::kEagerMsgRtm);
  d.connid = a.address().connid + 1;
  d.payload = data(9);
  receive();
  arrive(d);
  EXPECT_TRUE(b.rx.empty());
}

TEST_F(Packets, ForUnknownOperationsAreDropped) {  // R10, R16
  for (const PacketType type :
       {PacketType::kCts, PacketType::kCtsData, PacketType::kReadRsp, PacketType::kEor,
        PacketType::kAtomRsp, PacketType::kReceipt, PacketType::kReadNack, PacketType::kPeerError})
    for (const std::uint32_t id : {0U, 1U, 0x80000000U, 0xffffffffU, 0x00080000U}) {
      Described d = of(type);
      d.send_id = d.recv_id = d.op_id = id;
      d.recv_length = 100;
      d.payload = type == PacketType::kCtsData ? data(8) : test::Bytes{};
      d.seg_length = d.payload.size();
      arrive(d);
    }
  EXPECT_TRUE(b.reports.empty());
  answers();
  world.expect_clean();
}

TEST_F(Packets, OfRetiredUnknownAndShortKindsAreToldAndDropped) {  // R11, R18, R19
  for (unsigned type = 0; type < 256; ++type) {
    const Kind kind = shape(static_cast<PacketType>(type)).kind;
    if (kind != Kind::kNone && kind != Kind::kRetired) continue;
    test::Bytes bytes(100);
    bytes[0] = static_cast<std::byte>(type);
    bytes[1] = std::byte{4};
    arrive(bytes);
    expect_report(kind == Kind::kRetired ? 4097 : 4098);
  }
  test::Bytes old(100);
  old[0] = std::byte{64};
  old[1] = std::byte{3};
  arrive(old);
  expect_report(4098);
  arrive(test::Bytes(3));
  expect_report(4098);
}

// ---- Windows

TEST_F(Packets, OfAWindowMayNotGoBeyondIt) {  // R11, R14
  receive();
  Described start = of(PacketType::kLongCtsMsgRtm);
  start.total_length = 2000;
  start.send_id = 9;
  start.payload = data(100);
  arrive(start);
  const std::vector<Described> grants = answers_of(PacketType::kCts);
  ASSERT_EQ(grants.size(), 1U);
  EXPECT_EQ(grants[0].send_id, 9U);
  EXPECT_EQ(grants[0].recv_length, 1900U);
  Described d = of(PacketType::kCtsData);
  d.recv_id = grants[0].recv_id;
  struct Wrong {
    std::uint64_t at, length;
  };
  for (const Wrong wrong : {Wrong{1999, 2}, Wrong{2000, 1}, Wrong{1ULL << 63, 8}, Wrong{100, 0}}) {
    d.seg_offset = wrong.at;
    d.payload = data(wrong.length);
    d.seg_length = wrong.length;
    arrive(d);
    expect_report(4098);
  }
  for (const std::size_t at : {1050U, 100U}) {
    d.seg_offset = at;
    d.payload = data(at == 100 ? 950 : 950, 3);
    d.seg_length = 950;
    if (at == 100) d.connid.reset();
    arrive(d);
  }
  EXPECT_EQ(read_all(b.rx).size(), 1U);
  arrive(d);  // once more: of an operation that has ended
  EXPECT_TRUE(b.reports.empty());
  answers();
  world.expect_clean();
}

TEST_F(Packets, ThatGrantAWindowAreObeyedWithinTheMessage) {  // R15
  Described handshake = of(PacketType::kHandshake);
  handshake.words = {Features::kAlways};
  arrive(handshake);
  Memory source(b, 9000);
  source.fill(1);
  Message message;
  message.source = source.buffers();
  message.context = this;
  ASSERT_EQ(b.engine().send(message), 0);
  std::vector<Described> sent = answers_of(PacketType::kLongCtsMsgRtm);
  ASSERT_EQ(sent.size(), 1U);
  std::uint64_t done = sent[0].payload.size();
  Described cts = of(PacketType::kCts);
  cts.send_id = sent[0].send_id;
  cts.recv_id = 4711;
  for (const std::uint64_t wrong : {9001 - done, ~std::uint64_t{0}}) {
    cts.recv_length = wrong;
    arrive(cts);
    expect_report(4098);
  }
  cts.recv_length = 10;
  cts.emulated_read = true;
  arrive(cts);
  expect_report(4098);
  cts.emulated_read = false;
  std::vector<std::byte> all = sent[0].payload;
  for (std::uint64_t window = 1; done < 9000; window = window * 5 + 1) {
    cts.recv_length = std::min(window, 9000 - done);
    arrive(cts);
    std::uint64_t bytes = 0;
    for (const Described& part : answers_of(PacketType::kCtsData)) {
      EXPECT_EQ(part.recv_id, 4711U);
      EXPECT_EQ(part.connid, b.address().connid);
      EXPECT_EQ(part.seg_offset, done + bytes);
      bytes += part.payload.size();
      all.insert(all.end(), part.payload.begin(), part.payload.end());
    }
    EXPECT_EQ(bytes, cts.recv_length);
    done += bytes;
  }
  EXPECT_EQ(all, source.all());
  EXPECT_EQ(read_all(b.tx).size(), 1U);
  arrive(cts);  // R16
  EXPECT_TRUE(b.reports.empty());
  world.expect_clean();
}

// An id of an operation that waits for a handshake is no reason to send its data.
TEST_F(Packets, ThatGrantAWindowToAnOperationThatWaitsAreRefused) {
  const Memory source(b, 30000);
  Message message;
  message.source = source.buffers();
  ASSERT_EQ(b.engine().send(message), 0);
  ASSERT_EQ(b.engine().usage().deferred, 1U);
  Described cts = of(PacketType::kCts);
  for (std::uint32_t id = 0; id < 64; ++id) {
    cts.send_id = id;
    cts.recv_length = 100;
    arrive(cts);
  }
  EXPECT_EQ(b.reports.size(), 1U);
  EXPECT_EQ(b.engine().usage().deferred, 1U);
  EXPECT_TRUE(answers_of(PacketType::kCtsData).empty());
}

// ---- Atomics

TEST_F(Packets, OfAnAtomicMayNotAskForMoreThanOneAnswerHolds) {
  std::vector<std::uint64_t> cells(2000, 3);
  const Region* region = b.register_region(cells.data(), 16000, FI_REMOTE_READ | FI_REMOTE_WRITE);
  Described d = of(PacketType::kFetchRta);
  d.datatype = FI_UINT64;
  d.op = FI_ATOMIC_READ;
  d.rma_iovs = {{reinterpret_cast<std::uintptr_t>(cells.data()), 16000, region->rkey}};
  arrive(d);
  expect_report(4115);
  d.msg_id = 1;
  d.rma_iovs[0].len = 1000;
  arrive(d);
  const std::vector<Described> all = answers_of(PacketType::kAtomRsp);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].payload.size(), 1000U);
}

TEST_F(Packets, OfAnAtomicOnPartsOfElementsAreRefused) {
  std::array<std::uint64_t, 2> cells{1, 1};
  const Region* region = b.register_region(cells.data(), 16, FI_REMOTE_WRITE);
  Described d = of(PacketType::kWriteRta);
  d.datatype = FI_UINT64;
  d.op = FI_SUM;
  const auto at = reinterpret_cast<std::uintptr_t>(cells.data());
  d.rma_iovs = {{at, 4, region->rkey}, {at + 4, 12, region->rkey}};
  d.payload = data(16);
  arrive(d);
  expect_report(4118);
  EXPECT_EQ(cells, (std::array<std::uint64_t, 2>{1, 1}));
  for (const unsigned wrong : {99U, 13U}) {
    d.msg_id++;
    d.datatype = wrong == 99 ? 99U : unsigned{FI_UINT64};
    d.op = wrong == 99 ? unsigned{FI_SUM} : 99U;
    d.rma_iovs = {{at, 16, region->rkey}};
    arrive(d);
    expect_report(4118);
  }
}

// ---- PEER_ERROR (section 15)

TEST_F(Packets, ThatGiveAMessageUpLetThoseAfterItThrough) {  // R20
  receive();
  receive();
  for (const std::size_t at : {0U, 10U}) {
    Described later = of(PacketType::kMediumMsgRtm);
    later.msg_id = 2;
    later.total_length = 20;
    later.seg_offset = at;
    later.payload = data(10, static_cast<unsigned>(at));
    arrive(later);
  }
  Described error = of(PacketType::kPeerError);
  error.ref_kind = ReferenceKind::kMissingMessage;
  for (const std::uint32_t id : {1U, 0U, 0U}) {
    error.op_id = id;
    arrive(error);
  }
  EXPECT_EQ(read_all(b.rx).size(), 1U);
  Described next = of(PacketType::kEagerMsgRtm);
  next.msg_id = 3;
  next.payload = data(1);
  arrive(next);
  EXPECT_EQ(read_all(b.rx).size(), 1U);
  answers();
  world.expect_clean();
}

TEST_F(Packets, ThatGiveAClaimedMessageUpLeaveNothingToClaim) {
  Described d = of(PacketType::kMediumTagRtm);
  d.total_length = 20;
  d.tag = 7;
  d.payload = data(10);
  arrive(d);
  ReceiveRequest request;
  request.tagged = true;
  request.tag = 7;
  request.flags = FI_PEEK | FI_CLAIM;
  request.context = this;
  request.destination = target.buffers();
  ASSERT_EQ(b.engine().receive(request), 0);
  EXPECT_EQ(read_all(b.rx)[0].error, 0);
  Described error = of(PacketType::kPeerError);
  error.ref_kind = ReferenceKind::kDeliveredMessage;
  arrive(error);
  request.flags = FI_CLAIM;
  EXPECT_EQ(b.engine().receive(request), -FI_EINVAL);
  answers();
  world.expect_clean();
}

TEST_F(Packets, ThatGiveAWaitingOperationUpFreeItsPlace) {
  Memory source(b, 30000);
  Message message;
  message.source = source.buffers();
  ASSERT_EQ(b.engine().send(message), 0);
  Described error = of(PacketType::kPeerError);
  for (std::uint32_t id = 0; id < 64; ++id) {
    error.op_id = id;
    arrive(error);
  }
  EXPECT_EQ(b.engine().usage().deferred, 0U);
  const std::vector<Event> events = read_all(b.tx);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].error, FI_ECANCELED);
  EXPECT_EQ(events[0].code, 4127);
  answers();
  world.expect_clean();
}

}  // namespace
}  // namespace efa::rdm::sim
