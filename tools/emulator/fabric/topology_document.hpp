// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A topology file as text turned into values: TOML and JSON look alike from here on, but for the
/// line numbers that only TOML keeps.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

#include "base/result.hpp"

namespace efa::emu {

struct TopologyDocument {
  std::string name;  ///< of the file, for messages
  nlohmann::json root;
  std::unordered_map<std::string, unsigned> lines;  ///< by key path, "hosts[0].name"

  /// "net.toml:7: hosts[0].devices", "net.json: hosts[0].devices", "net.toml".
  std::string place(const std::string& path) const;
};

Result<TopologyDocument> read_toml(const std::string& text, const std::string& name);
Result<TopologyDocument> read_json(const std::string& text, const std::string& name);

}  // namespace efa::emu
