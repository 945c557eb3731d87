// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The owner of an object of libfabric.
#pragma once

#include <gtest/gtest.h>
#include <rdma/fi_domain.h>

namespace efa::fi::test {

/// Closes its object; that this succeeds is part of every test.
template <class Object>
class Owner {
 public:
  Owner() = default;
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() { reset(); }

  Object** out() { return &object_; }
  Object* get() const { return object_; }
  Object* operator->() const { return object_; }
  void reset() {
    if (object_) {
      EXPECT_EQ(fi_close(&object_->fid), 0);
    }
    object_ = nullptr;
  }

 private:
  Object* object_ = nullptr;
};

}  // namespace efa::fi::test
