// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What send, receive and completion queues promise, in the plainest terms: the model that
/// queues_property_test.cpp compares the provider with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "fake/objects.hpp"

namespace efa::fake {

/// A send as its WQE must show it.
struct Send {
  std::uint64_t wr_id = 0;
  efa_send_op_type op = EFA_SEND_OP_TYPE_SEND;
  std::optional<std::uint32_t> imm;
  bool inlined = false;
  std::vector<std::byte> data;  // of an inline send
  std::vector<ibv_sge> segments;
  std::uint32_t rkey = 0;
  std::uint64_t remote = 0;
  std::uint16_t dest = 0;
  std::uint32_t qkey = 0;
  bool phase = false;

  std::uint32_t bytes() const {
    std::uint32_t total = static_cast<std::uint32_t>(data.size());
    for (const ibv_sge& sge : segments) total += sge.length;
    return total;
  }
};

struct Receive {
  std::uint64_t wr_id = 0;
  std::vector<ibv_sge> segments;
};

/// A request that the device has, and the id by which it answers.
template <class Request>
struct Held {
  Request request;
  std::uint64_t id;
};

/// A completion on its way to the program.
struct Completion {
  unsigned qp = 0, generation = 0;
  ibv_wc wc{};
  bool unsolicited = false;  // uses no receive request (V82)
};

/// One queue, of either kind.
template <class Request>
struct ModelQueue {
  std::uint32_t depth = 0;
  std::uint32_t in_flight = 0;      // posted and not polled
  std::deque<Request> announced;    // and not taken by the device
  std::vector<Held<Request>> held;  // by the device

  bool full() const { return in_flight == depth; }
  void post(const Request& request) {
    announced.push_back(request);
    ++in_flight;
  }
  void reset() {
    in_flight = 0;
    announced.clear();
    held.clear();
  }
};

inline ibv_sge segment_of(const efa_tx_buf_desc& segment) {
  return {efa_tx_buf_desc_addr(&segment), segment.length, segment.lkey};
}
inline void expect_same(const ibv_sge& found, const ibv_sge& expected) {
  EXPECT_EQ(found.addr, expected.addr);
  EXPECT_EQ(found.length, expected.length);
  EXPECT_EQ(found.lkey, expected.lkey);
}

/// Compares a WQE of `size` bytes with what was posted; all but the request id, which is the
/// library's own.
inline void expect_wqe(const efa_tx_wqe_128& wqe, const Send& send, std::uint16_t ah) {
  efa_tx_meta_desc meta{};
  efa_tx_meta_desc_set_meta_desc(&meta, 1);
  efa_tx_meta_desc_set_first(&meta, 1);
  efa_tx_meta_desc_set_last(&meta, 1);
  efa_tx_meta_desc_set_comp_req(&meta, 1);
  efa_tx_meta_desc_set_phase(&meta, send.phase);
  efa_tx_meta_desc_set_op_type(&meta, send.op);
  efa_tx_meta_desc_set_has_imm(&meta, send.imm.has_value());
  efa_tx_meta_desc_set_inline_msg(&meta, send.inlined);
  efa_tx_meta_desc_set_req_id64(&meta, efa_tx_meta_desc_req_id64(&wqe.meta));
  meta.immediate_data = send.imm.value_or(0);
  meta.dest_qp_num = send.dest;
  meta.qkey = send.qkey;
  meta.ah = ah;
  meta.length = static_cast<std::uint16_t>(send.inlined ? send.data.size() : send.segments.size());
  EXPECT_EQ(std::memcmp(&meta, &wqe.meta, sizeof(meta)), 0) << "wr_id " << send.wr_id;
  if (send.op != EFA_SEND_OP_TYPE_SEND) {
    const efa_remote_mem_addr& remote = wqe.data.rdma_req.remote_mem;
    EXPECT_EQ(remote.rkey, send.rkey);
    EXPECT_EQ(efa_remote_mem_addr_addr(&remote), send.remote);
    EXPECT_EQ(remote.length, send.bytes());
    if (!send.inlined && !send.segments.empty())
      expect_same(segment_of(wqe.data.rdma_req.local_mem), send.segments[0]);
  } else if (!send.inlined) {
    for (std::size_t i = 0; i < send.segments.size(); ++i)
      expect_same(segment_of(wqe.data.sgl[i]), send.segments[i]);
  }
  if (send.inlined) {
    const std::uint8_t* data =
        send.op == EFA_SEND_OP_TYPE_SEND ? wqe.data.inline_data : wqe.data.rdma_req.inline_data;
    EXPECT_TRUE(
        std::equal(send.data.begin(), send.data.end(), reinterpret_cast<const std::byte*>(data)));
  }
}

/// Compares the descriptors of one receive with what was posted; the first names the request.
inline void expect_descriptors(const std::vector<efa_rx_desc>& found, const Receive& receive) {
  const std::size_t count = std::max<std::size_t>(receive.segments.size(), 1);
  ASSERT_EQ(found.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    const ibv_sge sge = receive.segments.empty() ? ibv_sge{} : receive.segments[i];
    EXPECT_EQ(efa_rx_desc_addr(&found[i]), sge.addr);
    EXPECT_EQ(found[i].length, std::min(sge.length, 0xffffU));
    EXPECT_EQ(efa_rx_desc_lkey(&found[i]), sge.lkey);
    EXPECT_EQ(efa_rx_desc_first(&found[i]), i == 0);
    EXPECT_EQ(efa_rx_desc_last(&found[i]), i == count - 1);
  }
}

/// Compares completions as ibv_poll_cq gives them.
inline void expect_same(const ibv_wc& found, const ibv_wc& expected) {
  EXPECT_EQ(found.wr_id, expected.wr_id);
  EXPECT_EQ(found.status, expected.status);
  EXPECT_EQ(found.vendor_err, expected.vendor_err);
  EXPECT_EQ(found.opcode, expected.opcode);
  EXPECT_EQ(found.qp_num, expected.qp_num);
  EXPECT_EQ(found.byte_len, expected.byte_len);
  EXPECT_EQ(found.wc_flags, expected.wc_flags);
  EXPECT_EQ(found.imm_data, expected.imm_data);
  EXPECT_EQ(found.src_qp, expected.src_qp);
  EXPECT_EQ(found.slid, expected.slid);
}

/// The completion queue: rings are served in turns.
class ModelCq {
 public:
  explicit ModelCq(std::size_t rings) : rings_(rings) {}

  std::deque<Completion>& ring(std::size_t i) { return rings_[i]; }
  std::size_t rings() const { return rings_.size(); }
  bool has_any_of(unsigned qp) const {
    for (const auto& ring : rings_) {
      if (std::any_of(ring.begin(), ring.end(), [=](const Completion& c) { return c.qp == qp; }))
        return true;
    }
    return false;
  }
  std::optional<Completion> next() {
    for (std::size_t tried = 0; tried < rings_.size(); ++tried) {
      auto& ring = rings_[next_];
      next_ = (next_ + 1) % rings_.size();
      if (ring.empty()) continue;
      Completion completion = ring.front();
      ring.pop_front();
      return completion;
    }
    return std::nullopt;
  }

 private:
  std::vector<std::deque<Completion>> rings_;
  std::size_t next_ = 0;
};

}  // namespace efa::fake
