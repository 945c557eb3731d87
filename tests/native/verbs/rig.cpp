// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rig.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

namespace efa::verbs_test {

namespace {

constexpr Generation kGenerations[] = {
    {"efa0", 0xefa0, 8928, false, 256, 512, 256},   {"efa1", 0xefa1, 8928, false, 256, 512, 256},
    {"efa2", 0xefa2, 8928, true, 256, 512, 256},    {"efa3", 0xefa3, 8760, true, 256, 512, 256},
    {"efa4", 0xefa4, 8760, true, 1024, 2048, 1024},
};

class DeviceList {
 public:
  DeviceList() : list_(ibv_get_device_list(&count_)) {}
  ~DeviceList() { ibv_free_device_list(list_); }
  DeviceList(const DeviceList&) = delete;
  DeviceList& operator=(const DeviceList&) = delete;
  int count() const { return count_; }
  ibv_device* operator[](int index) const { return list_[index]; }

 private:
  int count_ = 0;
  ibv_device** list_;
};

template <class T>
T* require(T* object, const char* what) {
  if (object == nullptr) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  return object;
}

void require_zero(int error, const char* what) {
  if (error != 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(error));
}

}  // namespace

const Generation& generation() {
  const char* name = std::getenv("EFA_TEST_GENERATION");
  const auto found = std::find_if(
      std::begin(kGenerations), std::end(kGenerations),
      [&](const Generation& g) { return name != nullptr && g.name == std::string(name); });
  if (found == std::end(kGenerations))
    throw std::runtime_error("EFA_TEST_GENERATION must name the emulated generation");
  return *found;
}

int device_count() {
  return DeviceList().count();
}

Context open_device(int index) {
  const DeviceList devices;
  if (index >= devices.count())
    throw std::runtime_error("too few EFA devices: run below efa-emu run --devices-per-host 2");
  return Context(require(ibv_open_device(devices[index]), "ibv_open_device"));
}

ibv_gid gid_of(ibv_context* context) {
  ibv_gid gid{};
  require_zero(ibv_query_gid(context, 1, 0, &gid), "ibv_query_gid");
  return gid;
}

ibv_mr* try_reg_mr(ibv_pd* pd, void* start, std::size_t length, int access,
                   std::optional<std::uint64_t> iova) {
  return iova ? ibv_reg_mr_iova(pd, start, length, *iova, access)
              : ibv_reg_mr(pd, start, length, access);
}

ibv_ah* try_create_ah(ibv_pd* pd, const ibv_gid& gid) {
  ibv_ah_attr attr{};
  attr.is_global = 1;
  attr.port_num = 1;
  attr.grh.dgid = gid;
  return ibv_create_ah(pd, &attr);
}

ibv_qp* try_create_qp(ibv_context* context, ibv_pd* pd, ibv_cq* send_cq, ibv_cq* recv_cq,
                      const QpOptions& options) {
  ibv_qp_init_attr_ex attr{};
  attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
  attr.pd = pd;
  attr.send_cq = send_cq;
  attr.recv_cq = recv_cq;
  attr.cap = {options.send_depth, options.recv_depth, options.send_sges, options.recv_sges,
              options.inline_bytes};
  attr.sq_sig_all = 1;
  attr.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;
  efadv_qp_init_attr efa{};
  if (options.transport == Transport::kSrd) {
    attr.qp_type = IBV_QPT_DRIVER;
    attr.send_ops_flags |= IBV_QP_EX_WITH_RDMA_READ;
    efa.driver_qp_type = EFADV_QP_DRIVER_TYPE_SRD;
  } else {
    attr.qp_type = IBV_QPT_UD;
    return ibv_create_qp_ex(context, &attr);
  }
  return efadv_create_qp_ex(context, &attr, &efa, sizeof(efa));
}

int to_init(ibv_qp* qp, std::uint32_t qkey) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_INIT;
  attr.port_num = 1;
  attr.qkey = qkey;
  return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY);
}

int to_rtr(ibv_qp* qp) {
  return to_state(qp, IBV_QPS_RTR);
}

int to_rts(ibv_qp* qp, std::optional<int> rnr_retry) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_RTS;
  int mask = IBV_QP_STATE | IBV_QP_SQ_PSN;
  if (rnr_retry) {
    attr.rnr_retry = static_cast<std::uint8_t>(*rnr_retry);
    mask |= IBV_QP_RNR_RETRY;
  }
  return ibv_modify_qp(qp, &attr, mask);
}

int to_state(ibv_qp* qp, ibv_qp_state state) {
  ibv_qp_attr attr{};
  attr.qp_state = state;
  return ibv_modify_qp(qp, &attr, IBV_QP_STATE);
}

bool wait_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::sched_yield();
  }
  return true;
}

ibv_wc next_completion(ibv_cq* cq) {
  ibv_wc wc{};
  int got = 0;
  const bool came = wait_until([&] { return (got = ibv_poll_cq(cq, 1, &wc)) != 0; });
  EXPECT_TRUE(came) << "no completion";
  EXPECT_GE(got, 0) << "ibv_poll_cq: " << got;
  if (got != 1) wc.status = static_cast<ibv_wc_status>(~0u);
  return wc;
}

Endpoint::Endpoint(ibv_context* context, ibv_pd* pd, const QpOptions& options,
                   ibv_comp_channel* channel)
    : context_(context), pd_(pd), qkey_(options.qkey), buffer_(kBufferBytes) {
  mr_.reset(require(ibv_reg_mr(pd, buffer_.data(), buffer_.size(),
                               IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ),
                    "ibv_reg_mr"));
  send_cq_.reset(
      require(ibv_create_cq(context, static_cast<int>(options.send_depth), nullptr, nullptr, 0),
              "send CQ"));
  recv_cq_.reset(
      require(ibv_create_cq(context, static_cast<int>(options.recv_depth), nullptr, channel, 0),
              "receive CQ"));
  qp_.reset(require(try_create_qp(context, pd, send_cq(), recv_cq(), options), "QP"));
  require_zero(to_init(qp(), options.qkey), "to INIT");
  require_zero(to_rtr(qp()), "to RTR");
  const bool srd = options.transport == Transport::kSrd;
  require_zero(to_rts(qp(), srd ? std::optional(options.rnr_retry) : std::nullopt), "to RTS");
}

Destination Endpoint::from(Endpoint& from) {
  from.ahs_.emplace_back(require(try_create_ah(from.pd_, gid_of(context_)), "ibv_create_ah"));
  return {from.ahs_.back().get(), qp_->qp_num, qkey_};
}

void Endpoint::fill(const Part& part, std::uint8_t seed) {
  for (std::uint32_t i = 0; i < part.length; ++i)
    *at(part.offset + i) = static_cast<std::uint8_t>(seed + i * 7 + (i >> 8));
}

bool Endpoint::holds(const Part& part, std::uint8_t seed) {
  for (std::uint32_t i = 0; i < part.length; ++i)
    if (*at(part.offset + i) != static_cast<std::uint8_t>(seed + i * 7 + (i >> 8))) return false;
  return true;
}

int Endpoint::post_receive(std::uint64_t id, const std::vector<Part>& parts) {
  std::vector<ibv_sge> sges;
  for (const Part& part : parts) sges.push_back(sge(part));
  return post_receive(id, sges.data(), static_cast<int>(sges.size()));
}

int Endpoint::post_receive(std::uint64_t id, ibv_sge* sges, int count) {
  ibv_recv_wr wr{id, nullptr, sges, count};
  ibv_recv_wr* bad = nullptr;
  return ibv_post_recv(qp(), &wr, &bad);
}

int Endpoint::post_send(std::uint64_t id, const Destination& to, const std::vector<Part>& parts,
                        std::optional<std::uint32_t> imm, bool inlined) {
  std::vector<ibv_sge> sges;
  for (const Part& part : parts) sges.push_back(sge(part));
  ibv_send_wr wr{};
  wr.wr_id = id;
  wr.sg_list = sges.data();
  wr.num_sge = static_cast<int>(sges.size());
  wr.opcode = imm ? IBV_WR_SEND_WITH_IMM : IBV_WR_SEND;
  wr.send_flags = IBV_SEND_SIGNALED;
  if (inlined) wr.send_flags |= IBV_SEND_INLINE;
  wr.imm_data = imm.value_or(0);
  wr.wr.ud.ah = to.ah;
  wr.wr.ud.remote_qpn = to.qpn;
  wr.wr.ud.remote_qkey = to.qkey;
  ibv_send_wr* bad = nullptr;
  return ibv_post_send(qp(), &wr, &bad);
}

int Endpoint::post_send_sges(std::uint64_t id, const Destination& to, ibv_sge* sges, int count) {
  ibv_qp_ex* builder = qp_ex();
  ibv_wr_start(builder);
  builder->wr_id = id;
  builder->wr_flags = IBV_SEND_SIGNALED;
  ibv_wr_send(builder);
  ibv_wr_set_ud_addr(builder, to.ah, to.qpn, to.qkey);
  ibv_wr_set_sge_list(builder, static_cast<std::size_t>(count), sges);
  return ibv_wr_complete(builder);
}

int Endpoint::post_read(std::uint64_t id, const Destination& to, std::uint32_t rkey,
                        std::uint64_t remote, const ibv_sge& local) {
  ibv_qp_ex* builder = qp_ex();
  ibv_wr_start(builder);
  builder->wr_id = id;
  builder->wr_flags = IBV_SEND_SIGNALED;
  ibv_wr_rdma_read(builder, rkey, remote);
  ibv_wr_set_ud_addr(builder, to.ah, to.qpn, to.qkey);
  ibv_wr_set_sge(builder, local.lkey, local.addr, local.length);
  return ibv_wr_complete(builder);
}

bool Endpoint::idle() {
  ibv_wc wc;
  return ibv_poll_cq(send_cq(), 1, &wc) == 0 && ibv_poll_cq(recv_cq(), 1, &wc) == 0;
}

}  // namespace efa::verbs_test
