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

// Where one vector of images lies at one output position: floats from the input's and from the
// output gradient's start.
struct Place {
    Size in, out;
};

// A list of places is at most as long as a chunk's groups times the positions of a late layer.
constexpr Size kMostPlaces = kChunk / kLogicalLanes * kPositionsByBlock;

struct Places {
    Size count = 0;
    Place list[kMostPlaces];

    // Rows [first, end) of a block.
    void add(const Convolution& layer, Size block, Size first, Size end) {
        const Size in = block * layer.in_stride, out = block * layer.out_stride;
        for (Size y = first; y < end; ++y) {
            for (Size x = 0; x < layer.out.width; ++x) {
                list[count++] = {in + (y * layer.in.row(W) + x * W) * layer.stride,
                                 out + y * layer.out.row(W) + x * W};
            }
        }
    }
};

// Continues the sums in `lanes`, or starts new ones there.
template <int Width, int Taps, bool Fresh>
void add_to_lanes(const float* in, const std::int32_t* taps, const float* gradient, Size plane,
                  const Places& places, float* lanes) {
    Vector sums[Width][Taps];
    const float* values[Taps];
#pragma GCC unroll 8
    for (int tap = 0; tap < Taps; ++tap) {
        values[tap] = in + taps[tap];
#pragma GCC unroll 8
        for (int channel = 0; channel < Width; ++channel) {
            sums[channel][tap] =
                Fresh ? all(0) : load(lanes + (channel * Taps + tap) * W);
        }
    }
    for (const Place *place = places.list, *end = place + places.count; place < end; ++place) {
        const float* slope = gradient + place->out;
        // The shorter side waits in registers, the longer passes by: one register for all of it.
        if constexpr (Taps <= Width) {
            Vector held[Taps];
#pragma GCC unroll 8
            for (int tap = 0; tap < Taps; ++tap) held[tap] = load(values[tap] + place->in);
#pragma GCC unroll 8
            for (int channel = 0; channel < Width; ++channel) {
                const Vector factor = load(slope + channel * plane);
#pragma GCC unroll 8
                for (int tap = 0; tap < Taps; ++tap) {
                    sums[channel][tap] = fma(factor, held[tap], sums[channel][tap]);
                }
            }
        } else {
            Vector held[Width];
#pragma GCC unroll 8
            for (int channel = 0; channel < Width; ++channel) {
                held[channel] = load(slope + channel * plane);
            }
#pragma GCC unroll 8
            for (int tap = 0; tap < Taps; ++tap) {
                const Vector value = load(values[tap] + place->in);
#pragma GCC unroll 8
                for (int channel = 0; channel < Width; ++channel) {
                    sums[channel][tap] = fma(held[channel], value, sums[channel][tap]);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int channel = 0; channel < Width; ++channel) {
#pragma GCC unroll 8
        for (int tap = 0; tap < Taps; ++tap) {
            store(lanes + (channel * Taps + tap) * W, sums[channel][tap]);
        }
    }
}

// Some output channels and neighbouring taps of a layer.
struct WeightTile {
    Size channel, tap;
    int width, taps;

    const float* slopes(const Convolution& layer, const float* gradient) const {
        return gradient + layer.out.origin(W) + channel * layer.out.plane(W);
    }
    Size sums() const { return width * taps; }
};

template <int Width, bool Fresh>
void add_width(const Convolution& layer, const float* in, const float* gradient,
               const WeightTile& tile, const Places& places, float* lanes) {
    constexpr int Most = taps_beside(Width);
    const std::int32_t* taps = layer.taps + tile.tap;
    const float* slopes = tile.slopes(layer, gradient);
    const Size plane = layer.out.plane(W);
    switch (tile.taps) {
        case 1: return add_to_lanes<Width, 1, Fresh>(in, taps, slopes, plane, places, lanes);
        case 2: return add_to_lanes<Width, 2, Fresh>(in, taps, slopes, plane, places, lanes);
        case 3: return add_to_lanes<Width, 3, Fresh>(in, taps, slopes, plane, places, lanes);
        default: return add_to_lanes<Width, Most, Fresh>(in, taps, slopes, plane, places, lanes);
    }
}

template <bool Fresh>
void add_tile(const Convolution& layer, const float* in, const float* gradient,
              const WeightTile& tile, const Places& places, float* lanes) {
    switch (tile.width) {
        case 1: return add_width<1, Fresh>(layer, in, gradient, tile, places, lanes);
        case 2: return add_width<2, Fresh>(layer, in, gradient, tile, places, lanes);
        case 3: return add_width<3, Fresh>(layer, in, gradient, tile, places, lanes);
        case 4: return add_width<4, Fresh>(layer, in, gradient, tile, places, lanes);
#if HYPERZOO_LANES == 16
        case 5: return add_width<5, Fresh>(layer, in, gradient, tile, places, lanes);
        case 6: return add_width<6, Fresh>(layer, in, gradient, tile, places, lanes);
#endif
        default: return;
    }
}

// All tiles of a layer one after another. Taps are worked off in stretches whose values stay in
// the first-level cache while all channels pass by; within a stretch the channels are outside.
struct WeightTiles {
    const Tiles channels;
    const Size taps, stretch;
    Size begin = 0, at = 0;     // the stretch's first tap, the tile's number among the channels
    WeightTile tile{0, 0, 0, 0};

    WeightTiles(const Convolution& layer, Size stretch_taps)
        : channels(layer.out.channels, kGradientWidth),
          taps(layer.tap_count()),
          stretch(stretch_taps) {}

    Size end() const { return begin + stretch < taps ? begin + stretch : taps; }

    bool next() {
        tile.tap += tile.taps;
        if (tile.taps == 0 || tile.tap == end()) {
            if (tile.taps != 0) ++at;
            if (at == channels.count) {
                at = 0;
                begin = end();
                if (begin == taps) return false;
            }
            tile.channel = channels.first(at);
            tile.width = static_cast<int>(channels.width(at));
            tile.tap = begin;
        }
        const Size wanted = taps_beside(tile.width), left = end() - tile.tap;
        tile.taps = static_cast<int>(wanted < left ? wanted : left);
        return true;
    }
};

// Rows of output whose values, gradients and windows stay in the first-level cache.
Size rows_at_once(const Convolution& layer) {
    const Size tile = Tiles(layer.out.channels, kGradientWidth).width(0);
    const Size row_bytes = layer.out.row(W) * 4 * (tile + 1);
    const Size cached = 16 * 1024 / row_bytes, listed = kMostPlaces / layer.out.width;
    const Size rows = cached < listed ? cached : listed;
    return rows < 1 ? 1 : rows;
}

typedef float Eight __attribute__((vector_size(32), may_alias));
typedef float Four __attribute__((vector_size(16), may_alias));

// A weight's 16 partial sums, added eight apart. Its sets are `stride` floats from each other.
HYPERZOO_INLINE Eight halved(const float* lanes, [[maybe_unused]] Size stride) {
#if HYPERZOO_LANES == 16
    const Vector x = load(lanes);
    return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
           __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
#elif HYPERZOO_LANES == 8
    return load(lanes) + load(lanes + stride);
#else
    const Vector low = load(lanes) + load(lanes + 2 * stride);
    const Vector high = load(lanes + stride) + load(lanes + 3 * stride);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
#endif
}

// The sums of four neighbouring weights: added four, two and one apart.
HYPERZOO_INLINE Four sums_of_lanes(const float* lanes, Size stride) {
    const Eight a = halved(lanes, stride), b = halved(lanes + W, stride);
    const Eight c = halved(lanes + 2 * W, stride), d = halved(lanes + 3 * W, stride);
    const Eight ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
                     __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    const Eight cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 8, 9, 10, 11) +
                     __builtin_shufflevector(c, d, 4, 5, 6, 7, 12, 13, 14, 15);
    const Eight abcd = __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) +
                      __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    const Four low = __builtin_shufflevector(abcd, abcd, 0, 1, 2, 3);   // a a c c
    const Four high = __builtin_shufflevector(abcd, abcd, 4, 5, 6, 7);  // b b d d
    return __builtin_shufflevector(low, high, 0, 4, 2, 6) +
           __builtin_shufflevector(low, high, 1, 5, 3, 7);
}

// Sums come in fours: lanes must be readable to the next multiple.
constexpr Size kMostSums = kGradientWidth * 4;

// A tile's sums to their places, [channel][all taps].
template <int Taps>
HYPERZOO_INLINE void place(const float* sums, int channels, Size all_taps, float* to) {
    for (int channel = 0; channel < channels; ++channel, to += all_taps, sums += Taps) {
#pragma GCC unroll 4
        for (int tap = 0; tap < Taps; ++tap) to[tap] = sums[tap];
    }
}

void reduce_tile(const Convolution& layer, const WeightTile& tile, const float* lanes, Size stride,
                 float* gradient) {
    alignas(16) float sums[kMostSums];
    for (Size i = 0; i < tile.sums(); i += 4) {
        *reinterpret_cast<Four*>(sums + i) = sums_of_lanes(lanes + i * W, stride);
    }
    const Size taps = layer.tap_count();
    float* to = gradient + tile.channel * taps + tile.tap;
    switch (tile.taps) {
        case 1: return place<1>(sums, tile.width, taps, to);
        case 2: return place<2>(sums, tile.width, taps, to);
        case 3: return place<3>(sums, tile.width, taps, to);
        default: return place<4>(sums, tile.width, taps, to);
    }
}

void reduce_biases(const float* bias_lanes, Size stride, float* bias_gradient, Size channels) {
    for (Size channel = 0; channel < channels; channel += 4) {
        const Four sums = sums_of_lanes(bias_lanes + channel * W, stride);
        for (int i = 0; i < 4 && channel + i < channels; ++i) bias_gradient[channel + i] = sums[i];
    }
}

// The same sums for biases: the gradients themselves.
template <bool Fresh>
void add_bias_lanes(const Convolution& layer, const float* gradient, const Places& places,
                    float* bias_lanes) {
    constexpr int Width = 4;    // independent sums, to hide an addition's latency
    const Size plane = layer.out.plane(W), last = layer.out.channels - 1;
    for (Size first = 0; first <= last; first += Width) {
        Vector sums[Width];
        const float* from[Width];
        for (int i = 0; i < Width; ++i) {
            const Size channel = first + i < last ? first + i : last;
            sums[i] = Fresh ? all(0) : load(bias_lanes + channel * W);
            from[i] = gradient + layer.out.origin(W) + channel * plane;
        }
        for (const Place *place = places.list, *end = place + places.count; place < end; ++place) {
            for (int i = 0; i < Width; ++i) sums[i] += load(from[i] + place->out);
        }
        for (int i = 0; i < Width && first + i <= last; ++i) {
            store(bias_lanes + (first + i) * W, sums[i]);
        }
    }
}

void weight_lanes(const Convolution& layer, const float* in, const float* gradient, float* lanes,
                  float* bias_lanes, Size first_block, Size blocks) {
    const Size rows = rows_at_once(layer), height = layer.out.height;
    Places places;
    for (Size block = first_block; block < first_block + blocks; ++block) {
        const Size set = block % kSets;
        float* biases = bias_lanes + set * set_stride(layer.out.channels, W);
        for (Size y = 0; y < height; y += rows) {
            places.count = 0;
            places.add(layer, block, y, y + rows < height ? y + rows : height);
            add_bias_lanes<false>(layer, gradient, places, biases);
            float* to = lanes + set * set_stride(layer.weight_count(), W);
            for (WeightTiles tiles(layer, layer.tap_count()); tiles.next();) {
                add_tile<false>(layer, in, gradient, tiles.tile, places, to);
                to += tiles.tile.sums() * W;
            }
        }
    }
}

void reduce_lanes(const Convolution& layer, const float* lanes, const float* bias_lanes,
                  float* gradient, float* bias_gradient) {
    const Size stride = set_stride(layer.weight_count(), W), channels = layer.out.channels;
    for (WeightTiles tiles(layer, layer.tap_count()); tiles.next();) {
        reduce_tile(layer, tiles.tile, lanes, stride, gradient);
        lanes += tiles.tile.sums() * W;
    }
    reduce_biases(bias_lanes, set_stride(channels, W), bias_gradient, channels);
}

// Taps whose values in all blocks fill some half of the first-level cache.
Size taps_at_once(const Convolution& layer, Size blocks) {
    const Size square = layer.kernel * layer.kernel;
    const Size channels = 16 * 1024 / (layer.in.plane(W) * blocks * 4);
    return (channels < 1 ? 1 : channels) * square;
}

void weight_gradient(const Convolution& layer, const float* in, const float* gradient,
                     float* weight_gradient, float* bias_gradient, Size blocks) {
    Places places[kSets];
    for (Size block = 0; block < blocks; ++block) {
        places[block % kSets].add(layer, block, 0, layer.out.height);
    }
    constexpr Size stride = kMostSums * W;
    alignas(64) float lanes[kSets * stride] = {};
    for (WeightTiles tiles(layer, taps_at_once(layer, blocks)); tiles.next();) {
        for (Size set = 0; set < kSets; ++set) {
            add_tile<true>(layer, in, gradient, tiles.tile, places[set], lanes + set * stride);
        }
        reduce_tile(layer, tiles.tile, lanes, stride, weight_gradient);
    }
    for (Size channel = 0; channel < layer.out.channels; channel += 4) {
        // Four channels at a time, in the scratch memory of the tiles.
        Convolution part = layer;
        part.out.channels = layer.out.channels - channel < 4 ? layer.out.channels - channel : 4;
        for (Size set = 0; set < kSets; ++set) {
            add_bias_lanes<true>(part, gradient + channel * layer.out.plane(W), places[set],
                                 lanes + set * stride);
        }
        reduce_biases(lanes, stride, bias_gradient + channel, part.out.channels);
    }
}

}  // namespace
}  // namespace hyperzoo
