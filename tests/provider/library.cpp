// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "library.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace efa::provider_test {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "provider_conformance: %s\n", why.c_str());
  std::exit(2);
}

Library named_library() {
  const char* name = std::getenv("EFA_TEST_LIBRARY");
  const std::string text = name != nullptr ? name : "";
  if (text == "stock44") return Library::kStock44;
  if (text == "stock56") return Library::kStock56;
  if (text == "stock65") return Library::kStock65;
  if (text == "ours") return Library::kOurs;
  refuse("EFA_TEST_LIBRARY is '" + text + "'; set it to stock44, stock56, stock65 or ours");
}

/// Paths of the files called libNAME.so* that are mapped into this process.
std::set<std::string> mapped_files(const std::string& name) {
  std::set<std::string> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto slash = line.find('/');
    if (slash == std::string::npos) continue;
    const std::filesystem::path path = line.substr(slash);
    const std::string file = path.filename().string();
    if (file.starts_with("lib" + name + ".so") || file.starts_with("lib" + name + "-rdmav"))
      found.insert(std::filesystem::weakly_canonical(path).string());
  }
  return found;
}

/// Ours has a function of its own; else the newest version node tells the release (B6).
Library recognised() {
  if (versioned("efa_vendor_err_str", "EFA_OPEN_1.0") != nullptr) return Library::kOurs;
  if (versioned("efadv_create_comp_cntr", "EFA_1.7") != nullptr) return Library::kStock65;
  if (versioned("efadv_query_mr", "EFA_1.3") != nullptr &&
      versioned("efadv_query_cq", "EFA_1.4") == nullptr)
    return Library::kStock56;
  return Library::kStock44;
}

template <class Function>
void find(Function& function, const char* name, const char* node) {
  function = reinterpret_cast<Function>(versioned(name, node));
}

}  // namespace

Library library() {
  static const Library it = named_library();
  return it;
}

int level() {
  switch (library()) {
    case Library::kStock44:
      return 44;
    case Library::kStock56:
      return 56;
    case Library::kStock65:
    case Library::kOurs:
      break;
  }
  return 65;
}

int libibverbs_release() {
  // Symbols that only newer ones have; the private ABI number says too little.
  if (::dlsym(RTLD_DEFAULT, "ibv_query_port_speed") != nullptr) return 65;
  return ::dlsym(RTLD_DEFAULT, "ibv_wr_opcode_str") != nullptr ? 56 : 44;
}

void* versioned(const char* name, const char* node) {
  return ::dlvsym(RTLD_DEFAULT, name, node);
}

const Api& api() {
  static const Api functions = [] {
    Api api{};
    find(api.query_mr, "efadv_query_mr", "EFA_1.3");
    find(api.query_cq, "efadv_query_cq", "EFA_1.4");
    find(api.query_qp_wqs, "efadv_query_qp_wqs", "EFA_1.4");
    find(api.get_max_sq_depth, "efadv_get_max_sq_depth", "EFA_1.5");
    find(api.get_max_rq_depth, "efadv_get_max_rq_depth", "EFA_1.5");
    find(api.qp_from_ibv_qp_ex, "efadv_qp_from_ibv_qp_ex", "EFA_1.6");
    find(api.create_comp_cntr, "efadv_create_comp_cntr", "EFA_1.7");
    return api;
  }();
  return functions;
}

void check_library() {
  const std::set<std::string> files = mapped_files("efa");
  if (files.size() != 1) refuse(std::to_string(files.size()) + " different libefa are loaded");
  const std::string& path = *files.begin();
  if (recognised() != library())
    refuse("EFA_TEST_LIBRARY says " + std::string(std::getenv("EFA_TEST_LIBRARY")) + ", but " +
           path + " is another");
  const char* directory = std::getenv("EFA_TEST_LIBRARY_DIRECTORY");
  if (directory != nullptr &&
      !path.starts_with(std::filesystem::weakly_canonical(directory).string() + "/"))
    refuse("libefa is " + path + ", which is not below " + directory);
  std::printf("libefa: %s, over libibverbs of rdma-core %d\n", path.c_str(), libibverbs_release());
}

}  // namespace efa::provider_test
