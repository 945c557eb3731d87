// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Every datatype and operation against a model that knows no table: fi_atomic(3) in plain C.
#include "rdm/atomics.hpp"

#include <gtest/gtest.h>

#include <array>
#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <type_traits>
#include <vector>

namespace efa::rdm {
namespace {

constexpr int kDatatypes = FI_LONG_DOUBLE_COMPLEX + 1;
constexpr int kOperations = FI_MSWAP + 1;
constexpr AtomicForm kForms[] = {AtomicForm::kWrite, AtomicForm::kFetch, AtomicForm::kCompare};

fi_datatype datatype(int number) {
  return static_cast<fi_datatype>(number);
}
fi_op operation(int number) {
  return static_cast<fi_op>(number);
}

// ---- The model

// Calls TEST with a value of the C type of a datatype.
template <class Test>
void with_type(fi_datatype type, Test&& test) {
  switch (static_cast<int>(type)) {
    case FI_INT8:
      return test(std::int8_t{});
    case FI_UINT8:
      return test(std::uint8_t{});
    case FI_INT16:
      return test(std::int16_t{});
    case FI_UINT16:
      return test(std::uint16_t{});
    case FI_INT32:
      return test(std::int32_t{});
    case FI_UINT32:
      return test(std::uint32_t{});
    case FI_INT64:
      return test(std::int64_t{});
    case FI_UINT64:
      return test(std::uint64_t{});
    case FI_FLOAT:
      return test(float{});
    case FI_DOUBLE:
      return test(double{});
    case FI_LONG_DOUBLE:
      return test(0.0L);
    case FI_FLOAT_COMPLEX:
      return test(std::complex<float>{});
    case FI_DOUBLE_COMPLEX:
      return test(std::complex<double>{});
    case FI_LONG_DOUBLE_COMPLEX:
      return test(std::complex<long double>{});
    default:
      FAIL() << "datatype " << type;
  }
}

// What memory holds after OP, by fi_atomic(3).
template <class T>
T model(fi_op op, T memory, T operand, T compare) {
  constexpr bool kBits = std::is_integral_v<T>;
  constexpr bool kOrder = std::is_arithmetic_v<T>;
  const bool left = memory != T(0), right = operand != T(0);
  using Wide = std::conditional_t<kBits, __int128, T>;
  switch (static_cast<int>(op)) {
    case FI_SUM:
      return static_cast<T>(static_cast<Wide>(memory) + static_cast<Wide>(operand));
    case FI_PROD:
      // 64 x 64 bits may overflow even 128 bits with a sign: the low half is the same without.
      if constexpr (sizeof(T) == 8 && kBits) {
        return static_cast<T>(static_cast<unsigned __int128>(memory) *
                              static_cast<unsigned __int128>(operand));
      }
      return static_cast<T>(static_cast<Wide>(memory) * static_cast<Wide>(operand));
    case FI_LOR:
      return T(left || right);
    case FI_LAND:
      return T(left && right);
    case FI_LXOR:
      return T((left && !right) || (!left && right));
    case FI_ATOMIC_READ:
      return memory;
    case FI_ATOMIC_WRITE:
      return operand;
    case FI_CSWAP:
      return memory == compare ? operand : memory;
    case FI_CSWAP_NE:
      return memory == compare ? memory : operand;
    default:
      break;
  }
  if constexpr (kOrder) {
    switch (static_cast<int>(op)) {
      case FI_MIN:
        return operand < memory ? operand : memory;
      case FI_MAX:
        return operand > memory ? operand : memory;
      case FI_CSWAP_LE:
        return memory >= compare ? operand : memory;
      case FI_CSWAP_LT:
        return memory > compare ? operand : memory;
      case FI_CSWAP_GE:
        return memory <= compare ? operand : memory;
      case FI_CSWAP_GT:
        return memory < compare ? operand : memory;
      default:
        break;
    }
  }
  if constexpr (kBits) {
    switch (static_cast<int>(op)) {
      case FI_BOR:
        return static_cast<T>(memory | operand);
      case FI_BAND:
        return static_cast<T>(memory & operand);
      case FI_BXOR:
        return static_cast<T>(memory ^ operand);
      case FI_MSWAP: {
        for (unsigned bit = 0; bit < 8 * sizeof(T); ++bit) {
          const T mask = static_cast<T>(T(1) << bit);
          if ((compare & mask) != 0) memory = static_cast<T>((memory & ~mask) | (operand & mask));
        }
        return memory;
      }
      default:
        break;
    }
  }
  ADD_FAILURE() << "no model for operation " << op;
  return memory;
}

// Small numbers, so that equal ones and zeros come often; integers also at the ends of their range.
// Products and sums of these are exact in every floating type.
template <class T>
T some_value(std::mt19937& random) {
  const int small = static_cast<int>(random() % 7) - 3;
  if constexpr (std::is_integral_v<T>) {
    switch (random() % 4) {
      case 0:
        return static_cast<T>(small);
      case 1:
        return std::numeric_limits<T>::max();
      case 2:
        return std::numeric_limits<T>::min();
      default:
        return static_cast<T>(random() | std::uint64_t{random()} << 32);
    }
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(small) / 2;
  } else {
    using Part = typename T::value_type;
    return {static_cast<Part>(small), static_cast<Part>(random() % 3)};
  }
}

// The bytes that hold the number: those of a long double are followed by padding.
template <class T>
bool same(const T& left, const T& right) {
  return left == right || (left != left && right != right);
}

// COUNT elements at an address that is OFFSET above an aligned one.
template <class T>
class Elements {
 public:
  Elements(std::size_t count, std::size_t offset)
      : bytes_(count * sizeof(T) + 2 * kGuard, kFill), first_(kGuard + offset), count_(count) {}
  std::byte* data() { return bytes_.data() + first_; }
  T get(std::size_t index) const {
    T value;
    std::memcpy(&value, bytes_.data() + first_ + index * sizeof(T), sizeof(T));
    return value;
  }
  void set(std::size_t index, const T& value) {
    std::memcpy(data() + index * sizeof(T), &value, sizeof(T));
  }
  // Nothing was written beside the elements.
  bool intact() const {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      const bool inside = i >= first_ && i < first_ + count_ * sizeof(T);
      if (!inside && bytes_[i] != kFill) return false;
    }
    return true;
  }

 private:
  static constexpr std::byte kFill{0xa5};
  static constexpr std::size_t kGuard = 64;
  std::vector<std::byte> bytes_;
  std::size_t first_, count_;
};

template <class T>
void compare_with_model(AtomicForm form, fi_datatype type, fi_op op, std::size_t offset,
                        std::mt19937& random) {
  constexpr std::size_t kCount = 64;
  Elements<T> target(kCount, offset), operand(kCount, 1), compare(kCount, 3), result(kCount, 5);
  std::vector<T> before, after;
  for (std::size_t i = 0; i < kCount; ++i) {
    target.set(i, some_value<T>(random));
    operand.set(i, some_value<T>(random));
    compare.set(i, random() % 2 != 0 ? target.get(i) : some_value<T>(random));
    before.push_back(target.get(i));
    after.push_back(model<T>(op, before[i], operand.get(i), compare.get(i)));
  }
  atomic_apply(form, type, op, target.data(), op == FI_ATOMIC_READ ? nullptr : operand.data(),
               form == AtomicForm::kCompare ? compare.data() : nullptr,
               form == AtomicForm::kWrite ? nullptr : result.data(), kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(same(target.get(i), after[i])) << "element " << i;
    if (form == AtomicForm::kWrite) continue;
    ASSERT_TRUE(same(result.get(i), before[i])) << "old value of element " << i;
  }
  EXPECT_TRUE(target.intact() && operand.intact() && compare.intact() && result.intact());
}

// ---- Tests

TEST(Atomics, AgreeWithTheModelAlignedAndNot) {
  std::mt19937 random(1);
  int combinations = 0;
  for (const AtomicForm form : kForms) {
    for (int type = 0; type < kDatatypes; ++type) {
      for (int op = 0; op < kOperations; ++op) {
        if (!atomic_valid(form, datatype(type), operation(op))) continue;
        ++combinations;
        SCOPED_TRACE(testing::Message() << "form " << static_cast<int>(form) << " datatype " << type
                                        << " operation " << op);
        for (const std::size_t offset : {0, 1, 2, 4, 7}) {
          with_type(datatype(type), [&]<class T>(T) {
            compare_with_model<T>(form, datatype(type), operation(op), offset, random);
          });
        }
      }
    }
  }
  // Of the 8 integer, 3 real and 3 complex types: write 11, 8 and 6 operations, fetch one more
  // each; compare 7, 6 and 2.
  EXPECT_EQ(combinations, 8 * (11 + 12 + 7) + 3 * (8 + 9 + 6) + 3 * (6 + 7 + 2));
}

TEST(Atomics, SizesAreThoseOfC) {
  for (int type = 0; type < kDatatypes; ++type) {
    with_type(datatype(type),
              [&]<class T>(T) { EXPECT_EQ(atomic_size(datatype(type)), sizeof(T)) << type; });
  }
}

TEST(Atomics, NumbersThatArePeersMistakesAreNotValid) {
  for (const std::uint32_t above : {0U, 1U, 200U, 0x7fffffe0U, 0xffffffe0U}) {
    EXPECT_EQ(atomic_size(kDatatypes + above), 0u) << above;
    for (const AtomicForm form : kForms) {
      EXPECT_FALSE(atomic_valid(form, kDatatypes + above, FI_SUM)) << above;
      EXPECT_FALSE(atomic_valid(form, FI_INT8, kOperations + above)) << above;
    }
  }
}

TEST(Atomics, FormsAndKindsThatDoNotFitAreNotValid) {
  struct {
    AtomicForm form;
    fi_datatype type;
    fi_op op;
  } const wrong[] = {
      {AtomicForm::kWrite, FI_INT8, FI_ATOMIC_READ},
      {AtomicForm::kCompare, FI_INT8, FI_ATOMIC_READ},
      {AtomicForm::kCompare, FI_INT8, FI_SUM},
      {AtomicForm::kWrite, FI_INT8, FI_CSWAP},
      {AtomicForm::kFetch, FI_INT8, FI_MSWAP},
      {AtomicForm::kFetch, FI_FLOAT, FI_BXOR},
      {AtomicForm::kWrite, FI_LONG_DOUBLE, FI_BAND},
      {AtomicForm::kWrite, FI_FLOAT_COMPLEX, FI_MIN},
      {AtomicForm::kCompare, FI_DOUBLE_COMPLEX, FI_CSWAP_LE},
      {AtomicForm::kCompare, FI_DOUBLE, FI_MSWAP},
  };
  for (const auto& [form, type, op] : wrong) {
    EXPECT_FALSE(atomic_valid(form, type, op)) << type << " " << op;
    std::array<std::byte, 32> target{}, input{};
    input.fill(std::byte{1});
    atomic_apply(form, type, op, target.data(), input.data(), input.data(), nullptr, 1);
    EXPECT_EQ(target, (std::array<std::byte, 32>{}));
  }
}

template <class T>
T apply_one(fi_datatype type, fi_op op, T memory, T operand, T compare = T{}) {
  T target = memory, result{};
  const auto form = op >= FI_CSWAP ? AtomicForm::kCompare : AtomicForm::kFetch;
  atomic_apply(form, type, op, reinterpret_cast<std::byte*>(&target),
               reinterpret_cast<const std::byte*>(&operand),
               reinterpret_cast<const std::byte*>(&compare), reinterpret_cast<std::byte*>(&result),
               1);
  return target;
}

TEST(Atomics, NanIsTheNaNOfC) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(apply_one(FI_DOUBLE, FI_MIN, 1.0, nan), 1.0);
  EXPECT_EQ(apply_one(FI_DOUBLE, FI_MAX, 1.0, nan), 1.0);
  EXPECT_NE(apply_one(FI_DOUBLE, FI_MAX, nan, 1.0), 1.0);
  EXPECT_NE(apply_one(FI_DOUBLE, FI_CSWAP, nan, 2.0, nan), 2.0);
  EXPECT_EQ(apply_one(FI_DOUBLE, FI_CSWAP_NE, nan, 2.0, nan), 2.0);
  EXPECT_EQ(apply_one(FI_DOUBLE, FI_CSWAP, -0.0, 2.0, 0.0), 2.0);
  EXPECT_EQ(apply_one(FI_DOUBLE, FI_LAND, nan, 1.0), 1.0);
}

TEST(Atomics, SignedNumbersWrapAround) {
  constexpr auto kMost = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(apply_one<std::int32_t>(FI_INT32, FI_SUM, kMost, 1), -kMost - 1);
  EXPECT_EQ(apply_one<std::int32_t>(FI_INT32, FI_PROD, kMost, kMost), 1);
  EXPECT_EQ(apply_one<std::uint16_t>(FI_UINT16, FI_PROD, 0xffff, 0xffff), 1);
  EXPECT_EQ(apply_one<std::int8_t>(FI_INT8, FI_SUM, -128, -1), 127);
}

TEST(Atomics, ThePaddingOfALongDoubleStays) {
  std::array<std::byte, 32> target;
  target.fill(std::byte{0x5a});
  const std::complex<long double> two{2, 2};
  atomic_apply(AtomicForm::kWrite, FI_LONG_DOUBLE_COMPLEX, FI_ATOMIC_WRITE, target.data(),
               reinterpret_cast<const std::byte*>(&two), nullptr, nullptr, 1);
  std::complex<long double> stored;
  std::memcpy(&stored, target.data(), sizeof(stored));
  EXPECT_EQ(stored, two);
  if (std::numeric_limits<long double>::digits != 64) return;  // no padding
  for (const std::size_t part : {0, 16}) {
    for (std::size_t i = 10; i < 16; ++i) EXPECT_EQ(target[part + i], std::byte{0x5a});
  }
}

template <class T>
void count_from_two_threads(fi_datatype type) {
  constexpr int kTimes = 20000;
  alignas(8) T counter{};
  const auto add = [&](fi_op op, T operand) {
    for (int i = 0; i < kTimes; ++i) {
      atomic_apply(AtomicForm::kWrite, type, op, reinterpret_cast<std::byte*>(&counter),
                   reinterpret_cast<const std::byte*>(&operand), nullptr, nullptr, 1);
    }
  };
  std::thread other([&] { add(FI_SUM, T(3)); });
  add(FI_SUM, T(5));
  other.join();
  EXPECT_EQ(counter, static_cast<T>(8 * static_cast<long>(kTimes))) << type;
}

TEST(Atomics, ThreadsDoNotLoseEachOthersChanges) {
  count_from_two_threads<std::uint8_t>(FI_UINT8);
  count_from_two_threads<std::int16_t>(FI_INT16);
  count_from_two_threads<std::uint32_t>(FI_UINT32);
  count_from_two_threads<std::int64_t>(FI_INT64);
  count_from_two_threads<double>(FI_DOUBLE);
}

}  // namespace
}  // namespace efa::rdm
