// Purpose: the signs of the Hadamard bases of Paley's constructions, computed at compile time (numerics.md, "Hadamard").
//
// Bases 12, 20, 44, 140: first construction (q = base - 1 = 3 mod 4): ones on the diagonal and in the first row, minus
// ones below the corner, elsewhere the quadratic character of column - row. Bases 28, 36, 76: second construction
// (q = base / 2 - 1 = 1 mod 4): each entry of the conference matrix becomes [1 1; 1 -1] times it, each zero [1 -1; -1 -1].
// Base 1 is the single entry 1. A test compares all of them with spec/hadamard_matrix.py.
// Kept column by column, a bit for each row: an array of adders, one for each row, reads a word or three of it a cycle.
// Template parameter BASE.
#pragma once

#include <cstdint>

namespace flexdse_hls {

template <int BASE>
struct hadamard_signs {
  static_assert(BASE == 1 || BASE == 12 || BASE == 20 || BASE == 28 || BASE == 36 || BASE == 44 || BASE == 76 || BASE == 140,
                "the Hadamard bases are 1, 12, 20, 28, 36, 44, 76 and 140");

  static constexpr int kWords = (BASE + 63) / 64;
  std::uint64_t columns[BASE][kWords] = {};

  constexpr bool minus(int row, int column) const { return (columns[column][row / 64] >> (row % 64) & 1u) != 0; }

  constexpr hadamard_signs() {
    if (BASE == 1) return;
    bool negative[BASE][BASE] = {};
    const bool second = BASE == 28 || BASE == 36 || BASE == 76;
    const int order = second ? BASE / 2 : BASE;
    const int q = order - 1;
    bool square[BASE] = {};
    for (int i = 1; i < q; ++i) square[i * i % q] = true;
    for (int row = 0; row < order; ++row) {
      for (int column = 0; column < order; ++column) {
        const bool diagonal = row == column;
        bool negated = false;
        if (row > 0 && column > 0) {
          negated = !diagonal && !square[(column - row + q) % q];
        } else if (column == 0 && row > 0) {
          negated = !second;
        }
        if (!second) {
          negative[row][column] = negated;
          continue;
        }
        negative[2 * row][2 * column] = negated;
        negative[2 * row][2 * column + 1] = diagonal ? true : negated;
        negative[2 * row + 1][2 * column] = diagonal ? true : negated;
        negative[2 * row + 1][2 * column + 1] = diagonal ? true : !negated;
      }
    }
    for (int row = 0; row < BASE; ++row) {
      for (int column = 0; column < BASE; ++column) {
        if (negative[row][column]) columns[column][row / 64] |= std::uint64_t{1} << (row % 64);
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
