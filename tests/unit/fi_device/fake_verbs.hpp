// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// libibverbs and libefa as far as endpoints and completion queues of the provider call them, with
/// no device: requests are recorded, completions are what the test puts there. The functions
/// replace those of the libraries for this program.
#pragma once

#include <infiniband/efadv.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace efa::fi::test {

struct PostedSend {
  uint64_t id = 0;
  int opcode = 0;  ///< IBV_WR_*
  uint32_t immediate = 0;
  uint32_t rkey = 0;
  uint64_t remote = 0;
  ibv_ah* ah = nullptr;
  uint32_t qpn = 0;
  uint32_t qkey = 0;
  bool is_inline = false;
  std::string inline_data;
  std::vector<ibv_sge> segments;
};

struct PostedReceive {
  uint64_t id = 0;
  std::vector<ibv_sge> segments;
};

struct FakeQp {
  ibv_qp_ex ex{};
  std::vector<PostedSend> sends;    ///< the device has them
  std::vector<PostedSend> session;  ///< ibv_wr_start() to ibv_wr_complete()
  std::vector<PostedReceive> receives;
  int doorbells = 0;
  int receive_doorbells = 0;
  int refuse = 0;  ///< errno of the next post
  ibv_qp_init_attr_ex attributes{};
  efadv_qp_init_attr efa_attributes{};
  std::vector<ibv_qp_attr> states;
  std::vector<int> masks;
};

struct FakeCompletion {
  uint64_t id = 0;
  uint32_t qpn = 0;
  ibv_wc_opcode opcode = IBV_WC_SEND;
  uint32_t status = 0;  ///< the device's; 0 is success
  uint32_t bytes = 0;
  bool has_immediate = false;
  uint32_t immediate = 0;
  uint32_t source_qpn = 0;
  uint16_t source_ah = 0;
  bool unsolicited = false;
};

struct FakeCq {
  ibv_cq_ex ex{};
  efadv_cq efa{};
  std::deque<FakeCompletion> entries;
  FakeCompletion current;
  ibv_cq_init_attr_ex attributes{};
  uint64_t efa_fields = 0;
  efadv_cq_init_attr efa_attributes{};  ///< if all of it was given
  bool polling = false;
  int armed = 0;
};

/// What the libraries can do, and what was asked of them.
struct FakeVerbs {
  FakeVerbs();

  verbs_context verbs{};
  ibv_pd pd{};
  std::vector<FakeQp*> qps;
  std::vector<FakeCq*> cqs;

  uint64_t cq_fields = EFADV_WC_EX_WITH_SGID | EFADV_WC_EX_WITH_IS_UNSOLICITED;
  bool single_threaded_cqs = true;
  uint64_t operations = ~0ULL;  ///< IBV_QP_EX_WITH_* that QPs can have
  uint16_t qp_flags = EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV;
  bool service_levels = true;
  uint32_t device_caps = EFADV_DEVICE_ATTR_CAPS_RNR_RETRY;
  int in_order = 0;
  int registrations = 0;
};

/// Of the test that runs; each starts with a new one.
FakeVerbs& fake();
void reset_fake();

}  // namespace efa::fi::test
