// Counts weights on a grid: one reading of them gives everything that `counts.py` needs.
//
// NumPy needs some ten passes over memory for the same; two cores are then bound by memory. Plain
// C++ without instruction sets of its own: the loops over lanes become whatever vectors there are.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels.hpp"

namespace {

constexpr int LANES = 16;
constexpr int CHUNK = 512;

// A float of this size has a last bit of 1: adding it rounds to a whole number, halves to even.
constexpr float ROUND = 12582912.0f;  // 1.5 * 2^23

// The least and the greatest of the numbers so far, lane by lane, and whether one was odd.
struct Range {
    float low[LANES], high[LANES];
    std::int32_t size[LANES];  // the greatest magnitude, as bits: these order as magnitudes do

    Range() {
        std::fill_n(low, LANES, std::numeric_limits<float>::infinity());
        std::fill_n(high, LANES, -std::numeric_limits<float>::infinity());
        std::fill_n(size, LANES, 0);
    }

    float least() const { return *std::min_element(low, low + LANES); }
    float greatest() const { return *std::max_element(high, high + LANES); }
    bool finite() const { return *std::max_element(size, size + LANES) < 0x7f800000; }
};

// A window of grid points: what a number is multiplied by, and its first and last point.
struct Window {
    float unit, first, last;
};

// The place in the window of each of LANES numbers. One outside of it, or no number, gets a place
// at one of its ends, so that no place is ever wrong as an index; `range` tells of it.
inline void place_lanes(const float* numbers, const Window& window, Range& range,
                        std::int32_t* out) {
    std::int32_t zero;
    const float start = ROUND + window.first;
    std::memcpy(&zero, &start, sizeof zero);
    for (int lane = 0; lane < LANES; ++lane) {
        float x = numbers[lane];
        std::int32_t bits;
        std::memcpy(&bits, &x, sizeof bits);
        bits &= 0x7fffffff;
        range.size[lane] = range.size[lane] > bits ? range.size[lane] : bits;
        range.low[lane] = x < range.low[lane] ? x : range.low[lane];
        range.high[lane] = x > range.high[lane] ? x : range.high[lane];
        x *= window.unit;
        x = x > window.first ? x : window.first;  // no number becomes the first
        x = x < window.last ? x : window.last;
        x += ROUND;
        std::memcpy(&bits, &x, sizeof bits);
        out[lane] = bits - zero;
    }
}

// The same of up to CHUNK numbers.
EVERY_PROCESSOR void places(const float* numbers, int count, const Window& window, Range& range,
                            std::int32_t* out) {
    Range own = range;
    const Window here = window;
    int i = 0;
    for (; i + LANES <= count; i += LANES) place_lanes(numbers + i, here, own, out + i);
    if (i < count) {
        float rest[LANES];
        std::int32_t place[LANES];
        for (int lane = 0; lane < LANES; ++lane) rest[lane] = numbers[std::min(i + lane, count - 1)];
        place_lanes(rest, here, own, place);
        std::copy_n(place, count - i, out + i);
    }
    range = own;
}

}  // namespace

// Adds the weights [row, column] to the counts of their class and their network.
//
// A place is a grid point less `window_low`. `classes` is [class, span], `networks` [row, bin], `bin_of`
// [span] the bin of a place. `least` and `greatest` [row] are lowered and raised. Returns 0; or
// 1 + row of the first row that has a number that is not finite or lies outside the window, and then
// the counts are spoilt.
HYPERZOO_API Size hyperzoo_count(const float* weights, Size rows, Size columns, float unit,
                                 Size window_low, Size span, Size bins, const std::int64_t* labels,
                                 const std::uint16_t* bin_of, std::int64_t* classes,
                                 std::uint32_t* networks, float* least, float* greatest) {
    // A row with fewer weights than that is counted into both tables; a longer one into tables
    // of its own, which are then added to both. Two of them, so that a number need not wait for
    // an equal one before it.
    const bool large = columns > span / 4;
    std::vector<std::uint32_t> own(large ? static_cast<std::size_t>(2 * span) : 0);
    std::uint32_t* even = own.data();
    std::uint32_t* odd = own.data() + (large ? span : 0);
    const Window window{unit, static_cast<float>(window_low),
                        static_cast<float>(window_low + span - 1)};
    std::int32_t place[CHUNK];
    for (Size row = 0; row < rows; ++row) {
        const float* numbers = weights + row * columns;
        std::int64_t* of_class = classes + labels[row] * span;
        std::uint32_t* of_network = networks + row * bins;
        Range range;
        for (Size begin = 0; begin < columns; begin += CHUNK) {
            const int count = static_cast<int>(std::min<Size>(CHUNK, columns - begin));
            places(numbers + begin, count, window, range, place);
            if (large) {
                int i = 0;
                for (; i + 2 <= count; i += 2) {
                    ++even[place[i]];
                    ++odd[place[i + 1]];
                }
                if (i < count) ++even[place[i]];
            } else {
                for (int i = 0; i < count; ++i) {
                    ++of_class[place[i]];
                    ++of_network[bin_of[place[i]]];
                }
            }
        }
        least[row] = std::min(least[row], range.least());
        greatest[row] = std::max(greatest[row], range.greatest());
        // Compared as rounded: what lies half a point beyond the end still counts there.
        const float first = std::nearbyint(range.least() * unit);
        const float last = std::nearbyint(range.greatest() * unit);
        if (!range.finite() || first < window.first || last > window.last) return 1 + row;
        if (!large) continue;
        for (Size i = static_cast<Size>(first) - window_low;
             i <= static_cast<Size>(last) - window_low; ++i) {
            const std::uint32_t sum = even[i] + odd[i];
            even[i] = odd[i] = 0;
            of_class[i] += sum;
            of_network[bin_of[i]] += sum;
        }
    }
    return 0;
}
