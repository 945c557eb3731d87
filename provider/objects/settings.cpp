// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/settings.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <climits>
#include <csignal>
#include <string_view>

#include "environment.hpp"

namespace efa::fi {
namespace {

/// Values that can be used.
struct Range {
  int64_t least = 0;
  int64_t most = INT64_MAX;
  bool power_of_two = false;
};

bool is_digit(char letter) {
  return std::isdigit(static_cast<unsigned char>(letter));
}

/// 12, -3, 0x10, and with a unit as libfabric takes them: 4k, 1M, 2gb.
bool is_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  const auto digit = [&](char letter) {
    return hexadecimal ? std::isxdigit(static_cast<unsigned char>(letter)) != 0 : is_digit(letter);
  };
  const auto end = std::find_if_not(text.begin(), text.end(), digit);
  if (end == text.begin()) return false;
  const std::string_view unit(end, text.end());
  const auto small = [](char letter) { return std::tolower(static_cast<unsigned char>(letter)); };
  if (unit.empty()) return true;
  return std::string_view("kmgt").find(static_cast<char>(small(unit[0]))) !=
             std::string_view::npos &&
         (unit.size() == 1 || (unit.size() == 2 && small(unit[1]) == 'b'));
}

bool is_truth(std::string_view text) {
  constexpr std::string_view kWords[] = {"0", "false", "no", "off", "1", "true", "yes", "on"};
  std::string small(text);
  for (char& letter : small) letter = static_cast<char>(std::tolower(letter));
  return std::find(std::begin(kWords), std::end(kWords), small) != std::end(kWords);
}

class Reader {
 public:
  Reader(const Parameters& parameters, std::vector<std::string>& complaints)
      : parameters_(parameters), complaints_(complaints) {}

  /// Leaves the default in `target` unless there is a usable value.
  template <class Number>
  void number(const char* name, Number& target, Range range = {}) {
    const auto found = parameters_.find(name, type_of(name));
    if (!found) return;
    if (!is_number(found->text)) return complain(name, *found, "is not a number", target);
    if (found->text.starts_with('-') && found->value != 0)
      return complain(name, *found, "is negative", target);
    if (found->value < range.least)
      return complain(name, *found, "is less than " + std::to_string(range.least), target);
    if (static_cast<uint64_t>(found->value) > most<Number>(range))
      return complain(name, *found, "is more than " + std::to_string(most<Number>(range)), target);
    if (range.power_of_two && !std::has_single_bit(static_cast<uint64_t>(found->value)))
      return complain(name, *found, "is not a power of two", target);
    target = static_cast<Number>(found->value);
  }

  template <class Truth>
  void truth(const char* name, Truth& target) {
    const auto found = parameters_.find(name, type_of(name));
    if (!found) return;
    if (is_truth(found->text) || is_number(found->text))
      target = found->value != 0;
    else
      complain(name, *found, "is neither yes nor no", target);
  }

 private:
  template <class Number>
  static uint64_t most(Range range) {
    return std::min<uint64_t>(static_cast<uint64_t>(range.most), Number(-1));
  }

  static fi_param_type type_of(const char* name) {
    for (const Variable& variable : variables())
      if (std::string_view(variable.name) == name) return variable.type;
    return FI_PARAM_INT;
  }

  static std::string text_of(bool truth) { return truth ? "yes" : "no"; }
  static std::string text_of(std::optional<bool> truth) {
    return truth ? text_of(*truth) : "by what there is";
  }
  template <class Number>
  static std::string text_of(Number number) {
    return std::to_string(number);
  }

  template <class Value>
  void complain(std::string name, const Parameter& found, const std::string& why,
                const Value& kept) {
    for (char& letter : name) letter = static_cast<char>(std::toupper(letter));
    complaints_.push_back(std::string(kPrefix) + name + "=" + found.text + " is ignored: it " +
                          why + "; the default is used: " + text_of(kept));
  }

  const Parameters& parameters_;
  std::vector<std::string>& complaints_;
};

/// A count that is kept in other variables of 32 bits, too.
constexpr Range kCount{.most = INT_MAX};
constexpr Range kOneOrMore{.least = 1, .most = INT_MAX};
constexpr Range kWindow{.least = 1, .most = 1 << 20, .power_of_two = true};

}  // namespace

Settings read_settings(const Parameters& parameters, std::vector<std::string>& complaints) {
  Settings s;
  Reader read(parameters, complaints);
  read.number("tx_size", s.tx_size, kCount);
  read.number("rx_size", s.rx_size, kCount);
  read.number("tx_queue_size", s.tx_queue_size, kCount);
  read.number("cq_size", s.cq_size, kCount);
  read.number("tx_min_credits", s.tx_min_credits, kOneOrMore);
  read.number("recvwin_size", s.recvwin_size, kWindow);
  read.number("max_memcpy_size", s.max_memcpy_size);
  read.truth("mr_cache_enable", s.mr_cache_enable);
  read.number("mr_max_cached_count", s.mr_max_cached_count);
  read.number("mr_max_cached_size", s.mr_max_cached_size);
  read.truth("enable_shm_transfer", s.enable_shm_transfer);
  read.number("efa_cq_read_size", s.cq_read_size, kOneOrMore);
  read.truth("rx_copy_unexp", s.rx_copy_unexp);
  read.truth("rx_copy_ooo", s.rx_copy_ooo);
  read.number("max_timeout", s.max_timeout, kCount);
  read.number("timeout_interval", s.timeout_interval, kCount);
  read.number("inter_max_medium_message_size", s.inter_max_medium_message_size);
  read.number("inter_min_read_message_size", s.inter_min_read_message_size);
  read.number("inter_min_read_write_size", s.inter_min_read_write_size);
  read.number("inter_read_segment_size", s.inter_read_segment_size, kOneOrMore);
  read.number("runt_size", s.runt_size);
  read.truth("fork_safe", s.fork_safe);
  read.truth("use_huge_page", s.use_huge_page);
  read.truth("use_device_rdma", s.use_device_rdma);
  read.truth("use_unsolicited_write_recv", s.use_unsolicited_write_recv);
  read.number("internal_rx_refill_threshold", s.internal_rx_refill_threshold, kCount);
  read.number("implicit_av_size", s.implicit_av_size);
  read.truth("track_mr", s.track_mr);
  read.truth("use_hw_cntr", s.use_hw_cntr);
  read.number("dump_signal", s.dump_signal, {.most = SIGRTMAX});
  return s;
}

}  // namespace efa::fi
