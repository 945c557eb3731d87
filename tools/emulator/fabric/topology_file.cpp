// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The schema of topology files (docs/examples has some), for TOML and JSON alike.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <string_view>

#include "fabric/topology.hpp"
#include "fabric/topology_document.hpp"
#include "fabric/topology_rules.hpp"
#include "fabric/units.hpp"

namespace efa::emu {
namespace {

using nlohmann::json;

constexpr std::string_view kDefaultGeneration = "efa2";
constexpr std::uintmax_t kMaxFileBytes = 4 << 20;

/// A value as the user wrote it, cut to a length that fits a message.
std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  constexpr std::size_t kLongest = 60;
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

using Keys = std::vector<std::string_view>;

std::string_view nearest(std::string_view name, const Keys& keys) {
  // A key of a file can be long; its beginning is enough to guess what was meant.
  name = name.substr(0, 64);
  return *std::min_element(keys.begin(), keys.end(), [&](auto a, auto b) {
    return edit_distance(name, a) < edit_distance(name, b);
  });
}

/// The document being read and the first thing wrong with it; what follows a fault is ignored.
struct Reading {
  const TopologyDocument& document;
  std::optional<Error> error = std::nullopt;

  void refuse(const std::string& path, const std::string& what, std::string cure) {
    if (!error) error = Error{EINVAL, document.place(path) + what, std::move(cure)};
  }
};

/// One table of the file. Each accessor leaves its target alone when the key is absent.
class Table {
 public:
  Table(Reading& reading, const json& value, std::string at, const Keys& keys)
      : reading_(reading), path_(std::move(at)) {
    if (!value.is_object()) {
      reading_.refuse(path_,
                      fmt::format("{} is {}", path_.empty() ? ": the file" : "", shown(value)),
                      fmt::format("a table with the keys {} is wanted", fmt::join(keys, ", ")));
      return;
    }
    object_ = &value;
    for (const auto& [name, unused] : value.items())
      if (std::find(keys.begin(), keys.end(), name) == keys.end())
        reading_.refuse(path(name), " is no known key",
                        fmt::format("did you mean \"{}\"? Known are {}", nearest(name, keys),
                                    fmt::join(keys, ", ")));
  }

  std::string path(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

  const json* find(std::string_view key) const {
    if (!object_) return nullptr;
    const auto found = object_->find(std::string(key));
    return found == object_->end() ? nullptr : &*found;
  }

  bool require(std::string_view key, std::string_view what) {
    if (!object_ || find(key)) return object_ != nullptr;
    reading_.refuse(path_, fmt::format("{}{} is missing", path_.empty() ? ": " : ".", key),
                    std::string(what));
    return false;
  }

  void text(std::string_view key, std::string& target) {
    if (const json* value = find(key)) {
      if (value->is_string())
        target = value->get<std::string>();
      else
        wrong(key, *value, "text in quotes is wanted");
    }
  }

  void flag(std::string_view key, bool& target) {
    if (const json* value = find(key)) {
      if (value->is_boolean())
        target = value->get<bool>();
      else
        wrong(key, *value, "true or false is wanted");
    }
  }

  template <class Integer>
  void integer(std::string_view key, std::uint64_t low, std::uint64_t high, Integer& target) {
    if (const json* value = find(key)) {
      // Text without a sign became an unsigned number in JSON, a signed one in TOML.
      const bool natural = value->is_number_unsigned() ||
                           (value->is_number_integer() && value->get<std::int64_t>() >= 0);
      const std::uint64_t number = natural ? value->get<std::uint64_t>() : 0;
      if (natural && number >= low && number <= high)
        target = static_cast<Integer>(number);
      else
        wrong(key, *value, fmt::format("a whole number from {} to {} is wanted", low, high));
    }
  }

  /// Text or number that `parse` understands, as on the command line.
  template <class Value>
  void quantity(std::string_view key, Result<Value> (*parse)(std::string_view), Value& target) {
    const json* value = find(key);
    if (!value) return;
    const bool scalar = value->is_string() || value->is_number();
    const auto parsed = parse(value->is_string() ? value->get<std::string>() : shown(*value));
    if (scalar && parsed)
      target = *parsed;
    else
      wrong(key, *value, parsed ? "a number or text is wanted" : parsed.error().cure);
  }

  void texts(std::string_view key, std::vector<std::string>& target) {
    each(key, [&](const json& value, const std::string& path) {
      if (value.is_string())
        target.push_back(value.get<std::string>());
      else
        reading_.refuse(path, " is " + shown(value), "text in quotes is wanted");
    });
  }

  /// Calls `visit(element, path)` for each element of a list.
  template <class Visit>
  void each(std::string_view key, Visit visit) {
    const json* list = find(key);
    if (!list) return;
    if (!list->is_array()) return wrong(key, *list, "a list is wanted");
    for (std::size_t i = 0; i < list->size(); ++i)
      visit((*list)[i], fmt::format("{}[{}]", path(key), i));
  }

  void wrong(std::string_view key, const json& value, std::string cure) {
    reading_.refuse(path(key), " is " + shown(value), std::move(cure));
  }

 private:
  Reading& reading_;
  std::string path_;
  const json* object_ = nullptr;
};

/// Reads a whole document; remembers which entry each host, link and group came from.
class TopologyReader {
 public:
  explicit TopologyReader(const TopologyDocument& document) : reading_{document} {}

  Result<Topology> read() {
    Table root(reading_, reading_.document.root, "",
               {"hosts", "links", "groups", "seed", "transport_timeout", "rnr_backoff",
                "generation", "devices"});
    root.integer("seed", 0, ~std::uint64_t{0}, topology_.seed);
    root.quantity("transport_timeout", parse_duration, topology_.transport_timeout);
    root.quantity("rnr_backoff", parse_duration, topology_.rnr_backoff);
    root.text("generation", usual_.generation);
    root.integer("devices", 1, kMaxDevicesPerHost, usual_.devices);
    root.require("hosts", "list at least one host");
    root.each("hosts", [&](const json& value, const std::string& path) { hosts(value, path); });
    root.each("groups", [&](const json& value, const std::string& path) { group(value, path); });
    root.each("links", [&](const json& value, const std::string& path) { link(value, path); });
    if (!reading_.error) check_rules();
    if (reading_.error) return tl::unexpected(*reading_.error);
    return std::move(topology_);
  }

 private:
  void hosts(const json& value, const std::string& path) {
    Table table(reading_, value, path,
                {"name", "count", "first", "generation", "devices", "groups", "faults"});
    HostSpec host = usual_;
    unsigned count = 1;
    unsigned first = 0;
    table.require("name", "give name = \"...\", or name = \"node{}\" with count = N");
    table.text("name", host.name);
    table.integer("count", 1, kMaxHosts, count);
    table.integer("first", 0, 1'000'000, first);
    table.text("generation", host.generation);
    table.integer("devices", 1, kMaxDevicesPerHost, host.devices);
    table.texts("groups", host.groups);
    if (const json* faults_of_host = table.find("faults"))
      faults(*faults_of_host, table.path("faults"), host);
    expand(host, first, count, path);
  }

  void faults(const json& value, const std::string& path, HostSpec& host) {
    Table table(reading_, value, path, {"rnr", "unresponsive", "unresponsive_after"});
    table.flag("unresponsive", host.unresponsive);
    if (table.find("unresponsive_after")) {
      if (table.find("unresponsive") && !host.unresponsive)
        reading_.refuse(table.path("unresponsive_after"), " contradicts unresponsive = false",
                        "remove one of the two");
      host.unresponsive = true;
      table.quantity("unresponsive_after", parse_duration, host.unresponsive_after);
    }
    table.each("rnr", [&](const json& entry, const std::string& entry_path) {
      Table fault(reading_, entry, entry_path, {"at", "count"});
      RnrFault rnr;
      fault.require("at", "give the number of the first delivery that fails, from 1");
      fault.integer("at", 1, ~std::uint64_t{0}, rnr.first);
      fault.integer("count", 1, ~std::uint64_t{0}, rnr.count);
      host.rnr.push_back(rnr);
    });
  }

  void expand(const HostSpec& host, unsigned first, unsigned count, const std::string& path) {
    if (reading_.error) return;
    const auto slot = host.name.find("{}");
    if (slot == std::string::npos && count > 1)
      return reading_.refuse(path, fmt::format(".name is \"{}\" for {} hosts", host.name, count),
                             "put {} where the number goes, as in \"node{}\"");
    if (topology_.hosts.size() + count > kMaxHosts)
      return reading_.refuse(path,
                             fmt::format(" makes it {} hosts", topology_.hosts.size() + count),
                             fmt::format("at most {} are possible", kMaxHosts));
    for (unsigned i = 0; i < count; ++i) {
      HostSpec copy = host;
      if (slot != std::string::npos) copy.name.replace(slot, 2, std::to_string(first + i));
      topology_.hosts.push_back(std::move(copy));
      host_paths_.push_back(path);
    }
  }

  void link(const json& value, const std::string& path) {
    Table table(reading_, value, path,
                {"from", "to", "both_ways", "loss", "reorder", "duplicate", "delay", "jitter",
                 "bandwidth"});
    LinkSpec link{"*", "*", {}};
    bool both_ways = false;
    table.text("from", link.from);
    table.text("to", link.to);
    table.flag("both_ways", both_ways);
    table.quantity("loss", parse_probability, link.impairment.loss);
    table.quantity("reorder", parse_probability, link.impairment.reorder);
    table.quantity("duplicate", parse_probability, link.impairment.duplicate);
    table.quantity("delay", parse_duration, link.impairment.delay);
    table.quantity("jitter", parse_duration, link.impairment.jitter);
    table.quantity("bandwidth", parse_bandwidth_gbps, link.impairment.bandwidth_gbps);
    add(link, path);
    if (both_ways) add({link.to, link.from, link.impairment}, path);
  }

  void add(LinkSpec link, const std::string& path) {
    topology_.links.push_back(std::move(link));
    link_paths_.push_back(path);
  }

  void group(const json& value, const std::string& path) {
    Table table(reading_, value, path, {"name", "allow_from", "allow_to"});
    SecurityGroup group;
    table.require("name", "hosts refer to a group by its name");
    table.text("name", group.name);
    table.texts("allow_from", group.allow_from);
    table.texts("allow_to", group.allow_to);
    topology_.groups.push_back(std::move(group));
    group_paths_.push_back(path);
  }

  void check_rules() {
    auto fault = first_fault(topology_);
    if (!fault) return;
    const std::string path = path_of(*fault);
    reading_.refuse(path, ": " + fault->what, std::move(fault->cure));
  }

  std::string path_of(const Fault& fault) const {
    switch (fault.part) {
      case Fault::Part::kHost:
        return host_paths_[fault.index];
      case Fault::Part::kLink:
        return link_paths_[fault.index];
      case Fault::Part::kGroup:
        return group_paths_[fault.index];
      case Fault::Part::kWhole:
        break;
    }
    return "";
  }

  Reading reading_;
  Topology topology_;
  HostSpec usual_{.name = "",
                  .generation = std::string(kDefaultGeneration),
                  .groups = {},
                  .rnr = {},
                  .limits = {}};  ///< what a host has unless its entry says otherwise
  std::vector<std::string> host_paths_, link_paths_, group_paths_;
};

Result<Topology> read_topology(const Result<TopologyDocument>& document) {
  if (!document) return tl::unexpected(document.error());
  return TopologyReader(*document).read();
}

Result<std::string> file_content(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error || !std::filesystem::exists(status))
    return fail(ENOENT,
                fmt::format("topology file {} cannot be read: {}", path,
                            std::strerror(error ? error.value() : ENOENT)),
                "check the path");
  if (std::filesystem::is_directory(status))
    return fail(EISDIR, fmt::format("topology file {} is a folder", path), "name a file in it");
  std::ifstream file(path, std::ios::binary);
  std::string content(kMaxFileBytes + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (!file && !file.eof())
    return fail(EACCES, fmt::format("topology file {} cannot be read", path),
                "check its permissions");
  if (content.size() > kMaxFileBytes)
    return fail(EFBIG, fmt::format("topology file {} is larger than {} bytes", path, kMaxFileBytes),
                "use count = N instead of listing hosts one by one");
  return content;
}

bool looks_like_json(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && text[first] == '{';
}

}  // namespace

Result<Topology> parse_topology_toml(const std::string& text, const std::string& name) {
  return read_topology(read_toml(text, name));
}

Result<Topology> parse_topology_json(const std::string& text, const std::string& name) {
  return read_topology(read_json(text, name));
}

Result<Topology> load_topology(const std::string& path) {
  const auto text = file_content(path);
  if (!text) return tl::unexpected(text.error());
  const std::string suffix = std::filesystem::path(path).extension();
  const bool json_file = suffix == ".json" || (suffix != ".toml" && looks_like_json(*text));
  return json_file ? parse_topology_json(*text, path) : parse_topology_toml(*text, path);
}

}  // namespace efa::emu
