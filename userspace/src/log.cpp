// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "log.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace efa {
namespace {

/// libibverbs' logger takes no va_list, so the line is put together here.
void log(const Context& context, ibv::LogLevel level, const char* format, std::va_list arguments) {
  const int saved = errno;
  char line[512];
  // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): our callers start it
  std::vsnprintf(line, sizeof(line), format, arguments);
  ibv::__verbs_log(const_cast<verbs_context*>(&context.verbs), level, "%s: %s\n",
                   context.verbs.context.device->name, line);
  errno = saved;
}

}  // namespace

void log_error(const Context& context, const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  log(context, ibv::kLogError, format, arguments);
  va_end(arguments);
}

void log_debug(const Context& context, const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  log(context, ibv::kLogDebug, format, arguments);
  va_end(arguments);
}

}  // namespace efa
