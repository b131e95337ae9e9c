// What the kernels share.
#pragma once

#include <cstdint>

#define HYPERZOO_API extern "C" __attribute__((visibility("default")))

// Where GCC builds for Linux, a hot loop is there twice and the processor decides. Both give the same
// bits: sums go lane by lane, and the build fuses no product with a sum.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_PROCESSOR __attribute__((target_clones("default", "avx2")))
#else
#define EVERY_PROCESSOR
#endif

using Size = std::int64_t;
