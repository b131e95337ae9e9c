// Sums over networks, and products with a few axes.
//
// BLAS computes the products as fast on one core, but its calls from several threads wait for each
// other.
#include <algorithm>

#include "kernels.hpp"

HYPERZOO_API Size hyperzoo_analysis_interface() { return 1; }

namespace {

constexpr int LANES = 8;
constexpr int CHUNK = 512;  // numbers are summed in single precision within one
constexpr int ROWS = 8;     // networks at once

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));
// The same anywhere in memory.
typedef Lanes Loose __attribute__((aligned(alignof(float)), may_alias));

EVERY_PROCESSOR double add_row(const float* __restrict numbers, Size count,
                               float* __restrict sums) {
    double squares = 0.0;
    for (Size begin = 0; begin < count; begin += CHUNK) {
        const Size end = std::min<Size>(begin + CHUNK, count);
        // Two, so that one addition need not wait for the one before it.
        Lanes even{}, odd{};
        Size i = begin;
        for (; i + 2 * LANES <= end; i += 2 * LANES) {
            const Lanes x = *reinterpret_cast<const Loose*>(numbers + i);
            const Lanes y = *reinterpret_cast<const Loose*>(numbers + i + LANES);
            *reinterpret_cast<Loose*>(sums + i) += x;
            *reinterpret_cast<Loose*>(sums + i + LANES) += y;
            even += x * x;
            odd += y * y;
        }
        even += odd;
        float rest = 0.0f;
        for (int lane = 0; lane < LANES; ++lane) rest += even[lane];
        for (; i < end; ++i) {
            sums[i] += numbers[i];
            rest += numbers[i] * numbers[i];
        }
        squares += rest;
    }
    return squares;
}

// Adds the products of N rows of `count` numbers with the axes [count, LANES] to `found` [N, LANES].
template <int N>
EVERY_PROCESSOR void project_rows(const float* __restrict numbers, Size stride, Size count,
                                  const float* __restrict axes, float* __restrict found) {
    for (Size begin = 0; begin < count; begin += CHUNK) {
        const Size end = std::min<Size>(begin + CHUNK, count);
        Lanes sum[N] = {};
        for (Size i = begin; i < end; ++i) {
            const Lanes axis = *reinterpret_cast<const Loose*>(axes + i * LANES);
            for (int row = 0; row < N; ++row) sum[row] += numbers[row * stride + i] * axis;
        }
        for (int row = 0; row < N; ++row)
            *reinterpret_cast<Loose*>(found + row * LANES) += sum[row];
    }
}

// Adds every number [N, count] times what its row has `along` the axes [N, LANES] to
// `product` [count, LANES].
template <int N>
EVERY_PROCESSOR void add_products(const float* __restrict numbers, Size stride, Size count,
                                  const float* __restrict along, float* __restrict product) {
    Lanes own[N];
    for (int row = 0; row < N; ++row) own[row] = *reinterpret_cast<const Loose*>(along + row * LANES);
    for (Size i = 0; i < count; ++i) {
        Lanes sum = *reinterpret_cast<const Loose*>(product + i * LANES);
        for (int row = 0; row < N; ++row) sum += numbers[row * stride + i] * own[row];
        *reinterpret_cast<Loose*>(product + i * LANES) = sum;
    }
}

}  // namespace

// Adds the weights [row, column] to the sums [class, column] of their classes, of which one begins
// `stride` numbers after the other, and their squares to `squares` [class].
HYPERZOO_API void hyperzoo_add_sums(const float* weights, Size rows, Size columns, Size stride,
                                    const std::int64_t* labels, float* sums, double* squares) {
    for (Size row = 0; row < rows; ++row)
        squares[labels[row]] +=
            add_row(weights + row * columns, columns, sums + labels[row] * stride);
}

// Adds the products of the weights [row, column] with the axes [column, LANES] to `found`
// [row, LANES].
HYPERZOO_API void hyperzoo_project(const float* weights, Size rows, Size columns,
                                   const float* axes, float* found) {
    Size row = 0;
    for (; row + ROWS <= rows; row += ROWS)
        project_rows<ROWS>(weights + row * columns, columns, columns, axes, found + row * LANES);
    for (; row < rows; ++row)
        project_rows<1>(weights + row * columns, columns, columns, axes, found + row * LANES);
}

// Adds the weights [row, column], each times what its row has along the axes [row, LANES], to
// `product` [column, LANES].
HYPERZOO_API void hyperzoo_add_products(const float* weights, Size rows, Size columns,
                                        const float* along, float* product) {
    Size row = 0;
    for (; row + ROWS <= rows; row += ROWS)
        add_products<ROWS>(weights + row * columns, columns, columns, along + row * LANES, product);
    for (; row < rows; ++row)
        add_products<1>(weights + row * columns, columns, columns, along + row * LANES, product);
}
