// Convolution forward and its gradient with respect to the input.
//
// A tile is some channels at one position for the two vectors of a block, its sums all in
// registers. One weight is broadcast for two vectors of images; nothing is rearranged or padded.
// The order of a sum is input channel, kernel row, kernel column, whatever the tile.
#pragma once

namespace hyperzoo {
namespace {

// sums[channel][vector] += weights[tap][channel] * values[tap][vector], for `count` taps that are
// `step` floats apart in the values and `weight_step` in the weights.
template <int Width>
HYPERZOO_INLINE void add_taps(Vector (&sums)[Width][2], const float* values, Size step,
                              const float* weights, Size weight_step, Size count) {
    for (Size tap = 0; tap < count; ++tap) {
        const Vector first = load(values), second = load(values + W);
#pragma GCC unroll 16
        for (int channel = 0; channel < Width; ++channel) {
            const Vector weight = all(weights[channel]);
            sums[channel][0] = fma(weight, first, sums[channel][0]);
            sums[channel][1] = fma(weight, second, sums[channel][1]);
        }
        values += step;
        weights += weight_step;
    }
}

template <int Width>
void pack_forward_tile(const Convolution& layer, const float* weights, Size first, float* packed) {
    const Size taps = layer.tap_count();
    for (int channel = 0; channel < Width; ++channel) {
        const float* from = weights + (first + channel) * taps;
        for (Size tap = 0; tap < taps; ++tap) packed[tap * Width + channel] = from[tap];
    }
}

// [out][in][row][column] -> [tile][in][row][column][out of the tile].
void pack_forward(const Convolution& layer, const float* weights, float* packed) {
    const Tiles tiles(layer.out.channels, kForwardWidth);
    for (Size tile = 0; tile < tiles.count; ++tile) {
        const Size first = tiles.first(tile);
        HYPERZOO_FOR_WIDTH(tiles.width(tile), pack_forward_tile, layer, weights, first,
                           packed + first * layer.tap_count())
    }
}

// Applies the activation to a row of every channel of a tile. A pass of its own, while the row is
// in the first-level cache: it has other needs of registers, and no sums wait for it to end.
template <int Width, Activation activation>
HYPERZOO_INLINE void activate_rows(float* rows, Size plane, Size width) {
    for (int channel = 0; channel < Width; ++channel, rows += plane) {
        float *at = rows, *end = rows + width * B;
        for (; at + 2 * B <= end; at += 2 * B) {
            Vector x[4] = {load(at), load(at + W), load(at + 2 * W), load(at + 3 * W)};
            activate<activation>(x);
            for (int i = 0; i < 4; ++i) store(at + i * W, x[i]);
        }
        if (at < end) {
            Vector x[2] = {load(at), load(at + W)};
            activate<activation>(x);
            for (int i = 0; i < 2; ++i) store(at + i * W, x[i]);
        }
    }
}

template <int Width, Activation activation>
void forward_tile(const Convolution& layer, const float* in, const float* packed,
                  const float* bias, float* out) {
    const Size kernel = layer.kernel, row = layer.in.row(B), plane = layer.in.plane(B);
    const Size out_plane = layer.out.plane(B);
    for (Size y = 0; y < layer.out.height; ++y) {
        for (Size x = 0; x < layer.out.width; ++x) {
            const float* window = in + y * layer.stride * row + x * layer.stride * B;
            const float* weights = packed;
            Vector sums[Width][2];
#pragma GCC unroll 16
            for (int channel = 0; channel < Width; ++channel) {
                sums[channel][0] = sums[channel][1] = all(bias[channel]);
            }
            if (kernel == 1) {
                add_taps<Width>(sums, window, plane, weights, Width, layer.in.channels);
            } else {
                for (Size c = 0; c < layer.in.channels; ++c, window += plane) {
                    for (Size ky = 0; ky < kernel; ++ky, weights += kernel * Width) {
                        add_taps<Width>(sums, window + ky * row, B, weights, Width, kernel);
                    }
                }
            }
            float* to = out + y * layer.out.row(B) + x * B;
#pragma GCC unroll 16
            for (int channel = 0; channel < Width; ++channel) {
                store(to + channel * out_plane, sums[channel][0]);
                store(to + channel * out_plane + W, sums[channel][1]);
            }
        }
        if (activation != Activation::linear) {
            float* rows = out + y * layer.out.row(B);
            activate_rows<Width, activation>(rows, out_plane, layer.out.width);
        }
    }
}

template <int Width>
void forward_width(const Convolution& layer, const float* in, const float* packed,
                   const float* bias, float* out) {
    switch (layer.activation) {
        case Activation::tanh:
            return forward_tile<Width, Activation::tanh>(layer, in, packed, bias, out);
        case Activation::relu:
            return forward_tile<Width, Activation::relu>(layer, in, packed, bias, out);
        default:
            return forward_tile<Width, Activation::linear>(layer, in, packed, bias, out);
    }
}

void forward(const Convolution& layer, const float* in, const float* packed, const float* bias,
             float* out, Size blocks) {
    const Tiles tiles(layer.out.channels, kForwardWidth);
    for (Size block = 0; block < blocks; ++block, in += layer.in_stride, out += layer.out_stride) {
        for (Size tile = 0; tile < tiles.count; ++tile) {
            const Size first = tiles.first(tile);
            float* to = out + layer.out.origin(B) + first * layer.out.plane(B);
            HYPERZOO_FOR_WIDTH(tiles.width(tile), forward_width, layer, in,
                               packed + first * layer.tap_count(), bias + first, to)
        }
    }
}

template <int Width>
void pack_backward_tile(const Convolution& layer, const float* weights, Size first, float* packed) {
    const Size square = layer.kernel * layer.kernel;
    for (Size out = 0; out < layer.out.channels; ++out) {
        const float* from = weights + (out * layer.in.channels + first) * square;
        for (int channel = 0; channel < Width; ++channel) {
            for (Size tap = 0; tap < square; ++tap) {
                packed[(out * square + tap) * Width + channel] = from[channel * square + tap];
            }
        }
    }
}

// [out][in][row][column] -> [tile][out][row][column][in of the tile].
void pack_backward(const Convolution& layer, const float* weights, float* packed) {
    const Tiles tiles(layer.in.channels, kForwardWidth);
    const Size taps = layer.out.channels * layer.kernel * layer.kernel;
    for (Size tile = 0; tile < tiles.count; ++tile) {
        const Size first = tiles.first(tile);
        HYPERZOO_FOR_WIDTH(tiles.width(tile), pack_backward_tile, layer, weights, first,
                           packed + first * taps)
    }
}

// The kernel rows (or columns) through which one input position reaches an output, and the
// output that it reaches through the first; the next ones step `stride` in the kernel and one
// back in the output.
struct Reach {
    Size first, count, out;

    // `position` counts from the first padded row.
    Reach(Size position, Size kernel, Size stride, Size outputs) {
        const Size last = position / stride < outputs - 1 ? position / stride : outputs - 1;
        first = position - last * stride;
        out = last;
        count = first < kernel ? (kernel - 1 - first) / stride + 1 : 0;
        count = count < last + 1 ? count : last + 1;
    }
};

template <int Width, Activation activation>
void input_gradient_tile(const Convolution& layer, const float* gradient, const float* packed,
                         float* in) {
    const Size kernel = layer.kernel, stride = layer.stride, square = kernel * kernel;
    const Size row = layer.out.row(B), plane = layer.out.plane(B), in_plane = layer.in.plane(B);
    for (Size y = 0; y < layer.in.height; ++y) {
        const Reach rows(y + layer.in.top, kernel, stride, layer.out.height);
        for (Size x = 0; x < layer.in.width; ++x) {
            const Reach columns(x + layer.in.left, kernel, stride, layer.out.width);
            Vector sums[Width][2] = {};
            const float* from = gradient + rows.out * row + columns.out * B;
            const float* weights = packed + (rows.first * kernel + columns.first) * Width;
            if (square == 1) {
                add_taps<Width>(sums, from, plane, weights, Width,
                                rows.count && columns.count ? layer.out.channels : 0);
            } else {
                for (Size c = 0; c < layer.out.channels; ++c) {
                    for (Size ky = 0; ky < rows.count; ++ky) {
                        add_taps<Width>(sums, from - ky * row, -B,
                                        weights + ky * stride * kernel * Width, stride * Width,
                                        columns.count);
                    }
                    from += plane;
                    weights += square * Width;
                }
            }
            float* to = in + y * layer.in.row(B) + x * B;
#pragma GCC unroll 16
            for (int channel = 0; channel < Width; ++channel) {
                float* at = to + channel * in_plane;
                store(at, through<activation>(sums[channel][0], load(at)));
                store(at + W, through<activation>(sums[channel][1], load(at + W)));
            }
        }
    }
}

template <int Width>
void input_gradient_width(const Convolution& layer, const float* gradient, const float* packed,
                          float* in) {
    switch (layer.in_activation) {
        case Activation::tanh:
            return input_gradient_tile<Width, Activation::tanh>(layer, gradient, packed, in);
        case Activation::relu:
            return input_gradient_tile<Width, Activation::relu>(layer, gradient, packed, in);
        default:
            return input_gradient_tile<Width, Activation::linear>(layer, gradient, packed, in);
    }
}

void input_gradient(const Convolution& layer, const float* out_gradient, const float* packed,
                    float* in, Size blocks) {
    const Tiles tiles(layer.in.channels, kForwardWidth);
    const Size taps = layer.out.channels * layer.kernel * layer.kernel;
    for (Size block = 0; block < blocks; ++block) {
        const float* from = out_gradient + block * layer.out_stride + layer.out.origin(B);
        for (Size tile = 0; tile < tiles.count; ++tile) {
            const Size first = tiles.first(tile);
            float* to = in + block * layer.in_stride + layer.in.origin(B) +
                        first * layer.in.plane(B);
            HYPERZOO_FOR_WIDTH(tiles.width(tile), input_gradient_width, layer, from,
                               packed + first * taps, to)
        }
    }
}

}  // namespace
}  // namespace hyperzoo
