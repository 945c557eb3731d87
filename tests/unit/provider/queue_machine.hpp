// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A random walk over two queue pairs and their completion queue, compared step by step with the
/// model: posts of both interfaces, receives, a device that completes in any order, polls, RESETs.
#pragma once

#include <array>
#include <random>

#include "queue_model.hpp"
#include "status.hpp"

namespace efa::fake {

struct Flavour {
  const char* name;
  bool wide_ids = false;
  bool single_thread = false;
  bool inline_write = false;
  std::uint16_t sub_cqs = 1;
  std::uint16_t max_tx_batch = 0;
  std::uint16_t min_sq_wr = 0;
  std::uint32_t inline_bytes = 32;
  std::uint32_t recv_sges = 2;
};

inline constexpr unsigned kQps = 2;
inline constexpr std::uint32_t kCqEntries = 16;  // fewer than requests: the device has to wait

class Machine {
 public:
  Machine(const Flavour& flavour, std::uint32_t seed)
      : flavour_(flavour), random_(seed), model_cq_(flavour.sub_cqs) {
    ibv_td_init_attr td{};
    if (flavour.single_thread) {
      td_.reset(alloc_td(station_.base(), &td));
      ibv_parent_domain_init_attr parent{};
      parent.pd = station_.pd();
      parent.td = td_.get();
      parent_.reset(alloc_parent_domain(station_.base(), &parent));
    }
    cq_ = station_.extended_cq(kCqEntries, parent_.get());
    for (Pair& pair : pairs_) create(pair);
  }

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      Pair& pair = pairs_[below(kQps)];
      switch (below(10)) {
        case 0:
        case 1:
          post_list(pair);
          break;
        case 2:
        case 3:
          build_session(pair);
          break;
        case 4:
          post_receives(pair);
          break;
        case 5:
          take(pair);
          break;
        case 6:
        case 7:
          for (unsigned i = below(6); i > 0; --i) complete(pair);
          break;
        case 8:
          below(2) ? poll_classic() : poll_extended();
          break;
        case 9:
          if (below(10) == 0) reset(pair);
          break;
      }
    }
  }

  std::uint64_t delivered = 0, full = 0, dropped = 0, errors = 0, resets = 0;

 private:
  struct Pair {
    Owner<ibv_qp> qp;
    ModelQueue<Send> sends;
    ModelQueue<Receive> receives;
    std::uint32_t posted = 0;  // since RESET
    bool phase = false;
    unsigned generation = 0;
    unsigned index = 0;
  };

  unsigned below(unsigned limit) {
    return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_);
  }
  std::uint64_t number() { return std::uniform_int_distribution<std::uint64_t>()(random_); }
  DeviceQp& device(const Pair& pair) { return kernel().qp(pair.qp.get()); }

  void create(Pair& pair) {
    QpRequest request;
    request.inline_bytes = flavour_.inline_bytes;
    request.recv_sges = flavour_.recv_sges;
    request.inline_write = flavour_.inline_write;
    pair.index = static_cast<unsigned>(&pair - pairs_.data());
    pair.qp = station_.qp(cq_.get(), cq_.get(), request, parent_.get());
    ASSERT_NE(pair.qp, nullptr) << kernel().log;
    pair.sends.depth = device(pair).sq_depth();
    pair.receives.depth = device(pair).rq_depth() / flavour_.recv_sges;
    bring_up(pair);
  }
  void bring_up(Pair& pair) {
    for (const ibv_qp_state state : {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS})
      ASSERT_EQ(move_to(pair.qp.get(), state), 0);
  }

  // Posting.

  Send random_send() {
    Send send;
    send.wr_id = number();
    if (below(3) == 0) send.imm = static_cast<std::uint32_t>(number());
    send.dest = static_cast<std::uint16_t>(number());
    send.qkey = static_cast<std::uint32_t>(number());
    return send;
  }
  void give_payload(Send& send, std::uint32_t most_segments) {
    send.inlined = below(2) != 0;
    if (send.inlined) {
      send.data.resize(below(flavour_.inline_bytes + 1));
      for (std::byte& byte : send.data) byte = static_cast<std::byte>(number());
    } else {
      send.segments.resize(below(most_segments + 1));
      for (ibv_sge& sge : send.segments)
        sge = {number(), static_cast<std::uint32_t>(number()),
               static_cast<std::uint32_t>(number())};
    }
  }
  /// Gives the next place of the ring to `send`.
  void place(Pair& pair, Send& send) {
    send.phase = pair.phase;
    if (++pair.posted % pair.sends.depth == 0) pair.phase = !pair.phase;
  }

  /// The data of an inline send in one or two pieces.
  std::vector<ibv_sge> pieces_of(const Send& send) {
    const auto start = reinterpret_cast<std::uintptr_t>(send.data.data());
    const auto size = static_cast<std::uint32_t>(send.data.size());
    const std::uint32_t cut = below(size + 1);
    if (below(2) == 0) return {{start, size, 0}};
    return {{start, cut, 0}, {start + cut, size - cut, 0}};
  }

  void post_list(Pair& pair) {
    const unsigned count = 1 + below(6);
    std::vector<Send> sends(count);
    std::vector<std::vector<ibv_sge>> lists(count);
    std::vector<ibv_send_wr> requests(count);
    const unsigned invalid = below(4) == 0 ? below(count) : count;
    for (unsigned i = 0; i < count; ++i) {
      Send& send = sends[i] = random_send();
      give_payload(send, 2);
      ibv_send_wr& wr = requests[i];
      lists[i] = send.inlined ? pieces_of(send) : send.segments;
      wr = {};
      wr.wr_id = send.wr_id;
      wr.next = i + 1 < count ? &requests[i + 1] : nullptr;
      wr.sg_list = lists[i].data();
      wr.num_sge = static_cast<int>(lists[i].size());
      wr.opcode = send.imm ? IBV_WR_SEND_WITH_IMM : IBV_WR_SEND;
      wr.send_flags = IBV_SEND_SIGNALED | (send.inlined ? IBV_SEND_INLINE : 0);
      if (send.imm) wr.imm_data = __builtin_bswap32(*send.imm);
      wr.wr.ud.ah = station_.ah();
      wr.wr.ud.remote_qpn = send.dest;
      wr.wr.ud.remote_qkey = send.qkey;
    }
    if (invalid < count) spoil(requests[invalid]);
    const unsigned room = pair.sends.depth - pair.sends.in_flight;
    const unsigned posted = std::min({count, room, invalid});
    ibv_send_wr* bad = nullptr;
    const int error = post_send(pair.qp.get(), requests.data(), &bad);
    EXPECT_EQ(error, posted == count ? 0 : posted == room ? ENOMEM : EINVAL);
    EXPECT_EQ(bad, posted == count ? nullptr : &requests[posted]);
    if (error == ENOMEM) ++full;
    for (unsigned i = 0; i < posted; ++i) {
      place(pair, sends[i]);
      pair.sends.post(sends[i]);
    }
  }
  void spoil(ibv_send_wr& wr) {
    switch (below(4)) {
      case 0:
        wr.send_flags = IBV_SEND_INLINE & wr.send_flags;
        break;
      case 1:
        wr.opcode = IBV_WR_RDMA_READ;
        break;
      case 2:
        wr.send_flags |= IBV_SEND_FENCE;
        break;
      case 3:
        wr.send_flags &= ~static_cast<unsigned>(IBV_SEND_INLINE);
        wr.num_sge = 3;
        break;
    }
  }

  void build_session(Pair& pair) {
    ibv_qp_ex* qp = &Qp::of(pair.qp.get()).verbs.qp_ex;
    const std::uint32_t posted_before = pair.posted;
    const bool phase_before = pair.phase;
    const unsigned count = below(7);
    const unsigned failing = below(5) == 0 ? below(count + 1) : count;
    std::vector<Send> sends;
    int expected = 0;
    qp->wr_start(qp);
    for (unsigned i = 0; i < count; ++i) {
      if (expected == 0 && pair.sends.in_flight + sends.size() == pair.sends.depth) {
        expected = ENOMEM;
        ++full;
      }
      Send send = random_send();
      if (i == failing && expected == 0) expected = EINVAL;
      build(pair, qp, send, i == failing);
      if (expected == 0) {
        place(pair, send);
        sends.push_back(send);
      }
    }
    const bool abort = below(5) == 0;
    if (abort) {
      qp->wr_abort(qp);
    } else {
      EXPECT_EQ(qp->wr_complete(qp), expected);
    }
    if (abort || expected != 0) {
      pair.posted = posted_before;
      pair.phase = phase_before;
      return;
    }
    for (const Send& send : sends) pair.sends.post(send);
  }

  /// One request of a session. @param fails  with something that is refused
  void build(Pair&, ibv_qp_ex* qp, Send& send, bool fails) {
    qp->wr_id = send.wr_id;
    qp->wr_flags = IBV_SEND_SIGNALED;
    const unsigned kind = below(fails ? 2 : 4);
    if (fails && kind == 0) qp->wr_flags = IBV_SEND_SIGNALED | IBV_SEND_FENCE;
    if (kind >= 2) {
      send.op = kind == 2 ? EFA_SEND_OP_TYPE_RDMA_READ : EFA_SEND_OP_TYPE_RDMA_WRITE;
      send.rkey = static_cast<std::uint32_t>(number());
      send.remote = number();
    }
    if (kind == 2) {
      send.imm.reset();
      qp->wr_rdma_read(qp, send.rkey, send.remote);
    } else if (kind == 3) {
      send.imm ? qp->wr_rdma_write_imm(qp, send.rkey, send.remote, __builtin_bswap32(*send.imm))
               : qp->wr_rdma_write(qp, send.rkey, send.remote);
    } else {
      send.imm ? qp->wr_send_imm(qp, __builtin_bswap32(*send.imm)) : qp->wr_send(qp);
    }
    qp->wr_set_ud_addr(qp, station_.ah(), send.dest, send.qkey);
    if (fails && kind == 1) {
      std::array<ibv_sge, 3> three{};
      return qp->wr_set_sge_list(qp, three.size(), three.data());
    }
    give_payload(send, kind >= 2 ? 1 : 2);
    if (send.inlined && kind >= 2 && !(kind == 3 && flavour_.inline_write)) {
      send.inlined = false;
      send.data.clear();
    }
    set_payload(qp, send);
  }
  void set_payload(ibv_qp_ex* qp, const Send& send) {
    if (send.inlined) {
      std::vector<ibv_data_buf> buffers;
      for (const ibv_sge& piece : pieces_of(send))
        buffers.push_back({reinterpret_cast<void*>(piece.addr), piece.length});
      if (buffers.size() == 1)
        return qp->wr_set_inline_data(qp, buffers[0].addr, buffers[0].length);
      return qp->wr_set_inline_data_list(qp, buffers.size(), buffers.data());
    }
    if (send.segments.size() == 1 && below(2) == 0) {
      const ibv_sge& sge = send.segments[0];
      return qp->wr_set_sge(qp, sge.lkey, sge.addr, sge.length);
    }
    qp->wr_set_sge_list(qp, send.segments.size(), send.segments.data());
  }

  void post_receives(Pair& pair) {
    const unsigned count = 1 + below(5);
    std::vector<Receive> receives(count);
    std::vector<ibv_recv_wr> requests(count);
    const unsigned invalid = below(5) == 0 ? below(count) : count;
    for (unsigned i = 0; i < count; ++i) {
      receives[i].wr_id = number();
      receives[i].segments.resize(below(flavour_.recv_sges + 1));
      for (ibv_sge& sge : receives[i].segments)
        sge = {number(), static_cast<std::uint32_t>(number()),
               static_cast<std::uint32_t>(number()) & 0xffffff};
      requests[i] = {receives[i].wr_id, i + 1 < count ? &requests[i + 1] : nullptr,
                     receives[i].segments.data(), static_cast<int>(receives[i].segments.size())};
    }
    if (invalid < count) requests[invalid].num_sge = static_cast<int>(flavour_.recv_sges + 1);
    const unsigned room = pair.receives.depth - pair.receives.in_flight;
    const unsigned posted = std::min({count, room, invalid});
    ibv_recv_wr* bad = nullptr;
    const int error = post_recv(pair.qp.get(), requests.data(), &bad);
    EXPECT_EQ(error, posted == count ? 0 : posted == invalid ? EINVAL : ENOMEM);
    EXPECT_EQ(bad, posted == count ? nullptr : &requests[posted]);
    for (unsigned i = 0; i < posted; ++i) pair.receives.post(receives[i]);
  }

  // The device.

  void take(Pair& pair) {
    const std::uint16_t ah = Ah::of(station_.ah()).number;
    for (const efa_tx_wqe_128& wqe : device(pair).take_sends()) {
      ASSERT_FALSE(pair.sends.announced.empty()) << "more was announced than posted";
      const Send& send = pair.sends.announced.front();
      expect_wqe(wqe, send, ah);
      const std::uint64_t id = efa_tx_meta_desc_req_id64(&wqe.meta);
      EXPECT_TRUE(!flavour_.wide_ids || id == send.wr_id);
      pair.sends.held.push_back({send, id});
      pair.sends.announced.pop_front();
    }
    EXPECT_TRUE(pair.sends.announced.empty()) << "posted and not announced";
    std::vector<efa_rx_desc> request;
    for (const efa_rx_desc& descriptor : device(pair).take_receives()) {
      request.push_back(descriptor);
      if (!efa_rx_desc_last(&descriptor)) continue;
      ASSERT_FALSE(pair.receives.announced.empty());
      expect_descriptors(request, pair.receives.announced.front());
      pair.receives.held.push_back({pair.receives.announced.front(), request[0].req_id});
      pair.receives.announced.pop_front();
      request.clear();
    }
    EXPECT_TRUE(pair.receives.announced.empty());
  }

  template <class Request>
  Held<Request> pick(std::vector<Held<Request>>& held) {
    std::swap(held[below(static_cast<unsigned>(held.size()))], held.back());
    const Held<Request> picked = held.back();
    held.pop_back();
    return picked;
  }

  /// One request of either queue ends, with a random status.
  void complete(Pair& pair) {
    const bool unsolicited = below(8) == 0;
    const bool send =
        !unsolicited && !pair.sends.held.empty() && (pair.receives.held.empty() || below(2) == 0);
    DeviceCq& cq = kernel().cq(cq_.get());
    if ((!send && !unsolicited && pair.receives.held.empty()) || cq.room() == 0) return;
    Completion completion{pair.index, pair.generation, {}, unsolicited};
    efa_rx_cdesc_ex entry{};
    entry.base.common.qp_num = device(pair).number;
    entry.base.common.status = static_cast<std::uint8_t>(below(3) == 0 ? below(19) : 0);
    efa_cdesc_common_set_unsolicited(&entry.base.common, unsolicited);
    completion.wc.qp_num = entry.base.common.qp_num;
    completion.wc.vendor_err = entry.base.common.status;
    completion.wc.status = wc_status(entry.base.common.status);
    send ? complete_send(pair, entry, completion.wc) : complete_receive(pair, entry, completion.wc);
    const unsigned ring = (pair.index * 2 + send) % flavour_.sub_cqs;
    cq.put(ring, entry);
    model_cq_.ring(ring).push_back(completion);
  }
  void complete_send(Pair& pair, efa_rx_cdesc_ex& entry, ibv_wc& wc) {
    const Held<Send> held = pick(pair.sends.held);
    auto& sent = reinterpret_cast<efa_tx_cdesc&>(entry);
    efa_cdesc_common_set_q_type(&sent.common, EFA_QUEUE_TYPE_SEND_QUEUE);
    efa_cdesc_common_set_op_type(&sent.common, held.request.op);
    efa_tx_cdesc_set_req_id64(&sent, held.id);
    wc.wr_id = held.request.wr_id;
    wc.opcode = held.request.op == EFA_SEND_OP_TYPE_RDMA_WRITE ? IBV_WC_RDMA_WRITE : IBV_WC_SEND;
  }
  void complete_receive(Pair& pair, efa_rx_cdesc_ex& entry, ibv_wc& wc) {
    const bool unsolicited = efa_cdesc_common_unsolicited(&entry.base.common);
    const Held<Receive> held = unsolicited ? Held<Receive>{} : pick(pair.receives.held);
    const bool write = unsolicited || below(4) == 0;
    const bool imm = write || below(2) == 0;
    efa_cdesc_common_set_q_type(&entry.base.common, EFA_QUEUE_TYPE_RECV_QUEUE);
    efa_cdesc_common_set_op_type(&entry.base.common,
                                 write ? EFA_SEND_OP_TYPE_RDMA_WRITE : EFA_SEND_OP_TYPE_SEND);
    efa_cdesc_common_set_has_imm(&entry.base.common, imm);
    entry.base.common.req_id = static_cast<std::uint16_t>(held.id);
    entry.base.length = static_cast<std::uint16_t>(number());
    entry.base.ah = static_cast<std::uint16_t>(number());
    entry.base.src_qp_num = static_cast<std::uint16_t>(number());
    entry.base.imm = static_cast<std::uint32_t>(number());
    entry.u.rdma_write.length_hi = static_cast<std::uint16_t>(number());
    wc.wr_id = held.request.wr_id;
    wc.opcode = write ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV;
    wc.byte_len = entry.base.length;
    if (write) wc.byte_len |= static_cast<std::uint32_t>(entry.u.rdma_write.length_hi) << 16;
    wc.imm_data = __builtin_bswap32(entry.base.imm);
    wc.wc_flags = imm ? IBV_WC_WITH_IMM : 0;
    wc.src_qp = entry.base.src_qp_num;
    wc.slid = entry.base.ah;
  }

  // Polling. A completion from before a RESET is dropped, one from before two is an error (V70).

  enum class Fate { kDelivered, kDropped, kError };
  Fate fate_of(const Completion& completion) {
    Pair& pair = pairs_[completion.qp];
    if (completion.unsolicited) return ++delivered, Fate::kDelivered;
    if (completion.generation + 1 == pair.generation) return ++dropped, Fate::kDropped;
    if (completion.generation != pair.generation) return ++errors, Fate::kError;
    --(completion.wc.opcode & IBV_WC_RECV ? pair.receives.in_flight : pair.sends.in_flight);
    ++delivered;
    return Fate::kDelivered;
  }

  void poll_classic() {
    const int count = static_cast<int>(below(8));
    std::vector<ibv_wc> expected;
    bool error = false;
    while (static_cast<int>(expected.size()) < count && !error) {
      const std::optional<Completion> next = model_cq_.next();
      if (!next) break;
      const Fate fate = fate_of(*next);
      if (fate == Fate::kDelivered) expected.push_back(next->wc);
      error = fate == Fate::kError;
    }
    std::vector<ibv_wc> found(static_cast<std::size_t>(count) + 1);
    const int polled = poll_cq(cq_.get(), count, found.data());
    ASSERT_EQ(polled, error && expected.empty() ? -EINVAL : static_cast<int>(expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i) expect_same(found[i], expected[i]);
  }

  void poll_extended() {
    ibv_cq_ex* cq = &Cq::of(cq_.get()).verbs.cq_ex;
    ibv_poll_cq_attr attr{};
    for (unsigned i = 0, most = 1 + below(8); i < most; ++i) {
      Fate fate;
      std::optional<Completion> next;
      do {
        next = model_cq_.next();
        fate = next ? fate_of(*next) : Fate::kError;
      } while (next && fate == Fate::kDropped);
      const int error = i == 0 ? cq->start_poll(cq, &attr) : cq->next_poll(cq);
      ASSERT_EQ(error, !next ? ENOENT : fate == Fate::kError ? EINVAL : 0);
      if (error != 0 && i == 0) return;
      if (error != 0) break;
      expect_same(read(cq), next->wc);
    }
    cq->end_poll(cq);
  }
  static ibv_wc read(ibv_cq_ex* cq) {
    ibv_wc wc{};
    wc.wr_id = cq->wr_id;
    wc.status = cq->status;
    wc.opcode = cq->read_opcode(cq);
    wc.vendor_err = cq->read_vendor_err(cq);
    wc.qp_num = cq->read_qp_num(cq);
    wc.wc_flags = cq->read_wc_flags(cq);
    if (!(wc.opcode & IBV_WC_RECV)) return wc;
    wc.byte_len = cq->read_byte_len(cq);
    wc.imm_data = cq->read_imm_data(cq);
    wc.src_qp = cq->read_src_qp(cq);
    wc.slid = static_cast<std::uint16_t>(cq->read_slid(cq));
    return wc;
  }

  void reset(Pair& pair) {
    // Ids that are the users' own do not tell old completions from new ones.
    if (flavour_.wide_ids && model_cq_.has_any_of(pair.index)) return;
    ASSERT_EQ(move_to(pair.qp.get(), IBV_QPS_RESET), 0);
    pair.sends.reset();
    pair.receives.reset();
    pair.posted = 0;
    ++pair.generation;
    ++resets;
    ibv_send_wr wr{}, *bad = nullptr;
    wr.send_flags = IBV_SEND_SIGNALED;
    EXPECT_EQ(post_send(pair.qp.get(), &wr, &bad), EINVAL) << "V131";
    bring_up(pair);
  }

  const Flavour flavour_;
  std::mt19937 random_;
  Station station_;
  Owner<ibv_td> td_;
  Owner<ibv_pd> parent_;
  Owner<ibv_cq> cq_;
  ModelCq model_cq_;
  std::array<Pair, kQps> pairs_;
};

}  // namespace efa::fake
