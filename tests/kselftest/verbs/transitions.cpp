// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// MODIFY_QP: every pair of states with every attribute (verbs A8.4, A9).
#include <algorithm>
#include <array>

#include "bench.hpp"

namespace efa::test {
namespace {

enum State : std::uint8_t { RESET, INIT, RTR, RTS, SQD, SQE, ERR };
constexpr const char* kNames[] = {"RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR"};

enum Attribute : std::uint32_t {
  STATE = 1 << 0,
  CUR_STATE = 1 << 1,
  DRAIN_NOTIFY = 1 << 2,
  PKEY_INDEX = 1 << 4,
  PORT = 1 << 5,
  QKEY = 1 << 6,
  AV = 1 << 7,
  RNR_RETRY = 1 << 11,
  SQ_PSN = 1 << 16,
};

struct Transition {
  State from, to;
  std::uint32_t required, optional;
};
constexpr Transition kTransitions[] = {
    {RESET, RESET, 0, 0},
    {RESET, INIT, PKEY_INDEX | PORT | QKEY, 0},
    {INIT, RESET, 0, 0},
    {INIT, ERR, 0, 0},
    {INIT, INIT, 0, PKEY_INDEX | PORT | QKEY},
    {INIT, RTR, 0, PKEY_INDEX | QKEY},
    {RTR, RESET, 0, 0},
    {RTR, ERR, 0, 0},
    {RTR, RTS, SQ_PSN, CUR_STATE | QKEY | RNR_RETRY},
    {RTS, RESET, 0, 0},
    {RTS, ERR, 0, 0},
    {RTS, RTS, 0, CUR_STATE | QKEY},
    {RTS, SQD, 0, DRAIN_NOTIFY},
    {SQD, RESET, 0, 0},
    {SQD, ERR, 0, 0},
    {SQD, RTS, 0, CUR_STATE | QKEY},
    {SQD, SQD, 0, PKEY_INDEX | QKEY},
    {ERR, RESET, 0, 0},
    {ERR, ERR, 0, 0},
};

/// How to get to a state from RESET. SQE is entered by the device alone.
const std::vector<State> kPaths[] = {
    {}, {INIT}, {INIT, RTR}, {INIT, RTR, RTS}, {INIT, RTR, RTS, SQD}, {}, {INIT, ERR}};

const Transition* find(State from, State to) {
  const auto found =
      std::find_if(std::begin(kTransitions), std::end(kTransitions),
                   [&](const Transition& t) { return t.from == from && t.to == to; });
  return found == std::end(kTransitions) ? nullptr : found;
}

/// A queue pair that can be brought to any state.
class Subject {
 public:
  explicit Subject(std::uint32_t type) : type_(type) {
    bench_.qp_request.type = type;
    qp_ = bench_.make_qp();
  }
  int modify(State to, std::uint32_t mask, State current) {
    ib_uverbs_modify_qp request{};
    request.qp_handle = qp_.handle;
    request.attr_mask = mask;
    request.qp_state = to;
    request.cur_qp_state = current;
    request.port_num = 1;
    request.qkey = 0x1234;
    request.rnr_retry = 3;
    return bench_.session.modify_qp(request);
  }
  void bring_to(State wanted) {
    State now = RESET;
    require_success(modify(RESET, STATE, RESET), "back to RESET");
    for (const State next : kPaths[wanted]) {
      require_success(modify(next, STATE | find(now, next)->required, now), kNames[next]);
      now = next;
    }
  }
  bool srd() const { return type_ == IB_UVERBS_QPT_DRIVER; }

 private:
  std::uint32_t type_;
  Bench bench_;
  QpAnswer qp_;
};

int wanted_errno(const Subject& subject, State from, State to, std::uint32_t mask) {
  const Transition* transition = find(from, to);
  if (transition == nullptr) return EINVAL;
  std::uint32_t allowed = transition->required | transition->optional | STATE;
  if (!subject.srd()) allowed &= ~std::uint32_t{RNR_RETRY};
  if ((mask & transition->required) != transition->required || (mask & ~allowed) != 0)
    return EINVAL;
  // The core accepts CUR_STATE only for states that a queue can leave by itself (A9).
  if ((mask & CUR_STATE) != 0 && from < RTR) return EINVAL;
  return 0;
}

/// The transition with exactly its attributes, with one less, with one more.
void try_all(Subject& subject, State from, State to) {
  constexpr std::uint32_t kEach[] = {CUR_STATE, DRAIN_NOTIFY, PKEY_INDEX, PORT,
                                     QKEY,      RNR_RETRY,    SQ_PSN};
  const Transition* transition = find(from, to);
  const std::uint32_t exact = STATE | (transition != nullptr ? transition->required : 0);
  std::vector<std::uint32_t> masks = {exact};
  for (const std::uint32_t one : kEach) masks.push_back(exact ^ one);
  bool there = false;
  for (const std::uint32_t mask : masks) {
    if (!there) subject.bring_to(from);
    const int error = subject.modify(to, mask, from);
    there = error != 0;  // a refused command changes nothing
    std::ostringstream what;
    what << kNames[from] << " to " << kNames[to] << " with mask 0x" << std::hex << mask;
    expect_errno(error, wanted_errno(subject, from, to, mask), what.str());
  }
}

const bool added = [] {
  for (const auto& [type, name] :
       {std::pair{IB_UVERBS_QPT_DRIVER, "SRD"}, {IB_UVERBS_QPT_UD, "UD"}})
    for (const State from : {RESET, INIT, RTR, RTS, SQD, ERR})
      tap::add(std::string("A queue pair of type ") + name + " leaves " + kNames[from] +
                   " by the transitions of the table only",
               [type = std::uint32_t{type}, from] {
                 Subject subject(type);
                 for (const State to : {RESET, INIT, RTR, RTS, SQD, SQE, ERR})
                   try_all(subject, from, to);
               });
  return true;
}();

struct Row {
  const char* what;
  std::initializer_list<int> allowed;
  std::uint32_t mask;
  void (*change)(ib_uverbs_modify_qp&);
};
constexpr std::uint32_t kInitMask = STATE | PKEY_INDEX | PORT | QKEY;

const Row rows[] = {
    {"port 2", kInvalid, kInitMask, [](ib_uverbs_modify_qp& r) { r.port_num = 2; }},
    {"port 0", kInvalid, kInitMask, [](ib_uverbs_modify_qp& r) { r.port_num = 0; }},
    {"P_Key index 1", kUnsupported, kInitMask, [](ib_uverbs_modify_qp& r) { r.pkey_index = 1; }},
    {"the path MTU", kUnsupported, kInitMask | 1 << 8, [](ib_uverbs_modify_qp&) {}},
    {"a timeout", kUnsupported, kInitMask | 1 << 9, [](ib_uverbs_modify_qp&) {}},
    {"access flags", kUnsupported, kInitMask | 1 << 3, [](ib_uverbs_modify_qp&) {}},
    {"a destination", kUnsupported, kInitMask | 1 << 20, [](ib_uverbs_modify_qp&) {}},
    {"capabilities", kUnsupported, kInitMask | 1 << 19, [](ib_uverbs_modify_qp&) {}},
    {"a rate limit", kUnsupported, kInitMask | 1 << 25, [](ib_uverbs_modify_qp&) {}},
    {"a state that does not exist", kInvalid, kInitMask,
     [](ib_uverbs_modify_qp& r) { r.qp_state = 77; }},
    {"a queue pair that does not exist", kNoSuchHandle, kInitMask,
     [](ib_uverbs_modify_qp& r) { r.qp_handle += 1000; }},
};

const bool rows_added = [] {
  for (const Row& row : rows)
    tap::add(std::string("MODIFY_QP with ") + row.what + outcome(row.allowed), [&row] {
      Bench bench;
      ib_uverbs_modify_qp request{};
      request.qp_handle = bench.make_qp().handle;
      request.attr_mask = row.mask;
      request.qp_state = INIT;
      request.port_num = 1;
      row.change(request);
      expect_errno(bench.session.modify_qp(request), row.allowed, "MODIFY_QP");
    });
  return true;
}();

TAP_TEST("MODIFY_QP takes no private input") {
  Bench bench;
  ib_uverbs_modify_qp request{};
  request.qp_handle = bench.make_qp().handle;
  request.attr_mask = STATE;
  const auto with = [&](const std::vector<std::uint8_t>& input) {
    return bench.session.write_command(IB_USER_VERBS_CMD_MODIFY_QP, request,
                                       Attributes().in(UVERBS_ATTR_UHW_IN, input));
  };
  expect_errno(with(std::vector<std::uint8_t>(16, 0)), 0, "zeros");
  expect_errno(with(std::vector<std::uint8_t>(16, 1)), kUnknownInput, "ones");
}

TAP_TEST("A current state that is not the real one is the caller's word") {
  Subject subject(IB_UVERBS_QPT_DRIVER);
  subject.bring_to(RTS);
  expect_errno(subject.modify(RTS, STATE | CUR_STATE, INIT), EINVAL, "INIT cannot be given");
  expect_errno(subject.modify(RTS, STATE | CUR_STATE | QKEY, RTS), 0, "RTS can");
}

}  // namespace
}  // namespace efa::test
