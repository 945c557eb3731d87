// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The same operations by libfabric's provider tcp, of an endpoint to itself: the same combinations
// are valid (but for the types above 8 bytes, which it refuses) and memory ends up the same.
#include <gtest/gtest.h>
#include <rdma/fabric.h>
#include <rdma/fi_atomic.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "rdm/atomics.hpp"

namespace efa::rdm {
namespace {

struct Close {
  template <class Object>
  void operator()(Object* object) const {
    fi_close(&object->fid);
  }
};
template <class Object>
using Handle = std::unique_ptr<Object, Close>;

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};

constexpr std::size_t kCount = 32;
constexpr std::size_t kBytes = kCount * 8;

// One endpoint that is its own peer, and its memory.
class Loopback {
 public:
  Loopback();
  // How the provider answers fi_query_atomic.
  bool valid(AtomicForm form, fi_datatype type, fi_op op);
  void apply(AtomicForm form, fi_datatype type, fi_op op);

  std::byte target[kBytes], operand[kBytes], compare[kBytes], result[kBytes];

 private:
  template <class Object, class Open, class... Arguments>
  void open(Handle<Object>& handle, Open call, Arguments... arguments) {
    Object* object = nullptr;
    if (const int error = call(arguments..., &object, nullptr)) {
      ADD_FAILURE() << "libfabric's provider tcp over 127.0.0.1: " << fi_strerror(-error);
      std::abort();
    }
    handle.reset(object);
  }
  void wait();

  std::unique_ptr<fi_info, FreeInfo> info_;
  Handle<fid_fabric> fabric_;
  Handle<fid_domain> domain_;
  Handle<fid_av> av_;
  Handle<fid_cq> cq_;
  Handle<fid_mr> memory_;
  Handle<fid_ep> endpoint_;
  fi_addr_t self_ = FI_ADDR_UNSPEC;
};

Loopback::Loopback() {
  std::unique_ptr<fi_info, FreeInfo> hints(fi_allocinfo());
  hints->caps = FI_ATOMIC | FI_MSG;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->mr_mode = 0;
  hints->fabric_attr->prov_name = strdup("tcp;ofi_rxm");
  fi_info* found = nullptr;
  if (const int error =
          fi_getinfo(FI_VERSION(1, 17), "127.0.0.1", nullptr, FI_SOURCE, hints.get(), &found)) {
    ADD_FAILURE() << "libfabric has no provider tcp;ofi_rxm: " << fi_strerror(-error);
    std::abort();
  }
  info_.reset(found);
  open(fabric_, fi_fabric, info_->fabric_attr);
  open(domain_, fi_domain, fabric_.get(), info_.get());
  fi_av_attr av{};
  open(av_, fi_av_open, domain_.get(), &av);
  fi_cq_attr cq{};
  cq.format = FI_CQ_FORMAT_CONTEXT;
  open(cq_, fi_cq_open, domain_.get(), &cq);
  open(endpoint_, fi_endpoint, domain_.get(), info_.get());
  fi_ep_bind(endpoint_.get(), &av_->fid, 0);
  fi_ep_bind(endpoint_.get(), &cq_->fid, FI_TRANSMIT | FI_RECV);
  fi_enable(endpoint_.get());

  fid_mr* memory = nullptr;
  fi_mr_reg(domain_.get(), target, kBytes, FI_REMOTE_READ | FI_REMOTE_WRITE, 0, 1, 0, &memory,
            nullptr);
  memory_.reset(memory);
  char name[64];
  std::size_t length = sizeof(name);
  fi_getname(&endpoint_->fid, name, &length);
  EXPECT_EQ(fi_av_insert(av_.get(), name, 1, &self_, 0, nullptr), 1);
}

bool Loopback::valid(AtomicForm form, fi_datatype type, fi_op op) {
  fi_atomic_attr attributes{};
  const std::uint64_t flags = form == AtomicForm::kWrite   ? 0
                              : form == AtomicForm::kFetch ? FI_FETCH_ATOMIC
                                                           : FI_COMPARE_ATOMIC;
  return fi_query_atomic(domain_.get(), type, op, &attributes, flags) == 0;
}

void Loopback::wait() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  fi_cq_entry entry;
  for (;;) {
    const ssize_t count = fi_cq_read(cq_.get(), &entry, 1);
    if (count == 1) return;
    ASSERT_EQ(count, -FI_EAGAIN);
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "no completion";
  }
}

// Offset-based addresses and a key of our own: mr_mode 0.
void Loopback::apply(AtomicForm form, fi_datatype type, fi_op op) {
  const auto post = [&]() -> ssize_t {
    switch (form) {
      case AtomicForm::kFetch:
        return fi_fetch_atomic(endpoint_.get(), operand, kCount, nullptr, result, nullptr, self_, 0,
                               1, type, op, nullptr);
      case AtomicForm::kCompare:
        return fi_compare_atomic(endpoint_.get(), operand, kCount, nullptr, compare, nullptr,
                                 result, nullptr, self_, 0, 1, type, op, nullptr);
      default: {
        // With delivery complete the completion says that memory has changed.
        const fi_ioc from{operand, kCount};
        const fi_rma_ioc to{0, kCount, 1};
        const fi_msg_atomic message{&from, nullptr, 1, self_, &to, 1, type, op, nullptr, 0};
        return fi_atomicmsg(endpoint_.get(), &message, FI_DELIVERY_COMPLETE);
      }
    }
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  ssize_t posted;
  while ((posted = post()) == -FI_EAGAIN) {  // the endpoint connects to itself
    fi_cq_read(cq_.get(), nullptr, 0);
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "cannot post";
  }
  ASSERT_EQ(posted, 0);
  wait();
}

fi_datatype datatype(int number) {
  return static_cast<fi_datatype>(number);
}
fi_op operation(int number) {
  return static_cast<fi_op>(number);
}

// Bytes that are small numbers now and then; floating-point values are no NaNs, whose bits are the
// compiler's affair.
void fill(std::byte* bytes, std::mt19937& random, fi_datatype type) {
  for (std::size_t i = 0; i < kCount; ++i) {
    const int small = static_cast<int>(random() % 7) - 3;
    if (type == FI_FLOAT || type == FI_FLOAT_COMPLEX) {
      const float values[2] = {static_cast<float>(small), static_cast<float>(random() % 3)};
      std::memcpy(bytes + i * 8, values, 8);
    } else if (type == FI_DOUBLE) {
      const double value = small * 0.5;
      std::memcpy(bytes + i * 8, &value, 8);
    } else {
      const std::uint64_t value = random() % 2 ? random() * 0x100000001ULL : random() % 3;
      std::memcpy(bytes + i * 8, &value, 8);
    }
  }
}

TEST(AtomicsAgainstLibfabric, TheSameCombinationsAreOffered) {
  Loopback libfabric;
  for (const AtomicForm form : {AtomicForm::kWrite, AtomicForm::kFetch, AtomicForm::kCompare}) {
    for (int type = 0; type < FI_LONG_DOUBLE_COMPLEX + 3; ++type) {
      for (int op = 0; op < FI_MSWAP + 3; ++op) {
        EXPECT_EQ(atomic_offered(form, datatype(type), operation(op)),
                  libfabric.valid(form, datatype(type), operation(op)))
            << static_cast<int>(form) << " " << type << " " << op;
      }
    }
  }
}

TEST(AtomicsAgainstLibfabric, MemoryAndOldValuesAreTheSame) {
  Loopback libfabric;
  std::mt19937 random(1);
  for (const AtomicForm form : {AtomicForm::kWrite, AtomicForm::kFetch, AtomicForm::kCompare}) {
    for (int type = 0; type < FI_LONG_DOUBLE_COMPLEX; ++type) {
      for (int op = 0; op <= FI_MSWAP; ++op) {
        if (!libfabric.valid(form, datatype(type), operation(op))) continue;
        SCOPED_TRACE(testing::Message() << static_cast<int>(form) << " " << type << " " << op);
        fill(libfabric.target, random, datatype(type));
        fill(libfabric.operand, random, datatype(type));
        fill(libfabric.compare, random, datatype(type));
        std::memcpy(libfabric.compare, libfabric.target, kBytes / 2);
        std::memset(libfabric.result, 0, kBytes);
        std::byte target[kBytes], result[kBytes] = {};
        std::memcpy(target, libfabric.target, kBytes);

        atomic_apply(form, datatype(type), operation(op), target, libfabric.operand,
                     libfabric.compare, result, kCount);
        libfabric.apply(form, datatype(type), operation(op));
        ASSERT_FALSE(testing::Test::HasFatalFailure());
        ASSERT_EQ(std::memcmp(target, libfabric.target, kBytes), 0);
        ASSERT_EQ(std::memcmp(result, libfabric.result, kBytes), 0);
      }
    }
  }
}

}  // namespace
}  // namespace efa::rdm
