// Adam, gradient descent with momentum, and RMSprop, in Keras's forms. Of Adam: epsilon is added to
// the uncorrected root (Kingma and Ba, 2015, the end of section 2).
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

// v = momentum v - rate g; w += v, or with Nesterov's momentum w += momentum v - rate g.
void descend(const MomentumStep& step, const float* gradient, float* weights, float* velocity,
             Size count) {
    const Vector rate = all(step.rate), momentum = all(step.momentum);
    for (Size i = 0; i < count; i += W) {
        const Vector back = load(gradient + i) * -rate;
        const Vector v = fma(load(velocity + i), momentum, back);
        store(velocity + i, v);
        store(weights + i, load(weights + i) + (step.nesterov ? fma(v, momentum, back) : v));
    }
}

// s += (g^2 - s)(1 - rho); v = momentum v + rate g / sqrt(s + epsilon); w -= v.
void rmsprop(const RmsStep& step, const float* gradient, float* weights, float* velocity,
             float* second, Size count) {
    const Vector rate = all(step.rate), momentum = all(step.momentum);
    const Vector epsilon = all(step.epsilon), to_second = all(step.second);
    for (Size i = 0; i < count; i += W) {
        const Vector g = load(gradient + i);
        const Vector s = fma(fma(g, g, -load(second + i)), to_second, load(second + i));
        const Vector v = fma(load(velocity + i), momentum, g * rate / square_root(s + epsilon));
        store(second + i, s);
        store(velocity + i, v);
        store(weights + i, load(weights + i) - v);
    }
}

void add_share(float factor, const float* share, const float* others, float* numbers,
               Size count) {
    const Vector by = all(factor);
    for (Size i = 0; i < count; i += W) {
        store(numbers + i, fma(load(share + i) * by, load(others + i), load(numbers + i)));
    }
}

void add(float* sums, const float* terms, Size count) {
    for (Size i = 0; i < count; i += W) store(sums + i, load(sums + i) + load(terms + i));
}

}  // namespace
}  // namespace hyperzoo
