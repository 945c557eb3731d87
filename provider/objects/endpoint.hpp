// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What endpoints of all kinds share (spec libfabric-api 5.6): binding, the QP, names, options.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/fi_endpoint.h>

#include "info.hpp"
#include "objects/av.hpp"
#include "objects/counter.hpp"
#include "objects/cq.hpp"
#include "objects/domain.hpp"

namespace efa::fi {

/// The counters that an endpoint may be bound to, by the flag of fi_ep_bind(); each may be null.
struct Counters {
  Counter* send = nullptr;
  Counter* receive = nullptr;
  Counter* read = nullptr;
  Counter* write = nullptr;
  Counter* remote_read = nullptr;
  Counter* remote_write = nullptr;
};

class Endpoint : public fid_ep {
 public:
  Endpoint(Domain& domain, const fi_info& info, void* context);
  virtual ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  static Endpoint& of(struct fid* object) {
    return *static_cast<Endpoint*>(reinterpret_cast<fid_ep*>(object));
  }

  /// After the checks that all kinds share: CQs and AV are there, the QP is in RTS.
  virtual int start() = 0;
  /// `option` of FI_OPT_ENDPOINT, of which this class handles those that are the same everywhere.
  virtual int set_option(int option, const void* value, size_t size) = 0;
  virtual int get_option(int option, void* value, size_t* size) = 0;

  int enable();
  int bind(struct fid* other, uint64_t flags);

  Domain& domain;
  const InfoPtr info;  ///< what the application opened it with

  Av* av = nullptr;
  fid_cq* tx_cq = nullptr;
  fid_cq* rx_cq = nullptr;
  bool tx_selective = false;  ///< FI_SELECTIVE_COMPLETION: only operations that ask complete
  bool rx_selective = false;
  Counters counters;
  fid_eq* eq = nullptr;

  ibv_qp* qp = nullptr;
  ibv_qp_ex* qpx = nullptr;
  Address address;           ///< own; qpn and connid 0 before fi_enable()
  uint32_t tx_depth = 0;     ///< work requests that the SQ holds
  uint32_t rx_depth = 0;     ///< receives that the RQ holds
  uint8_t rnr_retry = 0;     ///< FI_OPT_EFA_RNR_RETRY
  bool unsolicited = false;  ///< the QP takes writes with data without a receive
  bool enabled = false;
};

/// fi_ops_domain.endpoint of all kinds.
int open_endpoint(fid_domain* domain, fi_info* info, fid_ep** endpoint, void* context);

/// Each kind's, with tables complete but for what Endpoint has.
Endpoint* make_rdm_endpoint(Domain& domain, const fi_info& info, void* context);
Endpoint* make_direct_endpoint(Domain& domain, const fi_info& info, void* context);
Endpoint* make_datagram_endpoint(Domain& domain, const fi_info& info, void* context);

}  // namespace efa::fi
