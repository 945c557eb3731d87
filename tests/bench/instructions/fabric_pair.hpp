// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Two RDM endpoints of one process, on one device: a sender and a receiver whose calls are in the
/// one thread that is counted.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_tagged.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace efa::bench {

struct FabricOptions {
  bool locked = false;      ///< FI_THREAD_SAFE, else FI_THREAD_DOMAIN
  bool registered = false;  ///< FI_MR_LOCAL: buffers come with descriptors
  std::size_t bytes = 0;    ///< of a message
};

/// Closes what libfabric opened.
struct FabricDeleter {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
  template <class Object>
  void operator()(Object* object) const {
    fi_close(&object->fid);
  }
};
template <class T>
using Opened = std::unique_ptr<T, FabricDeleter>;

/// One of the two. Closed in reverse order.
struct FabricSide {
  std::vector<std::byte> buffer;
  Opened<fid_mr> mr;
  Opened<fid_av> av;
  Opened<fid_cq> cq;
  Opened<fid_ep> endpoint;
  fi_addr_t other = FI_ADDR_UNSPEC;

  void* descriptor() const { return mr ? fi_mr_desc(mr.get()) : nullptr; }
};

class FabricPair {
 public:
  /// Ends the program with a message if libfabric refuses anything.
  explicit FabricPair(const FabricOptions& options);

  /// "efa 117.100": which provider it is.
  const std::string& provider() const { return provider_; }
  FabricSide& sender() { return sender_; }
  FabricSide& receiver() { return receiver_; }

 private:
  void open_side(FabricSide& side, const FabricOptions& options, std::uint64_t key);
  static void introduce(FabricSide& to, const FabricSide& who);

  std::string provider_;
  Opened<fi_info> info_;
  Opened<fid_fabric> fabric_;
  Opened<fid_domain> domain_;
  FabricSide sender_, receiver_;
};

}  // namespace efa::bench
