// Activations that have a layer of their own, and dropout: values one by one.
//
// tanh and ReLU after a convolution or a dense layer are part of it, since their gradient follows
// from what they gave. Here the values that go in are kept, and the gradient follows from them.
#pragma once

namespace hyperzoo {
namespace {

// e^-|x|, from which the logistic function and its gradient follow without cancellation.
HYPERZOO_INLINE Vector exp_of_minus(Vector x) { return exp(as_floats(bits(x) | kSignBit)); }

HYPERZOO_INLINE Vector logistic(Vector x) {
    const Vector e = exp_of_minus(x);
    return (x < all(0) ? e : all(1)) / (all(1) + e);
}

HYPERZOO_INLINE Vector logistic_slope(Vector x) {
    const Vector e = exp_of_minus(x), whole = all(1) + e;
    return e / (whole * whole);
}

// The share of a normal distribution below x.
HYPERZOO_INLINE Vector normal_share(Vector x) {
    return fma(all(0.5f), erf(x * all(0x1.6a09e6p-1f)), all(0.5f));
}

// x times the density of a normal distribution at x.
HYPERZOO_INLINE Vector normal_moment(Vector x) {
    return x * all(0x1.988454p-2f) * exp(x * x * all(-0.5f));
}

constexpr float kLeak = 0.01f;

template <Activation activation>
HYPERZOO_INLINE Vector activated(Vector x) {
    if (activation == Activation::sigmoid) return logistic(x);
    if (activation == Activation::gelu) return x * normal_share(x);
    if (activation == Activation::silu) return x * logistic(x);
    if (activation == Activation::leaky_relu) return x > all(0) ? x : x * all(kLeak);
    Vector value[1] = {x};
    activate<activation>(value);
    return value[0];
}

template <Activation activation>
HYPERZOO_INLINE Vector slope(Vector x) {
    if (activation == Activation::sigmoid) return logistic_slope(x);
    if (activation == Activation::gelu) return normal_share(x) + normal_moment(x);
    if (activation == Activation::silu) return fma(x, logistic_slope(x), logistic(x));
    if (activation == Activation::leaky_relu) return x > all(0) ? all(1) : all(kLeak);
    return through<activation>(all(1), activated<activation>(x));
}

// Calls `work(from, to, value)` for every vector of the blocks: where it is in the input's grid
// and in the output's, and its number within a block.
template <typename Work>
HYPERZOO_INLINE void each_vector(const Elementwise& layer, Size blocks, Work work) {
    const Grid &in = layer.in, &out = layer.out;
    for (Size block = 0; block < blocks; ++block) {
        Size value = 0;
        for (Size channel = 0; channel < in.channels; ++channel) {
            for (Size y = 0; y < in.height; ++y) {
                Size from = block * layer.in_stride + in.origin(W) + channel * in.plane(W) +
                            y * in.row(W);
                Size to = block * layer.out_stride + out.origin(W) + channel * out.plane(W) +
                          y * out.row(W);
                for (Size x = 0; x < in.width; ++x, from += W, to += W) {
                    work(block, value++, from, to);
                }
            }
        }
    }
}

// Calls `function.template operator()<activation>()` for an activation known at run time only.
template <typename Function>
HYPERZOO_INLINE void for_activation(Activation activation, Function function) {
    switch (activation) {
        case Activation::tanh: return function(Known<Activation::tanh>());
        case Activation::relu: return function(Known<Activation::relu>());
        case Activation::sigmoid: return function(Known<Activation::sigmoid>());
        case Activation::gelu: return function(Known<Activation::gelu>());
        case Activation::silu: return function(Known<Activation::silu>());
        case Activation::leaky_relu: return function(Known<Activation::leaky_relu>());
        default: return function(Known<Activation::linear>());
    }
}

void activate_forward(const Elementwise& layer, const float* in, float* out, Size blocks) {
    for_activation(layer.activation, [&](auto known) {
        constexpr Activation activation = decltype(known)::value;
        each_vector(layer, blocks, [&](Size, Size, Size from, Size to) {
            store(out + to, activated<activation>(load(in + from)));
        });
    });
}

void activate_backward(const Elementwise& layer, float* in, const float* out_gradient,
                       Size blocks) {
    for_activation(layer.activation, [&](auto known) {
        constexpr Activation activation = decltype(known)::value;
        each_vector(layer, blocks, [&](Size, Size, Size from, Size to) {
            store(in + from, load(out_gradient + to) * slope<activation>(load(in + from)));
        });
    });
}

void drop_forward(const Elementwise& layer, const Masks& masks, const float* in, float* out,
                  Size blocks) {
    const Vector scale = all(layer.scale);
    each_vector(layer, blocks, [&](Size block, Size value, Size from, Size to) {
        const Vector x = load(in + from);
        if (masks.kept == nullptr) return store(out + to, x);
        const std::uint8_t* kept = masks.kept + value * masks.stride + block * W;
        store(out + to, x * (numbers(kept) * scale));
    });
}

void drop_backward(const Elementwise& layer, const Masks& masks, float* in,
                   const float* out_gradient, Size blocks) {
    const Vector scale = all(layer.scale);
    for_activation(layer.in_activation, [&](auto known) {
        constexpr Activation before = decltype(known)::value;
        each_vector(layer, blocks, [&](Size block, Size value, Size from, Size to) {
            const std::uint8_t* kept = masks.kept + value * masks.stride + block * W;
            const Vector gradient = load(out_gradient + to) * (numbers(kept) * scale);
            store(in + from, through<before>(gradient, load(in + from)));
        });
    });
}

}  // namespace
}  // namespace hyperzoo
