// Sixteen lanes: x86-64 processors with AVX-512.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC's header starts results that every lane of which is set from an undefined value.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include "kernels.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#define HYPERZOO_USES_AVX512
#define HYPERZOO_LANES 16
#define HYPERZOO_NAME "avx512"
#define HYPERZOO_TABLE avx512_kernels
#include "variant.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
