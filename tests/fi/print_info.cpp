// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Usage: print_info          or: print_info open
//
// Prints what fi_getinfo() answers to every set of hints, asked with old and new API versions. The
// libfabric and the provider are those that the environment chooses. With open: what fi_fabric()
// says to the first answer.
#include <rdma/fi_errno.h>

#include <cstdio>
#include <cstring>

#include "hint_sets.hpp"

namespace {

using namespace efa::fi::test;

void print(const HintSet& set, uint32_t version) {
  const Hints hints = make_hints(set.name);
  fi_info* answer = nullptr;
  const int result = fi_getinfo(version, nullptr, nullptr, 0, hints.get(), &answer);
  const Hints owner(answer);
  std::printf("== %s, API %u.%u: %s\n", set.name.data(), FI_MAJOR(version), FI_MINOR(version),
              result ? fi_strerror(-result) : "ok");
  for (const fi_info* info = answer; info; info = info->next) {
    if (std::strcmp(info->fabric_attr->prov_name, "efa") == 0)
      std::printf("%s", fi_tostr(info, FI_TYPE_INFO));
  }
}

int open_fabric() {
  fi_info* answer = nullptr;
  const int result = fi_getinfo(FI_VERSION(1, 17), nullptr, nullptr, 0, nullptr, &answer);
  const Hints owner(answer);
  fid_fabric* fabric = nullptr;
  const int opened = result ? result : fi_fabric(answer->fabric_attr, &fabric, nullptr);
  if (opened == 0) fi_close(&fabric->fid);
  std::printf("%s\n", opened ? fi_strerror(-opened) : "opened");
  return opened != 0;
}

}  // namespace

int main(int arguments, char** argument) {
  if (arguments > 1 && std::strcmp(argument[1], "open") == 0) return open_fabric();
  for (const HintSet& set : hint_sets()) {
    for (const uint32_t version : {FI_VERSION(1, 4), FI_VERSION(1, 5), FI_VERSION(1, 9),
                                   FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION)})
      print(set, version);
  }
}
