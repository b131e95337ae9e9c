// Convolution forward and its gradient with respect to the input.
//
// A tile is some channels at two places, its sums all in registers: one weight is broadcast for two
// vectors of images. Places are neighbouring output positions, or the same position of two blocks.
// Nothing is rearranged or padded. The order of a sum is input channel, kernel row, kernel column,
// whatever the tile.
#pragma once

namespace hyperzoo {
namespace {

// Where the weights of a tile are: floats from a channel to the next, and from a tap to the next.
struct Steps {
    Size channel, tap;
};

// sums[channel][place] += weights[tap][channel] * values[tap][place] for `count` taps, which are
// `step` floats from each other in the values. Places are `apart`.
template <int Width, int Places>
HYPERZOO_INLINE void add_taps(Vector (&sums)[Width][Places], const float* values, Size apart,
                              Size step, const float* weights, Steps steps, Size count) {
    // A pointer for every three channels: an address is one register, and another once or twice.
    constexpr int Pointers = (Width + 2) / 3;
    const float* from[Pointers];
#pragma GCC unroll 4
    for (int i = 0; i < Pointers; ++i) from[i] = weights + 3 * i * steps.channel;
    for (Size tap = 0; tap < count; ++tap) {
        Vector value[Places];
#pragma GCC unroll 2
        for (int place = 0; place < Places; ++place) value[place] = load(values + place * apart);
#pragma GCC unroll 16
        for (int channel = 0; channel < Width; ++channel) {
            const Vector weight = all(from[channel / 3][channel % 3 * steps.channel]);
#pragma GCC unroll 2
            for (int place = 0; place < Places; ++place) {
                sums[channel][place] = fma(weight, value[place], sums[channel][place]);
            }
        }
        values += step;
#pragma GCC unroll 4
        for (int i = 0; i < Pointers; ++i) from[i] += steps.tap;
    }
}

// Applies the activation to `Count` vectors that are `step` floats apart.
template <Activation activation, int Count>
HYPERZOO_INLINE void activate_vectors(float* at, Size step) {
    Vector x[Count];
#pragma GCC unroll 8
    for (int i = 0; i < Count; ++i) x[i] = load(at + i * step);
    activate<activation>(x);
#pragma GCC unroll 8
    for (int i = 0; i < Count; ++i) store(at + i * step, x[i]);
}

template <Activation activation>
void activate_rows(float* rows, Size channels, Size plane, Size step, Size count) {
    for (const float* end = rows + channels * plane; rows < end; rows += plane) {
        Size i = 0;
        for (; i + 6 <= count; i += 6) activate_vectors<activation, 6>(rows + i * step, step);
        for (; i + 4 <= count; i += 4) activate_vectors<activation, 4>(rows + i * step, step);
        for (; i + 2 <= count; i += 2) activate_vectors<activation, 2>(rows + i * step, step);
        if (i < count) activate_vectors<activation, 1>(rows + i * step, step);
    }
}

// Applies the activation to what every channel of a tile has just been given. A pass of its own,
// while it is in the first-level cache: it has other needs of registers than the sums, and none of
// them wait for it to end.
void activate(Activation activation, float* rows, Size channels, Size plane, Size step,
              Size count) {
    switch (activation) {
        case Activation::tanh:
            return activate_rows<Activation::tanh>(rows, channels, plane, step, count);
        case Activation::relu:
            return activate_rows<Activation::relu>(rows, channels, plane, step, count);
        default: return;
    }
}

// The kernel's rows (or columns) that meet the image, and not only its border, from any of the
// output positions [position, last].
struct Inside {
    Size first, count;

    Inside(Size position, Size last, Size kernel, Size stride, Size border, Size size) {
        first = border - last * stride;
        first = first > 0 ? first : 0;
        const Size end = border + size - position * stride;
        count = (end < kernel ? end : kernel) - first;
    }
};

template <int Width, int Places>
HYPERZOO_INLINE void forward_places(const Convolution& layer, const float* window, Size apart,
                                    const Inside& rows, const Inside& columns,
                                    const float* weights, const float* bias, float* out,
                                    Size out_apart) {
    const Size kernel = layer.kernel, taps = layer.tap_count();
    const Size row = layer.in.row(W), plane = layer.in.plane(W), out_plane = layer.out.plane(W);
    Vector sums[Width][Places];
#pragma GCC unroll 16
    for (int channel = 0; channel < Width; ++channel) {
#pragma GCC unroll 2
        for (int place = 0; place < Places; ++place) sums[channel][place] = all(bias[channel]);
    }
    if (kernel == 1) {
        add_taps(sums, window, apart, plane, weights, {taps, 1}, layer.in.channels);
    } else {
        window += rows.first * row + columns.first * W;
        weights += rows.first * kernel + columns.first;
        for (Size c = 0; c < layer.in.channels; ++c) {
            for (Size y = 0; y < rows.count; ++y) {
                add_taps(sums, window + y * row, apart, W, weights + y * kernel, {taps, 1},
                         columns.count);
            }
            window += plane;
            weights += kernel * kernel;
        }
    }
#pragma GCC unroll 16
    for (int channel = 0; channel < Width; ++channel) {
#pragma GCC unroll 2
        for (int place = 0; place < Places; ++place) {
            store(out + channel * out_plane + place * out_apart, sums[channel][place]);
        }
    }
}

// Some places in a row: the positions of a row of outputs, or the only position of every block.
struct Row {
    Size count;
    Size in_step, out_step;     // floats from a place to the next
    Size column_step;           // columns likewise: 0 where every place is a block's
};

template <int Width>
HYPERZOO_INLINE void forward_row(const Convolution& layer, const Row& row, Size y, const float* in,
                                 const float* weights, const float* bias, float* out) {
    const Inside rows(y, y, layer.kernel, layer.stride, layer.in.top, layer.in.height);
    const auto columns = [&](Size first, Size last) {
        return Inside(first * row.column_step, last * row.column_step, layer.kernel, layer.stride,
                      layer.in.left, layer.in.width);
    };
    Size x = 0;
    for (; x + 1 < row.count; x += 2) {
        forward_places<Width, 2>(layer, in + x * row.in_step, row.in_step, rows, columns(x, x + 1),
                                 weights, bias, out + x * row.out_step, row.out_step);
    }
    if (x < row.count) {
        forward_places<Width, 1>(layer, in + x * row.in_step, 0, rows, columns(x, x), weights,
                                 bias, out + x * row.out_step, 0);
    }
}

template <int Width>
void forward_tile(const Convolution& layer, const float* in, const float* weights,
                  const float* bias, float* out, Size blocks) {
    const Size height = layer.out.height, width = layer.out.width, plane = layer.out.plane(W);
    if (height == 1 && width == 1) {
        const Row row{blocks, layer.in_stride, layer.out_stride, 0};
        forward_row<Width>(layer, row, 0, in, weights, bias, out);
        return activate(layer.activation, out, Width, plane, row.out_step, blocks);
    }
    const Row row{width, layer.stride * W, W, 1};
    // Small images at once, others row by row.
    const bool at_once = layer.out.stored_width == width && height * width < kPositionsByBlock;
    for (Size block = 0; block < blocks; ++block, in += layer.in_stride, out += layer.out_stride) {
        for (Size y = 0; y < height; ++y) {
            float* to = out + y * layer.out.row(W);
            forward_row<Width>(layer, row, y, in + y * layer.stride * layer.in.row(W), weights,
                               bias, to);
            if (!at_once) activate(layer.activation, to, Width, plane, W, width);
        }
        if (at_once) activate(layer.activation, out, Width, plane, W, height * width);
    }
}

void forward(const Convolution& layer, const float* in, const float* weights, const float* bias,
             float* out, Size blocks) {
    const Tiles tiles(layer.out.channels, kForwardWidth);
    for (Size tile = 0; tile < tiles.count; ++tile) {
        const Size first = tiles.first(tile);
        float* to = out + layer.out.origin(W) + first * layer.out.plane(W);
        HYPERZOO_FOR_WIDTH(tiles.width(tile), forward_tile, layer, in,
                           weights + first * layer.tap_count(), bias + first, to, blocks)
    }
}

template <int Width>
void pack_tile(const Convolution& layer, const float* weights, Size first, float* packed) {
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

// [out][in][row][column] -> [tile][out][row][column][in of the tile], for the gradient of the
// input: it visits few of a kernel's taps at a position, and these then lie side by side. Kernels
// of one tap are read as they are.
void pack(const Convolution& layer, const float* weights, float* packed) {
    const Tiles tiles(layer.in.channels, kForwardWidth);
    const Size taps = layer.out.channels * layer.kernel * layer.kernel;
    for (Size tile = 0; tile < tiles.count; ++tile) {
        const Size first = tiles.first(tile);
        HYPERZOO_FOR_WIDTH(tiles.width(tile), pack_tile, layer, weights, first,
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

// An activation that is known when compiling.
template <Activation activation>
struct Known {
    static constexpr Activation value = activation;
};

// The values of a pair of blocks turn into their gradient.
template <int Width>
HYPERZOO_INLINE void store_gradient(const Convolution& layer, const Vector (&sums)[Width][kPair],
                                    float* to) {
    const Size plane = layer.in.plane(W);
    const auto store_through = [&](auto known) {
        constexpr Activation activation = decltype(known)::value;
#pragma GCC unroll 16
        for (int channel = 0; channel < Width; ++channel) {
#pragma GCC unroll 2
            for (int block = 0; block < kPair; ++block) {
                float* at = to + channel * plane + block * layer.in_stride;
                store(at, through<activation>(sums[channel][block], load(at)));
            }
        }
    };
    switch (layer.in_activation) {
        case Activation::tanh: return store_through(Known<Activation::tanh>());
        case Activation::relu: return store_through(Known<Activation::relu>());
        default: return store_through(Known<Activation::linear>());
    }
}

// The gradient of one input position. `Columns` says how many kernel columns reach an output, all
// next to each other; 0 stands for any number, at any stride.
template <int Width, int Columns>
void input_gradient_position(const Convolution& layer, const Reach& rows, const Reach& columns,
                             const float* gradient, const float* packed, float* to) {
    const Size kernel = layer.kernel, row = layer.out.row(W), plane = layer.out.plane(W);
    const Size count = Columns ? Columns : columns.count;
    const Steps steps{1, (Columns ? 1 : layer.stride) * Width};
    const Size row_step = layer.stride * kernel * Width;
    const Size channel_step = kernel == 1 ? layer.in.channels : kernel * kernel * Width;
    Vector sums[Width][kPair] = {};
    for (Size c = 0; c < layer.out.channels; ++c) {
        const float *from = gradient, *weights = packed;
        for (Size y = 0; y < rows.count; ++y) {
            add_taps(sums, from, layer.out_stride, -W, weights, steps, count);
            from -= row;
            weights += row_step;
        }
        gradient += plane;
        packed += channel_step;
    }
    store_gradient(layer, sums, to);
}

// Two blocks at once, because their positions have the same reach.
template <int Width>
void input_gradient_tile(const Convolution& layer, const float* gradient, const float* packed,
                         float* in) {
    for (Size y = 0; y < layer.in.height; ++y) {
        const Reach rows(y + layer.in.top, layer.kernel, layer.stride, layer.out.height);
        for (Size x = 0; x < layer.in.width; ++x) {
            const Reach columns(x + layer.in.left, layer.kernel, layer.stride, layer.out.width);
            const float* from = gradient + rows.out * layer.out.row(W) + columns.out * W;
            const float* weights = packed + (rows.first * layer.kernel + columns.first) * Width;
            float* to = in + y * layer.in.row(W) + x * W;
            switch (layer.stride == 1 ? columns.count : 0) {
                case 1:
                    input_gradient_position<Width, 1>(layer, rows, columns, from, weights, to);
                    break;
                case 2:
                    input_gradient_position<Width, 2>(layer, rows, columns, from, weights, to);
                    break;
                default:
                    input_gradient_position<Width, 0>(layer, rows, columns, from, weights, to);
            }
        }
    }
}

void input_gradient(const Convolution& layer, const float* out_gradient, const float* packed,
                    float* in, Size blocks) {
    const Tiles tiles(layer.in.channels, kForwardWidth);
    const Size taps = layer.kernel == 1 ? 1 : layer.out.channels * layer.kernel * layer.kernel;
    for (Size block = 0; block < blocks; block += kPair) {
        const float* from = out_gradient + block * layer.out_stride + layer.out.origin(W);
        for (Size tile = 0; tile < tiles.count; ++tile) {
            const Size first = tiles.first(tile);
            float* to = in + block * layer.in_stride + layer.in.origin(W) +
                        first * layer.in.plane(W);
            HYPERZOO_FOR_WIDTH(tiles.width(tile), input_gradient_tile, layer, from,
                               packed + first * taps, to)
        }
    }
}

}  // namespace
}  // namespace hyperzoo
