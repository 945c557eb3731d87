// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What the verbs tests share: the opened device, owners of verbs objects, and an endpoint that can
/// send to another one. Every owner checks that its object can be destroyed.
#pragma once

#include <gtest/gtest.h>
#include <infiniband/efadv.h>
#include <infiniband/verbs.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace efa::verbs_test {

/// Longest wait for anything that must happen; machines that run this are slow at times.
inline constexpr std::chrono::seconds kPatience{60};
inline constexpr std::uint32_t kQkey = 0x11111111;

struct Destroyer {
  void operator()(ibv_context* p) const { EXPECT_EQ(ibv_close_device(p), 0); }
  void operator()(ibv_pd* p) const { EXPECT_EQ(ibv_dealloc_pd(p), 0); }
  void operator()(ibv_mr* p) const { EXPECT_EQ(ibv_dereg_mr(p), 0); }
  void operator()(ibv_ah* p) const { EXPECT_EQ(ibv_destroy_ah(p), 0); }
  void operator()(ibv_cq* p) const { EXPECT_EQ(ibv_destroy_cq(p), 0); }
  void operator()(ibv_qp* p) const { EXPECT_EQ(ibv_destroy_qp(p), 0); }
  void operator()(ibv_comp_channel* p) const { EXPECT_EQ(ibv_destroy_comp_channel(p), 0); }
};
template <class T>
using Owner = std::unique_ptr<T, Destroyer>;

using Context = Owner<ibv_context>;
using Pd = Owner<ibv_pd>;
using Mr = Owner<ibv_mr>;
using Ah = Owner<ibv_ah>;
using Cq = Owner<ibv_cq>;
using Qp = Owner<ibv_qp>;
using Channel = Owner<ibv_comp_channel>;

/// What distinguishes the generations as far as a verbs program sees.
struct Generation {
  const char* name;
  std::uint32_t part_id, mtu;
  bool rdma_write;
  int max_qp, max_cq, max_pd;
};

/// The emulated one, from $EFA_TEST_GENERATION.
const Generation& generation();

/// Number of EFA devices that this host shows.
int device_count();
/// Opens EFA device number `index`; throws std::runtime_error if there is none.
Context open_device(int index = 0);

ibv_gid gid_of(ibv_context* context);
/// Calls ibv_reg_mr or ibv_reg_mr_iova, macros that dislike single enumerators; null on failure.
ibv_mr* try_reg_mr(ibv_pd* pd, void* start, std::size_t length, int access,
                   std::optional<std::uint64_t> iova = std::nullopt);
/// Calls ibv_create_ah; null with errno set on failure.
ibv_ah* try_create_ah(ibv_pd* pd, const ibv_gid& gid);

enum class Transport { kSrd, kUd };

struct QpOptions {
  Transport transport = Transport::kSrd;
  std::uint32_t send_depth = 64;
  std::uint32_t recv_depth = 64;
  std::uint32_t send_sges = 2;
  std::uint32_t recv_sges = 1;
  std::uint32_t inline_bytes = 0;
  std::uint32_t qkey = kQkey;
  int rnr_retry = 7;
};

/// Calls efadv_create_qp_ex with every operation that libefa 44 knows; null with errno on failure.
ibv_qp* try_create_qp(ibv_context* context, ibv_pd* pd, ibv_cq* send_cq, ibv_cq* recv_cq,
                      const QpOptions& options);

// State transitions with the attributes that each one needs. Return what ibv_modify_qp does.
int to_init(ibv_qp* qp, std::uint32_t qkey = kQkey);
int to_rtr(ibv_qp* qp);
int to_rts(ibv_qp* qp, std::optional<int> rnr_retry = std::nullopt);
int to_state(ibv_qp* qp, ibv_qp_state state);

/// The next completion of `cq`; fails the test and returns an all-ones status after kPatience.
ibv_wc next_completion(ibv_cq* cq);
/// True if `condition` became true within kPatience.
bool wait_until(const std::function<bool()>& condition);

/// Where a message goes.
struct Destination {
  ibv_ah* ah;
  std::uint32_t qpn;
  std::uint32_t qkey = kQkey;
};

/// One scatter/gather element as tests give it: part of an endpoint's buffer.
struct Part {
  std::size_t offset;
  std::uint32_t length;
};

/// A queue pair in RTS with its own completion queues, one registered buffer and address handles.
class Endpoint {
 public:
  static constexpr std::size_t kBufferBytes = 1 << 20;

  Endpoint(ibv_context* context, ibv_pd* pd, const QpOptions& options = {},
           ibv_comp_channel* channel = nullptr);

  ibv_qp* qp() const { return qp_.get(); }
  ibv_qp_ex* qp_ex() const { return ibv_qp_to_qp_ex(qp_.get()); }
  ibv_cq* send_cq() const { return send_cq_.get(); }
  ibv_cq* recv_cq() const { return recv_cq_.get(); }
  ibv_mr* mr() const { return mr_.get(); }
  std::uint8_t* at(std::size_t offset) { return buffer_.data() + offset; }
  std::uint64_t address(std::size_t offset) { return reinterpret_cast<std::uint64_t>(at(offset)); }

  /// How to reach this endpoint from `from`; the address handle belongs to `from`.
  Destination from(Endpoint& from);

  void fill(const Part& part, std::uint8_t seed);
  /// True if `part` holds what fill() of `seed` writes.
  bool holds(const Part& part, std::uint8_t seed);

  int post_receive(std::uint64_t id, const std::vector<Part>& parts);
  int post_receive(std::uint64_t id, ibv_sge* sges, int count);
  /// Sends `parts` with the classic interface.
  int post_send(std::uint64_t id, const Destination& to, const std::vector<Part>& parts,
                std::optional<std::uint32_t> imm = std::nullopt, bool inlined = false);
  int post_send_sges(std::uint64_t id, const Destination& to, ibv_sge* sges, int count);
  /// Reads `length` bytes at the peer's (`rkey`, `remote`) with the work request builder.
  int post_read(std::uint64_t id, const Destination& to, std::uint32_t rkey, std::uint64_t remote,
                const ibv_sge& local);

  ibv_sge sge(const Part& part) { return {address(part.offset), part.length, mr_->lkey}; }
  ibv_wc next_sent() { return next_completion(send_cq()); }
  ibv_wc next_received() { return next_completion(recv_cq()); }
  /// True if neither queue holds a completion right now.
  bool idle();

 private:
  ibv_context* context_;
  ibv_pd* pd_;
  std::uint32_t qkey_;
  std::vector<std::uint8_t> buffer_;
  Mr mr_;
  Cq send_cq_, recv_cq_;
  std::vector<Ah> ahs_;
  Qp qp_;
};

/// Two devices of one host, a protection domain on each, and the devices' attributes.
class VerbsTest : public ::testing::Test {
 protected:
  Context context = open_device(0);
  Context other_context = open_device(1);
  Pd pd{ibv_alloc_pd(context.get())};
  Pd other_pd{ibv_alloc_pd(other_context.get())};

  Endpoint endpoint(const QpOptions& options = {}) { return {context.get(), pd.get(), options}; }
  Endpoint other_endpoint(const QpOptions& options = {}) {
    return {other_context.get(), other_pd.get(), options};
  }
  ibv_device_attr attributes() {
    ibv_device_attr attr{};
    EXPECT_EQ(ibv_query_device(context.get(), &attr), 0);
    return attr;
  }
  efadv_device_attr efa_attributes() {
    efadv_device_attr attr{};
    EXPECT_EQ(efadv_query_device(context.get(), &attr, sizeof(attr)), 0);
    return attr;
  }
};

#define EXPECT_COMPLETION(wc, expected_status, expected_vendor, id)                            \
  do {                                                                                         \
    const ibv_wc completion_ = (wc);                                                           \
    EXPECT_EQ(completion_.status, (expected_status)) << ibv_wc_status_str(completion_.status); \
    EXPECT_EQ(completion_.vendor_err, (expected_vendor));                                      \
    EXPECT_EQ(completion_.wr_id, (id));                                                        \
  } while (0)

#define EXPECT_SUCCESS(wc, id) EXPECT_COMPLETION(wc, IBV_WC_SUCCESS, 0u, id)

}  // namespace efa::verbs_test
