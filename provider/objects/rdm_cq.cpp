// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fi_cq_read() for RDM endpoints: what the ring has; else progress, then what it has.
#include "objects/cq.hpp"
#include "objects/cq_entry.hpp"
#include "objects/domain.hpp"

namespace efa::fi {
namespace {

template <class Entry>
struct Reader {
  template <bool kSources>
  [[gnu::always_inline]] static inline ssize_t read_either(fid_cq* fid, void* buffer, size_t count,
                                                           fi_addr_t* sources) {
    RdmCq& cq = RdmCq::of(fid);
    const Guard guard(cq.domain->lock);
    rdm::CompletionRing& ring = cq.ring;
    size_t ready = ring.readable();
    if (ready == 0 || count == 0) {
      cq.endpoints.progress();
      ready = ring.readable();
      if (ready == 0) return nothing(ring);
    }
    return take_ready<Entry, kSources>(ring, static_cast<Entry*>(buffer), std::min(count, ready),
                                       sources);
  }
  // The lock is not held any more: others may need it.
  static ssize_t read(fid_cq* cq, void* buffer, size_t count) {
    const ssize_t result = read_either<false>(cq, buffer, count, nullptr);
    if (result == -FI_EAGAIN) RdmCq::of(cq).patience.found_nothing();
    return result;
  }
  static ssize_t readfrom(fid_cq* cq, void* buffer, size_t count, fi_addr_t* sources) {
    const ssize_t result = read_either<true>(cq, buffer, count, sources);
    if (result == -FI_EAGAIN) RdmCq::of(cq).patience.found_nothing();
    return result;
  }

  static fi_ops_cq operations;
};
template <class Entry>
fi_ops_cq Reader<Entry>::operations = cq_operations(read, readfrom);

}  // namespace

RdmCq::RdmCq(Domain& on, const fi_cq_attr& asked, void* application_context)
    : Cq(on, asked, application_context) {
  fid_cq::ops = operations_for<Reader>(asked.format);
}

}  // namespace efa::fi
