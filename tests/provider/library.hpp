// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Which libefa is under test, and what that means for the answers that are expected.
///
/// Stock libraries differ from the wanted behaviour in documented ways (spec verbs B11) and lack
/// what came later (B6). Tests state both answers; neither is a reason to skip.
#pragma once

#include <infiniband/efadv.h>

#include <cstdint>

namespace efa::provider_test {

enum class Library { kStock44, kStock56, kStock65, kOurs };

/// The one that EFA_TEST_LIBRARY names; check_library() has made sure that it is the loaded one.
Library library();

inline bool ours() {
  return library() == Library::kOurs;
}

/// Feature level as the number of an rdma-core release: 44, 56 or 65 (that of ours).
int level();

/// The rdma-core release of the libibverbs that is loaded.
int libibverbs_release();

/// An answer that stock libraries are known to give differently.
template <class T>
T wanted_or_stock(T wanted, T stock) {
  return ours() ? wanted : stock;
}

/// An answer that depends on whether the library has what came with rdma-core `release`.
template <class T>
T since(int release, T with, T without) {
  return level() >= release ? with : without;
}

/// Functions that came after rdma-core 44; null where the library lacks them.
struct Api {
  decltype(&efadv_query_mr) query_mr;
  decltype(&efadv_query_cq) query_cq;
  decltype(&efadv_query_qp_wqs) query_qp_wqs;
  decltype(&efadv_get_max_sq_depth) get_max_sq_depth;
  decltype(&efadv_get_max_rq_depth) get_max_rq_depth;
  decltype(&efadv_qp_from_ibv_qp_ex) qp_from_ibv_qp_ex;
  decltype(&efadv_create_comp_cntr) create_comp_cntr;
};
const Api& api();

/// Symbol `name` of version `node` in libefa; null if it does not have that.
void* versioned(const char* name, const char* node);

/// Compares the loaded libefa with what EFA_TEST_LIBRARY and EFA_TEST_LIBRARY_DIRECTORY say; exits
/// with a sentence if they differ.
void check_library();

}  // namespace efa::provider_test
