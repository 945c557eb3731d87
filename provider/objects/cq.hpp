// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_cq (spec libfabric-api 5.4): a CQ of the device, and for what endpoints make themselves a
/// ring in software. RDM endpoints use the ring only; direct ones and datagrams are read from the
/// device straight into the application's array.
#pragma once

#include <infiniband/efadv.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_eq.h>

#include <atomic>
#include <optional>
#include <string>

#include "objects/patience.hpp"
#include "objects/progress.hpp"
#include "objects/wait_object.hpp"
#include "rdm/completion.hpp"

namespace efa::fi {

struct Domain;

/// Memory for the ring, a DMA buffer: of who reads it without libfabric (spec 6.4, cq_open_ext).
struct ExternalRing {
  uint8_t* buffer = nullptr;  ///< where this process sees it; null: nowhere
  uint64_t length = 0;        ///< bytes
  uint64_t offset = 0;        ///< from the start of the DMA buffer
  int fd = -1;
};

/// What CQs of all kinds have.
class Cq : public fid_cq {
 public:
  Cq(Domain& on, const fi_cq_attr& asked, void* application_context);
  virtual ~Cq();
  Cq(const Cq&) = delete;
  Cq& operator=(const Cq&) = delete;

  static Cq& of(fid_cq* cq) { return *static_cast<Cq*>(cq); }

  /// Creates what the constructor could not. 0 or a negative errno.
  int create();

  /// Makes what has completed readable from the ring. With the domain's lock held.
  virtual void collect() = 0;

  /// Asks the device to signal the next completion. Takes the domain's lock.
  /// @returns how many milliseconds a thread may sleep then: 0, there is something to read already;
  ///   a few, the endpoints have to look at a clock; negative, for ever
  int prepare_sleep();

  Domain* domain;
  std::optional<ExternalRing> external;  ///< before create()
  ibv_cq_ex* verbs = nullptr;      ///< single-threaded: the domain's lock is held for every call
  efadv_cq* verbs_efa = nullptr;   ///< null if neither of the two below
  bool tells_gid = false;          ///< senders without an address handle: efadv_wc_read_sgid()
  bool tells_unsolicited = false;  ///< efadv_wc_is_unsolicited()
  rdm::CompletionRing ring;
  ProgressList endpoints;

  const size_t entry_size;  ///< of the application's array
  const fi_wait_obj wait_kind;
  const fi_cq_wait_cond condition;
  WaitObject wait;
  std::atomic<bool> signaled = false;  ///< fi_cq_signal() since the last blocking read
  std::atomic<int> sleepers = 0;
  std::string lent_text;  ///< err_data of the last error, until the next one is read

 private:
  int create_queue(size_t entries);
  const size_t size_;
};

/// Of RDM endpoints.
class RdmCq final : public Cq {
 public:
  RdmCq(Domain& on, const fi_cq_attr& asked, void* application_context);
  static RdmCq& of(fid_cq* cq) { return *static_cast<RdmCq*>(cq); }

  void collect() override { endpoints.progress(); }

  Patience patience;
};

int open_cq(fid_domain* domain, fi_cq_attr* attributes, fid_cq** cq, void* context);
/// The same with a ring in this memory.
int open_cq_in(const ExternalRing& ring, fid_domain* domain, fi_cq_attr* attributes, fid_cq** cq,
               void* context);

/// For fi_trywait(): 0 if a thread may sleep on the CQ's file descriptor now, else -FI_EAGAIN.
int try_wait(fid_cq& cq);

}  // namespace efa::fi
