// For tests and benchmarks: the elementary functions by themselves, and the processor's peak.
#pragma once

namespace hyperzoo {
namespace {

HYPERZOO_INLINE Vector apply_one(Function function, Vector x, Vector y, Vector z) {
    switch (function) {
        case Function::tanh: {
            Vector only[1] = {x};
            tanh(only);
            return only[0];
        }
        case Function::exp: return exp(x);
        case Function::log: return log(x);
        case Function::log1p: return log1p(x);
        case Function::fma: return fma(x, y, z);
        case Function::erf: return erf(x);
    }
    return x;
}

// `in` has any alignment. For the fma its second and third arguments follow the first `count`.
void apply(Function function, const float* in, float* out, Size count) {
    const bool three = function == Function::fma;
    Size i = 0;
    for (; i + W <= count; i += W) {
        const Vector y = three ? load_any(in + count + i) : all(0);
        const Vector z = three ? load_any(in + 2 * count + i) : all(0);
        store_any(out + i, apply_one(function, load_any(in + i), y, z));
    }
    for (; i < count; ++i) {
        const Vector y = all(three ? in[count + i] : 0), z = all(three ? in[2 * count + i] : 0);
        out[i] = apply_one(function, all(in[i]), y, z)[0];
    }
}

// Twelve independent chains: more than latency times throughput needs on any known processor.
double fma_peak(Size rounds) {
    constexpr int kChains = 12;
    Vector sums[kChains];
    const Vector factor = all(0.999f), term = all(0.001f);
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = all(static_cast<float>(i));
    for (Size round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
        for (int i = 0; i < kChains; ++i) sums[i] = fma(sums[i], factor, term);
    }
    Vector total = all(0);
    for (int i = 0; i < kChains; ++i) total += sums[i];
    volatile float used = total[0];
    (void)used;
    return 2.0 * kChains * static_cast<double>(W) * static_cast<double>(rounds);
}

}  // namespace
}  // namespace hyperzoo
