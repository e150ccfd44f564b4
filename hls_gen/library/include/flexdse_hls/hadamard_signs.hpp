// Purpose: the signs of the Hadamard bases of Paley's constructions, computed at compile time (numerics.md, "Hadamard").
//
// Bases 12, 20, 44, 140: first construction (q = base - 1 = 3 mod 4): ones on the diagonal and in the first row, minus
// ones below the corner, elsewhere the quadratic character of column - row. Bases 28, 36, 76: second construction
// (q = base / 2 - 1 = 1 mod 4): each entry of the conference matrix becomes [1 1; 1 -1] times it, each zero [1 -1; -1 -1].
// Base 1 is the single entry 1. A test compares all of them with spec/hadamard_matrix.py.
// Template parameter BASE.
#pragma once

namespace flexdse_hls {

template <int BASE>
struct hadamard_signs {
  static_assert(BASE == 1 || BASE == 12 || BASE == 20 || BASE == 28 || BASE == 36 || BASE == 44 || BASE == 76 || BASE == 140,
                "the Hadamard bases are 1, 12, 20, 28, 36, 44, 76 and 140");

  bool negative[BASE][BASE] = {};

  constexpr hadamard_signs() {
    if (BASE == 1) return;
    const bool second = BASE == 28 || BASE == 36 || BASE == 76;
    const int order = second ? BASE / 2 : BASE;
    const int q = order - 1;
    bool square[BASE] = {};
    for (int i = 1; i < q; ++i) square[i * i % q] = true;
    for (int row = 0; row < order; ++row) {
      for (int column = 0; column < order; ++column) {
        const bool diagonal = row == column;
        bool minus = false;
        if (row > 0 && column > 0) {
          minus = !diagonal && !square[(column - row + q) % q];
        } else if (column == 0 && row > 0) {
          minus = !second;
        }
        if (!second) {
          negative[row][column] = minus;
          continue;
        }
        negative[2 * row][2 * column] = minus;
        negative[2 * row][2 * column + 1] = diagonal ? true : minus;
        negative[2 * row + 1][2 * column] = diagonal ? true : minus;
        negative[2 * row + 1][2 * column + 1] = diagonal ? true : !minus;
      }
    }
  }
};

// The base of order N: the smallest of the bases that N is a power of two times; 0 where there is none.
constexpr int hadamard_base(int n) {
  const int bases[] = {1, 12, 20, 28, 36, 44, 76, 140};
  for (const int base : bases) {
    const int power = n / base;
    if (power >= 1 && power * base == n && (power & (power - 1)) == 0) return base;
  }
  return 0;
}

}  // namespace flexdse_hls
