// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A hostile device against libefa: any bytes in the rings of completions at any time, and any
/// answers to the creation of queues. Whatever comes, polling ends, says no more than was asked
/// for, and touches nothing else (spec verbs B11; the sanitizers watch).
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "provider/fake/memory.hpp"
#include "provider/fake/objects.hpp"

using namespace efa;
using namespace efa::fake;

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

class Machine {
 public:
  explicit Machine(FuzzedDataProvider& input) : input_(input) {
    Answers& answers = kernel().answers;
    answers.open.sub_cqs_per_cq = input_.ConsumeIntegralInRange<std::uint16_t>(0, 3);
    answers.open.max_tx_batch = input_.ConsumeIntegral<std::uint8_t>();
    efa_uabi_query_device_resp_set_sq_64_bit_req_id(&answers.limits, input_.ConsumeBool());
    station_ = std::make_unique<Station>();
    ibv_td_init_attr td{};
    td_.reset(alloc_td(station_->base(), &td));
    ibv_parent_domain_init_attr parent{};
    parent.pd = station_->pd();
    parent.td = td_.get();
    domain_.reset(alloc_parent_domain(station_->base(), &parent));
    cq_ = station_->extended_cq(16, input_.ConsumeBool() ? domain_.get() : nullptr);
    check(cq_ != nullptr);
    qps_.resize(3);
    for (std::size_t i = 0; i < qps_.size(); ++i) create_qp(i);
  }

  void run() {
    while (input_.remaining_bytes() > 0) step();
  }

 private:
  void step() {
    switch (input_.ConsumeIntegralInRange(0, 10)) {
      case 0:
      case 1:
        return put_entry();
      case 2:
        return scribble();
      case 3:
        return post_sends();
      case 4:
        return post_receives();
      case 5:
      case 6:
        return poll_classic();
      case 7:
      case 8:
        return poll_extended();
      case 9:
        return change_qp();
      case 10:
        return hostile_creation();
    }
  }

  std::size_t any_qp() { return input_.ConsumeIntegralInRange<std::size_t>(0, qps_.size() - 1); }

  void create_qp(std::size_t index) {
    QpRequest request;
    request.send_depth = input_.ConsumeIntegralInRange(1U, 16U);
    request.recv_depth = input_.ConsumeIntegralInRange(0U, 16U);
    request.srd = input_.ConsumeBool();
    request.inline_bytes = input_.ConsumeBool() ? 80 : 32;
    qps_[index] =
        station_->qp(cq_.get(), cq_.get(), request, input_.ConsumeBool() ? domain_.get() : nullptr);
    check(qps_[index] != nullptr);
    check(move_to(qps_[index].get(), IBV_QPS_RTS) == 0);
  }

  DeviceCq& device() { return kernel().cq(cq_.get()); }

  /// An entry that looks new, as a device that lost its mind would write it.
  void put_entry() {
    efa_rx_cdesc_ex entry{};
    input_.ConsumeData(&entry, sizeof(entry));
    if (input_.ConsumeBool()) entry.base.common.qp_num %= 4;  // most often one that exists
    const std::size_t rings = device().written.size();
    device().put(input_.ConsumeIntegralInRange<std::size_t>(0, rings - 1), entry);
  }
  void scribble() {
    const std::size_t size = device().ring.size();
    const auto at = input_.ConsumeIntegralInRange<std::size_t>(0, size - 1);
    std::uint8_t bytes[64];
    const std::size_t got = input_.ConsumeData(bytes, input_.ConsumeIntegralInRange(1, 64));
    std::memcpy(device().ring.data() + at, bytes, std::min(got, size - at));
  }

  void post_sends() {
    ibv_qp* qp = qps_[any_qp()].get();
    ibv_send_wr requests[5]{}, *bad;
    std::byte data[128]{};
    ibv_sge sges[3] = {
        {reinterpret_cast<std::uintptr_t>(data), input_.ConsumeIntegral<std::uint8_t>() / 2U, 0},
        {},
        {}};
    const int count = input_.ConsumeIntegralInRange(1, 5);
    for (int i = 0; i < count; ++i) {
      ibv_send_wr& wr = requests[i];
      wr.next = i + 1 < count ? &requests[i + 1] : nullptr;
      wr.wr_id = input_.ConsumeIntegral<std::uint64_t>();
      wr.sg_list = sges;
      wr.num_sge = input_.ConsumeIntegralInRange(0, 3);
      wr.opcode = static_cast<ibv_wr_opcode>(input_.ConsumeIntegralInRange(0, 4));
      wr.send_flags = input_.ConsumeIntegral<std::uint8_t>();
      wr.wr.ud.ah = station_->ah();
    }
    post_send(qp, requests, &bad);
    kernel().qp(qp).take_sends();
  }
  void post_receives() {
    ibv_qp* qp = qps_[any_qp()].get();
    ibv_recv_wr wr{}, *bad;
    ibv_sge sges[4]{};
    wr.wr_id = input_.ConsumeIntegral<std::uint64_t>();
    wr.sg_list = sges;
    wr.num_sge = input_.ConsumeIntegralInRange(0, 4);
    post_recv(qp, &wr, &bad);
    kernel().qp(qp).take_receives();
  }

  void poll_classic() {
    const int count = input_.ConsumeIntegralInRange(-1, 40);
    std::vector<ibv_wc> wc(static_cast<std::size_t>(std::max(count, 0)));  // of exactly this size
    const int polled = poll_cq(cq_.get(), count, wc.data());
    check(polled <= std::max(count, 0));
    check(polled >= 0 || polled == -EINVAL);
  }

  void poll_extended() {
    ibv_cq_ex* cq = &Cq::of(cq_.get()).verbs.cq_ex;
    ibv_poll_cq_attr attr{};
    if (cq->start_poll(cq, &attr) != 0) return;
    // No ring gives more than one lap while the device writes nothing.
    std::size_t left = device().entries * device().written.size() + 1;
    do {
      check(left-- != 0);
      cq->read_opcode(cq);
      cq->read_vendor_err(cq);
      cq->read_byte_len(cq);
      cq->read_imm_data(cq);
      cq->read_qp_num(cq);
      cq->read_src_qp(cq);
      cq->read_slid(cq);
      cq->read_wc_flags(cq);
      ibv_gid gid;
      efadv_cq* dv = &Cq::of(cq).dv;
      dv->wc_read_sgid(dv, &gid);
    } while (cq->next_poll(cq) == 0);
    cq->end_poll(cq);
  }

  void change_qp() {
    const std::size_t index = any_qp();
    if (input_.ConsumeBool()) {
      qps_[index].reset();
      return create_qp(index);
    }
    move_to(qps_[index].get(), IBV_QPS_RESET);
    move_to(qps_[index].get(), IBV_QPS_RTS);
  }

  /// Queues over arbitrary answers of the kernel are refused, or usable and then destroyed.
  void hostile_creation() {
    Answers& answers = kernel().answers;
    const std::uint8_t which = input_.ConsumeIntegral<std::uint8_t>();
    const std::uint64_t value = input_.ConsumeBool() ? input_.ConsumeIntegral<std::uint64_t>()
                                                     : input_.ConsumeIntegral<std::uint16_t>();
    const auto spoil = [=](auto& resp) {
      auto* bytes = reinterpret_cast<std::uint8_t*>(&resp);
      const std::size_t at = which % (sizeof(resp) / 4) * 4;
      std::memcpy(bytes + at, &value, std::min(sizeof(value), sizeof(resp) - at));
    };
    answers.change_cq = spoil;
    const Owner<ibv_cq> cq = station_->extended_cq(16);
    answers.change_cq = nullptr;
    ibv_wc wc[2];
    if (cq != nullptr) poll_cq(cq.get(), 2, wc);
    answers.change_qp = spoil;
    const Owner<ibv_qp> qp = station_->qp(cq_.get(), cq_.get());
    answers.change_qp = nullptr;
    if (qp == nullptr) return;
    move_to(qp.get(), IBV_QPS_RTS);
    ibv_send_wr send{}, *bad;
    send.send_flags = IBV_SEND_SIGNALED;
    send.opcode = IBV_WR_SEND;
    send.wr.ud.ah = station_->ah();
    for (int i = 0; i < 10; ++i) post_send(qp.get(), &send, &bad);
    ibv_recv_wr receive{}, *bad_receive;
    for (int i = 0; i < 10; ++i) post_recv(qp.get(), &receive, &bad_receive);
  }

  FuzzedDataProvider& input_;
  std::unique_ptr<Station> station_;
  Owner<ibv_td> td_;
  Owner<ibv_pd> domain_;
  Owner<ibv_cq> cq_;
  std::vector<Owner<ibv_qp>> qps_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  restart_kernel();
  {
    Machine machine(input);
    machine.run();
  }
  check(kernel().objects() == 0 && mappings_in_use() == 0);
  return 0;
}
