// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Several devices on one switch, driven as a provider drives them: WQEs into LLQ memory, receive
/// descriptors into the RQ ring, doorbell words, CQEs read by phase. Time is stepped by the test.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "datapath/data_path.hpp"
#include "device/harness.hpp"
#include "fabric/switch.hpp"
#include "fabric/topology.hpp"

namespace efa::emu::test {

inline constexpr Nanoseconds kMicrosecond = 1'000;
inline constexpr Nanoseconds kMillisecond = 1'000'000;
inline constexpr Nanoseconds kSecond = 1'000'000'000;
inline constexpr std::uint32_t kQkey = 0x11111111;

/// What a test takes for granted. Thrown, so that fuzz targets can use the rig too.
inline void require(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

/// Who a message goes to: what a provider knows of its peer.
struct Address {
  std::uint16_t ah = 0;
  std::uint16_t qp = 0;
  std::uint32_t qkey = kQkey;
};

/// A completion as the consumer reads it.
struct Cqe {
  efa_rx_cdesc_ex raw{};

  efa_comp_status status() const { return static_cast<efa_comp_status>(raw.base.common.status); }
  std::uint16_t id() const { return raw.base.common.req_id; }
  std::uint64_t id64() const {
    efa_tx_cdesc send;
    std::memcpy(&send, &raw, sizeof send);
    return efa_tx_cdesc_req_id64(&send);
  }
  std::uint16_t qp() const { return raw.base.common.qp_num; }
  bool is_send() const {
    return efa_cdesc_common_q_type(&raw.base.common) == EFA_QUEUE_TYPE_SEND_QUEUE;
  }
  efa_send_op_type op() const {
    return static_cast<efa_send_op_type>(efa_cdesc_common_op_type(&raw.base.common));
  }
  bool has_imm() const { return efa_cdesc_common_has_imm(&raw.base.common) != 0; }
  bool unsolicited() const { return efa_cdesc_common_unsolicited(&raw.base.common) != 0; }
  /// Received bytes, with the upper half of RDMA writes.
  std::uint32_t length() const {
    const std::uint32_t high =
        op() == EFA_SEND_OP_TYPE_RDMA_WRITE ? raw.u.rdma_write.length_hi : 0u;
    return raw.base.length | high << 16;
  }
  std::uint16_t ah() const { return raw.base.ah; }
  std::uint16_t source_qp() const { return raw.base.src_qp_num; }
  std::uint32_t imm() const { return raw.base.imm; }
  Gid source_gid() const {
    Gid gid;
    std::memcpy(gid.raw.data(), raw.u.src_addr, gid.raw.size());
    return gid;
  }
};

/// A registered buffer.
struct Region {
  ArrayMemory* memory = nullptr;
  DmaAddr addr = 0;
  std::uint64_t length = 0;
  std::uint32_t key = 0;

  std::byte* bytes() const { return &memory->at<std::byte>(addr); }
  std::string text(std::size_t offset, std::size_t count) const {
    return {reinterpret_cast<const char*>(bytes()) + offset, count};
  }
  void put(std::string_view text, std::size_t offset = 0) const {
    std::memcpy(bytes() + offset, text.data(), text.size());
  }
  void fill(std::uint8_t seed) const {
    for (std::uint64_t i = 0; i < length; ++i)
      bytes()[i] = static_cast<std::byte>(seed + i * 7 + (i >> 8));
  }
  bool same(const Region& other, std::uint64_t count) const {
    return std::memcmp(bytes(), other.bytes(), count) == 0;
  }
};

/// A send WQE under construction; the bytes that the operation does not use keep their garbage.
struct Wqe {
  efa_tx_wqe_128 raw;

  explicit Wqe(std::uint32_t op, const Address& to = {}, std::uint16_t id = 0) {
    std::memset(static_cast<void*>(&raw), 0xa5, sizeof raw);
    raw.meta = {};
    efa_tx_meta_desc& meta = raw.meta;
    efa_tx_meta_desc_set_op_type(&meta, op);
    efa_tx_meta_desc_set_meta_desc(&meta, 1);
    efa_tx_meta_desc_set_first(&meta, 1);
    efa_tx_meta_desc_set_last(&meta, 1);
    efa_tx_meta_desc_set_comp_req(&meta, 1);
    meta.req_id = id;
    meta.ah = to.ah;
    meta.dest_qp_num = to.qp;
    meta.qkey = to.qkey;
  }

  Wqe& id64(std::uint64_t id) {
    efa_tx_meta_desc_set_req_id64(&raw.meta, id);
    return *this;
  }
  Wqe& imm(std::uint32_t value) {
    efa_tx_meta_desc_set_has_imm(&raw.meta, 1);
    raw.meta.immediate_data = value;
    return *this;
  }
  /// Next SGE (the only local one of RDMA operations).
  Wqe& sge(std::uint64_t addr, std::uint32_t length, std::uint32_t key) {
    efa_tx_buf_desc desc{};
    desc.length = length;
    efa_tx_buf_desc_set_lkey(&desc, key);
    efa_tx_buf_desc_set_addr(&desc, addr);
    if (is_rdma())
      raw.data.rdma_req.local_mem = desc;
    else
      raw.data.sgl[raw.meta.length] = desc;
    ++raw.meta.length;
    return *this;
  }
  Wqe& sge(const Region& region, std::uint32_t length, std::uint64_t offset = 0) {
    return sge(region.addr + offset, length, region.key);
  }
  Wqe& remote(std::uint64_t addr, std::uint32_t length, std::uint32_t key) {
    efa_remote_mem_addr& mem = raw.data.rdma_req.remote_mem;
    mem.length = length;
    mem.rkey = key;
    efa_remote_mem_addr_set_addr(&mem, addr);
    return *this;
  }
  Wqe& remote(const Region& region, std::uint32_t length, std::uint64_t offset = 0) {
    return remote(region.addr + offset, length, region.key);
  }
  Wqe& inlined(std::string_view data) {
    efa_tx_meta_desc_set_inline_msg(&raw.meta, 1);
    raw.meta.length = static_cast<std::uint16_t>(data.size());
    std::uint8_t* to = is_rdma() ? raw.data.rdma_req.inline_data : raw.data.inline_data;
    std::memcpy(to, data.data(), std::min<std::size_t>(data.size(), EFA_INLINE_128));
    return *this;
  }

 private:
  bool is_rdma() const {
    const auto op = efa_tx_meta_desc_op_type(&raw.meta);
    return op == EFA_SEND_OP_TYPE_RDMA_READ || op == EFA_SEND_OP_TYPE_RDMA_WRITE;
  }
};

inline Wqe send_to(const Address& to, std::uint16_t id = 0) {
  return Wqe(EFA_SEND_OP_TYPE_SEND, to, id);
}
inline Wqe write_to(const Address& to, std::uint16_t id = 0) {
  return Wqe(EFA_SEND_OP_TYPE_RDMA_WRITE, to, id);
}
inline Wqe read_from(const Address& to, std::uint16_t id = 0) {
  return Wqe(EFA_SEND_OP_TYPE_RDMA_READ, to, id);
}

class Node;

/// Consumer of a completion queue with one sub-CQ.
class Cq {
 public:
  struct Options {
    std::uint16_t depth = 256;
    std::uint16_t entry_size = sizeof(efa_rx_cdesc_ex);
    bool source_address = false;
    bool id64 = false;
    std::optional<std::uint16_t> eq = {};
  };

  Cq(Rig& rig, std::uint16_t uar, const Options& options) : rig_(rig), options_(options) {
    efa_create_cq_cmd cmd = rig.cq_command(uar, options.depth);
    efa_create_cq_cmd_set_cq_entry_size_words(&cmd, options.entry_size / 4u);
    efa_create_cq_cmd_set_set_src_addr(&cmd, options.source_address);
    efa_create_cq_cmd_set_sq_comp_64_bit_req_id(&cmd, options.id64);
    if (options.eq) {
      efa_create_cq_cmd_set_interrupt_mode_enabled(&cmd, 1);
      cmd.eqn = *options.eq;
    }
    ring_ = efa_mem_addr_get(&cmd.cq_ba);
    const auto answer = rig.create_cq(cmd);
    require(answer.ok(), "CREATE_CQ failed");
    number = answer.body.cq_idx;
    db_offset_ = answer.body.db_offset;
  }

  /// The next completion, if its phase says that it is there.
  std::optional<Cqe> poll() {
    const std::uint32_t slot = consumed_ % options_.depth;
    const std::uint32_t phase = consumed_ / options_.depth % 2 == 0 ? 1 : 0;
    const auto* entry = &rig_.memory.at<std::byte>(ring_ + slot * options_.entry_size);
    Cqe cqe;
    std::memcpy(&cqe.raw, entry, options_.entry_size);
    if (efa_cdesc_common_phase(&cqe.raw.base.common) != phase) return std::nullopt;
    ++consumed_;
    return cqe;
  }
  std::vector<Cqe> drain() {
    std::vector<Cqe> cqes;
    while (const auto cqe = poll()) cqes.push_back(*cqe);
    return cqes;
  }
  /// The only completion there is.
  Cqe only() {
    const std::vector<Cqe> cqes = drain();
    if (cqes.size() != 1)
      throw std::logic_error(std::to_string(cqes.size()) + " completions where one is expected");
    return cqes[0];
  }

  /// Doorbell word as a provider stores it.
  void doorbell(bool arm, std::uint32_t cmd_sn) {
    std::uint32_t value = efa_cq_doorbell_set_consumer_index(0, consumed_);
    value = efa_cq_doorbell_set_cmd_sn(value, cmd_sn);
    value = efa_cq_doorbell_set_arm(value, arm);
    __atomic_store_n(rig_.device.doorbell_word(db_offset_), value, __ATOMIC_RELEASE);
  }

  std::uint16_t number = 0;
  std::uint32_t consumed() const { return consumed_; }
  DmaAddr ring() const { return ring_; }
  const Options& options() const { return options_; }
  CompletionQueue& device_side() const { return *rig_.device.find_cq(number); }

 private:
  Rig& rig_;
  Options options_;
  DmaAddr ring_ = 0;
  std::uint32_t db_offset_ = 0;
  std::uint32_t consumed_ = 0;
};

/// One buffer of a receive.
struct RecvSge {
  std::uint64_t addr = 0;
  std::uint16_t length = 0;
  std::uint32_t key = 0;

  RecvSge(std::uint64_t at, std::uint16_t bytes, std::uint32_t lkey)
      : addr(at), length(bytes), key(lkey) {}
  RecvSge(const Region& region, std::uint16_t bytes, std::uint64_t offset = 0)
      : RecvSge(region.addr + offset, bytes, region.key) {}
};

/// A queue pair from the provider's side.
class Qp {
 public:
  struct Options {
    efa_qp_type type = EFA_QP_TYPE_SRD;
    std::uint32_t depth = 64;         ///< WQEs of the SQ
    std::uint32_t descriptors = 256;  ///< of the RQ
    bool wide = false;                ///< 128-byte WQEs
    bool id64 = false;
    bool unsolicited = false;
    std::uint32_t qkey = kQkey;
    std::optional<std::uint8_t> rnr_retry = {};
    std::optional<std::uint16_t> pd = {};
    Cq* send_cq = nullptr;  ///< nullptr: one of its own
    Cq* recv_cq = nullptr;
  };

  Qp(Node& node, const Options& options);

  // Send queue
  /// Writes the WQE without telling the device.
  void stage(const Wqe& wqe) {
    std::byte* ring = rig_.llq.data() + llq_offset_;
    std::memcpy(ring + (sq_posted % options_.depth) * wqe_size(), &wqe.raw, wqe_size());
    ++sq_posted;
  }
  void ring_sq() { ring_sq(sq_posted); }
  void ring_sq(std::uint16_t count) { store(sq_db_offset_, count); }
  void post(const Wqe& wqe) {
    stage(wqe);
    ring_sq();
  }

  // Receive queue
  /// `first_everywhere`: libfabric's way of filling in first and req_id.
  void stage_recv(std::uint16_t id, const std::vector<RecvSge>& sges,
                  bool first_everywhere = false) {
    for (std::size_t i = 0; i < sges.size(); ++i) {
      efa_rx_desc desc{};
      efa_rx_desc_set_addr(&desc, sges[i].addr);
      desc.length = sges[i].length;
      efa_rx_desc_set_lkey(&desc, sges[i].key);
      if (i == 0 || first_everywhere) {
        desc.req_id = id;
        efa_rx_desc_set_first(&desc, 1);
      }
      efa_rx_desc_set_last(&desc, i + 1 == sges.size());
      rig_.memory.at<efa_rx_desc>(rq_ring_ + (rq_posted % options_.descriptors) * sizeof desc) =
          desc;
      ++rq_posted;
    }
  }
  void ring_rq() { ring_rq(rq_posted); }
  void ring_rq(std::uint16_t count) { store(rq_db_offset_, count); }
  void post_recv(std::uint16_t id, const std::vector<RecvSge>& sges) {
    stage_recv(id, sges);
    ring_rq();
  }
  void post_recv(std::uint16_t id, const Region& region, std::uint16_t bytes,
                 std::uint64_t offset = 0) {
    post_recv(id, {RecvSge(region, bytes, offset)});
  }

  // States
  efa_aq_completion_status modify(efa_qp_state to) {
    efa_modify_qp_cmd cmd{};
    cmd.qp_handle = handle;
    efa_modify_qp_cmd_set_qp_state(&cmd, 1);
    cmd.qp_state = to;
    if (to == EFA_QP_STATE_INIT) {
      efa_modify_qp_cmd_set_qkey(&cmd, 1);
      cmd.qkey = options_.qkey;
    }
    if (to == EFA_QP_STATE_RTS && state() == EFA_QP_STATE_RTR) {
      efa_modify_qp_cmd_set_sq_psn(&cmd, 1);
      if (options_.rnr_retry) {
        efa_modify_qp_cmd_set_rnr_retry(&cmd, 1);
        cmd.rnr_retry = *options_.rnr_retry;
      }
    }
    if (to == EFA_QP_STATE_RESET) sq_posted = rq_posted = 0;
    return rig_.modify_qp(cmd);
  }
  void bring_up() {
    for (const auto state : {EFA_QP_STATE_INIT, EFA_QP_STATE_RTR, EFA_QP_STATE_RTS})
      require(modify(state) == kSuccess, "MODIFY_QP failed");
  }
  efa_qp_state state() const { return device_side().state; }
  efa_query_qp_resp query() {
    return rig_
        .execute<efa_query_qp_resp>(EFA_AQ_OPCODE_QUERY_QP,
                                    numbered(&efa_query_qp_cmd::qp_handle, handle))
        .body;
  }
  void destroy() { require(rig_.destroy_qp(handle) == kSuccess, "DESTROY_QP failed"); }

  QueuePair& device_side() const { return *rig_.device.find_qp(number); }
  std::size_t wqe_size() const { return options_.wide ? 128 : 64; }
  std::byte* sq_ring() const { return rig_.llq.data() + llq_offset_; }
  DmaAddr rq_ring() const { return rq_ring_; }
  const Options& options() const { return options_; }
  Node& node() const { return node_; }

  std::uint16_t number = 0;
  std::uint32_t handle = 0;
  std::uint16_t sq_posted = 0;
  std::uint16_t rq_posted = 0;
  Cq* send_cq = nullptr;
  Cq* recv_cq = nullptr;

 private:
  void store(std::uint32_t offset, std::uint32_t value) {
    __atomic_store_n(rig_.device.doorbell_word(offset), value, __ATOMIC_RELEASE);
  }

  Node& node_;
  Rig& rig_;
  Options options_;
  DmaAddr rq_ring_ = 0;
  std::uint32_t sq_db_offset_ = 0;
  std::uint32_t rq_db_offset_ = 0;
  std::uint32_t llq_offset_ = 0;
};

/// One device with its data path, a PD and a UAR.
class Node {
 public:
  Node(Switch& fabric, unsigned host, std::string_view generation, std::uint8_t last_gid_byte,
       const DeviceOptions& options)
      : rig(generation, options, default_identity(last_gid_byte)),
        path(rig.device, fabric, host),
        pd(rig.pd()),
        uar(rig.uar()) {}

  Cq& cq() { return cq({}); }
  Cq& cq(const Cq::Options& options) {
    return *cqs_.emplace_back(std::make_unique<Cq>(rig, uar, options));
  }
  /// A queue pair in RESET.
  Qp& raw_qp(const Qp::Options& options) {
    return *qps_.emplace_back(std::make_unique<Qp>(*this, options));
  }
  /// A queue pair in RTS.
  Qp& qp(const Qp::Options& options) {
    Qp& made = raw_qp(options);
    made.bring_up();
    return made;
  }
  Qp& qp() { return qp({}); }

  /// Fresh memory, registered page by page through a direct page list.
  Region region(std::uint64_t length,
                std::uint8_t permissions = kLocalWrite | kRemoteWrite | kRemoteRead,
                std::optional<std::uint16_t> in_pd = {}) {
    Region made{&rig.memory, rig.memory.allocate(length), length, 0};
    made.key = register_memory(made.addr, length, permissions, in_pd.value_or(pd));
    return made;
  }
  std::uint32_t register_memory(DmaAddr addr, std::uint64_t length, std::uint8_t permissions,
                                std::uint16_t in_pd) {
    const DmaAddr first = addr & ~DmaAddr{4095};
    const std::uint64_t pages = (addr + length - 1 - first) / 4096 + 1;
    const DmaAddr list = rig.memory.allocate(pages * 8);
    for (std::uint64_t i = 0; i < pages; ++i)
      rig.memory.at<std::uint64_t>(list + i * 8) = first + i * 4096;
    efa_reg_mr_cmd cmd = rig.mr_command(in_pd, addr, length, permissions);
    efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 1);
    cmd.pbl.pbl.length = static_cast<std::uint32_t>(pages * 8);
    efa_mem_addr_set(&cmd.pbl.pbl.address, list);
    const auto answer = rig.reg_mr(cmd);
    require(answer.ok(), "REG_MR failed");
    return answer.body.l_key;
  }

  std::uint16_t ah(const Gid& gid) { return ah(gid, pd); }
  std::uint16_t ah(const Gid& gid, std::uint16_t in_pd) {
    const auto answer = rig.create_ah(gid, in_pd);
    require(answer.ok(), "CREATE_AH failed");
    return answer.body.ah;
  }
  std::uint16_t ah(const Node& peer) { return ah(peer.gid()); }
  /// Everything needed to reach `qp`.
  Address address_of(const Qp& qp) { return {ah(qp.node()), qp.number, qp.options().qkey}; }

  const Gid& gid() const { return rig.device.identity().gid; }
  const Statistics& stats() const { return rig.device.stats; }

  Rig rig;
  DataPath path;
  std::uint16_t pd;
  std::uint16_t uar;

 private:
  std::vector<std::unique_ptr<Cq>> cqs_;
  std::vector<std::unique_ptr<Qp>> qps_;
};

inline Qp::Qp(Node& node, const Options& options)
    : send_cq(options.send_cq != nullptr ? options.send_cq
                                         : &node.cq({.depth = 1024, .id64 = options.id64})),
      recv_cq(options.recv_cq != nullptr ? options.recv_cq : &node.cq({.depth = 1024})),
      node_(node),
      rig_(node.rig),
      options_(options) {
  efa_create_qp_cmd cmd{};
  cmd.pd = options.pd.value_or(node.pd);
  cmd.uar = node.uar;
  cmd.qp_type = static_cast<std::uint8_t>(options.type);
  cmd.send_cq_idx = send_cq->number;
  cmd.recv_cq_idx = recv_cq->number;
  cmd.qp_alloc_size.send_queue_depth = options.depth;
  cmd.qp_alloc_size.send_queue_ring_size = options.depth * static_cast<std::uint32_t>(wqe_size());
  cmd.qp_alloc_size.recv_queue_depth = options.descriptors;
  cmd.qp_alloc_size.recv_queue_ring_size =
      options.descriptors * static_cast<std::uint32_t>(sizeof(efa_rx_desc));
  cmd.rq_base_addr = rq_ring_ = rig_.memory.allocate(options.descriptors * sizeof(efa_rx_desc));
  efa_create_qp_cmd_set_unsolicited_write_recv(&cmd, options.unsolicited);
  efa_create_qp_cmd_set_sq_64_bit_req_id(&cmd, options.id64);
  const auto answer = rig_.create_qp(cmd);
  require(answer.ok(), "CREATE_QP failed");
  number = answer.body.qp_num;
  handle = answer.body.qp_handle;
  sq_db_offset_ = answer.body.sq_db_offset;
  rq_db_offset_ = answer.body.rq_db_offset;
  llq_offset_ = answer.body.llq_descriptors_offset;
}

/// A switch with one node per host of a topology.
class FabricRig {
 public:
  explicit FabricRig(unsigned hosts = 2, const std::string& generation = "efa2",
                     const DeviceOptions& options = {})
      : FabricRig(uniform_topology(hosts, 1, generation), options) {}
  explicit FabricRig(const Topology& topology, const DeviceOptions& options = {})
      : fabric(topology, clock) {
    for (unsigned i = 0; i < topology.hosts.size(); ++i)
      nodes.push_back(std::make_unique<Node>(fabric, i, topology.hosts[i].generation,
                                             static_cast<std::uint8_t>(i + 1), options));
  }

  Node& operator[](std::size_t i) { return *nodes[i]; }

  /// One engine pass. True if anything was done.
  bool pass() {
    bool worked = fabric.run_due(clock.now());
    for (auto& node : nodes) worked |= node->path.poll();
    return worked;
  }
  /// Runs everything that can be done at this instant.
  void settle() {
    for (unsigned passes = 0; pass(); ++passes)
      require(passes < 1'000'000, "the data path never comes to rest");
  }
  /// Lets `step` pass; everything that falls due on the way runs at its time.
  void advance(Nanoseconds step) {
    const Nanoseconds end = clock.now() + step;
    settle();
    while (fabric.next_due() <= end) {
      clock.advance(std::max(fabric.next_due(), clock.now()) - clock.now());
      settle();
    }
    clock.advance(end - clock.now());
    settle();
  }
  /// Runs what is next, at its time. False if nothing is planned.
  bool step() {
    settle();
    const Nanoseconds due = fabric.next_due();
    if (due == ~Nanoseconds{0}) return false;
    advance(due - std::min(due, clock.now()));
    return true;
  }
  /// Lets time pass until no event is planned.
  void finish() {
    while (step()) {
    }
  }

  ManualClock clock;
  Switch fabric;
  std::vector<std::unique_ptr<Node>> nodes;
};

/// Two hosts with one SRD queue pair each that know one another.
struct Pair {
  explicit Pair(const std::string& generation = "efa2", const Qp::Options& options = {})
      : Pair(uniform_topology(2, 1, generation), options) {}
  explicit Pair(const Topology& topology, const Qp::Options& options = {})
      : rig(topology),
        a(rig[0].qp(options)),
        b(rig[1].qp(options)),
        to_b(rig[0].address_of(b)),
        to_a(rig[1].address_of(a)) {}

  Node& left() { return rig[0]; }
  Node& right() { return rig[1]; }

  FabricRig rig;
  Qp& a;
  Qp& b;
  Address to_b;
  Address to_a;
};

/// Two hosts whose paths have `impairment` both ways.
inline Topology impaired(const Impairment& impairment, std::uint64_t seed = 1,
                         const std::string& generation = "efa2") {
  Topology topology = uniform_topology(2, 1, generation);
  topology.links.push_back({"*", "*", impairment});
  topology.seed = seed;
  return topology;
}

}  // namespace efa::emu::test
