// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the engine of an RDM endpoint needs of the world besides its QP and CQs. Nothing here is
// called for each message of a steady flow. Tests bring their own.
#ifndef EFA_PROVIDER_RDM_HOST_HPP
#define EFA_PROVIDER_RDM_HOST_HPP

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "rdm/region.hpp"
#include "wire/layout.hpp"

namespace efa::rdm {

using Gid = std::array<std::uint8_t, 16>;

// An address handle with the number by which completions name it.
struct Destination {
  ibv_ah* ah = nullptr;
  std::uint16_t number = 0;
};

class Engine;

// A registration for the time of one operation. mr null: there is none.
struct Pinned {
  ibv_mr* mr = nullptr;
  void* kept = nullptr;            // the host's
  const Region* region = nullptr;  // of pin_repeated()
};

class Host {
 public:
  // The registration with this key in the domain, or null: remote keys of emulated RMA are checked
  // against it (efa-rdm-protocol 11.7).
  virtual const Region* find_region(std::uint64_t key) = 0;

  // Registers memory with the device. `access`: IBV_ACCESS_*. @returns null, errno says why
  virtual ibv_mr* register_memory(void* address, std::size_t bytes, int access) = 0;
  virtual void deregister(ibv_mr* mr) = 0;
  // The same for memory of the application, for one operation: may be kept for later ones.
  virtual Pinned pin(void* address, std::size_t bytes, int access) {
    return {register_memory(address, bytes, access), nullptr};
  }
  // The same for a buffer that can be copied instead, to send from it: nothing, unless a look-up is
  // likely to find it.
  virtual Pinned pin_repeated(void*, std::size_t) { return {}; }
  virtual void unpin(const Pinned& pinned) { deregister(pinned.mr); }

  // Counted by GID: several addresses share one handle. @returns ah = null, errno says why
  virtual Destination acquire_destination(const Gid& gid) = 0;
  virtual void release_destination(const Gid& gid) = 0;
  // The GID of a completion's sender that the device has no address handle of. @returns false when
  // the completion does not tell
  virtual bool sender_gid(ibv_cq_ex& cq, Gid& gid) = 0;

  // Whether a completion of a write with data took no receive: its wr_id means nothing then
  // (device-io I7). Asked only with Config::tells_unsolicited.
  virtual bool is_unsolicited(ibv_cq_ex&) { return false; }
  // The engine of the QP that a completion belongs to, null when it is gone. For the former.
  virtual Engine* engine_of(ibv_cq_ex&) { return nullptr; }

  // An error that belongs to no operation of the application: into the EQ if there is one, else
  // into the log (efa-rdm-protocol 14). `error` is a positive libfabric error number.
  virtual void report(int error, int provider_errno, const std::string& text) = 0;
  // A sentence for the user at level warn.
  virtual void warn(const std::string& text) = 0;

  // Microseconds of a clock that does not jump.
  virtual std::uint64_t now() = 0;

 protected:
  ~Host() = default;
};

}  // namespace efa::rdm

#endif
