// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/direct_verbs.hpp"

#include <dlfcn.h>

namespace efa::fi {
namespace {

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
}

DirectVerbs find_all() {
  DirectVerbs found;
  // Loaded already, as this DSO needs it, but perhaps not in the scope where dlsym() looks by
  // itself. It stays as long as this DSO does.
  void* const library = dlopen("libefa.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (!library) return found;
  find(library, "efadv_query_mr", found.query_mr);
  find(library, "efadv_query_cq", found.query_cq);
  find(library, "efadv_query_qp_wqs", found.query_qp_wqs);
  find(library, "efadv_get_max_sq_depth", found.get_max_sq_depth);
  find(library, "efadv_get_max_rq_depth", found.get_max_rq_depth);
  find(library, "efadv_qp_from_ibv_qp_ex", found.qp_from_ibv_qp_ex);
  dlclose(library);
  return found;
}

}  // namespace

const DirectVerbs& direct_verbs() {
  static const DirectVerbs found = find_all();
  return found;
}

}  // namespace efa::fi
