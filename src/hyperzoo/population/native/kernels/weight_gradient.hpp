// The gradient of a convolution's weights: sums over images and positions.
//
// Every weight has 16 partial sums, one for each image modulo 16. A partial sum runs over groups
// of 16 images, within a group over rows, then columns; at the end the 16 are added in pairs
// eight apart, then four, two, one. Vectors of 4, 8 and 16 lanes hold the same partial sums in
// more or fewer registers, so the bits do not depend on the width.
#pragma once

namespace hyperzoo {
namespace {

constexpr Size kSets = kLogicalLanes / W;   // vectors that make up a group of 16 images

#if HYPERZOO_LANES == 16
constexpr Size kGradientWidth = 6;
#else
constexpr Size kGradientWidth = 4;
#endif

// Taps beside `width` output channels: sums, gradients and one value fill the registers.
constexpr int taps_beside(int width) { return HYPERZOO_LANES == 16 || width < 4 ? 4 : 3; }

// Vectors of images: number `first`, `first + step`, ... below `end`; two make a block.
struct VectorRange {
    Size first, step, end;
};

struct Rows {
    Size first, end;
};

template <int Width, int Taps>
void add_to_lanes(const Convolution& layer, const float* in, const std::int32_t* taps,
                  const float* gradient, VectorRange range, Rows rows, float* lanes) {
    const Size row = layer.in.row(B) * layer.stride, step = layer.stride * B;
    const Size out_row = layer.out.row(B), plane = layer.out.plane(B), width = layer.out.width;
    Vector sums[Width][Taps];
#pragma GCC unroll 8
    for (int channel = 0; channel < Width; ++channel) {
#pragma GCC unroll 8
        for (int tap = 0; tap < Taps; ++tap) {
            sums[channel][tap] = load(lanes + (channel * Taps + tap) * kLogicalLanes);
        }
    }
    for (Size vector = range.first; vector < range.end; vector += range.step) {
        const float* values = in + vector / 2 * layer.in_stride + vector % 2 * W;
        const float* slopes = gradient + vector / 2 * layer.out_stride + vector % 2 * W;
        for (Size y = rows.first; y < rows.end; ++y) {
            const float* value = values + y * row;
            const float* slope = slopes + y * out_row;
            for (Size x = 0; x < width; ++x, value += step, slope += B) {
                Vector factors[Width];
#pragma GCC unroll 8
                for (int channel = 0; channel < Width; ++channel) {
                    factors[channel] = load(slope + channel * plane);
                }
#pragma GCC unroll 8
                for (int tap = 0; tap < Taps; ++tap) {
                    const Vector at = load(value + taps[tap]);
#pragma GCC unroll 8
                    for (int channel = 0; channel < Width; ++channel) {
                        sums[channel][tap] = fma(factors[channel], at, sums[channel][tap]);
                    }
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int channel = 0; channel < Width; ++channel) {
#pragma GCC unroll 8
        for (int tap = 0; tap < Taps; ++tap) {
            store(lanes + (channel * Taps + tap) * kLogicalLanes, sums[channel][tap]);
        }
    }
}

// Some output channels and neighbouring taps of a layer.
struct WeightTile {
    Size channel, tap;
    int width, taps;

    const float* slopes(const Convolution& layer, const float* gradient) const {
        return gradient + layer.out.origin(B) + channel * layer.out.plane(B);
    }
    Size sums() const { return width * taps; }
};

template <int Width>
void add_tile(const Convolution& layer, const float* in, const float* gradient,
              const WeightTile& tile, VectorRange range, Rows rows, float* lanes) {
    const std::int32_t* taps = layer.taps + tile.tap;
    const float* slopes = tile.slopes(layer, gradient);
    switch (tile.taps) {
        case 1: return add_to_lanes<Width, 1>(layer, in, taps, slopes, range, rows, lanes);
        case 2: return add_to_lanes<Width, 2>(layer, in, taps, slopes, range, rows, lanes);
        case 3: return add_to_lanes<Width, 3>(layer, in, taps, slopes, range, rows, lanes);
        default:
            return add_to_lanes<Width, taps_beside(Width)>(layer, in, taps, slopes, range, rows,
                                                           lanes);
    }
}

void add_tile(const Convolution& layer, const float* in, const float* gradient,
              const WeightTile& tile, VectorRange range, Rows rows, float* lanes) {
    HYPERZOO_FOR_WIDTH(tile.width, add_tile, layer, in, gradient, tile, range, rows, lanes)
}

// All tiles of a layer one after another: channels outside, taps inside.
struct WeightTiles {
    const Tiles channels;
    const Size taps;
    Size at = 0;
    WeightTile tile{0, 0, 0, 0};

    explicit WeightTiles(const Convolution& layer)
        : channels(layer.out.channels, kGradientWidth), taps(layer.tap_count()) {}

    bool next() {
        tile.tap += tile.taps;
        if (tile.taps == 0 || tile.tap == taps) {
            if (tile.taps != 0) ++at;
            if (at == channels.count) return false;
            tile.channel = channels.first(at);
            tile.width = static_cast<int>(channels.width(at));
            tile.tap = 0;
        }
        const Size wanted = taps_beside(tile.width), left = taps - tile.tap;
        tile.taps = static_cast<int>(wanted < left ? wanted : left);
        return true;
    }
};

// Rows of output whose values, gradients and windows stay in the first-level cache.
Size rows_at_once(const Convolution& layer) {
    const Size row_bytes = layer.out.row(B) * 4 * (kGradientWidth + 1);
    const Size rows = 24 * 1024 / row_bytes;
    return rows < 1 ? 1 : rows;
}

HYPERZOO_INLINE float sum_of_lanes(const float* lanes) {
    float eight[8], four[4];
    for (int i = 0; i < 8; ++i) eight[i] = lanes[i] + lanes[i + 8];
    for (int i = 0; i < 4; ++i) four[i] = eight[i] + eight[i + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

void reduce_tile(const Convolution& layer, const WeightTile& tile, const float* lanes,
                 float* gradient) {
    for (int channel = 0; channel < tile.width; ++channel) {
        float* to = gradient + (tile.channel + channel) * layer.tap_count() + tile.tap;
        for (int tap = 0; tap < tile.taps; ++tap, lanes += kLogicalLanes) {
            to[tap] = sum_of_lanes(lanes);
        }
    }
}

// The same sums for biases: the gradients themselves.
void add_bias_lanes(const Convolution& layer, const float* gradient, VectorRange range,
                    float* bias_lanes) {
    const Size plane = layer.out.plane(B), row = layer.out.row(B), channels = layer.out.channels;
    constexpr int Width = 4;    // independent sums, to hide an addition's latency
    for (Size first = 0; first < channels; first += Width) {
        Vector sums[Width];
        const float* from[Width];
        for (int i = 0; i < Width; ++i) {
            const Size channel = first + i < channels ? first + i : channels - 1;
            sums[i] = load(bias_lanes + channel * kLogicalLanes);
            from[i] = gradient + layer.out.origin(B) + channel * plane;
        }
        for (Size vector = range.first; vector < range.end; vector += range.step) {
            const Size start = vector / 2 * layer.out_stride + vector % 2 * W;
            for (Size y = 0; y < layer.out.height; ++y) {
                for (Size x = 0; x < layer.out.width; ++x) {
                    const Size at = start + y * row + x * B;
                    for (int i = 0; i < Width; ++i) sums[i] += load(from[i] + at);
                }
            }
        }
        for (int i = 0; i < Width && first + i < channels; ++i) {
            store(bias_lanes + (first + i) * kLogicalLanes, sums[i]);
        }
    }
}

// Where a vector's lanes lie among the 16.
HYPERZOO_INLINE Size lane_of(Size vector) { return vector % kSets * W; }

void weight_lanes(const Convolution& layer, const float* in, const float* gradient, float* lanes,
                  float* bias_lanes, Size first_block, Size blocks) {
    const Size rows = rows_at_once(layer), height = layer.out.height;
    for (Size block = first_block; block < first_block + blocks; ++block) {
        const Size vectors[2] = {2 * block, 2 * block + 1};
        // Two vectors of one set continue the same sums: then all rows of one come first.
        const Size together = kSets > 1 ? rows : height;
        for (Size y = 0; y < height; y += together) {
            const Rows strip{y, y + together < height ? y + together : height};
            float* to = lanes;
            for (WeightTiles tiles(layer); tiles.next();) {
                for (const Size vector : vectors) {
                    add_tile(layer, in, gradient, tiles.tile, {vector, 1, vector + 1}, strip,
                             to + lane_of(vector));
                }
                to += tiles.tile.sums() * kLogicalLanes;
            }
        }
        for (const Size vector : vectors) {
            add_bias_lanes(layer, gradient, {vector, 1, vector + 1}, bias_lanes + lane_of(vector));
        }
    }
}

void reduce_lanes(const Convolution& layer, const float* lanes, const float* bias_lanes,
                  float* gradient, float* bias_gradient) {
    for (WeightTiles tiles(layer); tiles.next();) {
        reduce_tile(layer, tiles.tile, lanes, gradient);
        lanes += tiles.tile.sums() * kLogicalLanes;
    }
    for (Size channel = 0; channel < layer.out.channels; ++channel) {
        bias_gradient[channel] = sum_of_lanes(bias_lanes + channel * kLogicalLanes);
    }
}

void weight_gradient(const Convolution& layer, const float* in, const float* gradient,
                     float* weight_gradient, float* bias_gradient, Size blocks) {
    const Rows rows{0, layer.out.height};
    alignas(64) float lanes[kGradientWidth * 4 * kLogicalLanes];
    for (WeightTiles tiles(layer); tiles.next();) {
        const Size count = tiles.tile.sums() * kLogicalLanes;
        for (Size i = 0; i < count; i += W) store(lanes + i, all(0));
        for (Size set = 0; set < kSets; ++set) {
            add_tile(layer, in, gradient, tiles.tile, {set, kSets, 2 * blocks}, rows,
                     lanes + set * W);
        }
        reduce_tile(layer, tiles.tile, lanes, weight_gradient);
    }
    for (Size channel = 0; channel < layer.out.channels; channel += 4) {
        // One group of four channels at a time, in the scratch memory of the tiles.
        Convolution part = layer;
        part.out.channels = layer.out.channels - channel < 4 ? layer.out.channels - channel : 4;
        for (Size i = 0; i < 4 * kLogicalLanes; i += W) store(lanes + i, all(0));
        for (Size set = 0; set < kSets; ++set) {
            add_bias_lanes(part, gradient + channel * layer.out.plane(B),
                           {set, kSets, 2 * blocks}, lanes + set * W);
        }
        for (Size i = 0; i < part.out.channels; ++i) {
            bias_gradient[channel + i] = sum_of_lanes(lanes + i * kLogicalLanes);
        }
    }
}

}  // namespace
}  // namespace hyperzoo
