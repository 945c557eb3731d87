// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "info.hpp"

#include <cstdlib>
#include <cstring>

namespace efa::fi {

InfoPtr make_info() {
  return InfoPtr(fi_dupinfo(nullptr));
}

InfoPtr duplicate(const fi_info& info) {
  return InfoPtr(fi_dupinfo(&info));
}

char* c_text(std::string_view text) {
  return strndup(text.data(), text.size());
}

void* c_bytes(const void* bytes, size_t size) {
  void* const copy = std::malloc(size);  // NOLINT(cppcoreguidelines-owning-memory): libfabric's
  if (copy) std::memcpy(copy, bytes, size);
  return copy;
}

void InfoList::append(InfoPtr info) {
  fi_info* const raw = info.release();
  raw->next = nullptr;
  if (last_)
    last_->next = raw;
  else
    first_.reset(raw);
  last_ = raw;
}

}  // namespace efa::fi
