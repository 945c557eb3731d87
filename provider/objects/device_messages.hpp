// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The table of messages of endpoints whose calls are work requests (spec libfabric-api 5.7):
/// direct ones and datagrams differ in what of a buffer is sent.
#pragma once

#include <rdma/fi_errno.h>

#include "objects/device_endpoint.hpp"
#include "objects/op_flags.hpp"

namespace efa::fi {

inline OneBuffer one(const void* buffer, size_t length, void* descriptor) {
  return {buffer, length, region_of(descriptor)};
}

/// Sender has
///   static ssize_t send(DeviceEndpoint&, const void* buffer, size_t length, void* descriptor,
///                       fi_addr_t to, void* context, uint64_t flags, uint64_t data);
///   static ssize_t send_pieces(DeviceEndpoint&, const iovec*, void** descriptors, size_t count,
///                              fi_addr_t to, void* context, uint64_t flags, uint64_t data);
template <class Sender>
struct DeviceMessages {
  static DeviceEndpoint& of(fid_ep* ep) { return DeviceEndpoint::of(ep); }

  static ssize_t receive_pieces(DeviceEndpoint& ep, const iovec* pieces, void** descriptors,
                                size_t count, void* context, uint64_t flags) {
    if (count > ep.rx_segments) return -FI_EINVAL;
    return with_pieces(pieces, descriptors, count,
                       [&](const auto& payload) { return ep.receive(payload, context, flags); });
  }

  static ssize_t recv(fid_ep* ep, void* buffer, size_t length, void* descriptor, fi_addr_t,
                      void* context) {
    return of(ep).receive(one(buffer, length, descriptor), context, of(ep).rx_flags());
  }
  static ssize_t recvv(fid_ep* ep, const iovec* pieces, void** descriptors, size_t count, fi_addr_t,
                       void* context) {
    return receive_pieces(of(ep), pieces, descriptors, count, context, of(ep).rx_flags());
  }
  static ssize_t recvmsg(fid_ep* ep, const fi_msg* msg, uint64_t flags) {
    if (flags & ~kRxOpFlags) return -FI_EOPNOTSUPP;
    return receive_pieces(of(ep), msg->msg_iov, msg->desc, msg->iov_count, msg->context, flags);
  }
  static ssize_t send(fid_ep* ep, const void* buffer, size_t length, void* descriptor, fi_addr_t to,
                      void* context) {
    return Sender::send(of(ep), buffer, length, descriptor, to, context, of(ep).tx_flags(), 0);
  }
  static ssize_t sendv(fid_ep* ep, const iovec* pieces, void** descriptors, size_t count,
                       fi_addr_t to, void* context) {
    return Sender::send_pieces(of(ep), pieces, descriptors, count, to, context, of(ep).tx_flags(),
                               0);
  }
  static ssize_t sendmsg(fid_ep* ep, const fi_msg* msg, uint64_t flags) {
    if (flags & ~kTxOpFlags) return -FI_EOPNOTSUPP;
    return Sender::send_pieces(of(ep), msg->msg_iov, msg->desc, msg->iov_count, msg->addr,
                               msg->context, flags, msg->data);
  }
  static ssize_t inject(fid_ep* ep, const void* buffer, size_t length, fi_addr_t to) {
    return Sender::send(of(ep), buffer, length, nullptr, to, nullptr, kInjectFlags, 0);
  }
  static ssize_t senddata(fid_ep* ep, const void* buffer, size_t length, void* descriptor,
                          uint64_t data, fi_addr_t to, void* context) {
    return Sender::send(of(ep), buffer, length, descriptor, to, context,
                        of(ep).tx_flags() | FI_REMOTE_CQ_DATA, data);
  }
  static ssize_t injectdata(fid_ep* ep, const void* buffer, size_t length, uint64_t data,
                            fi_addr_t to) {
    return Sender::send(of(ep), buffer, length, nullptr, to, nullptr,
                        kInjectFlags | FI_REMOTE_CQ_DATA, data);
  }

  static inline fi_ops_msg table{
      .size = sizeof(fi_ops_msg),
      .recv = recv,
      .recvv = recvv,
      .recvmsg = recvmsg,
      .send = send,
      .sendv = sendv,
      .sendmsg = sendmsg,
      .inject = inject,
      .senddata = senddata,
      .injectdata = injectdata,
  };
};

}  // namespace efa::fi
