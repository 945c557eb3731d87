// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/atomics.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cfloat>
#include <complex>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace efa::rdm {
namespace {

// ---- Values

template <class T>
struct ComplexOf {
  using Part = void;
};
template <class Real>
struct ComplexOf<std::complex<Real>> {
  using Part = Real;
};

enum Kind : unsigned { kInteger = 1, kReal = 2, kComplex = 4 };
inline constexpr unsigned kOrdered = kInteger | kReal;
inline constexpr unsigned kAnyKind = kInteger | kReal | kComplex;

template <class T>
constexpr Kind kind_of() {
  if (std::is_integral_v<T>) return kInteger;
  return std::is_floating_point_v<T> ? kReal : kComplex;
}

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// Not the padding of a long double: what the stack had there is nobody's business.
template <class T>
void store(std::byte* to, const T& value) {
  if constexpr (std::is_same_v<T, std::complex<long double>>) {
    store(to, value.real());
    store(to + sizeof(long double), value.imag());
  } else if constexpr (std::is_same_v<T, long double> && LDBL_MANT_DIG == 64) {
    std::memcpy(to, &value, 10);
  } else {
    std::memcpy(to, &value, sizeof(T));
  }
}

// ---- Operations. Each has the kinds of values that it is for and the number of its inputs, which
// also says in which forms it exists, and changes VALUE, or says false: it stays.

template <unsigned kTheKinds, int kTheInputs>
struct Operation {
  static constexpr unsigned kKinds = kTheKinds;
  static constexpr int kInputs = kTheInputs;
};

// Signed numbers wrap around: sums and products of the unsigned type, wide enough that nothing is
// promoted to int, which could overflow.
template <class T, class Compute>
T wrapping(T left, T right, Compute compute) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(
        compute(static_cast<std::uint64_t>(left), static_cast<std::uint64_t>(right)));
  } else {
    return compute(left, right);
  }
}

template <class T>
bool assign(T& value, const T& next) {
  value = next;
  return true;
}

template <class T>
bool truth(const T& value) {
  return value != T{};
}

template <class T>
bool assign_truth(T& value, bool next) {
  value = T(next ? 1 : 0);
  return true;
}

struct Min : Operation<kOrdered, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return value > operand && assign(value, operand);
  }
};
struct Max : Operation<kOrdered, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return value < operand && assign(value, operand);
  }
};
struct Sum : Operation<kAnyKind, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign(value, wrapping(value, operand, [](auto a, auto b) { return a + b; }));
  }
};
struct Product : Operation<kAnyKind, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign(value, wrapping(value, operand, [](auto a, auto b) { return a * b; }));
  }
};
struct LogicalOr : Operation<kAnyKind, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign_truth(value, truth(value) || truth(operand));
  }
};
struct LogicalAnd : Operation<kAnyKind, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign_truth(value, truth(value) && truth(operand));
  }
};
struct LogicalXor : Operation<kAnyKind, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign_truth(value, truth(value) != truth(operand));
  }
};
struct BitOr : Operation<kInteger, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign(value, static_cast<T>(value | operand));
  }
};
struct BitAnd : Operation<kInteger, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign(value, static_cast<T>(value & operand));
  }
};
struct BitXor : Operation<kInteger, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign(value, static_cast<T>(value ^ operand));
  }
};
struct Read : Operation<kAnyKind, 0> {
  template <class T>
  static bool apply(T&, T, T) {
    return false;
  }
};
struct Write : Operation<kAnyKind, 1> {
  template <class T>
  static bool apply(T& value, T operand, T) {
    return assign(value, operand);
  }
};
struct SwapIfEqual : Operation<kAnyKind, 2> {
  template <class T>
  static bool apply(T& value, T operand, T compare) {
    return compare == value && assign(value, operand);
  }
};
struct SwapIfNotEqual : Operation<kAnyKind, 2> {
  template <class T>
  static bool apply(T& value, T operand, T compare) {
    return compare != value && assign(value, operand);
  }
};
struct SwapIfLessOrEqual : Operation<kOrdered, 2> {
  template <class T>
  static bool apply(T& value, T operand, T compare) {
    return compare <= value && assign(value, operand);
  }
};
struct SwapIfLess : Operation<kOrdered, 2> {
  template <class T>
  static bool apply(T& value, T operand, T compare) {
    return compare < value && assign(value, operand);
  }
};
struct SwapIfGreaterOrEqual : Operation<kOrdered, 2> {
  template <class T>
  static bool apply(T& value, T operand, T compare) {
    return compare >= value && assign(value, operand);
  }
};
struct SwapIfGreater : Operation<kOrdered, 2> {
  template <class T>
  static bool apply(T& value, T operand, T compare) {
    return compare > value && assign(value, operand);
  }
};
struct MaskedSwap : Operation<kInteger, 2> {
  template <class T>
  static bool apply(T& value, T operand, T compare) {
    return assign(value, static_cast<T>((operand & compare) | (value & ~compare)));
  }
};

// ---- One operation on one type

struct Memory {
  std::byte* target;
  const std::byte* operand;
  const std::byte* compare;
  std::byte* result;  // null: not wanted
};

template <std::size_t kSize>
struct BitsOf {
  using Type = void;  // no atomic instructions for it
};
template <>
struct BitsOf<1> {
  using Type = std::uint8_t;
};
template <>
struct BitsOf<2> {
  using Type = std::uint16_t;
};
template <>
struct BitsOf<4> {
  using Type = std::uint32_t;
};
template <>
struct BitsOf<8> {
  using Type = std::uint64_t;
};

// Changes one element for all to see at once.
template <class T, class Op>
void change_atomically(const Memory& at, T operand, T compare) {
  using Bits = typename BitsOf<sizeof(T)>::Type;
  std::atomic_ref<Bits> target(*reinterpret_cast<Bits*>(at.target));
  Bits old = target.load();
  for (;;) {
    T value = std::bit_cast<T>(old);
    if (!Op::apply(value, operand, compare)) break;
    if (target.compare_exchange_weak(old, std::bit_cast<Bits>(value))) break;
  }
  if (at.result != nullptr) std::memcpy(at.result, &old, sizeof(old));
}

template <class T, class Op>
void change(const Memory& at, T operand, T compare) {
  if (at.result != nullptr) std::memcpy(at.result, at.target, sizeof(T));
  T value = load<T>(at.target);
  if (Op::apply(value, operand, compare)) store(at.target, value);
}

template <class T>
bool aligned(const std::byte* target) {
  return reinterpret_cast<std::uintptr_t>(target) % sizeof(T) == 0;
}

template <class T, class Op>
void change_all(Memory at, std::size_t count) {
  const bool atomically = sizeof(T) <= 8 && aligned<T>(at.target);
  for (std::size_t i = 0; i < count; ++i) {
    T operand{}, compare{};
    if constexpr (Op::kInputs > 0) operand = load<T>(at.operand + i * sizeof(T));
    if constexpr (Op::kInputs > 1) compare = load<T>(at.compare + i * sizeof(T));
    if constexpr (sizeof(T) <= 8) {
      if (atomically) change_atomically<T, Op>(at, operand, compare);
    }
    if (!atomically) change<T, Op>(at, operand, compare);
    at.target += sizeof(T);
    if (at.result != nullptr) at.result += sizeof(T);
  }
}

// ---- The table of them all, made by the compiler

struct Entry {
  void (*change)(Memory, std::size_t count) = nullptr;
  int inputs = -1;
};

template <class T, class Op>
constexpr Entry entry() {
  if constexpr ((Op::kKinds & kind_of<T>()) != 0) {
    return {change_all<T, Op>, Op::kInputs};
  } else {
    return {};
  }
}

inline constexpr std::size_t kOperations = FI_MSWAP + 1;

// In the order of enum fi_op.
template <class T>
constexpr std::array<Entry, kOperations> entries() {
  return {entry<T, Min>(),
          entry<T, Max>(),
          entry<T, Sum>(),
          entry<T, Product>(),
          entry<T, LogicalOr>(),
          entry<T, LogicalAnd>(),
          entry<T, BitOr>(),
          entry<T, BitAnd>(),
          entry<T, LogicalXor>(),
          entry<T, BitXor>(),
          entry<T, Read>(),
          entry<T, Write>(),
          entry<T, SwapIfEqual>(),
          entry<T, SwapIfNotEqual>(),
          entry<T, SwapIfLessOrEqual>(),
          entry<T, SwapIfLess>(),
          entry<T, SwapIfGreaterOrEqual>(),
          entry<T, SwapIfGreater>(),
          entry<T, MaskedSwap>()};
}
static_assert(FI_MIN == 0 && FI_PROD == 3 && FI_LAND == 5 && FI_BAND == 7 && FI_BXOR == 9);
static_assert(FI_ATOMIC_WRITE == 11 && FI_CSWAP == 12 && FI_CSWAP_LE == 14 && FI_MSWAP == 18);

struct Row {
  std::size_t size;
  std::array<Entry, kOperations> operations;
};

template <class T>
constexpr Row row() {
  return {sizeof(T), entries<T>()};
}

// In the order of enum fi_datatype.
constexpr Row kTable[] = {
    row<std::int8_t>(),
    row<std::uint8_t>(),
    row<std::int16_t>(),
    row<std::uint16_t>(),
    row<std::int32_t>(),
    row<std::uint32_t>(),
    row<std::int64_t>(),
    row<std::uint64_t>(),
    row<float>(),
    row<double>(),
    row<std::complex<float>>(),
    row<std::complex<double>>(),
    row<long double>(),
    row<std::complex<long double>>(),
};
static_assert(FI_INT8 == 0 && FI_UINT64 == 7 && FI_FLOAT == 8 && FI_DOUBLE_COMPLEX == 11);
static_assert(FI_LONG_DOUBLE_COMPLEX + 1 == std::size(kTable));

Entry find(AtomicForm form, std::uint32_t datatype, std::uint32_t op) {
  if (datatype >= std::size(kTable) || op >= kOperations) return {};
  const Entry& found = kTable[datatype].operations[op];
  const bool has_form = form == AtomicForm::kCompare ? found.inputs == 2
                        : form == AtomicForm::kFetch ? found.inputs == 0 || found.inputs == 1
                                                     : found.inputs == 1;
  return has_form ? found : Entry{};
}

}  // namespace

std::size_t atomic_size(std::uint32_t datatype) {
  return datatype < std::size(kTable) ? kTable[datatype].size : 0;
}

bool atomic_valid(AtomicForm form, std::uint32_t datatype, std::uint32_t op) {
  return find(form, datatype, op).change != nullptr;
}

bool atomic_offered(AtomicForm form, std::uint32_t datatype, std::uint32_t op) {
  constexpr std::size_t kLargest = 8;
  return atomic_size(datatype) <= kLargest && atomic_valid(form, datatype, op);
}

void atomic_apply(AtomicForm form, std::uint32_t datatype, std::uint32_t op, std::byte* target,
                  const std::byte* operand, const std::byte* compare, std::byte* result,
                  std::size_t count) {
  const Entry found = find(form, datatype, op);
  if (found.change == nullptr) return;
  if (form == AtomicForm::kWrite) result = nullptr;
  found.change({target, operand, compare, result}, count);
}

}  // namespace efa::rdm
