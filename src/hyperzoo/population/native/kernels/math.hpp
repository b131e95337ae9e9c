// tanh, exp, log and log1p on vectors, each accurate to 2 units in the last place.
//
// Built from correctly rounded operations alone, so every instruction set gives the same bits.
// Polynomials are minimax fits by relative error.
#pragma once

namespace hyperzoo {
namespace {

constexpr float kRounder = 0x1.8p23f;   // adding it rounds a small float to an integer
constexpr float kLn2 = 0x1.62e430p-1f, kLn2Rest = -0x1.05c610p-29f;
constexpr std::int32_t kSignBit = INT32_MIN;
constexpr float kLog2E = 0x1.715476p+0f;

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2, coefficient of r^k.
constexpr float kExp[5] = {0x1.fffffep-2f, 0x1.5554aep-3f, 0x1.555676p-5f, 0x1.1228e6p-7f,
                           0x1.6bebcep-10f};

// (tanh(x) - x) / x^3 for |x| < 0.55, coefficient of x^2k.
constexpr float kTanh[4] = {-0x1.555452p-2f, 0x1.10cef6p-3f, -0x1.af7cccp-5f, 0x1.0d5034p-6f};
// (2^f - 1) / f for |f| <= 1/2, coefficient of f^k.
constexpr float kPower[6] = {0x1.62e430p-1f, 0x1.ebfbdcp-3f, 0x1.c6aee8p-5f,
                             0x1.3b2d4ep-7f, 0x1.5f3e80p-10f, 0x1.41fba0p-13f};

// Of N vectors at once, statement by statement: the chain from argument to result is long, and a
// processor looks ahead too little to find the next vector's work by itself.
#define HYPERZOO_EACH _Pragma("GCC unroll 8") for (int i = 0; i < N; ++i)

// x + x^3 p(x^2) where the result is below 0.5, 1 - 2 / (e^2|x| + 1) elsewhere: either way a
// small correction is added to an exact number, so errors before the last addition count little.
template <int N>
HYPERZOO_INLINE void tanh(Vector (&x)[N]) {
    Vector s[N], e[N], rounded[N];
    // Beyond 9.02 the nearest float is 1.
    HYPERZOO_EACH s[i] = at_most(as_floats(bits(x[i]) & ~kSignBit), all(9.02f));
    HYPERZOO_EACH s[i] = s[i] * all(2 * kLog2E);
    HYPERZOO_EACH rounded[i] = s[i] + all(kRounder);
    HYPERZOO_EACH s[i] = s[i] - (rounded[i] - all(kRounder));
    HYPERZOO_EACH e[i] = fma(all(kPower[5]), s[i], all(kPower[4]));
    HYPERZOO_EACH e[i] = fma(e[i], s[i], all(kPower[3]));
    HYPERZOO_EACH e[i] = fma(e[i], s[i], all(kPower[2]));
    HYPERZOO_EACH e[i] = fma(e[i], s[i], all(kPower[1]));
    HYPERZOO_EACH e[i] = fma(e[i], s[i], all(kPower[0]));
    HYPERZOO_EACH e[i] = fma(e[i], s[i], all(1));
    HYPERZOO_EACH e[i] = as_floats(words(e[i]) + (words(rounded[i]) << 23));  // times 2^n
    HYPERZOO_EACH e[i] = all(1) - all(2) / (e[i] + all(1));
    HYPERZOO_EACH {
        const Vector square = x[i] * x[i];
        Vector p = fma(all(kTanh[3]), square, all(kTanh[2]));
        p = fma(p, square, all(kTanh[1]));
        p = fma(p, square, all(kTanh[0]));
        const Vector small = fma(x[i] * square, p, x[i]);
        const Vector large = as_floats(bits(e[i]) | (bits(x[i]) & kSignBit));
        // Not-a-number takes the first way, which passes it on.
        x[i] = as_floats(bits(x[i]) & ~kSignBit) >= all(0.55f) ? large : small;
    }
}

HYPERZOO_INLINE Vector exp(Vector x) {
    // Below -104 the result is 0 and above 89 infinite, in float32.
    const Vector a = at_least(at_most(x, all(89)), all(-104));
    const Vector rounded = fma(a, all(kLog2E), all(kRounder));
    const Vector n = rounded - all(kRounder);
    const Vector r = fma(n, all(-kLn2Rest), fma(n, all(-kLn2), a));
    Vector c = fma(all(kExp[4]), r, all(kExp[3]));
    c = fma(c, r, all(kExp[2]));
    c = fma(c, r, all(kExp[1]));
    c = fma(c, r, all(kExp[0]));
    const Vector near = fma(r * r, c, r) + all(1);
    // In two steps, because 2^n itself may be out of range.
    const Integers whole = reinterpret_cast<Integers>(words(rounded) << 9) >> 9;
    const Integers half = whole >> 1;
    const Vector once = near * as_floats(reinterpret_cast<Words>(half + 127) << 23);
    return once * as_floats(reinterpret_cast<Words>(whole - half + 127) << 23);
}

// (log(1 + f) - f + f^2 / 2) / f^3 for sqrt(1/2) <= 1 + f <= sqrt(2), coefficient of f^k.
constexpr float kLog[9] = {0x1.555548p-2f,  -0x1.000006p-2f, 0x1.99a4b6p-3f,
                           -0x1.555c4ep-3f, 0x1.233768p-3f,  -0x1.fc2208p-4f,
                           0x1.e6f06cp-4f,  -0x1.de3c14p-4f, 0x1.1457a2p-4f};

HYPERZOO_INLINE Vector log(Vector x) {
    // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
    const Words shifted = words(x) - 0x3f3504f3u;
    const Integers exponent = reinterpret_cast<Integers>(shifted) >> 23;
    const Vector m = as_floats((shifted & 0x007fffffu) + 0x3f3504f3u);
    const Vector e = __builtin_convertvector(exponent, Vector);
    const Vector f = m - all(1);
    Vector c = all(kLog[8]);
    for (int k = 7; k >= 0; --k) c = fma(c, f, all(kLog[k]));
    const Vector square = f * f;
    const Vector tail = fma(square * f, c, e * all(kLn2Rest));
    const Vector sum = fma(e, all(kLn2), fma(square, all(-0.5f), f) + tail);
    Vector result = x > all(0x1.fffffep127f) ? x : sum;     // infinity
    result = x == all(0) ? all(-__builtin_inff()) : result;
    result = x < all(0) ? all(__builtin_nanf("")) : result;
    return x != x ? x : result;
}

// log(1 + x) for x in [0, 1]: log(u) with what rounding u = 1 + x lost put back.
HYPERZOO_INLINE Vector log1p(Vector x) {
    const Vector u = x + all(1);
    return log(u) - ((u - all(1)) - x) / u;
}

template <Activation activation, int N>
HYPERZOO_INLINE void activate(Vector (&x)[N]) {
    if (activation == Activation::tanh) tanh(x);
    if (activation == Activation::relu) {
        HYPERZOO_EACH x[i] = at_least(x[i], all(0));
    }
}

// The gradient with respect to the sum, from that with respect to the activation `value`.
template <Activation activation>
HYPERZOO_INLINE Vector through(Vector gradient, Vector value) {
    if (activation == Activation::tanh) return gradient * fma_minus(value, value, all(1));
    if (activation == Activation::relu) return value > all(0) ? gradient : all(0);
    return gradient;
}

}  // namespace
}  // namespace hyperzoo
