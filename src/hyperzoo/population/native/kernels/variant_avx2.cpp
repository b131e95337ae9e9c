// Eight lanes: x86-64 processors with AVX2 and FMA.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define HYPERZOO_USES_AVX2
#define HYPERZOO_LANES 8
#define HYPERZOO_NAME "avx2"
#define HYPERZOO_TABLE avx2_kernels
#include "variant.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
