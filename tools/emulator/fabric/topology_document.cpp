// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/topology_document.hpp"

#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>

// Header only: nothing to link. Some malformed files break assertions inside toml++ 3.3, which it
// turns into undefined behaviour where NDEBUG is set: here they become parse errors.
namespace efa::emu {
struct TomlParserDefect {};
[[noreturn]] inline void toml_parser_defect() {
  throw TomlParserDefect{};
}
}  // namespace efa::emu
#undef NDEBUG
#define TOML_ASSERT(expr) \
  (static_cast<bool>(expr) ? static_cast<void>(0) : efa::emu::toml_parser_defect())
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

namespace efa::emu {
namespace {

using nlohmann::json;

/// The text in ASCII alone: toml++ 3.3 classifies some characters beyond it by undefined behaviour.
/// Each other byte and '~' becomes ~XX, which decoded() undoes in keys and strings; elsewhere TOML
/// allows neither.
std::string ascii(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || c == '~')
      encoded += fmt::format("~{:02x}", byte);
    else
      encoded += c;
  }
  return encoded;
}

std::string decoded(std::string_view encoded) {
  std::string text;
  for (std::size_t at = 0; at < encoded.size(); ++at) {
    unsigned byte = 0;
    const char* digits = encoded.data() + at + 1;
    if (encoded[at] == '~' && encoded.size() - at > 2 &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      text += static_cast<char>(byte);
      at += 2;
    } else {
      text += encoded[at];
    }
  }
  return text;
}

bool utf8(const std::string& text) {
  try {
    json(text).dump();
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

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
    if (const auto* text = node.as_string()) return decoded(text->get());
    if (const auto* integer = node.as_integer()) return integer->get();
    if (const auto* real = node.as_floating_point()) return real->get();
    if (const auto* boolean = node.as_boolean()) return boolean->get();
    if (!date_at_) date_at_ = path;
    return nullptr;
  }

  json convert(const toml::table& table, const std::string& path) {
    json object = json::object();
    for (const auto& [key, value] : table) {
      const std::string name = decoded(key.str());
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
  if (!utf8(text))
    return fail(EINVAL, fmt::format("{}: the file is not in UTF-8", name), "convert it");
  TopologyDocument document;
  document.name = name;
  TomlConverter converter(document);
  try {
    document.root = converter.root(toml::parse(ascii(text), std::string_view(name)));
  } catch (const toml::parse_error& error) {
    const toml::source_position& at = error.source().begin;
    return fail(EINVAL,
                fmt::format("{}:{}: column {}: {}", name, at.line, at.column, error.description()),
                "the file is read as TOML");
  } catch (const TomlParserDefect&) {
    return fail(EINVAL, fmt::format("{}: the file is no valid TOML", name),
                "check brackets, quotes and keys");
  }
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
