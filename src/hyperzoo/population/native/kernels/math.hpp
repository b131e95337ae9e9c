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

// 2^n for an integer n that was rounded by adding kRounder; -126 <= n <= 127.
HYPERZOO_INLINE Vector power_of_two(Vector rounded) {
    return as_floats((bits(rounded) << 23) + 0x3f800000);
}

// tanh(a) = -q / (2 + q) with q = e^(-2a) - 1, for a = |x|. With n the integer next to
// -2a / ln(2) and s = a + n ln(2) / 2: q = 2^n (e^(-2s) - 1) + (2^n - 1). No difference of near
// numbers is taken where the result is small.
HYPERZOO_INLINE Vector tanh(Vector x) {
    const Integers sign = bits(x) & kSignBit;
    // Beyond 9.02 the nearest float is 1.
    const Vector a = at_most(as_floats(bits(x) & ~kSignBit), all(9.02f));
    const Vector rounded = fma(a, all(-2 * kLog2E), all(kRounder));
    const Vector s = fma(rounded - all(kRounder), all(kLn2 / 2), a);
    Vector c = fma(all(64 * kExp[4]), s, all(-32 * kExp[3]));
    c = fma(c, s, all(16 * kExp[2]));
    c = fma(c, s, all(-8 * kExp[1]));
    c = fma(c, s, all(4 * kExp[0]));
    const Vector near = fma(s * s, c, s * all(-2));
    const Vector power = power_of_two(rounded);
    const Vector q = fma(power, near, power - all(1));
    return as_floats((bits(q / (q + all(2))) & ~kSignBit) | sign);
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
    const Integers whole = (bits(rounded) << 9) >> 9;   // sign-extends the 23 low bits
    const Integers half = whole >> 1;
    return near * as_floats((half + 127) << 23) * as_floats((whole - half + 127) << 23);
}

// (log(1 + f) - f + f^2 / 2) / f^3 for sqrt(1/2) <= 1 + f <= sqrt(2), coefficient of f^k.
constexpr float kLog[9] = {0x1.555548p-2f,  -0x1.000006p-2f, 0x1.99a4b6p-3f,
                           -0x1.555c4ep-3f, 0x1.233768p-3f,  -0x1.fc2208p-4f,
                           0x1.e6f06cp-4f,  -0x1.de3c14p-4f, 0x1.1457a2p-4f};

HYPERZOO_INLINE Vector log(Vector x) {
    // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
    const Integers shifted = bits(x) - 0x3f3504f3;
    const Integers exponent = shifted >> 23;
    const Vector m = as_floats((shifted & 0x007fffff) + 0x3f3504f3);
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

template <Activation activation>
HYPERZOO_INLINE Vector activate(Vector x) {
    if (activation == Activation::tanh) return tanh(x);
    if (activation == Activation::relu) return at_least(x, all(0));
    return x;
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
