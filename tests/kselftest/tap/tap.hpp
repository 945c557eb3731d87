// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Tests that print TAP: each has a sentence for a name; a check that fails says what it looked at,
/// what it got, what it wanted, and where it stands.
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace efa::tap {

using Body = std::function<void()>;

/// Adds a test. Tests run in the order in which they were added.
void add(std::string sentence, Body body);

/// Adds the test at the start of the program.
struct Test {
  Test(std::string sentence, Body body) { add(std::move(sentence), std::move(body)); }
};

/// Runs the tests whose sentence contains one of the arguments (all, if there are none) and prints
/// TAP. Returns the exit status: 0 if all passed, 1 if one failed, 2 if there was nothing to run.
int run(int argc, char** argv);

/// The running test has failed; it goes on.
void fail(const std::string& what, const std::source_location& where);

/// A line of diagnosis in the output, e.g. how many rounds there were.
void note(const std::string& text);

/// Ends the running test as failed.
struct Abandoned : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// "EINVAL", "success", or the number.
std::string errno_name(int error);

/// The errno is one of those allowed.
bool expect_errno(int got, std::initializer_list<int> allowed, std::string_view what,
                  const std::source_location& where = std::source_location::current());
bool expect_errno(int got, int wanted, std::string_view what,
                  const std::source_location& where = std::source_location::current());

bool expect(bool condition, std::string_view what,
            const std::source_location& where = std::source_location::current());

template <class Got, class Wanted>
bool expect_equal(const Got& got, const Wanted& wanted, std::string_view what,
                  const std::source_location& where = std::source_location::current()) {
  bool equal;
  if constexpr (std::integral<Got> && std::integral<Wanted> && !std::same_as<Got, bool>)
    equal = std::cmp_equal(got, wanted);
  else
    equal = got == wanted;
  if (equal) return true;
  std::ostringstream text;
  text << what << ": got " << +got << ", wanted " << +wanted;
  fail(text.str(), where);
  return false;
}

/// What comes after makes no sense unless this succeeded: ends the test.
void require(bool condition, std::string_view what,
             const std::source_location& where = std::source_location::current());
/// `error` is 0.
void require_success(int error, std::string_view what,
                     const std::source_location& where = std::source_location::current());

}  // namespace efa::tap

#define EFA_TAP_JOIN2(a, b) a##b
#define EFA_TAP_JOIN(a, b) EFA_TAP_JOIN2(a, b)
/// TAP_TEST("A sentence") { checks }
#define TAP_TEST(sentence)                                         \
  static void EFA_TAP_JOIN(tap_body_, __LINE__)();                 \
  static const ::efa::tap::Test EFA_TAP_JOIN(tap_test_, __LINE__){ \
      sentence, &EFA_TAP_JOIN(tap_body_, __LINE__)};               \
  static void EFA_TAP_JOIN(tap_body_, __LINE__)()
