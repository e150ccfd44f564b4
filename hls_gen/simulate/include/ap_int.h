// Purpose: integers of any width without their values, for timed simulation: streams carry none either, and arithmetic on
// what no stream brought is not worth its time. With FLEXDSE_SIMULATE_VALUES the integers are those of the interval
// analysis, which have values. Names and widths are the same in all, so that functions keep their names.
#pragma once

#ifdef FLEXDSE_SIMULATE_VALUES

#include_next <ap_int.h>

#else

#include <cstdint>
#include <type_traits>

template <int W, bool S>
struct ap_int_base;
template <int W>
using ap_int = ap_int_base<W, true>;
template <int W>
using ap_uint = ap_int_base<W, false>;

template <int W, bool S>
struct ap_range_ref {
  ap_uint<W> get() const { return {}; }
  template <class T>
  ap_range_ref& operator=(const T&) { return *this; }
  unsigned to_uint() const { return 0; }
  int to_int() const { return 0; }
  std::uint64_t to_uint64() const { return 0; }
};

struct ap_bit_ref {
  operator bool() const { return false; }
  bool to_bool() const { return false; }
  ap_bit_ref& operator=(bool) { return *this; }
};

template <int W, bool S>
struct ap_int_base {
  static constexpr int width = W;

  ap_int_base() = default;
  template <class T, class = std::enable_if_t<std::is_arithmetic<T>::value>>
  ap_int_base(T) {}
  template <int V, bool T>
  ap_int_base(const ap_int_base<V, T>&) {}
  template <int V, bool T>
  ap_int_base(const ap_range_ref<V, T>&) {}

  operator std::conditional_t<S, long long, unsigned long long>() const { return 0; }
  int to_int() const { return 0; }
  unsigned to_uint() const { return 0; }
  std::int64_t to_int64() const { return 0; }
  std::uint64_t to_uint64() const { return 0; }
  float to_float() const { return 0; }
  double to_double() const { return 0; }
  static constexpr int length() { return W; }

  ap_range_ref<W, S> range(int, int) { return {}; }
  ap_uint<W> range(int, int) const { return {}; }
  ap_range_ref<W, S> operator()(int, int) { return {}; }
  ap_uint<W> operator()(int, int) const { return {}; }
  ap_bit_ref operator[](int) { return {}; }
  bool operator[](int) const { return false; }

#define FLEXDSE_AP_ASSIGN(op) \
  template <class T>          \
  ap_int_base& operator op(const T&) { return *this; }
  FLEXDSE_AP_ASSIGN(+=)
  FLEXDSE_AP_ASSIGN(-=)
  FLEXDSE_AP_ASSIGN(*=)
  FLEXDSE_AP_ASSIGN(|=)
  FLEXDSE_AP_ASSIGN(&=)
  FLEXDSE_AP_ASSIGN(^=)
  FLEXDSE_AP_ASSIGN(<<=)
  FLEXDSE_AP_ASSIGN(>>=)
#undef FLEXDSE_AP_ASSIGN
  ap_int_base& operator++() { return *this; }
  ap_int_base& operator--() { return *this; }
  ap_int<W + 1> operator-() const { return {}; }
  ap_int_base operator~() const { return {}; }
  bool operator!() const { return true; }
};

namespace ap_detail {

constexpr int most(int a, int b) { return a > b ? a : b; }

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

template <class A, class B>
using both = std::enable_if_t<(is_ap<A> || is_ap<B>)&&operand<A>::ok && operand<B>::ok>;
template <class A, class B>
using wide = ap_int<operand<A>::type::width + operand<B>::type::width>;

}  // namespace ap_detail

#define FLEXDSE_AP_BINARY(op)                                \
  template <class A, class B, class = ap_detail::both<A, B>> \
  ap_detail::wide<A, B> operator op(const A&, const B&) { return {}; }
FLEXDSE_AP_BINARY(+)
FLEXDSE_AP_BINARY(-)
FLEXDSE_AP_BINARY(*)
FLEXDSE_AP_BINARY(/)
FLEXDSE_AP_BINARY(%)
FLEXDSE_AP_BINARY(&)
FLEXDSE_AP_BINARY(|)
FLEXDSE_AP_BINARY(^)
#undef FLEXDSE_AP_BINARY

#define FLEXDSE_AP_COMPARE(op)                               \
  template <class A, class B, class = ap_detail::both<A, B>> \
  bool operator op(const A&, const B&) { return 0 op 0; }
FLEXDSE_AP_COMPARE(==)
FLEXDSE_AP_COMPARE(!=)
FLEXDSE_AP_COMPARE(<)
FLEXDSE_AP_COMPARE(<=)
FLEXDSE_AP_COMPARE(>)
FLEXDSE_AP_COMPARE(>=)
#undef FLEXDSE_AP_COMPARE

template <int W, bool S, class T, class = std::enable_if_t<std::is_integral<T>::value>>
ap_int_base<W, S> operator<<(const ap_int_base<W, S>& a, T) { return a; }
template <int W, bool S, class T, class = std::enable_if_t<std::is_integral<T>::value>>
ap_int_base<W, S> operator>>(const ap_int_base<W, S>& a, T) { return a; }
template <int W, bool S, int V, bool T>
ap_int_base<W, S> operator<<(const ap_int_base<W, S>& a, const ap_int_base<V, T>&) { return a; }
template <int W, bool S, int V, bool T>
ap_int_base<W, S> operator>>(const ap_int_base<W, S>& a, const ap_int_base<V, T>&) { return a; }

#endif
