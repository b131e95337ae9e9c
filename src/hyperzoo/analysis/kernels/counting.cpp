// Counts weights on a grid: one reading of them gives everything that `counts.py` needs.
//
// NumPy needs some ten passes over memory for the same; two cores are then bound by memory. Plain
// C++ without instruction sets of its own: the loops over lanes become whatever vectors there are.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#define HYPERZOO_API extern "C" __attribute__((visibility("default")))

namespace {

using Size = std::int64_t;

constexpr int LANES = 16;
constexpr int CHUNK = 512;

// A float of this size has a last bit of 1: adding it rounds to a whole number, halves to even.
constexpr float ROUND = 12582912.0f;  // 1.5 * 2^23

// Least and greatest of a row; false where a number is not finite.
bool extremes(const float* row, Size count, float& least, float& greatest) {
    constexpr float INFINITE = std::numeric_limits<float>::infinity();
    float low[LANES], high[LANES], odd[LANES];
    std::fill_n(low, LANES, INFINITE);
    std::fill_n(high, LANES, -INFINITE);
    std::fill_n(odd, LANES, 0.0f);
    Size i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int lane = 0; lane < LANES; ++lane) {
            const float x = row[i + lane];
            low[lane] = x < low[lane] ? x : low[lane];
            high[lane] = x > high[lane] ? x : high[lane];
            odd[lane] += x * 0.0f;  // not a number where x is infinite or no number
        }
    }
    for (int lane = 0; i + lane < count; ++lane) {
        const float x = row[i + lane];
        low[lane] = x < low[lane] ? x : low[lane];
        high[lane] = x > high[lane] ? x : high[lane];
        odd[lane] += x * 0.0f;
    }
    least = *std::min_element(low, low + LANES);
    greatest = *std::max_element(high, high + LANES);
    float sum = 0.0f;
    for (float x : odd) sum += x;
    return sum == 0.0f;
}

// The places in the window of up to CHUNK weights.
void places(const float* row, int count, float unit, float farthest, std::int32_t low,
            std::int32_t* out) {
    std::int32_t zero;
    std::memcpy(&zero, &ROUND, sizeof zero);
    zero += low;
    for (int i = 0; i < count; ++i) {
        float x = row[i] * unit;
        x = x < -farthest ? -farthest : x;
        x = x > farthest ? farthest : x;
        x += ROUND;
        std::int32_t bits;
        std::memcpy(&bits, &x, sizeof bits);
        out[i] = bits - zero;
    }
}

}  // namespace

HYPERZOO_API Size hyperzoo_counting_interface() { return 1; }

// Adds the weights [row, column] to the counts of their class and their network.
//
// A place is a grid point less `window_low`. `classes` is [class, span], `networks` [row, bin], `bin_of`
// [span] the bin of a place. `least` and `greatest` [row] are lowered and raised. Returns 0; or,
// with nothing but them and the counts of rows before it changed, 1 + row of the first row that
// has a number that is not finite or lies outside the window.
HYPERZOO_API Size hyperzoo_count(const float* weights, Size rows, Size columns, float unit,
                                 float farthest, Size window_low, Size span, Size bins,
                                 const std::int64_t* labels, const std::uint16_t* bin_of,
                                 std::int64_t* classes, std::uint32_t* networks, float* least,
                                 float* greatest) {
    // A row with fewer weights than that is counted into both tables; a longer one into a table
    // of its own, which is then added to both.
    const auto low = static_cast<std::int32_t>(window_low);
    const bool large = columns > span / 4;
    std::vector<std::uint32_t> own(large ? static_cast<std::size_t>(span) : 0);
    std::int32_t place[CHUNK];
    for (Size row = 0; row < rows; ++row) {
        const float* numbers = weights + row * columns;
        float low_here, high_here;
        const bool finite = extremes(numbers, columns, low_here, high_here);
        least[row] = std::min(least[row], low_here);
        greatest[row] = std::max(greatest[row], high_here);
        if (!finite) return 1 + row;
        std::int32_t first, last;
        places(&low_here, 1, unit, farthest, low, &first);
        places(&high_here, 1, unit, farthest, low, &last);
        if (first < 0 || last >= span) return 1 + row;
        std::int64_t* of_class = classes + labels[row] * span;
        std::uint32_t* of_network = networks + row * bins;
        if (large) std::fill(own.begin(), own.end(), 0u);
        for (Size begin = 0; begin < columns; begin += CHUNK) {
            const int count = static_cast<int>(std::min<Size>(CHUNK, columns - begin));
            places(numbers + begin, count, unit, farthest, low, place);
            if (large) {
                for (int i = 0; i < count; ++i) ++own[static_cast<std::size_t>(place[i])];
            } else {
                for (int i = 0; i < count; ++i) {
                    ++of_class[place[i]];
                    ++of_network[bin_of[place[i]]];
                }
            }
        }
        if (!large) continue;
        for (Size i = first; i <= last; ++i) {
            of_class[i] += own[static_cast<std::size_t>(i)];
            of_network[bin_of[i]] += own[static_cast<std::size_t>(i)];
        }
    }
    return 0;
}
