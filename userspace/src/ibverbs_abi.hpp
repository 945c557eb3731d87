// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The private interface between libibverbs and a provider, as far as this provider uses it.
///
/// libibverbs-dev has no header for it, and it changes between releases of rdma-core without its
/// version number always saying so: 44 and 56 both call it 34, yet a queue pair of 56 is larger. So
/// the release is a choice at build time, EFA_IBVERBS_RELEASE, every size and offset is asserted,
/// and guard.cpp refuses to work with another libibverbs at run time. tests/provider/abi compares
/// all of it with the real headers.
///
/// Facts: spec verbs B2. A new release needs: its offsets below, its row in guard.cpp, its build in
/// scripts/test-provider-releases.sh.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>

#include <cstddef>
#include <cstdint>

#ifndef EFA_IBVERBS_RELEASE
#error "EFA_IBVERBS_RELEASE must say which rdma-core this is built for: 44, 56 or 65"
#endif

namespace efa::ibv {

inline constexpr int kRelease = EFA_IBVERBS_RELEASE;
static_assert(kRelease == 44 || kRelease == 56 || kRelease == 65,
              "unknown rdma-core release: the private interface is described for 44, 56 and 65; "
              "ibverbs_abi.hpp says what to add for another one");

/// Driver number of EFA in the kernel's list, matched before any PCI id.
inline constexpr std::uint32_t kDriverEfa = 17;

enum LogLevel : std::uint32_t { kLogError = 1, kLogWarning = 2, kLogInfo = 3, kLogDebug = 4 };
enum MatchKind : std::uint8_t { kMatchSentinel = 0, kMatchPci = 1, kMatchDriverId = 3 };
enum VerbsQpMask : std::uint32_t { kVerbsQpEx = 1 << 1 };

struct SysfsDevice;  // libibverbs' view of sysfs, not looked into

struct MatchEntry {
  void* driver_data;
  std::uint64_t driver_id;
  std::uint16_t vendor;
  std::uint16_t device;
  std::uint8_t kind;
};
static_assert(sizeof(MatchEntry) == 24 && offsetof(MatchEntry, kind) == 20);

struct VerbsDevice;

struct DeviceOps {
  const char* name;
  std::uint32_t match_min_abi_version;
  std::uint32_t match_max_abi_version;
  const MatchEntry* match_table;
  const DeviceOps** static_providers;
  bool (*match_device)(SysfsDevice* device);
  verbs_context* (*alloc_context)(ibv_device* device, int cmd_fd, void* private_data);
  verbs_context* (*import_context)(ibv_device* device, int cmd_fd);
  VerbsDevice* (*alloc_device)(SysfsDevice* device);
  void (*uninit_device)(VerbsDevice* device);
};
static_assert(sizeof(DeviceOps) == 72 && offsetof(DeviceOps, alloc_context) == 40 &&
              offsetof(DeviceOps, alloc_device) == 56);

struct VerbsDevice {
  ibv_device device;
  const DeviceOps* ops;
  int refcount;  // atomic, libibverbs' own
  void* list_entry[2];
  SysfsDevice* sysfs;
  std::uint64_t core_support;
};
static_assert(sizeof(VerbsDevice) == 712 && offsetof(VerbsDevice, ops) == 664 &&
              offsetof(VerbsDevice, sysfs) == 696 && offsetof(VerbsDevice, core_support) == 704);

struct VerbsMr {
  ibv_mr mr;
  int mr_type;
  int access;
};
static_assert(sizeof(VerbsMr) == 56 && offsetof(VerbsMr, access) == 52);

struct VerbsQp {
  union {
    ibv_qp qp;
    ibv_qp_ex qp_ex;
  };
  std::uint32_t comp_mask;  // VerbsQpMask
  void* xrcd;
};
static_assert(sizeof(VerbsQp) == (kRelease == 44 ? 368 : 376));
static_assert(offsetof(VerbsQp, comp_mask) == (kRelease == 44 ? 352 : 360));

struct VerbsCq {
  union {
    ibv_cq cq;
    ibv_cq_ex cq_ex;
  };
};
static_assert(sizeof(VerbsCq) == 288);

static_assert(sizeof(ibv_context) == 328);
static_assert(sizeof(verbs_context) == (kRelease == 65 ? 696 : 648));
static_assert(offsetof(verbs_context, context) == (kRelease == 65 ? 368 : 320));

/// Members in libibverbs' order; those that EFA leaves to libibverbs are gaps.
struct ContextOps {
#if EFA_IBVERBS_RELEASE == 65
  void* gap_0[6];
#else
  void* gap_0[4];
#endif
  ibv_pd* (*alloc_parent_domain)(ibv_context*, ibv_parent_domain_init_attr*);
  ibv_pd* (*alloc_pd)(ibv_context*);
  ibv_td* (*alloc_td)(ibv_context*, ibv_td_init_attr*);
  void (*async_event)(ibv_context*, ibv_async_event*);
  void* gap_1[4];
  void (*cq_event)(ibv_cq*);
  ibv_ah* (*create_ah)(ibv_pd*, ibv_ah_attr*);
#if EFA_IBVERBS_RELEASE == 65
  ibv_comp_cntr* (*create_comp_cntr)(ibv_context*, ibv_comp_cntr_init_attr*);
#endif
  void* gap_2;
  ibv_cq* (*create_cq)(ibv_context*, int cqe, ibv_comp_channel*, int comp_vector);
  ibv_cq_ex* (*create_cq_ex)(ibv_context*, ibv_cq_init_attr_ex*);
  void* gap_3[2];
  ibv_qp* (*create_qp)(ibv_pd*, ibv_qp_init_attr*);
  ibv_qp* (*create_qp_ex)(ibv_context*, ibv_qp_init_attr_ex*);
#if EFA_IBVERBS_RELEASE == 65
  void* gap_4[6];
#else
  void* gap_4[5];
#endif
  int (*dealloc_pd)(ibv_pd*);
  int (*dealloc_td)(ibv_td*);
  int (*dereg_mr)(VerbsMr*);
  int (*destroy_ah)(ibv_ah*);
#if EFA_IBVERBS_RELEASE == 65
  int (*destroy_comp_cntr)(ibv_comp_cntr*);
#endif
  void* gap_5;
  int (*destroy_cq)(ibv_cq*);
  void* gap_6[2];
  int (*destroy_qp)(ibv_qp*);
#if EFA_IBVERBS_RELEASE == 65
  void* gap_7[6];
#else
  void* gap_7[4];
#endif
  void (*free_context)(ibv_context*);
#if EFA_IBVERBS_RELEASE == 65
  void* gap_8[5];
  int (*inc_comp_cntr)(ibv_comp_cntr*, std::uint64_t amount);
  int (*inc_err_comp_cntr)(ibv_comp_cntr*, std::uint64_t amount);
  void* gap_9[2];
#else
  void* gap_8[7];
#endif
  int (*modify_qp)(ibv_qp*, ibv_qp_attr*, int attr_mask);
  void* gap_10[5];
  int (*poll_cq)(ibv_cq*, int num_entries, ibv_wc*);
  int (*post_recv)(ibv_qp*, ibv_recv_wr*, ibv_recv_wr** bad_wr);
  int (*post_send)(ibv_qp*, ibv_send_wr*, ibv_send_wr** bad_wr);
  void* gap_11[2];
#if EFA_IBVERBS_RELEASE == 65
  int (*qp_attach_comp_cntr)(ibv_qp*, ibv_comp_cntr*, ibv_qp_attach_comp_cntr_attr*);
  int (*query_comp_cntr_caps)(ibv_context*, ibv_comp_cntr_caps*, std::size_t caps_size);
#endif
  int (*query_device_ex)(ibv_context*, const ibv_query_device_ex_input*, ibv_device_attr_ex*,
                         std::size_t attr_size);
  void* gap_12;
  int (*query_port)(ibv_context*, std::uint8_t port_num, ibv_port_attr*);
#if EFA_IBVERBS_RELEASE == 65
  int (*query_port_speed)(ibv_context*, std::uint32_t port_num, std::uint64_t* speed);
#endif
  int (*query_qp)(ibv_qp*, ibv_qp_attr*, int attr_mask, ibv_qp_init_attr*);
  int (*query_qp_data_in_order)(ibv_qp*, ibv_wr_opcode, std::uint32_t flags);
#if EFA_IBVERBS_RELEASE == 65
  void* gap_13[2];
  int (*read_comp_cntr)(ibv_comp_cntr*, std::uint64_t* value);
  void* gap_14;
  int (*read_err_comp_cntr)(ibv_comp_cntr*, std::uint64_t* value);
  void* gap_15;
#else
  void* gap_13[4];
#endif
  ibv_mr* (*reg_dmabuf_mr)(ibv_pd*, std::uint64_t offset, std::size_t length, std::uint64_t iova,
                           int fd, int access);
  ibv_mr* (*reg_mr)(ibv_pd*, void* addr, std::size_t length, std::uint64_t hca_va, int access);
#if EFA_IBVERBS_RELEASE == 65
  void* gap_16;
#endif
  int (*req_notify_cq)(ibv_cq*, int solicited_only);
#if EFA_IBVERBS_RELEASE == 65
  void* gap_17[2];
  int (*set_comp_cntr)(ibv_comp_cntr*, std::uint64_t value);
  void* gap_18;
  int (*set_err_comp_cntr)(ibv_comp_cntr*, std::uint64_t value);
  void* gap_19[3];
#else
  void* gap_17[6];
#endif
};

#define EFA_OP_AT(member, before_65, since_65) \
  static_assert(offsetof(ContextOps, member) == (kRelease == 65 ? (since_65) : (before_65)))
EFA_OP_AT(alloc_parent_domain, 32, 48);
EFA_OP_AT(async_event, 56, 72);
EFA_OP_AT(cq_event, 96, 112);
EFA_OP_AT(create_ah, 104, 120);
EFA_OP_AT(create_cq, 120, 144);
EFA_OP_AT(create_cq_ex, 128, 152);
EFA_OP_AT(create_qp, 152, 176);
EFA_OP_AT(create_qp_ex, 160, 184);
EFA_OP_AT(dealloc_pd, 208, 240);
EFA_OP_AT(destroy_ah, 232, 264);
EFA_OP_AT(destroy_cq, 248, 288);
EFA_OP_AT(destroy_qp, 272, 312);
EFA_OP_AT(free_context, 312, 368);
EFA_OP_AT(modify_qp, 376, 448);
EFA_OP_AT(poll_cq, 424, 496);
EFA_OP_AT(post_send, 440, 512);
EFA_OP_AT(query_device_ex, 464, 552);
EFA_OP_AT(query_port, 480, 568);
EFA_OP_AT(query_qp_data_in_order, 496, 592);
EFA_OP_AT(reg_dmabuf_mr, 536, 648);
EFA_OP_AT(req_notify_cq, 552, 672);
#if EFA_IBVERBS_RELEASE == 65
static_assert(offsetof(ContextOps, create_comp_cntr) == 128);
static_assert(offsetof(ContextOps, destroy_comp_cntr) == 272);
static_assert(offsetof(ContextOps, inc_comp_cntr) == 416);
static_assert(offsetof(ContextOps, qp_attach_comp_cntr) == 536);
static_assert(offsetof(ContextOps, query_port_speed) == 576);
static_assert(offsetof(ContextOps, read_comp_cntr) == 616);
static_assert(offsetof(ContextOps, read_err_comp_cntr) == 632);
static_assert(offsetof(ContextOps, set_comp_cntr) == 696);
static_assert(offsetof(ContextOps, set_err_comp_cntr) == 712);
#endif
static_assert(sizeof(ContextOps) == (kRelease == 65 ? 744 : 608));
#undef EFA_OP_AT

/// A command or an answer of the kernel's, followed without a gap by the part that is private to
/// EFA. (Not a structure of two members: the kernel's end in a flexible array.)
template <class Core, class Private>
class Message {
 public:
  Core* core() { return reinterpret_cast<Core*>(bytes_); }
  Private& efa() { return *reinterpret_cast<Private*>(bytes_ + sizeof(Core)); }
  static constexpr std::size_t size() { return sizeof(Core) + sizeof(Private); }

 private:
  static_assert(sizeof(Core) % alignof(Private) == 0);
  alignas(8) std::byte bytes_[sizeof(Core) + sizeof(Private)]{};
};

// The kernel's command structures behind libibverbs' headers.

struct GetContext {
  ib_uverbs_cmd_hdr hdr;
  ib_uverbs_get_context core;
};
struct AllocPd {
  ib_uverbs_cmd_hdr hdr;
  ib_uverbs_alloc_pd core;
};
struct RegMr {
  ib_uverbs_cmd_hdr hdr;
  ib_uverbs_reg_mr core;
};
struct CreateQp {
  ib_uverbs_cmd_hdr hdr;
  ib_uverbs_create_qp core;
};
struct ModifyQp {
  ib_uverbs_cmd_hdr hdr;
  ib_uverbs_modify_qp core;
};
struct QueryQp {
  ib_uverbs_cmd_hdr hdr;
  ib_uverbs_query_qp core;
};
struct QueryPort {
  ib_uverbs_cmd_hdr hdr;
  ib_uverbs_query_port core;
};
struct CreateCqEx {
  ib_uverbs_cmd_hdr hdr;
  ib_uverbs_ex_cmd_hdr ex_hdr;
  ib_uverbs_ex_create_cq core;
};
static_assert(sizeof(ib_uverbs_cmd_hdr) == 8 && sizeof(ib_uverbs_ex_cmd_hdr) == 16);

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): libibverbs' names
void __verbs_log(verbs_context* context, std::uint32_t level, const char* format, ...);
void* _verbs_init_and_alloc_context(ibv_device* device, int cmd_fd, std::size_t size,
                                    verbs_context* offset, std::uint32_t driver_id);
// NOLINTEND(bugprone-reserved-identifier)
void verbs_uninit_context(verbs_context* context);
void verbs_set_ops(verbs_context* context, const ContextOps* ops);
void verbs_init_cq(ibv_cq* cq, ibv_context* context, ibv_comp_channel* channel, void* cq_context);

struct CommandBuffer;  // further attributes for a command; none are passed

#if EFA_IBVERBS_RELEASE == 65
struct FdArray;
struct CreateCqProviderAttr;
void verbs_register_driver_65(const DeviceOps* ops);
int ibv_cmd_get_context(verbs_context*, GetContext* cmd, std::size_t cmd_size, FdArray*,
                        ib_uverbs_get_context_resp*, std::size_t resp_size);
int ibv_cmd_create_cq_ex(ibv_context*, const ibv_cq_init_attr_ex*, CreateCqProviderAttr*, VerbsCq*,
                         CreateCqEx* cmd, std::size_t cmd_size, ib_uverbs_ex_create_cq_resp*,
                         std::size_t resp_size, std::uint32_t cmd_flags);
int ibv_cmd_query_port_speed(ibv_context*, std::uint32_t port_num, std::uint64_t* speed);
int ibv_cmd_destroy_comp_cntr(ibv_comp_cntr*);
int ibv_cmd_inc_comp_cntr(ibv_comp_cntr*, std::uint64_t amount);
int ibv_cmd_inc_err_comp_cntr(ibv_comp_cntr*, std::uint64_t amount);
int ibv_cmd_set_comp_cntr(ibv_comp_cntr*, std::uint64_t value);
int ibv_cmd_set_err_comp_cntr(ibv_comp_cntr*, std::uint64_t value);
int ibv_cmd_qp_attach_comp_cntr(ibv_qp*, ibv_comp_cntr*, ibv_qp_attach_comp_cntr_attr*);
int ibv_cmd_query_comp_cntr_caps(ibv_context*, ibv_comp_cntr_caps*, std::size_t caps_size);
#else
void verbs_register_driver_34(const DeviceOps* ops);
int ibv_cmd_get_context(verbs_context*, GetContext* cmd, std::size_t cmd_size,
                        ib_uverbs_get_context_resp*, std::size_t resp_size);
int ibv_cmd_create_cq_ex(ibv_context*, const ibv_cq_init_attr_ex*, VerbsCq*, CreateCqEx* cmd,
                         std::size_t cmd_size, ib_uverbs_ex_create_cq_resp*, std::size_t resp_size,
                         std::uint32_t cmd_flags);
#endif
int ibv_cmd_query_device_any(ibv_context*, const ibv_query_device_ex_input*, ibv_device_attr_ex*,
                             std::size_t attr_size, ib_uverbs_ex_query_device_resp*,
                             std::size_t* resp_size);
int ibv_cmd_query_port(ibv_context*, std::uint8_t port_num, ibv_port_attr*, QueryPort* cmd,
                       std::size_t cmd_size);
int ibv_cmd_alloc_pd(ibv_context*, ibv_pd*, AllocPd* cmd, std::size_t cmd_size,
                     ib_uverbs_alloc_pd_resp*, std::size_t resp_size);
int ibv_cmd_dealloc_pd(ibv_pd*);
int ibv_cmd_reg_mr(ibv_pd*, void* addr, std::size_t length, std::uint64_t hca_va, int access,
                   VerbsMr*, RegMr* cmd, std::size_t cmd_size, ib_uverbs_reg_mr_resp*,
                   std::size_t resp_size);
/// The last argument came after 44, which ignores it: always pass it, always null.
int ibv_cmd_reg_dmabuf_mr(ibv_pd*, std::uint64_t offset, std::size_t length, std::uint64_t iova,
                          int fd, int access, VerbsMr*, CommandBuffer* driver);
int ibv_cmd_dereg_mr(VerbsMr*);
int ibv_cmd_destroy_cq(ibv_cq*);
int ibv_cmd_create_qp_ex(ibv_context*, VerbsQp*, ibv_qp_init_attr_ex*, CreateQp* cmd,
                         std::size_t cmd_size, ib_uverbs_create_qp_resp*, std::size_t resp_size);
int ibv_cmd_query_qp(ibv_qp*, ibv_qp_attr*, int attr_mask, ibv_qp_init_attr*, QueryQp* cmd,
                     std::size_t cmd_size);
int ibv_cmd_modify_qp(ibv_qp*, ibv_qp_attr*, int attr_mask, ModifyQp* cmd, std::size_t cmd_size);
int ibv_cmd_destroy_qp(ibv_qp*);
int ibv_cmd_create_ah(ibv_pd*, ibv_ah*, ibv_ah_attr*, ib_uverbs_create_ah_resp*,
                      std::size_t resp_size);
int ibv_cmd_destroy_ah(ibv_ah*);
}

/// Registers under the name that carries the interface's version, so that loading fails with any
/// libibverbs of another one.
inline void register_driver(const DeviceOps* ops) {
#if EFA_IBVERBS_RELEASE == 65
  verbs_register_driver_65(ops);
#else
  verbs_register_driver_34(ops);
#endif
}

inline int get_context(verbs_context* context, GetContext* cmd, std::size_t cmd_size,
                       ib_uverbs_get_context_resp* resp, std::size_t resp_size) {
#if EFA_IBVERBS_RELEASE == 65
  return ibv_cmd_get_context(context, cmd, cmd_size, nullptr, resp, resp_size);
#else
  return ibv_cmd_get_context(context, cmd, cmd_size, resp, resp_size);
#endif
}

inline int create_cq_ex(ibv_context* context, const ibv_cq_init_attr_ex* attr, VerbsCq* cq,
                        CreateCqEx* cmd, std::size_t cmd_size, ib_uverbs_ex_create_cq_resp* resp,
                        std::size_t resp_size) {
#if EFA_IBVERBS_RELEASE == 65
  return ibv_cmd_create_cq_ex(context, attr, nullptr, cq, cmd, cmd_size, resp, resp_size, 0);
#else
  return ibv_cmd_create_cq_ex(context, attr, cq, cmd, cmd_size, resp, resp_size, 0);
#endif
}

}  // namespace efa::ibv
