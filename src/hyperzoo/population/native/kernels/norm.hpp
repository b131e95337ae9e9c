// Batch normalisation: forward by any mean and variance, and backward through those of the batch.
//
// Sums over a batch are kept in 16 partial sums, image modulo 16, so that no bit depends on the
// vector width. Images that a last block lacks have no part in them.
#pragma once

namespace hyperzoo {
namespace {

// All ones in the lanes that hold one of `count` images.
HYPERZOO_INLINE Integers present(Size block, Size count) {
    Integers result;
    for (Size lane = 0; lane < W; ++lane) result[lane] = block * W + lane < count ? -1 : 0;
    return result;
}

HYPERZOO_INLINE Vector only(Integers lanes, Vector x) { return lanes != 0 ? x : all(0); }

HYPERZOO_INLINE double total(const Vector (&sums)[kLogicalLanes / W]) {
    double result = 0;
    for (Size lane = 0; lane < kLogicalLanes; ++lane) {
        result += static_cast<double>(sums[lane / W][lane % W]);
    }
    return result;
}

// Adds term(from, to) of every position of a channel, rows first, then the image's rows, then
// the images of a partial sum.
template <typename Term>
HYPERZOO_INLINE double sum_over_batch(const Elementwise& layer, Size channel, Size count,
                                      Size blocks, Term term) {
    const Grid &in = layer.in, &out = layer.out;
    Vector sums[kLogicalLanes / W] = {};
    for (Size block = 0; block < blocks; ++block) {
        Vector plane = all(0);
        for (Size y = 0; y < in.height; ++y) {
            Size from = block * layer.in_stride + in.origin(W) + channel * in.plane(W) +
                        y * in.row(W);
            Size to = block * layer.out_stride + out.origin(W) + channel * out.plane(W) +
                      y * out.row(W);
            Vector row = all(0);
            for (Size x = 0; x < in.width; ++x, from += W, to += W) row += term(from, to);
            plane += row;
        }
        sums[block % (kLogicalLanes / W)] += only(present(block, count), plane);
    }
    return total(sums);
}

void batch_statistics(const Elementwise& layer, const float* in, Size count, float* mean,
                      float* variance, Size blocks) {
    const double values = static_cast<double>(count * layer.in.height * layer.in.width);
    for (Size channel = 0; channel < layer.in.channels; ++channel) {
        const double sum = sum_over_batch(layer, channel, count, blocks,
                                          [&](Size from, Size) { return load(in + from); });
        mean[channel] = static_cast<float>(sum / values);
        const Vector centre = all(mean[channel]);
        const double squares =
            sum_over_batch(layer, channel, count, blocks, [&](Size from, Size) {
                const Vector x = load(in + from) - centre;
                return x * x;
            });
        variance[channel] = static_cast<float>(squares / values);
    }
}

// (x - mean) factor + offset, with numbers for every channel.
void normalise_forward(const Elementwise& layer, const float* in, const Normalisation& numbers,
                       float* out, Size blocks) {
    const Grid &from = layer.in, &to = layer.out;
    for (Size block = 0; block < blocks; ++block) {
        for (Size channel = 0; channel < from.channels; ++channel) {
            const Vector mean = all(numbers.mean[channel]);
            const Vector factor = all(numbers.gamma[channel] * numbers.inverse[channel]);
            const Vector offset = all(numbers.beta[channel]);
            for (Size y = 0; y < from.height; ++y) {
                const float* x = in + block * layer.in_stride + from.origin(W) +
                                 channel * from.plane(W) + y * from.row(W);
                float* z = out + block * layer.out_stride + to.origin(W) +
                           channel * to.plane(W) + y * to.row(W);
                for (const float* end = x + from.width * W; x < end; x += W, z += W) {
                    store(z, fma(load(x) - mean, factor, offset));
                }
            }
        }
    }
}

// With n values, h = (x - mean) inverse and the gradient g of the output:
// gamma' = sum(g h), beta' = sum(g), x' = gamma inverse (g - beta' / n - h gamma' / n).
void normalise_backward(const Elementwise& layer, float* in, const float* out_gradient,
                        const Normalisation& numbers, Size count, float* gamma_gradient,
                        float* beta_gradient, bool input, Size blocks) {
    const double values = static_cast<double>(count * layer.in.height * layer.in.width);
    for (Size channel = 0; channel < layer.in.channels; ++channel) {
        const Vector mean = all(numbers.mean[channel]), inverse = all(numbers.inverse[channel]);
        const double of_beta =
            sum_over_batch(layer, channel, count, blocks,
                           [&](Size, Size to) { return load(out_gradient + to); });
        const double of_gamma =
            sum_over_batch(layer, channel, count, blocks, [&](Size from, Size to) {
                return load(out_gradient + to) * ((load(in + from) - mean) * inverse);
            });
        gamma_gradient[channel] = static_cast<float>(of_gamma);
        beta_gradient[channel] = static_cast<float>(of_beta);
        if (!input) continue;
        const Vector factor = all(numbers.gamma[channel] * numbers.inverse[channel]);
        const Vector by_beta = all(static_cast<float>(of_beta / values));
        const Vector by_gamma = all(static_cast<float>(of_gamma / values));
        for_activation(layer.in_activation, [&](auto known) {
            constexpr Activation before = decltype(known)::value;
            const Grid &from = layer.in, &to = layer.out;
            for (Size block = 0; block < blocks; ++block) {
                const Integers lanes = present(block, count);
                for (Size y = 0; y < from.height; ++y) {
                    float* x = in + block * layer.in_stride + from.origin(W) +
                               channel * from.plane(W) + y * from.row(W);
                    const float* g = out_gradient + block * layer.out_stride + to.origin(W) +
                                     channel * to.plane(W) + y * to.row(W);
                    for (const float* end = x + from.width * W; x < end; x += W, g += W) {
                        const Vector value = load(x), h = (value - mean) * inverse;
                        const Vector own = fma_minus(h, by_gamma, load(g) - by_beta) * factor;
                        store(x, only(lanes, through<before>(own, value)));
                    }
                }
            }
        });
    }
}

}  // namespace
}  // namespace hyperzoo
