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

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2, fitted by the relative error of e^r - 1.
constexpr float kTanh[5] = {0x1.fffffep-2f, 0x1.5554bp-3f, 0x1.555674p-5f, 0x1.1227bp-7f,
                            0x1.6bebfep-10f};

// Of N vectors at once, statement by statement: the chain from argument to result is long, and a
// processor looks ahead too little to find the next vector's work by itself.
#define HYPERZOO_EACH _Pragma("GCC unroll 8") for (int i = 0; i < N; ++i)

// h / (1 + h), where h = (e^2|x| - 1) / 2. For small h, where rounding 1 + h would count most, it
// is h - h (h / (1 + h)): a small correction of what is nearly the result.
template <int N>
HYPERZOO_INLINE void tanh(Vector (&x)[N]) {
    Vector r[N], h[N], rounded[N];
    // Beyond 9.02 the nearest float is 1. Not-a-number passes through every step.
    HYPERZOO_EACH r[i] = at_most(as_floats(bits(x[i]) & ~kSignBit), all(9.02f));
    HYPERZOO_EACH r[i] = r[i] + r[i];
    HYPERZOO_EACH rounded[i] = fma(r[i], all(kLog2E), all(kRounder));
    HYPERZOO_EACH r[i] = fma_minus(rounded[i] - all(kRounder), all(kLn2), r[i]);
    HYPERZOO_EACH h[i] = fma(all(kTanh[4]), r[i], all(kTanh[3]));
    HYPERZOO_EACH h[i] = fma(h[i], r[i], all(kTanh[2]));
    HYPERZOO_EACH h[i] = fma(h[i], r[i], all(kTanh[1]));
    HYPERZOO_EACH h[i] = fma(h[i], r[i], all(kTanh[0]));
    HYPERZOO_EACH h[i] = fma(r[i] * r[i], h[i], r[i]);
    HYPERZOO_EACH {
        const Vector power = as_floats((words(rounded[i]) << 23) + 0x3f000000u);  // 2^n / 2
        h[i] = fma(power, h[i], power - all(0.5f));
    }
    HYPERZOO_EACH r[i] = h[i] / (h[i] + all(1));
    HYPERZOO_EACH h[i] = h[i] < all(0.5f) ? fma_minus(h[i], r[i], h[i]) : r[i];
    HYPERZOO_EACH x[i] = as_floats(bits(h[i]) | (bits(x[i]) & kSignBit));
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

// (erf(x) - x) / x by powers of x^2 for |x| < 1, and -log(1 - erf(x)) by powers of x up to 4, beyond
// which the nearest float is 1.
constexpr float kErf[7] = {0x1.06eba8p-3f,  -0x1.81273ep-2f, 0x1.ce2cf8p-4f, -0x1.b7f90cp-6f,
                           0x1.5405aap-8f,  -0x1.a3f6cap-11f, 0x1.4969aep-14f};
constexpr float kErfFar[8] = {-0x1.762b8ap-13f, 0x1.212918p+0f,  0x1.44410ep-1f,
                              0x1.bbb0b2p-4f,   -0x1.9c047ap-6f, 0x1.1210fp-8f,
                              -0x1.c9f36cp-12f, 0x1.65426ep-16f};

HYPERZOO_INLINE Vector erf(Vector x) {
    const Vector size = as_floats(bits(x) & ~kSignBit), square = x * x;
    Vector c = all(kErf[6]);
    for (int k = 5; k >= 0; --k) c = fma(c, square, all(kErf[k]));
    const Vector near = fma(c, size, size), capped = at_most(size, all(4));
    c = all(kErfFar[7]);
    for (int k = 6; k >= 0; --k) c = fma(c, capped, all(kErfFar[k]));
    const Vector result = size < all(1) ? near : all(1) - exp(-c);
    return as_floats(bits(result) | (bits(x) & kSignBit));
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
