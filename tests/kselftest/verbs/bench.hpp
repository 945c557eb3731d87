// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What most tests start from, and the forms of their tables.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <memory>

#include "channel.hpp"
#include "tap.hpp"
#include "uverbs.hpp"

namespace efa::test {

using namespace efa::raw;
using tap::expect;
using tap::expect_equal;
using tap::expect_errno;
using tap::require;
using tap::require_success;

/// Answers to private input that the kernel does not know: EINVAL up to 6.12, EOPNOTSUPP later
/// (verbs A3, D8).
inline constexpr std::initializer_list<int> kUnknownInput = {EINVAL, EOPNOTSUPP};
/// Answers to a handle that names nothing: the ioctl path and the command path differ.
inline constexpr std::initializer_list<int> kNoSuchHandle = {EINVAL, ENOENT};
inline constexpr std::initializer_list<int> kSuccess = {0};
inline constexpr std::initializer_list<int> kInvalid = {EINVAL};
inline constexpr std::initializer_list<int> kUnsupported = {EOPNOTSUPP};

/// Below efa-emu rather than on a kernel driver.
inline bool native_mode() {
  return std::getenv("EFA_EMU_DIR") != nullptr;
}

/// A context with a domain and a completion queue.
struct Bench {
  Session session;
  AsyncEvents events{session};
  Pd pd;
  CqAnswer cq;
  CqRequest cq_request;
  QpRequest qp_request;

  Bench() {
    cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
    require_success(session.alloc_pd(pd), "ALLOC_PD");
    require_success(session.create_cq(cq_request, cq), "CREATE_CQ");
  }
  /// errno of CREATE_CQ; the queue is gone again.
  int cq_error(const CqRequest& request) { return cq_error(request, bytes_of(request.device)); }
  int cq_error(const CqRequest& request, const std::vector<std::uint8_t>& device) {
    CqAnswer answer;
    const int error = session.create_cq(request, device, answer);
    return error != 0 ? error : session.destroy(UVERBS_OBJECT_CQ, answer.handle);
  }
  int qp_error(const QpRequest& request) { return qp_error(request, bytes_of(request.device)); }
  int qp_error(const QpRequest& request, const std::vector<std::uint8_t>& device) {
    QpAnswer answer;
    const int error = session.create_qp(request, device, pd, cq, cq, answer);
    return error != 0 ? error : session.destroy(UVERBS_OBJECT_QP, answer.handle);
  }
  QpAnswer make_qp() {
    QpAnswer answer;
    require_success(session.create_qp(qp_request, pd, cq, cq, answer), "CREATE_QP");
    return answer;
  }
};

/// "is accepted", "is refused with EINVAL"
inline std::string outcome(std::initializer_list<int> allowed) {
  if (*allowed.begin() == 0) return " is accepted";
  std::string text;
  for (const int error : allowed)
    text += (text.empty() ? " is refused with " : " or ") + tap::errno_name(error);
  return text;
}

}  // namespace efa::test
