// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Writes and reads, by the device and emulated (spec efa-rdm-protocol 10.3 - 10.5, 11.7, 11.8), and
// operations that wait for a handshake (7.4).
#include "sim/world.hpp"

namespace efa::rdm::sim {
namespace {

struct Access {
  std::size_t length = 0;
  std::size_t local_pieces = 1;
  std::size_t remote_pieces = 1;
  bool described = true;
  bool delivery_complete = false;
};

class OneSided : public InEveryWeather {
 protected:
  void use(const Settings& settings) {
    Settings used = GetParam().of(settings);
    used.tx_depth = std::max(used.tx_depth, 10U);  // all requests of one write go at once
    std::tie(a, b) = world.pair(used);
    const std::size_t window = settings.cts_packets * (settings.mtu - 32);
    std::size_t i = 0;
    for (const std::size_t border :
         {std::size_t{8}, settings.mtu - 76, settings.mtu - 36, settings.mtu - 24, settings.mtu,
          window, 2 * window, std::size_t{settings.min_read_write}, std::size_t{30001}})
      for (const std::size_t length : {border - 8, border - 1, border, border + 1}) {
        const Access what{length, length == 0 ? 1 : 1 + i % 4, 1 + i / 2 % 4, i % 3 != 0,
                          i % 2 == 0};
        SCOPED_TRACE("length " + std::to_string(length) + ", pieces " +
                     std::to_string(what.local_pieces) + " and " +
                     std::to_string(what.remote_pieces) + (what.described ? ", described" : "") +
                     (what.delivery_complete ? ", DC" : ""));
        write(what);
        read(what);
        if (HasFatalFailure()) return;
        ++i;
      }
    EXPECT_EQ(a->writes.value, i);
    EXPECT_EQ(a->reads.value, i);
    EXPECT_TRUE(a->reports.empty() && b->reports.empty());
    world.expect_clean();
  }

  void write(const Access& what) {
    Memory source(*a, what.length, what.local_pieces, what.described);
    const Memory target(*b, what.length, what.remote_pieces);
    source.fill(1);
    Rma request = request_for(what, source, target);
    ASSERT_EQ(world.post([&] { return a->engine().write(request); }), 0);
    ASSERT_TRUE(world.run());
    const std::vector<Event> events = read_all(a->tx);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].error, 0) << events[0].text;
    EXPECT_EQ(events[0].flags, FI_RMA | FI_WRITE);
    EXPECT_EQ(target.all(), source.all());
    EXPECT_TRUE(b->rx.empty());
  }

  void read(const Access& what) {
    const Memory target(*a, what.length, what.local_pieces, what.described);
    Memory source(*b, what.length, what.remote_pieces);
    source.fill(2);
    Rma request = request_for(what, target, source);
    ASSERT_EQ(world.post([&] { return a->engine().read(request); }), 0);
    ASSERT_TRUE(world.run());
    const std::vector<Event> events = read_all(a->tx);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].error, 0) << events[0].text;
    EXPECT_EQ(events[0].flags, FI_RMA | FI_READ);
    EXPECT_EQ(target.all(), source.all());
  }

  static Rma request_for(const Access& what, const Memory& local, const Memory& remote) {
    Rma request;
    request.local = local.buffers();
    request.remote = remote.remote();
    request.delivery_complete = what.delivery_complete;
    return request;
  }

  Node* a = nullptr;
  Node* b = nullptr;
};

TEST_P(OneSided, ByTheDevice) {
  use({});
}

TEST_P(OneSided, ByTheDeviceInShortRequests) {
  Settings settings;
  settings.max_rdma = 4000;
  if (GetParam().tiny_queues) settings.max_rdma = 20000;  // at most as many as the SQ has room for
  use(settings);
}

TEST_P(OneSided, Emulated) {
  Settings settings;
  settings.rdma_read = settings.rdma_write = false;
  use(settings);
}

TEST_P(OneSided, WritesThatThePeerReads) {
  Settings settings;
  settings.rdma_write = false;
  use(settings);
}

// READ_NACK of a write: it comes as a new operation (11.9). The peer announced what it cannot do.
TEST_P(OneSided, WritesThatThePeerCannotRead) {
  Settings settings;
  settings.rdma_write = false;
  Settings cannot = settings;
  cannot.rdma_read = false;
  cannot.features |= Features::kRdmaRead;
  std::tie(a, b) = world.pair(GetParam().of(settings), GetParam().of(cannot));
  for (const bool delivery_complete : {false, true})
    for (const std::size_t length : {9000U, 20000U})
      write({length, 2, 3, !delivery_complete, delivery_complete});
  world.expect_clean();
}

TEST_P(OneSided, WritesBringCqData) {
  for (const bool device : {true, false}) {
    Settings settings;
    settings.rdma_write = device;
    std::tie(a, b) = world.pair(GetParam().of(settings));
    const std::size_t first = 2 * (device ? 0 : 1);
    a = world.nodes[first].get();
    b = world.nodes[first + 1].get();
    for (const std::size_t length : {8U, 800U, 3000U, 30000U}) {
      SCOPED_TRACE(length);
      Memory source(*a, length);
      const Memory target(*b, length);
      source.fill(1);
      Rma request = request_for({}, source, target);
      request.has_cq_data = true;
      request.cq_data = 0x12345678;
      ASSERT_EQ(world.post([&] { return a->engine().write(request); }), 0);
      ASSERT_TRUE(world.run());
      const std::vector<Event> events = read_all(b->rx);
      ASSERT_EQ(events.size(), 1U);
      EXPECT_EQ(events[0].flags, FI_REMOTE_WRITE | FI_RMA | FI_REMOTE_CQ_DATA);
      EXPECT_EQ(events[0].data, 0x12345678U);
      EXPECT_EQ(events[0].length, length);
      EXPECT_EQ(events[0].source, 0U);
      EXPECT_EQ(target.all(), source.all());
      EXPECT_EQ(read_all(a->tx).size(), 1U);
    }
  }
  world.expect_clean();
}

TEST_P(OneSided, WritesLongerThanARequestBringCqDataOnce) {
  Settings settings;
  settings.max_rdma = 4000;
  std::tie(a, b) = world.pair(GetParam().of(settings));
  Memory source(*a, 9000);
  const Memory target(*b, 9000);
  source.fill(1);
  Rma request = request_for({}, source, target);
  request.has_cq_data = true;
  ASSERT_EQ(world.post([&] { return a->engine().write(request); }), 0);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(read_all(b->rx).size(), 1U);
  EXPECT_EQ(target.all(), source.all());
  world.expect_clean();
}

TEST_P(OneSided, InjectedWritesAreCopied) {
  for (const bool device : {true, false}) {
    Settings settings;
    settings.rdma_write = device;
    world.pair(GetParam().of(settings));
    a = world.nodes[world.nodes.size() - 2].get();
    b = world.nodes[world.nodes.size() - 1].get();
    for (const std::size_t pieces : {1U, 3U})
      for (const std::size_t length : {0U, 8U, 700U}) {
        Memory source(*a, length, 1, false);
        const Memory target(*b, length, length == 0 ? 1 : pieces);
        const std::vector<std::byte> data = source.fill(5).all();
        Rma request = request_for({}, source, target);
        request.inject = true;
        request.reports = false;
        ASSERT_EQ(world.post([&] { return a->engine().write(request); }), 0);
        source.overwrite();
        ASSERT_TRUE(world.run());
        EXPECT_EQ(target.all(), data);
        EXPECT_TRUE(a->tx.empty());
      }
  }
  world.expect_clean();
}

// A registration that is closed while peers write and read there: nothing touches the memory after
// that, nothing is left of the operations but what the peers wait for.
TEST_P(OneSided, EndsInMemoryThatIsClosed) {
  Settings settings;
  settings.rdma_write = false;
  for (const bool reads : {false, true})
    for (const unsigned turns : {1U, 2U, 3U, 4U, 6U, 9U, 15U, 30U, 60U}) {
      SCOPED_TRACE(std::to_string(turns) + (reads ? " turns, device reads" : " turns"));
      settings.rdma_read = reads;
      world.pair(GetParam().of(settings));
      a = world.nodes[world.nodes.size() - 2].get();
      b = world.nodes[world.nodes.size() - 1].get();
      auto theirs = std::make_unique<Memory>(*b, 30001);
      Memory source(*a, 30001);
      const Memory target(*a, 30001);
      const Rma write = request_for({}, source.fill(1), *theirs);
      const Rma read = request_for({}, target, *theirs);
      ASSERT_EQ(world.post([&] { return a->engine().write(write); }), 0);
      ASSERT_EQ(world.post([&] { return a->engine().read(read); }), 0);
      for (unsigned turn = 0; turn < turns; ++turn) world.turn();
      b->close_region(*theirs->buffers()[0].region);
      theirs.reset();
      ASSERT_TRUE(world.run());
      const Usage usage = b->engine().usage();
      EXPECT_EQ(usage.outgoing + usage.incoming + usage.requests + usage.packets, 0U);
      for (const Report& report : b->reports) EXPECT_EQ(report.provider_errno, 4111) << report.text;
      a->disconnect(0);
      ASSERT_TRUE(world.run());
      read_all(a->tx);
    }
  std::erase_if(world.network.violations,  // of requests that were on the device
                [](const std::string& what) { return what.starts_with("local key"); });
  world.expect_clean();
}

EFA_IN_EVERY_WEATHER(OneSided);

// ---- Errors

class RemoteAccess : public ::testing::Test {
 protected:
  void write_to(const Iov& target, bool emulated) {
    Settings settings;
    settings.rdma_write = settings.rdma_read = !emulated;
    std::tie(a, b) = world.pair(settings);
    Memory source(*a, 16);
    Rma request;
    request.local = source.fill(1).buffers();
    request.remote.count = 1;
    request.remote.iov[0] = target;
    ASSERT_EQ(a->engine().write(request), 0);
    ASSERT_TRUE(world.run());
    world.expect_clean();
  }
  World world;
  Node* a = nullptr;
  Node* b = nullptr;
};

TEST_F(RemoteAccess, WithAnUnknownKeyIsAnErrorOfTheDevice) {
  write_to({0x1000, 16, 3}, false);
  const std::vector<Event> events = read_all(a->tx);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].error, FI_EINVAL);
  EXPECT_EQ(events[0].code, 7);
  EXPECT_NE(events[0].text.find("remote address or key"), std::string::npos);
  EXPECT_EQ(a->writes.errors, 1U);
}

TEST_F(RemoteAccess, WithAnUnknownKeyIsToldToTheTarget) {
  write_to({0x1000, 16, 3}, true);
  ASSERT_EQ(b->reports.size(), 1U);
  EXPECT_EQ(b->reports[0].provider_errno, 4111);
  EXPECT_NE(b->reports[0].text.find("no registration has this key"), std::string::npos);
}

TEST_F(RemoteAccess, IsCheckedAgainstRangeAndRightsOfTheRegistration) {
  Settings settings;
  settings.rdma_write = settings.rdma_read = false;
  std::tie(a, b) = world.pair(settings);
  alignas(8) std::byte memory[32] = {};
  const Region* readable = b->register_region(memory, sizeof memory, FI_REMOTE_READ);
  const Region* writable = b->register_region(memory, sizeof memory, FI_REMOTE_WRITE);
  Memory local(*a, 16);
  Rma request;
  request.local = local.fill(1).buffers();
  request.remote.count = 1;
  const auto at = reinterpret_cast<std::uintptr_t>(memory);
  for (const Iov& wrong : {Iov{at + 17, 16, writable->rkey}, Iov{at - 1, 16, writable->rkey},
                           Iov{at, 16, readable->rkey}}) {
    request.remote.iov[0] = wrong;
    ASSERT_EQ(world.post([&] { return a->engine().write(request); }), 0);
    ASSERT_TRUE(world.run());
    ASSERT_EQ(b->reports.size(), 1U);
    EXPECT_EQ(b->reports[0].provider_errno, 4111);
    b->reports.clear();
  }
  for (const std::byte byte : memory) EXPECT_EQ(byte, std::byte{0});
  // A fetch needs both rights.
  std::uint64_t operand = 5;
  std::uint64_t result = 0;
  AtomicRequest atomic;
  atomic.form = AtomicForm::kFetch;
  atomic.datatype = FI_UINT64;
  atomic.op = FI_SUM;
  atomic.operand.assign(&operand, 8, nullptr);
  atomic.result.assign(&result, 8, nullptr);
  atomic.remote.count = 1;
  for (const Region* region : {readable, writable}) {
    atomic.remote.iov[0] = {at, 8, region->rkey};
    ASSERT_EQ(world.post([&] { return a->engine().atomic(atomic); }), 0);
    ASSERT_TRUE(world.run());
    EXPECT_EQ(b->reports.size(), 1U);
    b->reports.clear();
  }
  EXPECT_EQ(memory[0], std::byte{0});
}

// ---- Waiting for the handshake

TEST(Handshake, SixteenOperationsWaitForItAndOneTriggerAsks) {
  World world;
  const auto [a, b] = world.pair();
  const Memory target(*b, 16);
  Memory source(*a, 16);
  Rma request;
  request.local = source.fill(1).buffers();
  request.remote = target.remote();
  for (int i = 0; i < 8; ++i) ASSERT_EQ(a->engine().write(request), 0);
  for (int i = 0; i < 8; ++i) ASSERT_EQ(a->engine().read(request), 0);
  EXPECT_EQ(a->engine().usage().deferred, 16U);
  EXPECT_EQ(a->engine().write(request), -FI_EAGAIN);
  EXPECT_EQ(a->engine().read(request), -FI_EAGAIN);
  a->engine().progress();
  EXPECT_EQ(world.network.flying(), 1U);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(read_all(a->tx).size(), 16U);
  EXPECT_EQ(target.all(), source.all());
  EXPECT_EQ(a->engine().write(request), 0);
  ASSERT_TRUE(world.run());
  world.expect_clean();
  read_all(a->tx);
}

TEST(Handshake, InjectedOperationsDoNotWait) {
  World world;
  const auto both = world.pair();
  Node* const a = both.first;
  Node* const b = both.second;
  const Memory target(*b, 16);
  Memory source(*a, 16);
  Rma request;
  request.local = source.fill(1).buffers();
  request.remote = target.remote();
  request.inject = true;
  EXPECT_EQ(a->engine().write(request), -FI_EAGAIN);
  EXPECT_EQ(world.post([&] { return a->engine().write(request); }), 0);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(target.all(), source.all());
  world.expect_clean();
}

TEST(Handshake, OfAPeerThatDoesNotAnswerFailsWhatWaits) {
  World world;
  const auto both = world.pair();
  Node* const a = both.first;
  Node* const b = both.second;
  b->silent = kUnresponsive;
  const Memory target(*b, 16);
  Memory source(*a, 16);
  Rma request;
  request.local = source.buffers();
  request.remote = target.remote();
  request.context = &request;
  ASSERT_EQ(a->engine().write(request), 0);
  ASSERT_EQ(a->engine().read(request), 0);
  ASSERT_TRUE(world.run_until([&] { return a->engine().usage().deferred == 0; }));
  const std::vector<Event> events = read_all(a->tx);
  ASSERT_EQ(events.size(), 2U);
  for (const Event& event : events) {
    EXPECT_EQ(event.error, FI_ECONNABORTED);
    EXPECT_EQ(event.code, 4126);
    EXPECT_EQ(event.context, &request);
    EXPECT_NE(event.text.find("never answered"), std::string::npos);
  }
  EXPECT_EQ(a->writes.errors + a->reads.errors, 2U);
  // It comes back.
  b->silent = 0;
  ASSERT_EQ(a->engine().write(request), 0);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(read_all(a->tx).size(), 1U);
  world.expect_clean();
}

TEST(Handshake, HomogeneousPeersDoNotWait) {
  World world;
  Settings settings;
  settings.homogeneous = true;
  const auto [a, b] = world.pair(settings);
  const Memory target(*b, 16);
  Memory source(*a, 16);
  Rma request;
  request.local = source.fill(1).buffers();
  request.remote = target.remote();
  ASSERT_EQ(a->engine().write(request), 0);
  EXPECT_EQ(a->engine().usage().deferred, 0U);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(target.all(), source.all());
}

}  // namespace
}  // namespace efa::rdm::sim
