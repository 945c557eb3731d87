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
#include "objects/progress.hpp"
#include "objects/queue_pair.hpp"

namespace efa::fi {

class Eq;

/// The counters that an endpoint may be bound to, by the flag of fi_ep_bind(); each may be null.
struct Counters {
  Counter* send = nullptr;
  Counter* receive = nullptr;
  Counter* read = nullptr;
  Counter* write = nullptr;
  Counter* remote_read = nullptr;
  Counter* remote_write = nullptr;

  bool any() const { return send || receive || read || write || remote_read || remote_write; }
};

/// From fi_ep_bind() on, reading the CQs and counters that it is bound to calls its progress().
class Endpoint : public fid_ep, public Progressor {
 public:
  Endpoint(Domain& domain, const fi_info& info, void* context);
  virtual ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  static Endpoint& of(struct fid* object) {
    return *static_cast<Endpoint*>(reinterpret_cast<fid_ep*>(object));
  }
  static Endpoint& of(fid_ep* endpoint) { return *static_cast<Endpoint*>(endpoint); }

  /// After the checks that all kinds share: CQs and AV are there, the QP is in RTS. With the
  /// domain's lock held. Puts the tables in that send and receive: until then they refuse.
  virtual int start() = 0;
  /// `option` of FI_OPT_ENDPOINT, of which this class handles those that are the same everywhere.
  virtual int set_option(int option, const void* value, size_t size);
  virtual int get_option(int option, void* value, size_t* size);
  /// fi_control() but for FI_ENABLE.
  virtual int control(int command, void* argument);

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
  uint64_t qp_operations = 0;  ///< IBV_QP_EX_WITH_*
  Address address;             ///< own; qpn and connid 0 before fi_enable()
  uint32_t tx_depth = 0;       ///< work requests that the SQ holds
  uint32_t rx_depth = 0;       ///< receives that the RQ holds
  uint32_t rx_segments = 1;    ///< of a receive
  uint8_t rnr_retry = 0;       ///< FI_OPT_EFA_RNR_RETRY
  bool unsolicited = false;    ///< the QP takes writes with data without a receive. Before
                               ///< fi_enable(): whether it should
  bool enabled = false;

 protected:
  /// So that nothing reaches the endpoint any more: off the lists of CQs and counters, no QP. For
  /// destructors of kinds that have memory which the device knows. With the domain's lock held.
  void disconnect();
  /// Whether data is guaranteed to arrive in order, in pieces of 128 bytes. The QP of an endpoint
  /// that is not enabled yet would be like another one.
  bool arrives_in_order(ibv_wr_opcode operation);

 private:
  int bind_cq(fid_cq& cq, uint64_t flags);
  int bind_counter(Counter& counter, uint64_t flags);
  int bind_av(Av& other);
  int bind_eq(Eq& other, uint64_t flags);
  int check_bindings() const;
  int create_qp();
  QueuePairPlan plan() const;
};

/// fi_ops_domain.endpoint of all kinds.
int open_endpoint(fid_domain* domain, fi_info* info, fid_ep** endpoint, void* context);

/// Each kind's, with tables complete but for what Endpoint has. Null: no memory.
Endpoint* make_rdm_endpoint(Domain& domain, const fi_info& info, void* context);
Endpoint* make_direct_endpoint(Domain& domain, const fi_info& info, void* context);
Endpoint* make_datagram_endpoint(Domain& domain, const fi_info& info, void* context);

/// The table of an endpoint that has this fi_cancel().
using CancelFunction = ssize_t (*)(struct fid*, void*);
fi_ops_ep endpoint_operations(CancelFunction cancel);

}  // namespace efa::fi
