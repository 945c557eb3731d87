// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a status of the device or of the engine means to an application (spec efa-rdm-protocol 14).
#ifndef EFA_PROVIDER_RDM_ERRORS_HPP
#define EFA_PROVIDER_RDM_ERRORS_HPP

#include <cstdint>

#include "wire/provider_errno.hpp"

namespace efa::rdm {

// prov_errno of a completion with this status of the device (0 to 18): an unresponsive peer is
// told apart by whether it ever answered.
int completion_errno(std::uint32_t status, bool established);

// The positive libfabric error number of a prov_errno.
int error_of(int provider_errno);

// One sentence: what it is, for users what to do about it. Never null.
const char* text_of_errno(int provider_errno);

}  // namespace efa::rdm

#endif
