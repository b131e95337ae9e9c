// Average and maximum over windows that do not overlap; a remainder at the edge is dropped.
// Global average pooling is the average over a window as large as the image.
#pragma once

namespace hyperzoo {
namespace {

// Whether `x` takes the place of the largest value so far, as in PyTorch: the first of equal
// values stays, and not-a-number wins.
HYPERZOO_INLINE Integers beats(Vector x, Vector largest) { return (x > largest) | (x != x); }

HYPERZOO_INLINE Vector pooled(const Pool& pool, const float* window) {
    const Size row = pool.in.row(B);
    Vector result = load(window);
    if (pool.maximum) {
        for (Size y = 0; y < pool.height; ++y) {
            for (Size x = 0; x < pool.width; ++x) {
                const Vector value = load(window + y * row + x * B);
                result = beats(value, result) ? value : result;
            }
        }
        return result;
    }
    result = all(0);
    for (Size y = 0; y < pool.height; ++y) {
        for (Size x = 0; x < pool.width; ++x) result += load(window + y * row + x * B);
    }
    return result * all(1.0f / static_cast<float>(pool.height * pool.width));
}

// Gradients of a window's values replace the values.
template <Activation activation>
HYPERZOO_INLINE void spread(const Pool& pool, float* window, Vector gradient) {
    const Size row = pool.in.row(B);
    if (!pool.maximum) {
        gradient = gradient * all(1.0f / static_cast<float>(pool.height * pool.width));
        for (Size y = 0; y < pool.height; ++y) {
            for (Size x = 0; x < pool.width; ++x) {
                float* at = window + y * row + x * B;
                store(at, through<activation>(gradient, load(at)));
            }
        }
        return;
    }
    Vector largest = load(window);
    Integers winner = {};
    for (Size y = 0; y < pool.height; ++y) {
        for (Size x = 0; x < pool.width; ++x) {
            const Vector value = load(window + y * row + x * B);
            const Integers wins = beats(value, largest);
            largest = wins ? value : largest;
            winner = wins ? Integers{} + static_cast<std::int32_t>(y * pool.width + x) : winner;
        }
    }
    for (Size y = 0; y < pool.height; ++y) {
        for (Size x = 0; x < pool.width; ++x) {
            float* at = window + y * row + x * B;
            const Integers here = winner == static_cast<std::int32_t>(y * pool.width + x);
            store(at, through<activation>(here ? gradient : all(0), load(at)));
        }
    }
}

void pool_forward(const Pool& pool, const float* in, float* out, Size blocks) {
    const Size window_row = pool.height * pool.in.row(B);
    for (Size block = 0; block < blocks; ++block) {
        for (Size channel = 0; channel < pool.out.channels; ++channel) {
            const float* from = in + block * pool.in_stride + pool.in.origin(B) +
                                channel * pool.in.plane(B);
            float* to = out + block * pool.out_stride + pool.out.origin(B) +
                        channel * pool.out.plane(B);
            for (Size y = 0; y < pool.out.height; ++y) {
                for (Size x = 0; x < pool.out.width; ++x) {
                    const float* window = from + y * window_row + x * pool.width * B;
                    float* at = to + y * pool.out.row(B) + x * B;
                    store(at, pooled(pool, window));
                    store(at + W, pooled(pool, window + W));
                }
            }
        }
    }
}

// Values that no window covers have no gradient.
void clear_remainder(const Pool& pool, float* plane) {
    const Size height = pool.out.height * pool.height, width = pool.out.width * pool.width;
    for (Size y = 0; y < pool.in.height; ++y) {
        for (Size x = y < height ? width : 0; x < pool.in.width; ++x) {
            float* at = plane + y * pool.in.row(B) + x * B;
            store(at, all(0));
            store(at + W, all(0));
        }
    }
}

template <Activation activation>
void pool_backward_through(const Pool& pool, float* in, const float* out_gradient, Size blocks) {
    const Size window_row = pool.height * pool.in.row(B);
    for (Size block = 0; block < blocks; ++block) {
        for (Size channel = 0; channel < pool.out.channels; ++channel) {
            float* to = in + block * pool.in_stride + pool.in.origin(B) +
                        channel * pool.in.plane(B);
            const float* from = out_gradient + block * pool.out_stride + pool.out.origin(B) +
                                channel * pool.out.plane(B);
            for (Size y = 0; y < pool.out.height; ++y) {
                for (Size x = 0; x < pool.out.width; ++x) {
                    float* window = to + y * window_row + x * pool.width * B;
                    const float* at = from + y * pool.out.row(B) + x * B;
                    spread<activation>(pool, window, load(at));
                    spread<activation>(pool, window + W, load(at + W));
                }
            }
            clear_remainder(pool, to);
        }
    }
}

void pool_backward(const Pool& pool, float* in, const float* out_gradient, Size blocks) {
    switch (pool.in_activation) {
        case Activation::tanh:
            return pool_backward_through<Activation::tanh>(pool, in, out_gradient, blocks);
        case Activation::relu:
            return pool_backward_through<Activation::relu>(pool, in, out_gradient, blocks);
        default:
            return pool_backward_through<Activation::linear>(pool, in, out_gradient, blocks);
    }
}

}  // namespace
}  // namespace hyperzoo
