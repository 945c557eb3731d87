// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fi_atomic(), fi_fetch_atomic() and fi_compare_atomic() with all of their forms (spec
/// libfabric-api 5.7, efa-rdm-protocol 10.6).
#include <rdma/fi_errno.h>

#include "objects/rdm_endpoint.hpp"
#include "rdm/atomics.hpp"

namespace efa::fi {
namespace {

using rdm::AtomicForm;
using rdm::AtomicRequest;

/// What all calls of one kind begin with.
AtomicRequest request_to(const RdmEndpoint& endpoint, AtomicForm form, fi_addr_t peer,
                         fi_datatype datatype, fi_op op, void* context) {
  AtomicRequest request;
  request.form = form;
  request.peer = peer;
  request.datatype = datatype;
  request.op = op;
  request.context = context;
  endpoint.take_defaults(request);
  return request;
}

/// Vectors count elements; @returns false if there are too many pieces.
bool assign(rdm::Buffers& buffers, const fi_ioc* pieces, void* const* descriptors, size_t count,
            uint32_t datatype) {
  if (count > rdm::kMaxIovs) return false;
  const size_t size = rdm::atomic_size(datatype);
  buffers.clear();
  for (size_t i = 0; i < count; ++i)
    buffers.add(pieces[i].addr, pieces[i].count * size, descriptors ? descriptors[i] : nullptr);
  return true;
}

void assign(rdm::Buffers& buffers, const void* elements, size_t count, void* descriptor,
            uint32_t datatype) {
  buffers.assign(elements, elements ? count * rdm::atomic_size(datatype) : 0,
                 region_of(descriptor));
}

void set_remote(AtomicRequest& request, uint64_t address, uint64_t key, uint64_t bytes) {
  request.remote.iov[0] = {address, bytes, key};
  request.remote.count = 1;
}

uint64_t elements(const fi_ioc* pieces, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += pieces[i].count;
  return sum;
}

ssize_t post(RdmEndpoint& endpoint, AtomicRequest& request) {
  if (!rdm::atomic_offered(request.form, request.datatype, request.op)) return -FI_EOPNOTSUPP;
  uint64_t bytes = 0;
  for (size_t i = 0; i < request.remote.count; ++i) bytes += request.remote.iov[i].len;
  const bool fetches = request.form != AtomicForm::kWrite;
  const bool reads_only = request.op == FI_ATOMIC_READ;
  if ((!reads_only && request.operand.length() != bytes) ||
      (fetches && request.result.length() != bytes) ||
      (request.form == AtomicForm::kCompare && request.compare.length() != bytes))
    return -FI_EINVAL;
  if (reads_only) request.operand.clear();
  if (bytes > (request.inject ? endpoint.inject.atomic : endpoint.most.atomic)) return -FI_EMSGSIZE;
  const Guard guard(endpoint.domain.lock);
  return endpoint.engine->atomic(request);
}

int take_message(const RdmEndpoint& endpoint, const fi_msg_atomic& asked, uint64_t flags,
                 AtomicRequest& request) {
  if ((flags & ~kTxOpFlags) || asked.rma_iov_count > rdm::kMaxIovs) return -FI_EINVAL;
  if (!assign(request.operand, asked.msg_iov, asked.desc, asked.iov_count, asked.datatype))
    return -FI_EINVAL;
  const size_t size = rdm::atomic_size(asked.datatype);
  for (size_t i = 0; i < asked.rma_iov_count; ++i)
    request.remote.iov[i] = {asked.rma_iov[i].addr, asked.rma_iov[i].count * size,
                             asked.rma_iov[i].key};
  request.remote.count = asked.rma_iov_count;
  endpoint.take_flags(request, flags, asked.data);
  return 0;
}

AtomicRequest from_message(const RdmEndpoint& endpoint, AtomicForm form,
                           const fi_msg_atomic& asked) {
  return request_to(endpoint, form, asked.addr, asked.datatype, asked.op, asked.context);
}

// ---- Without a result

ssize_t write(fid_ep* object, const void* buffer, size_t count, void* descriptor, fi_addr_t peer,
              uint64_t address, uint64_t key, fi_datatype datatype, fi_op op, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = request_to(endpoint, AtomicForm::kWrite, peer, datatype, op, context);
  assign(request.operand, buffer, count, descriptor, datatype);
  set_remote(request, address, key, request.operand.length());
  return post(endpoint, request);
}

ssize_t writev(fid_ep* object, const fi_ioc* pieces, void** descriptors, size_t count,
               fi_addr_t peer, uint64_t address, uint64_t key, fi_datatype datatype, fi_op op,
               void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = request_to(endpoint, AtomicForm::kWrite, peer, datatype, op, context);
  if (!assign(request.operand, pieces, descriptors, count, datatype)) return -FI_EINVAL;
  set_remote(request, address, key, request.operand.length());
  return post(endpoint, request);
}

ssize_t writemsg(fid_ep* object, const fi_msg_atomic* asked, uint64_t flags) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = from_message(endpoint, AtomicForm::kWrite, *asked);
  if (const int error = take_message(endpoint, *asked, flags, request)) return error;
  return post(endpoint, request);
}

ssize_t inject(fid_ep* object, const void* buffer, size_t count, fi_addr_t peer, uint64_t address,
               uint64_t key, fi_datatype datatype, fi_op op) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = request_to(endpoint, AtomicForm::kWrite, peer, datatype, op, nullptr);
  request.inject = true;
  request.reports = request.delivery_complete = false;
  assign(request.operand, buffer, count, nullptr, datatype);
  set_remote(request, address, key, request.operand.length());
  return post(endpoint, request);
}

// ---- With a result

ssize_t readwrite(fid_ep* object, const void* buffer, size_t count, void* descriptor, void* result,
                  void* result_descriptor, fi_addr_t peer, uint64_t address, uint64_t key,
                  fi_datatype datatype, fi_op op, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = request_to(endpoint, AtomicForm::kFetch, peer, datatype, op, context);
  assign(request.operand, buffer, count, descriptor, datatype);
  assign(request.result, result, count, result_descriptor, datatype);
  set_remote(request, address, key, count * rdm::atomic_size(datatype));
  return post(endpoint, request);
}

ssize_t readwritev(fid_ep* object, const fi_ioc* pieces, void** descriptors, size_t count,
                   fi_ioc* results, void** result_descriptors, size_t result_count, fi_addr_t peer,
                   uint64_t address, uint64_t key, fi_datatype datatype, fi_op op, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = request_to(endpoint, AtomicForm::kFetch, peer, datatype, op, context);
  if (!assign(request.operand, pieces, descriptors, count, datatype) ||
      !assign(request.result, results, result_descriptors, result_count, datatype))
    return -FI_EINVAL;
  set_remote(request, address, key, request.result.length());
  return post(endpoint, request);
}

ssize_t readwritemsg(fid_ep* object, const fi_msg_atomic* asked, fi_ioc* results,
                     void** result_descriptors, size_t result_count, uint64_t flags) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = from_message(endpoint, AtomicForm::kFetch, *asked);
  if (const int error = take_message(endpoint, *asked, flags, request)) return error;
  if (!assign(request.result, results, result_descriptors, result_count, asked->datatype))
    return -FI_EINVAL;
  return post(endpoint, request);
}

// ---- With something to compare

ssize_t compwrite(fid_ep* object, const void* buffer, size_t count, void* descriptor,
                  const void* compare, void* compare_descriptor, void* result,
                  void* result_descriptor, fi_addr_t peer, uint64_t address, uint64_t key,
                  fi_datatype datatype, fi_op op, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = request_to(endpoint, AtomicForm::kCompare, peer, datatype, op, context);
  assign(request.operand, buffer, count, descriptor, datatype);
  assign(request.compare, compare, count, compare_descriptor, datatype);
  assign(request.result, result, count, result_descriptor, datatype);
  set_remote(request, address, key, count * rdm::atomic_size(datatype));
  return post(endpoint, request);
}

ssize_t compwritev(fid_ep* object, const fi_ioc* pieces, void** descriptors, size_t count,
                   const fi_ioc* compares, void** compare_descriptors, size_t compare_count,
                   fi_ioc* results, void** result_descriptors, size_t result_count, fi_addr_t peer,
                   uint64_t address, uint64_t key, fi_datatype datatype, fi_op op, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = request_to(endpoint, AtomicForm::kCompare, peer, datatype, op, context);
  if (!assign(request.operand, pieces, descriptors, count, datatype) ||
      !assign(request.compare, compares, compare_descriptors, compare_count, datatype) ||
      !assign(request.result, results, result_descriptors, result_count, datatype))
    return -FI_EINVAL;
  set_remote(request, address, key, elements(pieces, count) * rdm::atomic_size(datatype));
  return post(endpoint, request);
}

ssize_t compwritemsg(fid_ep* object, const fi_msg_atomic* asked, const fi_ioc* compares,
                     void** compare_descriptors, size_t compare_count, fi_ioc* results,
                     void** result_descriptors, size_t result_count, uint64_t flags) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  AtomicRequest request = from_message(endpoint, AtomicForm::kCompare, *asked);
  if (const int error = take_message(endpoint, *asked, flags, request)) return error;
  if (!assign(request.compare, compares, compare_descriptors, compare_count, asked->datatype) ||
      !assign(request.result, results, result_descriptors, result_count, asked->datatype))
    return -FI_EINVAL;
  return post(endpoint, request);
}

// ---- What there is

int valid(fid_ep* object, AtomicForm form, fi_datatype datatype, fi_op op, size_t* count) {
  if (!count) return -FI_EINVAL;
  if (!rdm::atomic_offered(form, datatype, op)) return -FI_EOPNOTSUPP;
  const RdmEndpoint& endpoint = RdmEndpoint::of(object);
  const size_t bytes =
      rdm::max_atomic_bytes(endpoint.domain.device.mtu, form == AtomicForm::kCompare);
  *count = std::min(bytes, endpoint.most.atomic) / rdm::atomic_size(datatype);
  return 0;
}

int write_valid(fid_ep* object, fi_datatype datatype, fi_op op, size_t* count) {
  return valid(object, AtomicForm::kWrite, datatype, op, count);
}
int readwrite_valid(fid_ep* object, fi_datatype datatype, fi_op op, size_t* count) {
  return valid(object, AtomicForm::kFetch, datatype, op, count);
}
int compwrite_valid(fid_ep* object, fi_datatype datatype, fi_op op, size_t* count) {
  return valid(object, AtomicForm::kCompare, datatype, op, count);
}

}  // namespace

fi_ops_atomic rdm_atomics{
    .size = sizeof(fi_ops_atomic),
    .write = write,
    .writev = writev,
    .writemsg = writemsg,
    .inject = inject,
    .readwrite = readwrite,
    .readwritev = readwritev,
    .readwritemsg = readwritemsg,
    .compwrite = compwrite,
    .compwritev = compwritev,
    .compwritemsg = compwritemsg,
    .writevalid = write_valid,
    .readwritevalid = readwrite_valid,
    .compwritevalid = compwrite_valid,
};

}  // namespace efa::fi
