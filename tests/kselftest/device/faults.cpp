// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// An admin queue that fails on purpose: every command with every status, and answers that do not
/// come, come late, or are garbage (device-admin A3 - A5, verbs A8.9).
#include "background.hpp"
#include "control.hpp"
#include "efa_hw.h"
#include "pci_function.hpp"
#include "user.hpp"
#include "wait.hpp"

namespace efa::test {
namespace {

using host::Control;
using host::PciFunction;
using std::chrono::seconds;

constexpr seconds kRecovery{60};

/// What a fault meets: a context with a QP in INIT, and one more of each object to destroy.
struct Subject {
  Session session;
  AsyncEvents events{session};
  Pages pages{4096};
  Pd pd, spare_pd;
  CqAnswer cq, spare_cq;
  QpAnswer qp;
  Mr mr;
  AddressHandle ah;
  CqRequest cq_request;

  Subject() {
    cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
    require_success(session.alloc_pd(pd), "ALLOC_PD");
    require_success(session.alloc_pd(spare_pd), "ALLOC_PD");
    require_success(session.create_cq(cq_request, cq), "CREATE_CQ");
    require_success(session.create_cq(cq_request, spare_cq), "CREATE_CQ");
    require_success(session.create_qp({}, pd, cq, cq, qp), "CREATE_QP");
    require_success(session.reg_mr(pd, pages.data(), 4096, kLocalWrite, mr), "REG_MR");
  }
  int create_qp() {
    QpAnswer more;
    return session.create_qp({}, pd, cq, cq, more);
  }
  int create_cq() {
    CqAnswer more;
    return session.create_cq(cq_request, more);
  }
  int modify_qp() {
    ib_uverbs_modify_qp request{};
    request.qp_handle = qp.handle;
    request.attr_mask = 1 << 0 | 1 << 4 | 1 << 5 | 1 << 6;
    request.qp_state = 1;
    request.port_num = 1;
    return session.modify_qp(request);
  }
  int query_qp() {
    ib_uverbs_query_qp_resp answer{};
    return session.query_qp(qp.handle, answer);
  }
  int reg_mr() {
    Mr more;
    return session.reg_mr(pd, pages.data(), 4096, kLocalWrite, more);
  }
  int alloc_pd() {
    Pd more;
    return session.alloc_pd(more);
  }
  /// An address of its own each time, so that no cache of the driver answers.
  int create_ah() { return session.create_ah(pd, session.gid(), ah); }
  int destroy_ah() {
    if (const int error = create_ah()) return error;
    return session.destroy(UVERBS_OBJECT_AH, ah.handle);
  }
};

int open_device() {
  const efa_uabi_alloc_ucontext_cmd request{kBothCaps, 0};
  efa_uabi_alloc_ucontext_resp limits{};
  std::uint32_t vectors = 0;
  std::uint64_t support = 0;
  Uverbs uverbs;
  Attributes open;
  open.out(UVERBS_ATTR_GET_CONTEXT_NUM_COMP_VECTORS, vectors)
      .out(UVERBS_ATTR_GET_CONTEXT_CORE_SUPPORT, support)
      .in(UVERBS_ATTR_UHW_IN, request)
      .out(UVERBS_ATTR_UHW_OUT, limits);
  return uverbs.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT, open);
}

struct Command {
  int opcode;
  const char* name;
  bool ignored;  ///< the outcome of freeing is not told (verbs A8)
  int (*run)(Subject&);
};

const Command commands[] = {
    {EFA_AQ_OPCODE_ALLOC_PD, "ALLOC_PD", false, [](Subject& s) { return s.alloc_pd(); }},
    {EFA_AQ_OPCODE_DEALLOC_PD, "DEALLOC_PD", true,
     [](Subject& s) { return s.session.destroy(UVERBS_OBJECT_PD, s.spare_pd.handle); }},
    {EFA_AQ_OPCODE_ALLOC_UAR, "ALLOC_UAR", false, [](Subject&) { return open_device(); }},
    {EFA_AQ_OPCODE_DEALLOC_UAR, "DEALLOC_UAR", true, [](Subject&) { return open_device(); }},
    {EFA_AQ_OPCODE_CREATE_CQ, "CREATE_CQ", false, [](Subject& s) { return s.create_cq(); }},
    {EFA_AQ_OPCODE_DESTROY_CQ, "DESTROY_CQ", true,
     [](Subject& s) { return s.session.destroy(UVERBS_OBJECT_CQ, s.spare_cq.handle); }},
    {EFA_AQ_OPCODE_CREATE_QP, "CREATE_QP", false, [](Subject& s) { return s.create_qp(); }},
    {EFA_AQ_OPCODE_MODIFY_QP, "MODIFY_QP", false, [](Subject& s) { return s.modify_qp(); }},
    {EFA_AQ_OPCODE_QUERY_QP, "QUERY_QP", false, [](Subject& s) { return s.query_qp(); }},
    {EFA_AQ_OPCODE_DESTROY_QP, "DESTROY_QP", false,
     [](Subject& s) { return s.session.destroy(UVERBS_OBJECT_QP, s.qp.handle); }},
    {EFA_AQ_OPCODE_REG_MR, "REG_MR", false, [](Subject& s) { return s.reg_mr(); }},
    {EFA_AQ_OPCODE_DEREG_MR, "DEREG_MR", false,
     [](Subject& s) { return s.session.destroy(UVERBS_OBJECT_MR, s.mr.handle); }},
    {EFA_AQ_OPCODE_CREATE_AH, "CREATE_AH", false, [](Subject& s) { return s.create_ah(); }},
    {EFA_AQ_OPCODE_DESTROY_AH, "DESTROY_AH", true, [](Subject& s) { return s.destroy_ah(); }},
    {EFA_AQ_OPCODE_GET_STATS, "GET_STATS", false,
     [](Subject&) { return PciFunction::first().counter_error("tx_bytes", 1); }},
};

int errno_of_status(int status) {
  if (status == EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE) return ENOMEM;
  if (status == EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE) return EOPNOTSUPP;
  return EINVAL;
}

/// Takes the device away and brings it back: what a fault left in it is gone.
void start_afresh() {
  const PciFunction function = PciFunction::first();
  Control().clear();
  if (function.bound()) require_success(function.unbind(), "unbind");
  require_success(function.bind(), "bind");
  require(host::wait_until([&] { return function.uverbs() >= 0; }, kRecovery),
          "the device is back");
}

void refuse(const Command& command, int status) {
  Subject subject;
  const Control control;
  const std::uint64_t before = control.number("faults_taken");
  control.fault(command.opcode, "status", "\"status\":" + std::to_string(status));
  const int wanted = command.ignored ? 0 : errno_of_status(status);
  // A port counter that the device does not have reads 0 (verbs K5).
  const bool missing_counter = command.opcode == EFA_AQ_OPCODE_GET_STATS && wanted == EOPNOTSUPP;
  expect_errno(command.run(subject), missing_counter ? 0 : wanted,
               std::string(command.name) + " with status " + std::to_string(status));
  expect_equal(control.number("faults_taken"), before + 1, "faults taken");
  control.clear();
  expect_errno(subject.alloc_pd(), 0, "the next command");
}

const bool statuses_added = [] {
  for (const Command& command : commands)
    tap::add(std::string(command.name) + " that the device refuses with every status", [&command] {
      if (command.opcode == EFA_AQ_OPCODE_GET_STATS) {
        const PciFunction function = PciFunction::first();
        host::write_file("/sys/bus/pci/devices/" + function.address() + "/infiniband/" +
                             function.ibdev() + "/ports/1/hw_counters/lifespan",
                         "0");
      }
      for (const int status : {1, 2, 3, 4, 5, 6, 7, 200}) refuse(command, status);
    });
  return true;
}();

TAP_TEST("The device is fine after all of these") {
  start_afresh();
  User user;
  expect(user.exchange(), "a message arrives");
}

/// The device serves new contexts again, by itself or, if it does not, by a new bind.
void expect_recovery() {
  const PciFunction function = PciFunction::first();
  Control().clear();
  const bool recovered = host::wait_until(
      [&] {
        try {
          User user(function.uverbs());
          return user.exchange();
        } catch (const std::exception&) {
          return false;
        }
      },
      kRecovery);
  expect(recovered, "the device recovers by itself");
  if (!recovered) start_afresh();
}

struct Silence {
  const char* kind;
  const char* more;
};
const Silence silences[] = {{"timeout", ""},
                            {"lost", ""},
                            {"late", "\"delay_ms\":4000"},
                            {"wrong_id", ""},
                            {"stale_phase", ""}};

void fall_silent(const Command& command, const Silence& silence) {
  auto subject = std::make_unique<Subject>();
  const Control control;
  const std::uint64_t before = control.number("faults_taken");
  control.fault(command.opcode, silence.kind, silence.more);
  const int error = command.run(*subject);
  const std::string what = std::string(command.name) + " with " + silence.kind;
  // Once the device has been reset, what was to be freed is free.
  const bool frees = command.ignored || command.opcode == EFA_AQ_OPCODE_DESTROY_QP ||
                     command.opcode == EFA_AQ_OPCODE_DEREG_MR;
  if (frees)
    expect_errno(error, {0, EIO}, what);
  else
    expect_errno(error, {ETIME, EIO}, what);
  expect_equal(control.number("faults_taken"), before + 1, what + ", faults taken");
  const auto event = subject->events.next(30'000);
  expect(event.has_value() && *event == kDeviceFatal, what + ": DEVICE_FATAL is told");
  expect_errno(subject->alloc_pd(), EIO, what + ": the old context");
  subject.reset();
  expect_recovery();
}

const bool silences_added = [] {
  for (const Silence& silence : silences)
    tap::add(std::string("A command whose answer is ") + silence.kind +
                 " fails, its context is told, and the device recovers",
             [&silence] {
               // All of them in the long run; otherwise the ones that differ.
               const bool all = std::getenv("EFA_TEST_ALL_FAULTS") != nullptr;
               for (const Command& command : commands) {
                 const bool chosen = command.opcode == EFA_AQ_OPCODE_CREATE_QP ||
                                     command.opcode == EFA_AQ_OPCODE_DEREG_MR;
                 if ((all && command.opcode != EFA_AQ_OPCODE_GET_STATS) || chosen)
                   fall_silent(command, silence);
               }
             });
  return true;
}();

TAP_TEST("An answer full of garbage is not believed, and the device goes on") {
  for (const Command& command : commands) {
    // Nobody can tell a wrong key from a right one, and what has a wrong key cannot be freed: the
    // core warns when such a context is closed.
    if (command.opcode == EFA_AQ_OPCODE_REG_MR) continue;
    Subject subject;
    const Control control;
    control.fault(command.opcode, "garbage");
    // An answer without a body has nothing but its header to be wrong in.
    const std::string what = std::string(command.name) + " with garbage";
    expect_errno(command.run(subject), {0, EPROTO, EIO, EINVAL, ETIME}, what);
    if (command.opcode == EFA_AQ_OPCODE_CREATE_QP || command.opcode == EFA_AQ_OPCODE_CREATE_CQ)
      expect(command.run(subject) != EPROTO, what + ": the next one is right");
  }
  start_afresh();
  User user;
  expect(user.exchange(), "a message arrives");
}

TAP_TEST("An answer that is a little late is taken") {
  Subject subject;
  const Control control;
  control.fault(EFA_AQ_OPCODE_CREATE_QP, "late", "\"delay_ms\":100");
  expect_errno(subject.create_qp(), 0, "CREATE_QP");
  expect_errno(subject.create_qp(), 0, "the next");
}

TAP_TEST("An answer with a wrong checksum is not believed") {
  Subject subject;
  const Control control;
  try {
    control.fault(EFA_AQ_OPCODE_CREATE_CQ, "bad_crc");
  } catch (const std::runtime_error&) {
    return tap::note("this generation's answers have no checksum; efa4 has");
  }
  expect_errno(subject.create_cq(), {ETIME, EIO}, "CREATE_CQ");
  expect_recovery();
}

TAP_TEST("Commands of other threads end, too, when one gets no answer") {
  Subject subject;
  Control().fault(EFA_AQ_OPCODE_CREATE_CQ, "lost");
  std::vector<std::unique_ptr<host::Background>> others;
  for (int i = 0; i < 4; ++i)
    others.push_back(std::make_unique<host::Background>([&] {
      int error = 0;
      for (int round = 0; round < 3000 && error == 0; ++round) error = subject.alloc_pd();
      return error;
    }));
  subject.create_cq();
  for (const auto& other : others)
    expect_errno(other->result(kRecovery), {EIO, ENODEV, ETIME, ENOMEM}, "ALLOC_PD of a thread");
  others.clear();
  expect_recovery();
}

struct Step {
  int opcode;
  const char* name;
};
const Step steps[] = {{EFA_AQ_OPCODE_GET_FEATURE, "GET_FEATURE"},
                      {EFA_AQ_OPCODE_SET_FEATURE, "SET_FEATURE"},
                      {EFA_AQ_OPCODE_CREATE_EQ, "CREATE_EQ"}};

/// Binds with a fault; fails cleanly or does without, and then binds as ever.
void bind_with(const std::string& what, int opcode, const std::string& kind,
               const std::string& more) {
  const PciFunction function = PciFunction::first();
  const Control control;
  if (function.bound()) require_success(function.unbind(), "unbind");
  control.fault(opcode, kind, more);
  const int error = function.bind();
  expect(error != 0 || function.uverbs() >= 0, what + ": bound means usable");
  control.clear();
  if (error != 0) {
    expect(!function.bound(), what + ": not bound");
    expect_equal(control.objects(), 0u, what + ": objects left in the device");
    require_success(function.bind(), what + ": bind afterwards");
  }
  require(host::wait_until([&] { return function.uverbs() >= 0; }, kRecovery),
          "the device is back");
}

const bool steps_added = [] {
  for (const Step& step : steps)
    tap::add(std::string("Probe fails cleanly, or does without, when ") + step.name + " is refused",
             [&step] {
               for (int skip = 0; skip < 6; ++skip)
                 for (const int status : {1, 3, 5})
                   bind_with(std::string(step.name) + " number " + std::to_string(skip),
                             step.opcode, "status",
                             "\"status\":" + std::to_string(status) +
                                 ",\"skip\":" + std::to_string(skip));
             });
  return true;
}();

TAP_TEST("Probe fails cleanly when an answer does not come") {
  for (const Step& step : steps)
    for (const char* kind : {"lost", "garbage"})
      bind_with(std::string(step.name) + " " + kind, step.opcode, kind, "");
}

TAP_TEST("Probe fails cleanly when the device does not come out of reset, and works afterwards") {
  const PciFunction function = PciFunction::first();
  const Control control;
  require_success(function.unbind(), "unbind");
  control.ask("reset_timeout", "\"on\":true");
  expect(function.bind() != 0 || function.uverbs() < 0, "no device without a reset");
  control.clear();
  if (function.bound()) require_success(function.unbind(), "unbind");
  require_success(function.bind(), "bind");
  require(host::wait_until([&] { return function.uverbs() >= 0; }, kRecovery),
          "the device is back");
}

TAP_TEST("Events of all groups are taken, those without meaning, too") {
  const Control control;
  for (const int group : {1, 2, 3, 4, 9, 31})
    for (const int syndrome : {0, 7, 65535})
      control.ask("event", "\"group\":" + std::to_string(group) +
                               ",\"syndrome\":" + std::to_string(syndrome));
  User user;
  expect(user.exchange(), "a message arrives");
}

TAP_TEST("Missing keep-alives have no effect") {
  const Control control;
  const PciFunction function = PciFunction::first();
  control.ask("keepalive", "\"on\":false");
  User user;
  for (int i = 0; i < 50; ++i) require(user.exchange(), "a message arrives");
  control.clear();
}

TAP_TEST("After all faults the device is fine") {
  start_afresh();
  User user;
  for (int i = 0; i < 20; ++i) require(user.exchange(), "a message arrives");
}

}  // namespace
}  // namespace efa::test
