// A vector of floats and the few operations that kernels need, for one instruction set.
//
// Included once by every variant, which defines HYPERZOO_LANES. Everything is in an anonymous
// namespace, so that the linker can't give one variant's code to another. Additions and products
// are never fused by the compiler (-ffp-contract=off): an fma is written as one.
#pragma once

namespace hyperzoo {
namespace {

#define HYPERZOO_INLINE inline __attribute__((always_inline))

constexpr Size W = HYPERZOO_LANES;

typedef float Vector __attribute__((vector_size(4 * HYPERZOO_LANES), may_alias));
typedef std::int32_t Integers __attribute__((vector_size(4 * HYPERZOO_LANES), may_alias));
// For arithmetic that may wrap around.
typedef std::uint32_t Words __attribute__((vector_size(4 * HYPERZOO_LANES), may_alias));
typedef float Unaligned __attribute__((vector_size(4 * HYPERZOO_LANES), may_alias, aligned(4)));

HYPERZOO_INLINE Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
HYPERZOO_INLINE void store(float* to, Vector x) { *reinterpret_cast<Vector*>(to) = x; }
HYPERZOO_INLINE Vector load_any(const float* from) {
    return *reinterpret_cast<const Unaligned*>(from);
}
HYPERZOO_INLINE void store_any(float* to, Vector x) { *reinterpret_cast<Unaligned*>(to) = x; }

HYPERZOO_INLINE Integers bits(Vector x) { return reinterpret_cast<Integers>(x); }
HYPERZOO_INLINE Words words(Vector x) { return reinterpret_cast<Words>(x); }
HYPERZOO_INLINE Vector as_floats(Integers x) { return reinterpret_cast<Vector>(x); }
HYPERZOO_INLINE Vector as_floats(Words x) { return reinterpret_cast<Vector>(x); }

#if defined(HYPERZOO_USES_AVX512)

HYPERZOO_INLINE Vector all(float x) { return _mm512_set1_ps(x); }
HYPERZOO_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
HYPERZOO_INLINE Vector square_root(Vector x) { return _mm512_sqrt_ps(x); }
// The smaller or larger of two; where one is not a number, `x`.
HYPERZOO_INLINE Vector at_most(Vector x, Vector limit) { return _mm512_min_ps(limit, x); }
HYPERZOO_INLINE Vector at_least(Vector x, Vector limit) { return _mm512_max_ps(limit, x); }
// As many bytes as there are lanes, as numbers.
HYPERZOO_INLINE Vector numbers(const std::uint8_t* bytes) {
    const __m128i all_bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(all_bytes));
}

#elif defined(HYPERZOO_USES_AVX2)

HYPERZOO_INLINE Vector all(float x) { return _mm256_set1_ps(x); }
HYPERZOO_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
HYPERZOO_INLINE Vector square_root(Vector x) { return _mm256_sqrt_ps(x); }
HYPERZOO_INLINE Vector at_most(Vector x, Vector limit) { return _mm256_min_ps(limit, x); }
HYPERZOO_INLINE Vector at_least(Vector x, Vector limit) { return _mm256_max_ps(limit, x); }
HYPERZOO_INLINE Vector numbers(const std::uint8_t* bytes) {
    const __m128i all_bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(all_bytes));
}

#else

HYPERZOO_INLINE Vector all(float x) {
    Vector result;
    for (int lane = 0; lane < W; ++lane) result[lane] = x;
    return result;
}
HYPERZOO_INLINE Vector at_most(Vector x, Vector limit) { return limit < x ? limit : x; }
HYPERZOO_INLINE Vector at_least(Vector x, Vector limit) { return limit > x ? limit : x; }
HYPERZOO_INLINE Vector numbers(const std::uint8_t* bytes) {
    Vector result;
    for (int lane = 0; lane < W; ++lane) result[lane] = bytes[lane];
    return result;
}
HYPERZOO_INLINE Vector square_root(Vector x) {
    for (int lane = 0; lane < W; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
    return x;
}

#if defined(__aarch64__)
HYPERZOO_INLINE Vector fma(Vector a, Vector b, Vector c) {
    return reinterpret_cast<Vector>(vfmaq_f32(reinterpret_cast<float32x4_t>(c),
                                              reinterpret_cast<float32x4_t>(a),
                                              reinterpret_cast<float32x4_t>(b)));
}
#else
// A processor without fused multiply-add: the product of two floats is exact as a double; the
// sum is rounded to odd, which makes the second rounding, to float, the only one that counts
// (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
__attribute__((noinline)) float fused(float a, float b, float c) {
    const double product = static_cast<double>(a) * b, addend = c;
    double sum = product + addend;
    const double shift = sum - product;
    const double error = (product - (sum - shift)) + (addend - shift);
    std::int64_t word;
    __builtin_memcpy(&word, &sum, sizeof word);
    if (error != 0 && error - error == 0 && (word & 1) == 0) {
        word += ((error > 0) == (sum > 0)) ? 1 : -1;
        __builtin_memcpy(&sum, &word, sizeof word);
    }
    return static_cast<float>(sum);
}

HYPERZOO_INLINE Vector fma(Vector a, Vector b, Vector c) {
    for (int lane = 0; lane < W; ++lane) a[lane] = fused(a[lane], b[lane], c[lane]);
    return a;
}
#endif
#endif

// a - b * c, rounded once.
HYPERZOO_INLINE Vector fma_minus(Vector b, Vector c, Vector a) { return fma(-b, c, a); }

}  // namespace
}  // namespace hyperzoo
