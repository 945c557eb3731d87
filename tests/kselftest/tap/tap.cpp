// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "tap.hpp"

#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

namespace efa::tap {

namespace {

struct Entry {
  std::string sentence;
  Body body;
};

// Made at its first use: tests are added before main.
std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

bool failed = false;

bool chosen(const std::string& sentence, int argc, char** argv) {
  if (argc < 2) return true;
  for (int i = 1; i < argc; ++i)
    if (sentence.find(argv[i]) != std::string::npos) return true;
  return false;
}

bool passes(const Entry& entry) {
  failed = false;
  try {
    entry.body();
  } catch (const Abandoned&) {
    failed = true;
  } catch (const std::exception& error) {
    failed = true;
    note(error.what());
  }
  return !failed;
}

}  // namespace

void add(std::string sentence, Body body) {
  entries().push_back({std::move(sentence), std::move(body)});
}

void note(const std::string& text) {
  std::printf("# %s\n", text.c_str());
  std::fflush(stdout);
}

void fail(const std::string& what, const std::source_location& where) {
  failed = true;
  const char* slash = std::strrchr(where.file_name(), '/');
  note(std::string(slash != nullptr ? slash + 1 : where.file_name()) + ":" +
       std::to_string(where.line()) + ": " + what);
}

std::string errno_name(int error) {
  if (error == 0) return "success";
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

bool expect_errno(int got, std::initializer_list<int> allowed, std::string_view what,
                  const std::source_location& where) {
  std::string names;
  for (const int error : allowed) {
    if (got == error) return true;
    names += (names.empty() ? "" : " or ") + errno_name(error);
  }
  fail(std::string(what) + ": got " + errno_name(got) + ", wanted " + names, where);
  return false;
}

bool expect_errno(int got, int wanted, std::string_view what, const std::source_location& where) {
  return expect_errno(got, {wanted}, what, where);
}

bool expect(bool condition, std::string_view what, const std::source_location& where) {
  if (!condition) fail("not so: " + std::string(what), where);
  return condition;
}

void require(bool condition, std::string_view what, const std::source_location& where) {
  if (!expect(condition, what, where)) throw Abandoned(std::string(what));
}

void require_success(int error, std::string_view what, const std::source_location& where) {
  if (!expect_errno(error, 0, what, where)) throw Abandoned(std::string(what));
}

int run(int argc, char** argv) {
  std::vector<const Entry*> list;
  for (const Entry& entry : entries())
    if (chosen(entry.sentence, argc, argv)) list.push_back(&entry);
  std::printf("TAP version 13\n1..%zu\n", list.size());
  std::fflush(stdout);
  int status = list.empty() ? 2 : 0;
  int number = 0;
  for (const Entry* entry : list) {
    const bool passed = passes(*entry);
    if (!passed) status = 1;
    std::printf("%s %d - %s\n", passed ? "ok" : "not ok", ++number, entry->sentence.c_str());
    std::fflush(stdout);
  }
  return status;
}

}  // namespace efa::tap
