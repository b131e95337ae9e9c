// Average and maximum over windows that do not overlap; a remainder at the edge is dropped.
// Global average pooling is the average over a window as large as the image.
#pragma once

namespace hyperzoo {
namespace {

// Whether `x` takes the place of the largest value so far, as in PyTorch: the first of equal
// values stays, and not-a-number wins.
HYPERZOO_INLINE Integers beats(Vector x, Vector largest) { return (x > largest) | (x != x); }

// A window's shape and kind; known at compile time for 2x2, the usual one.
template <Size Side, bool Maximum>
struct Window {
    static constexpr bool maximum = Maximum;
    Size height, width, row;

    explicit Window(const Pool& pool)
        : height(Side ? Side : pool.height), width(Side ? Side : pool.width), row(pool.in.row(W)) {}

    Size rows() const { return Side ? Side : height; }
    Size columns() const { return Side ? Side : width; }
    Vector share() const { return all(1.0f / static_cast<float>(rows() * columns())); }
};

template <typename Shape>
HYPERZOO_INLINE Vector pooled(const Shape& shape, const float* window) {
    const Size row = shape.row;
    Vector result = load(window);
    if (Shape::maximum) {
        for (Size y = 0; y < shape.rows(); ++y) {
            for (Size x = 0; x < shape.columns(); ++x) {
                const Vector value = load(window + y * row + x * W);
                result = beats(value, result) ? value : result;
            }
        }
        return result;
    }
    result = all(0);
    for (Size y = 0; y < shape.rows(); ++y) {
        for (Size x = 0; x < shape.columns(); ++x) result += load(window + y * row + x * W);
    }
    return result * shape.share();
}

// Gradients of a window's values replace the values.
template <Activation activation, typename Shape>
HYPERZOO_INLINE void spread(const Shape& shape, float* window, Vector gradient) {
    const Size row = shape.row, rows = shape.rows(), columns = shape.columns();
    if (!Shape::maximum) {
        gradient = gradient * shape.share();
        for (Size y = 0; y < rows; ++y) {
            for (Size x = 0; x < columns; ++x) {
                float* at = window + y * row + x * W;
                store(at, through<activation>(gradient, load(at)));
            }
        }
        return;
    }
    Vector largest = load(window);
    Integers winner = {};
    for (Size y = 0; y < rows; ++y) {
        for (Size x = 0; x < columns; ++x) {
            const Vector value = load(window + y * row + x * W);
            const Integers wins = beats(value, largest);
            largest = wins ? value : largest;
            winner = wins ? Integers{} + static_cast<std::int32_t>(y * columns + x) : winner;
        }
    }
    for (Size y = 0; y < rows; ++y) {
        for (Size x = 0; x < columns; ++x) {
            float* at = window + y * row + x * W;
            const Integers here = winner == static_cast<std::int32_t>(y * columns + x);
            store(at, through<activation>(here ? gradient : all(0), load(at)));
        }
    }
}

template <typename Shape>
void pool_forward_with(const Pool& pool, const float* in, float* out, Size blocks) {
    const Shape shape(pool);
    const Size window_row = shape.rows() * shape.row, window_step = shape.columns() * W;
    for (Size block = 0; block < blocks; ++block) {
        for (Size channel = 0; channel < pool.out.channels; ++channel) {
            const float* from = in + block * pool.in_stride + pool.in.origin(W) +
                                channel * pool.in.plane(W);
            float* to = out + block * pool.out_stride + pool.out.origin(W) +
                        channel * pool.out.plane(W);
            for (Size y = 0; y < pool.out.height; ++y) {
                for (Size x = 0; x < pool.out.width; ++x) {
                    const float* window = from + y * window_row + x * window_step;
                    store(to + y * pool.out.row(W) + x * W, pooled(shape, window));
                }
            }
        }
    }
}

void pool_forward(const Pool& pool, const float* in, float* out, Size blocks) {
    const bool usual = pool.height == 2 && pool.width == 2;
    if (pool.maximum) {
        if (usual) return pool_forward_with<Window<2, true>>(pool, in, out, blocks);
        return pool_forward_with<Window<0, true>>(pool, in, out, blocks);
    }
    if (usual) return pool_forward_with<Window<2, false>>(pool, in, out, blocks);
    return pool_forward_with<Window<0, false>>(pool, in, out, blocks);
}

// Values that no window covers have no gradient.
void clear_remainder(const Pool& pool, float* plane) {
    const Size height = pool.out.height * pool.height, width = pool.out.width * pool.width;
    for (Size y = 0; y < pool.in.height; ++y) {
        for (Size x = y < height ? width : 0; x < pool.in.width; ++x) {
            store(plane + y * pool.in.row(W) + x * W, all(0));
        }
    }
}

template <Activation activation, typename Shape>
void pool_backward_with(const Pool& pool, float* in, const float* out_gradient, Size blocks) {
    const Shape shape(pool);
    const Size window_row = shape.rows() * shape.row, window_step = shape.columns() * W;
    for (Size block = 0; block < blocks; ++block) {
        for (Size channel = 0; channel < pool.out.channels; ++channel) {
            float* to = in + block * pool.in_stride + pool.in.origin(W) +
                        channel * pool.in.plane(W);
            const float* from = out_gradient + block * pool.out_stride + pool.out.origin(W) +
                                channel * pool.out.plane(W);
            for (Size y = 0; y < pool.out.height; ++y) {
                for (Size x = 0; x < pool.out.width; ++x) {
                    float* window = to + y * window_row + x * window_step;
                    const float* at = from + y * pool.out.row(W) + x * W;
                    // The values were written long ago, when the block went forward: ask for those
                    // of two rows of windows further on.
                    for (Size row = 2 * shape.rows(); row < 3 * shape.rows(); ++row) {
                        for (Size line = 0; line < window_step; line += kLine) {
                            __builtin_prefetch(window + row * shape.row + line, 1);
                        }
                    }
                    spread<activation>(shape, window, load(at));
                }
            }
            clear_remainder(pool, to);
        }
    }
}

template <Activation activation>
void pool_backward_through(const Pool& pool, float* in, const float* gradient, Size blocks) {
    const bool usual = pool.height == 2 && pool.width == 2;
    if (pool.maximum) {
        if (usual) {
            return pool_backward_with<activation, Window<2, true>>(pool, in, gradient, blocks);
        }
        return pool_backward_with<activation, Window<0, true>>(pool, in, gradient, blocks);
    }
    if (usual) {
        return pool_backward_with<activation, Window<2, false>>(pool, in, gradient, blocks);
    }
    return pool_backward_with<activation, Window<0, false>>(pool, in, gradient, blocks);
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
