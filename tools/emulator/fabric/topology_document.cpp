// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/topology_document.hpp"

#include <cerrno>
#include <optional>

// Header only and without exceptions: nothing to link, errors as values.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace efa::emu {
namespace {

using nlohmann::json;

/// Copies a TOML tree into JSON values and notes the line of every key.
class TomlConverter {
 public:
  explicit TomlConverter(TopologyDocument& document) : document_(document) {}

  json root(const toml::table& table) { return convert(table, ""); }

  /// Path of the first date or time: JSON has none and no key takes one.
  const std::optional<std::string>& date_at() const { return date_at_; }

 private:
  json convert(const toml::node& node, const std::string& path) {
    if (const unsigned line = node.source().begin.line) document_.lines[path] = line;
    if (const toml::table* table = node.as_table()) return convert(*table, path);
    if (const toml::array* array = node.as_array()) return convert(*array, path);
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* integer = node.as_integer()) return integer->get();
    if (const auto* real = node.as_floating_point()) return real->get();
    if (const auto* boolean = node.as_boolean()) return boolean->get();
    if (!date_at_) date_at_ = path;
    return nullptr;
  }

  json convert(const toml::table& table, const std::string& path) {
    json object = json::object();
    for (const auto& [key, value] : table) {
      const std::string name(key.str());
      object[name] = convert(value, path.empty() ? name : path + "." + name);
    }
    return object;
  }

  json convert(const toml::array& array, const std::string& path) {
    json list = json::array();
    for (const toml::node& value : array)
      list.push_back(convert(value, fmt::format("{}[{}]", path, list.size())));
    return list;
  }

  TopologyDocument& document_;
  std::optional<std::string> date_at_;
};

/// nlohmann's message without its error number and position: what is left says what was expected.
std::string syntax_message(const std::string& what) {
  const auto start = what.find("syntax error");
  return start == std::string::npos ? what : what.substr(start);
}

std::pair<unsigned, unsigned> line_and_column(const std::string& text, std::size_t byte) {
  unsigned line = 1;
  unsigned column = 1;
  for (std::size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n';
  }
  return {line, column};
}

}  // namespace

std::string TopologyDocument::place(const std::string& path) const {
  if (path.empty()) return name;
  const auto line = lines.find(path);
  return line == lines.end() ? fmt::format("{}: {}", name, path)
                             : fmt::format("{}:{}: {}", name, line->second, path);
}

Result<TopologyDocument> read_toml(const std::string& text, const std::string& name) {
  const toml::parse_result parsed = toml::parse(std::string_view(text), std::string_view(name));
  if (!parsed) {
    const toml::source_position& at = parsed.error().source().begin;
    return fail(
        EINVAL,
        fmt::format("{}:{}: column {}: {}", name, at.line, at.column, parsed.error().description()),
        "the file is read as TOML");
  }
  TopologyDocument document;
  document.name = name;
  TomlConverter converter(document);
  document.root = converter.root(parsed.table());
  if (converter.date_at())
    return fail(EINVAL, document.place(*converter.date_at()) + " is a date or a time",
                "no key takes one; put text in quotes");
  return document;
}

Result<TopologyDocument> read_json(const std::string& text, const std::string& name) {
  try {
    return TopologyDocument{name, json::parse(text), {}};
  } catch (const json::exception& error) {
    const auto* parse_error = dynamic_cast<const json::parse_error*>(&error);
    const auto [line, column] = line_and_column(text, parse_error ? parse_error->byte : 0);
    return fail(
        EINVAL,
        fmt::format("{}:{}: column {}: {}", name, line, column, syntax_message(error.what())),
        "the file is read as JSON");
  }
}

}  // namespace efa::emu
