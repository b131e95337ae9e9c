#include "processor.hpp"

#include <cstdlib>
#include <string>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hyperzoo {
namespace {

bool asked(const char* name) {
    const char* wanted = std::getenv("HYPERZOO_NATIVE_ISA");
    return wanted == nullptr || *wanted == '\0' || std::string(wanted) == name;
}

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
#endif

}  // namespace

const Kernels* choose_kernels() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (asked("avx512") && has_avx512()) return &avx512_kernels();
    if (asked("avx2") && has_avx2()) return &avx2_kernels();
#endif
    return asked("baseline") ? &baseline_kernels() : nullptr;
}

bool is_fast(const Kernels& kernels) {
#if defined(__aarch64__)
    (void)kernels;
    return true;
#else
    return &kernels != &baseline_kernels();
#endif
}

#if defined(__x86_64__)
FlushDenormals::FlushDenormals() : before_(_mm_getcsr()) {
    _mm_setcsr(static_cast<unsigned>(before_) | kFlushToZero | kDenormalsAreZero);
}

FlushDenormals::~FlushDenormals() { _mm_setcsr(static_cast<unsigned>(before_)); }
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() : before_(0) {
    __asm__ volatile("mrs %0, fpcr" : "=r"(before_));
    const std::uint64_t flushing = before_ | (std::uint64_t{1} << 24);
    __asm__ volatile("msr fpcr, %0" : : "r"(flushing));
}

FlushDenormals::~FlushDenormals() { __asm__ volatile("msr fpcr, %0" : : "r"(before_)); }
#else
FlushDenormals::FlushDenormals() : before_(0) {}

FlushDenormals::~FlushDenormals() { (void)before_; }
#endif

}  // namespace hyperzoo
