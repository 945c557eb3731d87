// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One line of JSON for each command: what was asked, errno, and every field of the answer.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace efa::conformance {

class Record {
 public:
  Record(const std::string& step, int error) {
    const char* name = error == 0 ? "0" : ::strerrorname_np(error);
    text_ = R"({"step":")" + step + R"(","errno":")" + (name != nullptr ? name : "?") + "\"";
  }
  ~Record() { std::printf("%s}\n", text_.c_str()); }
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  Record& field(const char* name, std::uint64_t value) {
    text_ += std::string(",\"") + name + "\":" + std::to_string(value);
    return *this;
  }
  Record& bytes(const char* name, const void* data, std::size_t length) {
    text_ += std::string(",\"") + name + "\":\"";
    for (std::size_t i = 0; i < length; ++i) {
      char digits[3];
      std::snprintf(digits, sizeof(digits), "%02x", static_cast<const std::uint8_t*>(data)[i]);
      text_ += digits;
    }
    text_ += "\"";
    return *this;
  }

 private:
  std::string text_;
};

}  // namespace efa::conformance
