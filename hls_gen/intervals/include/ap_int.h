// Integers of any width as the interval analysis sees them: the compiler's own, so that one operation is one
// instruction. Widths grow as those of AMD's types do (UG1399, "Arbitrary Precision Integer Library").
#pragma once

#include <cstdint>
#include <type_traits>

namespace ap_detail {

template <int W, bool S>
struct storage {
  using type = signed _BitInt(W < 2 ? 2 : W);
};
template <int W>
struct storage<W, false> {
  using type = unsigned _BitInt(W);
};

constexpr int most(int a, int b) { return a > b ? a : b; }

}  // namespace ap_detail

template <int W, bool S>
struct ap_int_base;
template <int W>
using ap_int = ap_int_base<W, true>;
template <int W>
using ap_uint = ap_int_base<W, false>;

// Bits HIGH..LOW of an integer, readable and writable.
template <int W, bool S>
struct ap_range_ref {
  ap_int_base<W, S>& whole;
  int high;
  int low;

  ap_uint<W> get() const;
  template <class T>
  ap_range_ref& operator=(const T& value);
  ap_range_ref& operator=(const ap_range_ref& other) { return *this = other.get(); }
  unsigned to_uint() const;
  int to_int() const;
  std::uint64_t to_uint64() const;
};

// One bit of an integer, readable and writable.
template <int W, bool S>
struct ap_bit_ref {
  ap_int_base<W, S>& whole;
  int bit;

  operator bool() const { return ((whole.value >> bit) & 1) != 0; }
  bool to_bool() const { return *this; }
  ap_bit_ref& operator=(bool value) {
    whole.range(bit, bit) = static_cast<int>(value);
    return *this;
  }
  ap_bit_ref& operator=(const ap_bit_ref& other) { return *this = static_cast<bool>(other); }
};

template <int W, bool S>
struct ap_int_base {
  using raw = typename ap_detail::storage<W, S>::type;
  static constexpr int width = W;
  raw value;

  ap_int_base() = default;
  // Copied as a value of its width: a copy of its bytes would keep it in memory.
  ap_int_base(const ap_int_base& from) : value(from.value) {}
  ap_int_base& operator=(const ap_int_base& from) {
    value = from.value;
    return *this;
  }
  template <class T, class = std::enable_if_t<std::is_arithmetic<T>::value>>
  ap_int_base(T from) : value(static_cast<raw>(from)) {}
  template <int V, bool T>
  ap_int_base(const ap_int_base<V, T>& from) : value(static_cast<raw>(from.value)) {}
  template <int V, bool T>
  ap_int_base(const ap_range_ref<V, T>& from) : value(static_cast<raw>(from.get().value)) {}

  // As of the built-in integers: so that an ap_int takes part in arithmetic with them, indexes arrays and is a condition.
  operator std::conditional_t<S, long long, unsigned long long>() const {
    return static_cast<std::conditional_t<S, long long, unsigned long long>>(value);
  }

  int to_int() const { return static_cast<int>(value); }
  unsigned to_uint() const { return static_cast<unsigned>(value); }
  std::int64_t to_int64() const { return static_cast<std::int64_t>(value); }
  std::uint64_t to_uint64() const { return static_cast<std::uint64_t>(value); }
  float to_float() const { return static_cast<float>(value); }
  double to_double() const { return static_cast<double>(value); }
  static constexpr int length() { return W; }

  ap_range_ref<W, S> range(int high, int low) { return {*this, high, low}; }
  ap_uint<W> range(int high, int low) const {
    return ap_range_ref<W, S>{const_cast<ap_int_base&>(*this), high, low}.get();
  }
  ap_range_ref<W, S> operator()(int high, int low) { return range(high, low); }
  ap_uint<W> operator()(int high, int low) const { return range(high, low); }
  ap_bit_ref<W, S> operator[](int bit) { return {*this, bit}; }
  bool operator[](int bit) const { return ((value >> bit) & 1) != 0; }

  template <class T>
  ap_int_base& operator+=(const T& other) { return *this = *this + other; }
  template <class T>
  ap_int_base& operator-=(const T& other) { return *this = *this - other; }
  template <class T>
  ap_int_base& operator*=(const T& other) { return *this = *this * other; }
  template <class T>
  ap_int_base& operator|=(const T& other) { return *this = *this | other; }
  template <class T>
  ap_int_base& operator&=(const T& other) { return *this = *this & other; }
  template <class T>
  ap_int_base& operator^=(const T& other) { return *this = *this ^ other; }
  ap_int_base& operator<<=(int bits) { return *this = *this << bits; }
  ap_int_base& operator>>=(int bits) { return *this = *this >> bits; }
  ap_int_base& operator++() { return *this = *this + 1; }
  ap_int_base& operator--() { return *this = *this - 1; }

  ap_int<W + 1> operator-() const {
    ap_int<W + 1> result;
    result.value = -static_cast<typename ap_int<W + 1>::raw>(value);
    return result;
  }
  ap_int_base operator~() const {
    ap_int_base result;
    result.value = ~value;
    return result;
  }
  bool operator!() const { return value == 0; }
};

namespace ap_detail {

// The operand types of arithmetic: our integers, or built-in ones as integers of their width.
template <class T>
struct operand {
  static constexpr bool ok = std::is_integral<T>::value;
  using type = ap_int_base<8 * sizeof(T), std::is_signed<T>::value>;
};
template <int W, bool S>
struct operand<ap_int_base<W, S>> {
  static constexpr bool ok = true;
  using type = ap_int_base<W, S>;
};
template <int W, bool S>
struct operand<ap_range_ref<W, S>> {
  static constexpr bool ok = true;
  using type = ap_uint<W>;
};
template <class T>
constexpr bool is_ap = false;
template <int W, bool S>
constexpr bool is_ap<ap_int_base<W, S>> = true;
template <int W, bool S>
constexpr bool is_ap<ap_range_ref<W, S>> = true;
template <class T>
struct sign_of;
template <int W, bool S>
struct sign_of<ap_int_base<W, S>> {
  static constexpr bool value = S;
};

template <class A, class B>
using both = std::enable_if_t<(is_ap<A> || is_ap<B>)&&operand<A>::ok && operand<B>::ok>;
template <class A>
using operand_t = typename operand<A>::type;
template <class A, class B>
constexpr bool any_signed = sign_of<operand_t<A>>::value || sign_of<operand_t<B>>::value;
// Width of the wider operand, an unsigned one next to a signed one counted with its sign bit.
template <class A, class B>
constexpr int common = most(operand_t<A>::width + (any_signed<A, B> && !sign_of<operand_t<A>>::value),
                            operand_t<B>::width + (any_signed<A, B> && !sign_of<operand_t<B>>::value));

template <class R, class A, class B, class F>
R apply(const A& a, const B& b, F f) {
  using raw = typename R::raw;
  R result;
  result.value = f(static_cast<raw>(operand_t<A>(a).value), static_cast<raw>(operand_t<B>(b).value));
  return result;
}

}  // namespace ap_detail

#define FLEXDSE_AP_BINARY(op, bits, is_signed)                                                        \
  template <class A, class B, class = ap_detail::both<A, B>>                                          \
  auto operator op(const A& a, const B& b) {                                                          \
    using result = ap_int_base<(bits), (is_signed)>;                                                  \
    return ap_detail::apply<result>(a, b, [](auto x, auto y) { return x op y; });                     \
  }
FLEXDSE_AP_BINARY(+, (ap_detail::common<A, B> + 1), (ap_detail::any_signed<A, B>))
FLEXDSE_AP_BINARY(-, (ap_detail::common<A, B> + 1), true)
FLEXDSE_AP_BINARY(*, (ap_detail::operand_t<A>::width + ap_detail::operand_t<B>::width), (ap_detail::any_signed<A, B>))
FLEXDSE_AP_BINARY(/, (ap_detail::common<A, B> + 1), (ap_detail::any_signed<A, B>))
FLEXDSE_AP_BINARY(%, (ap_detail::common<A, B>), (ap_detail::any_signed<A, B>))
FLEXDSE_AP_BINARY(&, (ap_detail::common<A, B>), (ap_detail::any_signed<A, B>))
FLEXDSE_AP_BINARY(|, (ap_detail::common<A, B>), (ap_detail::any_signed<A, B>))
FLEXDSE_AP_BINARY(^, (ap_detail::common<A, B>), (ap_detail::any_signed<A, B>))
#undef FLEXDSE_AP_BINARY

#define FLEXDSE_AP_COMPARE(op)                                                                                  \
  template <class A, class B, class = ap_detail::both<A, B>>                                                    \
  bool operator op(const A& a, const B& b) {                                                                    \
    using raw = typename ap_int_base<ap_detail::common<A, B>, ap_detail::any_signed<A, B>>::raw;                \
    return static_cast<raw>(ap_detail::operand_t<A>(a).value) op static_cast<raw>(ap_detail::operand_t<B>(b).value); \
  }
FLEXDSE_AP_COMPARE(==)
FLEXDSE_AP_COMPARE(!=)
FLEXDSE_AP_COMPARE(<)
FLEXDSE_AP_COMPARE(<=)
FLEXDSE_AP_COMPARE(>)
FLEXDSE_AP_COMPARE(>=)
#undef FLEXDSE_AP_COMPARE

template <int W, bool S, class T, class = std::enable_if_t<std::is_integral<T>::value>>
ap_int_base<W, S> operator<<(const ap_int_base<W, S>& a, T bits) {
  ap_int_base<W, S> result;
  result.value = static_cast<typename ap_int_base<W, S>::raw>(a.value << bits);
  return result;
}
template <int W, bool S, class T, class = std::enable_if_t<std::is_integral<T>::value>>
ap_int_base<W, S> operator>>(const ap_int_base<W, S>& a, T bits) {
  ap_int_base<W, S> result;
  result.value = static_cast<typename ap_int_base<W, S>::raw>(a.value >> bits);
  return result;
}
template <int W, bool S, int V, bool T>
ap_int_base<W, S> operator<<(const ap_int_base<W, S>& a, const ap_int_base<V, T>& bits) {
  return a << bits.to_int();
}
template <int W, bool S, int V, bool T>
ap_int_base<W, S> operator>>(const ap_int_base<W, S>& a, const ap_int_base<V, T>& bits) {
  return a >> bits.to_int();
}

template <int W, bool S>
ap_uint<W> ap_range_ref<W, S>::get() const {
  using bits = typename ap_uint<W>::raw;
  ap_uint<W> result;
  const bits mask = static_cast<bits>(~bits(0)) >> (W - 1 - (high - low));
  result.value = (static_cast<bits>(whole.value) >> low) & mask;
  return result;
}
template <int W, bool S>
template <class T>
ap_range_ref<W, S>& ap_range_ref<W, S>::operator=(const T& from) {
  using bits = typename ap_uint<W>::raw;
  const bits mask = static_cast<bits>((static_cast<bits>(~bits(0)) >> (W - 1 - (high - low))) << low);
  const bits moved = static_cast<bits>(static_cast<bits>(ap_uint<W>(from).value) << low);
  whole.value = static_cast<typename ap_int_base<W, S>::raw>((static_cast<bits>(whole.value) & ~mask) | (moved & mask));
  return *this;
}
template <int W, bool S>
unsigned ap_range_ref<W, S>::to_uint() const {
  return get().to_uint();
}
template <int W, bool S>
int ap_range_ref<W, S>::to_int() const {
  return get().to_int();
}
template <int W, bool S>
std::uint64_t ap_range_ref<W, S>::to_uint64() const {
  return get().to_uint64();
}
