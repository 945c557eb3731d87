// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "uverbs.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace efa::raw {

namespace {

// enum ibv_qp_attr_mask
constexpr std::uint32_t kState = 1 << 0, kPkeyIndex = 1 << 4, kPort = 1 << 5, kQkey = 1 << 6,
                        kRnrRetry = 1 << 11, kSqPsn = 1 << 16;
// enum ibv_qp_state
constexpr std::uint8_t kInit = 1, kRtr = 2, kRts = 3;

void require(int error, const char* what) {
  if (error != 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(error));
}

}  // namespace

ib_uverbs_attr& Attributes::add(std::uint16_t id, std::size_t length) {
  ib_uverbs_attr attribute{};
  attribute.attr_id = id;
  attribute.len = static_cast<std::uint16_t>(length);
  attribute.flags = UVERBS_ATTR_F_MANDATORY;
  list_.push_back(attribute);
  return list_.back();
}

Attributes& Attributes::in(std::uint16_t id, const void* data, std::size_t length) {
  ib_uverbs_attr& attribute = add(id, length);
  if (length <= sizeof(attribute.data)) {
    if (length != 0) std::memcpy(&attribute.data, data, length);
  } else {
    attribute.data = reinterpret_cast<std::uint64_t>(data);
  }
  return *this;
}

Attributes& Attributes::out(std::uint16_t id, void* data, std::size_t length) {
  add(id, length).data = reinterpret_cast<std::uint64_t>(data);
  return *this;
}

Attributes& Attributes::handle(std::uint16_t id, std::uint64_t value) {
  add(id, 0).data = value;
  return *this;
}

std::uint64_t Attributes::value(std::uint16_t id) const {
  const auto found = std::find_if(list_.begin(), list_.end(),
                                  [id](const ib_uverbs_attr& a) { return a.attr_id == id; });
  return found == list_.end() ? ~std::uint64_t{0} : std::uint64_t{found->data};
}

bool Attributes::valid(std::uint16_t id) const {
  return std::any_of(list_.begin(), list_.end(), [id](const ib_uverbs_attr& a) {
    return a.attr_id == id && (a.flags & UVERBS_ATTR_F_VALID_OUTPUT) != 0;
  });
}

Message::Message(std::uint16_t object, std::uint16_t method, const Attributes& attributes) {
  const std::size_t bytes =
      sizeof(ib_uverbs_ioctl_hdr) + attributes.list().size() * sizeof(ib_uverbs_attr);
  words.resize(bytes / sizeof(std::uint64_t));
  ib_uverbs_ioctl_hdr& head = *header();
  head.length = static_cast<std::uint16_t>(bytes);
  head.object_id = object;
  head.method_id = method;
  head.num_attrs = static_cast<std::uint16_t>(attributes.list().size());
  head.driver_id = RDMA_DRIVER_EFA;
  std::copy(attributes.list().begin(), attributes.list().end(), head.attrs);
}

int verbs_ioctl(int fd, ib_uverbs_ioctl_hdr* header) {
  return ::ioctl(fd, RDMA_VERBS_IOCTL, header) == 0 ? 0 : errno;
}

int first_device() {
  constexpr char kAmazon[] = "0x1d0f";
  std::error_code none;
  std::string lowest;
  int number = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/sys/class/infiniband_verbs", none)) {
    std::string vendor;
    std::ifstream(entry.path() / "device/vendor") >> vendor;
    const std::string name = entry.path().filename();
    const std::string address =
        std::filesystem::canonical(entry.path() / "device", none).filename();
    if (vendor != kAmazon || name.rfind("uverbs", 0) != 0) continue;
    if (!lowest.empty() && address >= lowest) continue;
    lowest = address;
    number = std::stoi(name.substr(6));
  }
  return number;
}

Uverbs::Uverbs(int index)
    : fd_(::open(("/dev/infiniband/uverbs" + std::to_string(index)).c_str(), O_RDWR | O_CLOEXEC)) {
  if (fd_ < 0)
    throw std::runtime_error("/dev/infiniband/uverbs" + std::to_string(index) +
                             ": cannot be opened: " + std::strerror(errno));
}

Uverbs::~Uverbs() {
  ::close(fd_);
}

int Uverbs::call(std::uint16_t object, std::uint16_t method, Attributes& attributes) {
  Message message(object, method, attributes);
  const int error = verbs_ioctl(fd_, message.header());
  std::copy_n(message.header()->attrs, attributes.list().size(), attributes.list().begin());
  return error;
}

int Uverbs::call(std::uint16_t object, std::uint16_t method) {
  Attributes none;
  return call(object, method, none);
}

int Uverbs::write_command(std::uint32_t command, Attributes attributes) {
  // The command's number is an 8-byte constant in this method.
  attributes.in(UVERBS_ATTR_WRITE_CMD, std::uint64_t{command});
  return call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_INVOKE_WRITE, attributes);
}

Session::Session(int index) : Uverbs(index) {
  const efa_uabi_alloc_ucontext_cmd request{kBothCaps, 0};
  std::uint64_t support = 0;
  Attributes open;
  open.out(UVERBS_ATTR_GET_CONTEXT_NUM_COMP_VECTORS, vectors_)
      .out(UVERBS_ATTR_GET_CONTEXT_CORE_SUPPORT, support)
      .in(UVERBS_ATTR_UHW_IN, request)
      .out(UVERBS_ATTR_UHW_OUT, limits_);
  require(call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT, open), "GET_CONTEXT");

  require(write_command(
              IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_QUERY_DEVICE,
              ib_uverbs_ex_query_device{},
              Attributes().out(UVERBS_ATTR_CORE_OUT, generic_).out(UVERBS_ATTR_UHW_OUT, device_)),
          "QUERY_DEVICE");
  ib_uverbs_gid_entry entry{};
  Attributes query;
  query.in(UVERBS_ATTR_QUERY_GID_ENTRY_PORT, std::uint64_t{1})
      .in(UVERBS_ATTR_QUERY_GID_ENTRY_GID_INDEX, std::uint64_t{0})
      .in(UVERBS_ATTR_QUERY_GID_ENTRY_FLAGS, std::uint32_t{0})
      .out(UVERBS_ATTR_QUERY_GID_ENTRY_RESP_ENTRY, entry);
  require(call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_GID_ENTRY, query), "QUERY_GID");
  static_assert(sizeof(gid_) == sizeof(entry.gid));
  std::memcpy(gid_, entry.gid, sizeof(gid_));
}

int Session::alloc_pd(Pd& out) {
  ib_uverbs_alloc_pd_resp core{};
  efa_uabi_alloc_pd_resp device{};
  const int error =
      write_command(IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{},
                    Attributes().out(UVERBS_ATTR_CORE_OUT, core).out(UVERBS_ATTR_UHW_OUT, device));
  out = {core.pd_handle, device.pdn};
  return error;
}

int Session::reg_mr(const Pd& pd, const void* start, std::size_t length, std::uint32_t access,
                    Mr& out) {
  // Sized without the flexible array at the end.
  ib_uverbs_reg_mr request{};
  request.start = request.hca_va = reinterpret_cast<std::uint64_t>(start);
  request.length = length;
  request.pd_handle = pd.handle;
  request.access_flags = access;
  ib_uverbs_reg_mr_resp core{};
  const int error = write_command(IB_USER_VERBS_CMD_REG_MR, request,
                                  Attributes().out(UVERBS_ATTR_CORE_OUT, core));
  out = {core.mr_handle, core.lkey, core.rkey};
  return error;
}

int Session::create_ah(const Pd& pd, const std::uint8_t gid[16], AddressHandle& out) {
  ib_uverbs_create_ah request{};
  request.pd_handle = pd.handle;
  request.attr.is_global = 1;
  request.attr.port_num = 1;
  std::memcpy(request.attr.grh.dgid, gid, sizeof(request.attr.grh.dgid));
  ib_uverbs_create_ah_resp core{};
  efa_uabi_create_ah_resp device{};
  const int error =
      write_command(IB_USER_VERBS_CMD_CREATE_AH, request,
                    Attributes().out(UVERBS_ATTR_CORE_OUT, core).out(UVERBS_ATTR_UHW_OUT, device));
  out = {core.ah_handle, device.efa_address_handle};
  return error;
}

int Session::create_cq(const CqRequest& request, CqAnswer& out) {
  return create_cq(request, bytes_of(request.device), out);
}

int Session::create_cq(const CqRequest& request, const std::vector<std::uint8_t>& device,
                       CqAnswer& out) {
  Attributes attributes = request.more;
  attributes.handle(UVERBS_ATTR_CREATE_CQ_HANDLE)
      .in(UVERBS_ATTR_CREATE_CQ_CQE, request.cqe)
      .in(UVERBS_ATTR_CREATE_CQ_USER_HANDLE, request.user_handle)
      .in(UVERBS_ATTR_CREATE_CQ_COMP_VECTOR, request.vector)
      .out(UVERBS_ATTR_CREATE_CQ_RESP_CQE, out.cqe)
      .in(UVERBS_ATTR_UHW_IN, device)
      .out(UVERBS_ATTR_UHW_OUT, out.device);
  if (request.channel >= 0)
    attributes.handle(UVERBS_ATTR_CREATE_CQ_COMP_CHANNEL,
                      static_cast<std::uint64_t>(request.channel));
  const int error = call(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE, attributes);
  out.handle = static_cast<std::uint32_t>(attributes.value(UVERBS_ATTR_CREATE_CQ_HANDLE));
  return error;
}

int Session::create_qp(const QpRequest& request, const Pd& pd, const CqAnswer& send_cq,
                       const CqAnswer& recv_cq, QpAnswer& out) {
  return create_qp(request, bytes_of(request.device), pd, send_cq, recv_cq, out);
}

int Session::create_qp(const QpRequest& request, const std::vector<std::uint8_t>& device,
                       const Pd& pd, const CqAnswer& send_cq, const CqAnswer& recv_cq,
                       QpAnswer& out) {
  Attributes attributes;
  attributes.handle(UVERBS_ATTR_CREATE_QP_HANDLE)
      .handle(UVERBS_ATTR_CREATE_QP_PD_HANDLE, pd.handle)
      .handle(UVERBS_ATTR_CREATE_QP_SEND_CQ_HANDLE, send_cq.handle)
      .handle(UVERBS_ATTR_CREATE_QP_RECV_CQ_HANDLE, recv_cq.handle)
      .in(UVERBS_ATTR_CREATE_QP_TYPE, std::uint64_t{request.type})
      .in(UVERBS_ATTR_CREATE_QP_USER_HANDLE, std::uint64_t{0})
      .in(UVERBS_ATTR_CREATE_QP_CAP, request.cap)
      .out(UVERBS_ATTR_CREATE_QP_RESP_CAP, out.cap)
      .out(UVERBS_ATTR_CREATE_QP_RESP_QP_NUM, out.number)
      .in(UVERBS_ATTR_UHW_IN, device)
      .out(UVERBS_ATTR_UHW_OUT, out.device);
  const int error = call(UVERBS_OBJECT_QP, UVERBS_METHOD_QP_CREATE, attributes);
  out.handle = static_cast<std::uint32_t>(attributes.value(UVERBS_ATTR_CREATE_QP_HANDLE));
  return error;
}

int Session::modify_qp(const ib_uverbs_modify_qp& request) {
  return write_command(IB_USER_VERBS_CMD_MODIFY_QP, request);
}

int Session::ready(const QpAnswer& qp, std::uint32_t qkey, std::uint8_t rnr_retry) {
  ib_uverbs_modify_qp request{};
  request.qp_handle = qp.handle;
  request.qp_state = kInit;
  request.attr_mask = kState | kPkeyIndex | kPort | kQkey;
  request.port_num = 1;
  request.qkey = qkey;
  if (const int error = modify_qp(request)) return error;
  request.qp_state = kRtr;
  request.attr_mask = kState;
  if (const int error = modify_qp(request)) return error;
  request.qp_state = kRts;
  request.attr_mask = kState | kSqPsn;
  if (rnr_retry != 7) request.attr_mask |= kRnrRetry;
  request.rnr_retry = rnr_retry;
  return modify_qp(request);
}

int Session::query_qp(std::uint32_t handle, ib_uverbs_query_qp_resp& out) {
  ib_uverbs_query_qp request{};
  request.qp_handle = handle;
  request.attr_mask = kState;
  return write_command(IB_USER_VERBS_CMD_QUERY_QP, request,
                       Attributes().out(UVERBS_ATTR_CORE_OUT, out));
}

int Session::create_counter(const Buffer& completions, const Buffer& errors, std::uint32_t& out) {
  Attributes attributes;
  attributes.handle(0)
      .in(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_COMP_BUFFER, completions)
      .in(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_ERR_BUFFER, errors);
  const int error = call(kCounterObject, kCounterCreate, attributes);
  out = static_cast<std::uint32_t>(attributes.value(0));
  return error;
}

int Session::modify_counter(std::uint32_t handle, std::uint64_t entry, std::uint64_t operation,
                            std::uint64_t value) {
  Attributes attributes;
  attributes.handle(0, handle).in(1, entry).in(2, operation).in(3, value);
  return call(kCounterObject, kCounterModify, attributes);
}

int Session::attach_counter(std::uint32_t qp, std::uint32_t counter, std::uint64_t ops) {
  Attributes attributes;
  attributes.handle(0, qp).handle(1, counter).in(2, ops);
  return call(UVERBS_OBJECT_QP, kAttachCounter, attributes);
}

int Session::destroy(std::uint16_t object, std::uint32_t handle) {
  // Attribute 0 of every destroy method is the handle.
  Attributes attributes;
  attributes.handle(0, handle);
  ib_uverbs_destroy_cq_resp cq{};
  ib_uverbs_destroy_qp_resp qp{};
  switch (object) {
    case UVERBS_OBJECT_CQ:
      attributes.out(UVERBS_ATTR_DESTROY_CQ_RESP, cq);
      return call(object, UVERBS_METHOD_CQ_DESTROY, attributes);
    case UVERBS_OBJECT_QP:
      attributes.out(UVERBS_ATTR_DESTROY_QP_RESP, qp);
      return call(object, UVERBS_METHOD_QP_DESTROY, attributes);
    case UVERBS_OBJECT_MR:
      return call(object, UVERBS_METHOD_MR_DESTROY, attributes);
    case kCounterObject:
      return call(object, kCounterDestroy, attributes);
    case UVERBS_OBJECT_AH:
      return call(object, UVERBS_METHOD_AH_DESTROY, attributes);
    default:
      return call(object, UVERBS_METHOD_PD_DESTROY, attributes);
  }
}

}  // namespace efa::raw
