// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// How libibverbs finds the provider, and its table of entry points.
#include "ah.hpp"
#include "comp_cntr.hpp"
#include "context.hpp"
#include "cq.hpp"
#include "guard.hpp"
#include "mr.hpp"
#include "pd.hpp"
#include "qp.hpp"

namespace efa {
namespace {

constexpr ibv::MatchEntry by_driver(std::uint64_t id) {
  return {nullptr, id, 0, 0, ibv::kMatchDriverId};
}
constexpr ibv::MatchEntry by_pci(std::uint16_t device) {
  return {nullptr, 0, EFA_PCI_VENDOR, device, ibv::kMatchPci};
}

constexpr ibv::MatchEntry kMatches[] = {
    by_driver(ibv::kDriverEfa),
    by_pci(EFA_PCI_DEVICE_EFA0),
    by_pci(EFA_PCI_DEVICE_EFA1),
    by_pci(EFA_PCI_DEVICE_EFA2),
    by_pci(EFA_PCI_DEVICE_EFA3),
    by_pci(EFA_PCI_DEVICE_EFA4),
    {nullptr, 0, 0, 0, ibv::kMatchSentinel},
};

ibv::VerbsDevice* alloc_device(ibv::SysfsDevice*) {
  return make<ibv::VerbsDevice>().release();
}
void uninit_device(ibv::VerbsDevice* device) {
  Owned<ibv::VerbsDevice>{device}.reset();
}

constexpr ibv::DeviceOps make_device_ops() {
  ibv::DeviceOps ops{};
  ops.name = "efa";
  ops.match_min_abi_version = EFA_UVERBS_ABI_VERSION;
  ops.match_max_abi_version = EFA_UVERBS_ABI_VERSION;
  ops.match_table = kMatches;
  ops.alloc_context = alloc_context;
  ops.alloc_device = alloc_device;
  ops.uninit_device = uninit_device;
  return ops;
}

constexpr ibv::ContextOps make_context_ops() {
  ibv::ContextOps ops{};
  ops.alloc_parent_domain = alloc_parent_domain;
  ops.alloc_pd = alloc_pd;
  ops.alloc_td = alloc_td;
  ops.cq_event = cq_event;
  ops.create_ah = create_ah;
  ops.create_cq = create_cq;
  ops.create_cq_ex = create_cq_ex;
  ops.create_qp = create_qp;
  ops.create_qp_ex = create_qp_ex;
  ops.dealloc_pd = dealloc_pd;
  ops.dealloc_td = dealloc_td;
  ops.dereg_mr = dereg_mr;
  ops.destroy_ah = destroy_ah;
  ops.destroy_cq = destroy_cq;
  ops.destroy_qp = destroy_qp;
  ops.free_context = free_context;
  ops.modify_qp = modify_qp;
  ops.poll_cq = poll_cq;
  ops.post_recv = post_recv;
  ops.post_send = post_send;
  ops.query_device_ex = query_device_ex;
  ops.query_port = query_port;
  ops.query_qp = query_qp;
  ops.query_qp_data_in_order = query_qp_data_in_order;
  ops.reg_dmabuf_mr = reg_dmabuf_mr;
  ops.reg_mr = reg_mr;
  ops.req_notify_cq = req_notify_cq;
#if EFA_IBVERBS_RELEASE == 65
  ops.create_comp_cntr = create_comp_cntr;
  ops.destroy_comp_cntr = destroy_comp_cntr;
  ops.inc_comp_cntr = ibv::ibv_cmd_inc_comp_cntr;
  ops.inc_err_comp_cntr = ibv::ibv_cmd_inc_err_comp_cntr;
  ops.qp_attach_comp_cntr = ibv::ibv_cmd_qp_attach_comp_cntr;
  ops.query_comp_cntr_caps = ibv::ibv_cmd_query_comp_cntr_caps;
  ops.query_port_speed = ibv::ibv_cmd_query_port_speed;
  ops.read_comp_cntr = read_comp_cntr;
  ops.read_err_comp_cntr = read_err_comp_cntr;
  ops.set_comp_cntr = ibv::ibv_cmd_set_comp_cntr;
  ops.set_err_comp_cntr = ibv::ibv_cmd_set_err_comp_cntr;
#endif
  return ops;
}

constexpr ibv::DeviceOps kDeviceOps = make_device_ops();

[[gnu::constructor]] void register_provider() {
  if (libibverbs_fits()) ibv::register_driver(&kDeviceOps);
}

}  // namespace

const ibv::ContextOps kContextOps = make_context_ops();

bool is_efa(const ibv_context* context) {
  return reinterpret_cast<const ibv::VerbsDevice*>(context->device)->ops == &kDeviceOps;
}

}  // namespace efa
