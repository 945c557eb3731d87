// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "session.hpp"

#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace efa::peer {

namespace {

constexpr std::uint32_t kQkey = 0x11111111;
constexpr std::uint64_t kFillNumber = 7;

template <class T>
T* need(T* object, const char* what) {
  if (object == nullptr) throw Failure(std::string(what) + " errno=" + std::to_string(errno));
  return object;
}

void need_zero(int error, const char* what) {
  if (error != 0) throw Failure(std::string(what) + " errno=" + std::to_string(error));
}

std::string text_of(const ibv_wc& wc) {
  return "status=" + std::to_string(wc.status) + " vendor=" + std::to_string(wc.vendor_err);
}

ibv_wc wait_for(ibv_cq* cq) {
  ibv_wc wc{};
  int got;
  while ((got = ibv_poll_cq(cq, 1, &wc)) == 0) ::sched_yield();
  if (got < 0) throw Failure("poll");
  return wc;
}

std::uint32_t length_of(std::uint64_t number, std::uint32_t bytes) {
  constexpr std::uint64_t kLongest = 8700, kStep = 7919;
  return bytes != 0 ? bytes
                    : static_cast<std::uint32_t>(sizeof(number) + number * kStep % kLongest);
}

void write_message(std::uint8_t* at, std::uint64_t number, std::uint32_t bytes) {
  std::memcpy(at, &number, sizeof(number));
  for (std::uint32_t i = sizeof(number); i < bytes; ++i)
    at[i] = static_cast<std::uint8_t>(number * 31 + i);
}

bool is_message(const std::uint8_t* at, std::uint64_t number, std::uint32_t bytes) {
  for (std::uint32_t i = sizeof(number); i < bytes; ++i)
    if (at[i] != static_cast<std::uint8_t>(number * 31 + i)) return false;
  return true;
}

void modify(ibv_qp* qp, ibv_qp_state state, int mask) {
  ibv_qp_attr attr{};
  attr.qp_state = state;
  attr.port_num = 1;
  attr.qkey = kQkey;
  need_zero(ibv_modify_qp(qp, &attr, IBV_QP_STATE | mask), "modify");
}

}  // namespace

Session::Session(int index) {
  void* memory = ::mmap(nullptr, kBufferBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  buffer_ = static_cast<std::uint8_t*>(memory);
  int count = 0;
  ibv_device** list = ibv_get_device_list(&count);
  ibv_device* device = list != nullptr && index < count ? list[index] : nullptr;
  if (device != nullptr) context_ = ibv_open_device(device);
  ibv_free_device_list(list);
  need(context_, "open");
  pd_ = need(ibv_alloc_pd(context_), "pd");
  mr_ =
      need(ibv_reg_mr(pd_, buffer_, kBufferBytes, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ),
           "mr");
  send_cq_ = need(ibv_create_cq(context_, kDepth, nullptr, nullptr, 0), "cq");
  recv_cq_ = need(ibv_create_cq(context_, kDepth, nullptr, nullptr, 0), "cq");

  ibv_qp_init_attr_ex attr{};
  attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
  attr.pd = pd_;
  attr.send_cq = send_cq_;
  attr.recv_cq = recv_cq_;
  attr.cap = {kDepth, kDepth, 1, 1, 0};
  attr.qp_type = IBV_QPT_DRIVER;
  attr.sq_sig_all = 1;
  attr.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_RDMA_READ;
  efadv_qp_init_attr efa{};
  qp_ = need(efadv_create_qp_ex(context_, &attr, &efa, sizeof(efa)), "qp");
  modify(qp_, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY);
  modify(qp_, IBV_QPS_RTR, 0);
  modify(qp_, IBV_QPS_RTS, IBV_QP_SQ_PSN);
}

Session::~Session() {
  if (qp_ != nullptr) ibv_destroy_qp(qp_);
  if (ah_ != nullptr) ibv_destroy_ah(ah_);
  if (send_cq_ != nullptr) ibv_destroy_cq(send_cq_);
  if (recv_cq_ != nullptr) ibv_destroy_cq(recv_cq_);
  for (ibv_mr* mr : old_mrs_) ibv_dereg_mr(mr);
  if (mr_ != nullptr) ibv_dereg_mr(mr_);
  if (pd_ != nullptr) ibv_dealloc_pd(pd_);
  if (context_ != nullptr) ibv_close_device(context_);
  unmap_buffer();
}

std::string Session::describe() const {
  ibv_gid gid{};
  need_zero(ibv_query_gid(context_, 1, 0, &gid), "gid");
  char address[INET6_ADDRSTRLEN], host[256] = "", text[768];
  ::inet_ntop(AF_INET6, gid.raw, address, sizeof(address));
  ::gethostname(host, sizeof(host) - 1);
  std::snprintf(text, sizeof(text),
                "gid=%s guid=%016" PRIx64 " qpn=%u addr=%" PRIu64 " rkey=%u host=%s pid=%d",
                address, static_cast<std::uint64_t>(be64toh(ibv_get_device_guid(context_->device))),
                qp_->qp_num, reinterpret_cast<std::uint64_t>(buffer_), mr_->rkey, host, ::getpid());
  return text;
}

std::string Session::connect(const std::string& gid) {
  ibv_ah_attr attr{};
  attr.is_global = 1;
  attr.port_num = 1;
  if (::inet_pton(AF_INET6, gid.c_str(), attr.grh.dgid.raw) != 1)
    throw std::runtime_error("not a GID: " + gid);
  if (ah_ != nullptr) ibv_destroy_ah(ah_);
  ah_ = need(ibv_create_ah(pd_, &attr), "ah");
  return {};
}

void Session::post_receive(std::uint64_t slot) {
  ibv_sge sge{reinterpret_cast<std::uint64_t>(receive_slot(slot)), kSlotBytes, mr_->lkey};
  ibv_recv_wr wr{slot, nullptr, &sge, 1}, *bad = nullptr;
  need_zero(ibv_post_recv(qp_, &wr, &bad), "post_recv");
}

void Session::post_receives(unsigned count) {
  for (unsigned slot = 0; slot < count; ++slot) post_receive(slot);
}

void Session::post_message(std::uint32_t qpn, std::uint64_t number, std::uint64_t slot,
                           std::uint32_t bytes) {
  if (ah_ == nullptr) throw std::runtime_error("not connected");
  const std::uint32_t length = length_of(number, bytes);
  write_message(send_slot(slot), number, length);
  ibv_sge sge{reinterpret_cast<std::uint64_t>(send_slot(slot)), length, mr_->lkey};
  ibv_send_wr wr{}, *bad = nullptr;
  wr.wr_id = slot;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.opcode = IBV_WR_SEND;
  wr.send_flags = IBV_SEND_SIGNALED;
  wr.wr.ud.ah = ah_;
  wr.wr.ud.remote_qpn = qpn;
  wr.wr.ud.remote_qkey = kQkey;
  need_zero(ibv_post_send(qp_, &wr, &bad), "post_send");
}

void Session::send(std::uint32_t qpn, std::uint64_t count, std::uint32_t bytes) {
  std::vector<std::uint64_t> free_slots;
  for (std::uint64_t slot = 0; slot < kDepth; ++slot) free_slots.push_back(slot);
  for (std::uint64_t posted = 0, done = 0; done < count; ++done) {
    while (posted < count && !free_slots.empty()) {
      post_message(qpn, posted++, free_slots.back(), bytes);
      free_slots.pop_back();
    }
    const ibv_wc wc = wait_for(send_cq_);
    if (wc.status != IBV_WC_SUCCESS) throw Failure(text_of(wc));
    free_slots.push_back(wc.wr_id);
  }
}

std::string Session::stream(std::uint32_t qpn, std::uint32_t bytes,
                            const std::function<void()>& started) {
  constexpr std::uint64_t kWindow = 32;
  std::uint64_t posted = 0;
  while (posted < kWindow) {
    post_message(qpn, posted, posted, bytes);
    ++posted;
  }
  for (std::uint64_t done = 0;; ++done) {
    const ibv_wc wc = wait_for(send_cq_);
    if (wc.status != IBV_WC_SUCCESS) return text_of(wc);
    if (done == 0) started();
    post_message(qpn, posted++, wc.wr_id, bytes);
  }
}

void Session::check_message(const ibv_wc& wc, std::uint64_t count, std::uint32_t bytes,
                            std::vector<bool>& seen) const {
  if (wc.status != IBV_WC_SUCCESS) throw Failure(text_of(wc));
  std::uint64_t number;
  std::memcpy(&number, receive_slot(wc.wr_id), sizeof(number));
  const std::string name = "message " + std::to_string(number);
  if (number >= count) throw Failure(name + " was never sent");
  if (seen[number]) throw Failure(name + " came twice");
  if (wc.byte_len != length_of(number, bytes)) throw Failure(name + " has another length");
  if (!is_message(receive_slot(wc.wr_id), number, wc.byte_len))
    throw Failure(name + " was changed");
  seen[number] = true;
}

void Session::collect(std::uint64_t count, std::uint32_t bytes,
                      const std::function<void()>& listening) {
  const auto depth = static_cast<unsigned>(std::min<std::uint64_t>(count, kDepth));
  post_receives(depth);
  listening();
  std::vector<bool> seen(count);
  for (std::uint64_t received = 0; received < count; ++received) {
    const ibv_wc wc = wait_for(recv_cq_);
    check_message(wc, count, bytes, seen);
    if (received + depth < count) post_receive(wc.wr_id);
  }
}

void Session::post(std::uint32_t qpn, std::uint32_t bytes) {
  post_message(qpn, 0, 0, bytes);
}

void Session::read(std::uint32_t qpn, std::uint32_t rkey, std::uint64_t address,
                   std::uint32_t bytes) {
  ibv_qp_ex* builder = ibv_qp_to_qp_ex(qp_);
  ibv_wr_start(builder);
  builder->wr_id = 0;
  builder->wr_flags = IBV_SEND_SIGNALED;
  ibv_wr_rdma_read(builder, rkey, address);
  ibv_wr_set_ud_addr(builder, ah_, qpn, kQkey);
  ibv_wr_set_sge(builder, mr_->lkey, reinterpret_cast<std::uint64_t>(send_slot(0)), bytes);
  need_zero(ibv_wr_complete(builder), "read");
}

void Session::fill(std::uint32_t bytes) {
  write_message(receive_slot(0), kFillNumber, bytes);
}

void Session::read_filled(std::uint32_t qpn, std::uint32_t rkey, std::uint64_t address,
                          unsigned count, std::uint32_t bytes) {
  for (; count > 0; --count) {
    std::memset(send_slot(0), 0, bytes);
    read(qpn, rkey, address, bytes);
    const ibv_wc wc = wait_for(send_cq_);
    if (wc.status != IBV_WC_SUCCESS) throw Failure(text_of(wc));
    if (!is_message(send_slot(0), kFillNumber, bytes)) throw Failure("other bytes were read");
  }
}

std::string Session::next_sent() {
  return text_of(wait_for(send_cq_));
}

std::string Session::next_received() {
  return text_of(wait_for(recv_cq_));
}

std::string Session::register_anew() {
  old_mrs_.push_back(mr_);
  mr_ =
      need(ibv_reg_mr(pd_, buffer_, kBufferBytes, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ),
           "mr");
  return describe();
}

void Session::unmap_buffer() {
  if (buffer_ != nullptr) ::munmap(buffer_, kBufferBytes);
  buffer_ = nullptr;
}

std::string Session::query_port() {
  ibv_port_attr attr{};
  need_zero(ibv_query_port(context_, 1, &attr), "query_port");
  return "max_msg=" + std::to_string(attr.max_msg_sz);
}

std::string Session::duplicate_descriptor() {
  const int duplicate = ::fcntl(context_->cmd_fd, F_DUPFD_CLOEXEC, 100);
  if (duplicate < 0) throw std::runtime_error("dup");
  ::close(context_->cmd_fd);
  context_->cmd_fd = duplicate;
  return query_port();
}

}  // namespace efa::peer
