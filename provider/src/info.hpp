// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Owner of a list of fi_info.
#pragma once

#include <rdma/fabric.h>

#include <memory>
#include <string_view>

namespace efa::fi {

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};
using InfoPtr = std::unique_ptr<fi_info, FreeInfo>;

/// An empty entry with all of its attributes; empty pointer: no memory.
InfoPtr make_info();

/// A copy of the first entry only.
InfoPtr duplicate(const fi_info& info);

/// Text as fi_freeinfo() frees it.
char* c_text(std::string_view text);

/// A copy of these bytes as fi_freeinfo() frees them; null: no memory.
void* c_bytes(const void* bytes, size_t size);

/// Entries in the order in which they came, as one list.
class InfoList {
 public:
  void append(InfoPtr info);
  bool empty() const { return !first_; }
  InfoPtr take() { return std::move(first_); }
  const fi_info* get() const { return first_.get(); }

 private:
  InfoPtr first_;
  fi_info* last_ = nullptr;
};

}  // namespace efa::fi
