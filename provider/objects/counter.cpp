// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/counter.hpp"

#include <sched.h>

#include <memory>

#include "absent.hpp"
#include "log.hpp"
#include "objects/deadline.hpp"
#include "objects/domain.hpp"

namespace efa::fi {
namespace {

uint64_t read(fid_cntr* object) {
  Counter& counter = Counter::of(object);
  counter.progress();
  return counter.value.load(std::memory_order_relaxed);
}

uint64_t read_errors(fid_cntr* object) {
  Counter& counter = Counter::of(object);
  counter.progress();
  return counter.errors.load(std::memory_order_relaxed);
}

int add(fid_cntr* object, uint64_t value) {
  Counter::of(object).value += value;
  return 0;
}
int set(fid_cntr* object, uint64_t value) {
  Counter::of(object).value = value;
  return 0;
}
int add_error(fid_cntr* object, uint64_t value) {
  Counter::of(object).errors += value;
  return 0;
}
int set_error(fid_cntr* object, uint64_t value) {
  Counter::of(object).errors = value;
  return 0;
}

/// Nothing moves without calls (manual progress): so this calls until the value is there, and lets
/// others have the processor meanwhile.
int wait(fid_cntr* object, uint64_t threshold, int timeout) {
  Counter& counter = Counter::of(object);
  if (!counter.waits) return -FI_EINVAL;
  const uint64_t errors_before = counter.errors;
  const Deadline deadline(timeout);
  for (;;) {
    counter.progress();
    if (counter.value >= threshold) return 0;
    if (counter.errors != errors_before) return -FI_EAVAIL;
    if (deadline.passed()) return -FI_ETIMEDOUT;
    sched_yield();
  }
}

int close(fid* object) {
  Counter& counter = Counter::of(reinterpret_cast<fid_cntr*>(object));
  {
    const Guard guard(counter.domain->lock);
    if (!counter.endpoints.empty()) return -FI_EBUSY;
  }
  --counter.domain->children;
  const std::unique_ptr<Counter> owner(&counter);
  return 0;
}

fi_ops object_operations = only_close(close);

fi_ops_cntr operations{
    .size = sizeof(fi_ops_cntr),
    .read = read,
    .readerr = read_errors,
    .add = add,
    .set = set,
    .wait = wait,
    .adderr = add_error,
    .seterr = set_error,
};

bool can_wait_by(fi_wait_obj object) {
  return object == FI_WAIT_NONE || object == FI_WAIT_UNSPEC || object == FI_WAIT_YIELD;
}

int check(const fi_cntr_attr& attributes) {
  if (attributes.flags) return -FI_EINVAL;
  if (attributes.events == FI_CNTR_EVENTS_COMP && can_wait_by(attributes.wait_obj)) return 0;
  log(FI_LOG_WARN, attributes.events == FI_CNTR_EVENTS_COMP
                       ? "counter not opened: it has no file descriptor to wait on; use wait_obj "
                         "FI_WAIT_UNSPEC with fi_cntr_wait(), or FI_WAIT_NONE"
                       : "counter not opened: it counts operations only; use events "
                         "FI_CNTR_EVENTS_COMP");
  return -FI_ENOSYS;
}

}  // namespace

void Counter::progress() {
  const Guard guard(domain->lock);
  endpoints.progress();
}

int open_counter(fid_domain* domain, fi_cntr_attr* attributes, fid_cntr** counter, void* context) {
  if (!attributes || !counter) return -FI_EINVAL;
  if (const int error = check(*attributes)) return error;
  auto made = std::make_unique<Counter>();
  made->fid = {.fclass = FI_CLASS_CNTR, .context = context, .ops = &object_operations};
  made->ops = &operations;
  made->domain = &Domain::of(domain);
  made->waits = attributes->wait_obj != FI_WAIT_NONE;
  ++made->domain->children;
  *counter = made.release();
  return 0;
}

}  // namespace efa::fi
