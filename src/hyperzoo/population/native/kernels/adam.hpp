// Adam in Keras's form: epsilon is added to the uncorrected root (Kingma and Ba, 2015, the end
// of section 2).
#pragma once

namespace hyperzoo {
namespace {

// `count` is a multiple of 16.
void adam(const AdamStep& step, const float* gradient, float* weights, float* first,
          float* second, Size count) {
    const Vector rate = all(step.rate), epsilon = all(step.epsilon);
    const Vector to_first = all(step.first), to_second = all(step.second);
    for (Size i = 0; i < count; i += W) {
        const Vector g = load(gradient + i);
        const Vector m = fma(g - load(first + i), to_first, load(first + i));
        const Vector v = fma(fma(g, g, -load(second + i)), to_second, load(second + i));
        store(first + i, m);
        store(second + i, v);
        store(weights + i, load(weights + i) - m * rate / (square_root(v) + epsilon));
    }
}

void add(float* sums, const float* terms, Size count) {
    for (Size i = 0; i < count; i += W) store(sums + i, load(sums + i) + load(terms + i));
}

}  // namespace
}  // namespace hyperzoo
