// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// prov_errno of failed completions (spec efa-rdm-protocol 14): 0 to 18 are the device's status,
/// 4096 and more are the provider's.
#pragma once

namespace efa::fi {

/// The positive libfabric error that stands for it.
int libfabric_error(int provider_errno);

/// A sentence for the user: what happened, and what to do. Never null.
const char* provider_error_text(int provider_errno);

}  // namespace efa::fi
