// How activations lie in memory. Plain data only: every translation unit may include this.
//
// Images are cut into blocks. Within a block the image is the innermost axis, so the lanes of a
// vector are images: [block][channel][row][column][image of the block]. A grid may carry a border
// of zeros, which is the padding of the convolution that reads it.
#pragma once
#include <cstdint>

namespace hyperzoo {

using Size = std::int64_t;

// Floats in a line of a cache.
constexpr Size kLine = 16;

// Sums over images are kept in 16 partial sums, image modulo 16, whatever the vector width.
constexpr Size kLogicalLanes = 16;

// Images whose activations are in memory at once. Larger batches are worked off in chunks of
// this many, whose gradients are added in order: part of the definition of the arithmetic.
constexpr Size kChunk = 256;

// Layers with this many output positions are worked off block by block, so that a block's
// activations pass from layer to layer through the second-level cache. Later layers have few
// activations and many weights: all blocks go through one layer, then through the next.
constexpr Size kPositionsByBlock = 64;

// A block is as many images as a vector has lanes. Blocks come in pairs: the gradient of an input
// takes one image position of two blocks at once.
constexpr Size kPair = 2;

// The first three can be part of a convolution or dense layer; the others are layers of their own.
enum class Activation : std::int32_t {
    linear = 0,
    tanh = 1,
    relu = 2,
    sigmoid = 3,
    gelu = 4,
    silu = 5,
    leaky_relu = 6,
};

struct Grid {
    Size channels, height, width;
    Size top, left;                     // zeros before the first row and column
    Size stored_height, stored_width;   // with the border

    Size row(Size block) const { return stored_width * block; }
    Size plane(Size block) const { return stored_height * row(block); }
    Size values(Size block) const { return channels * plane(block); }
    // Floats from a block's start to the value at (channel 0, row 0, column 0).
    Size origin(Size block) const { return (top * stored_width + left) * block; }
};

// Partial sums of weights or biases lie as [set][sum][lane]: from one set's to the next. Sums are
// reduced four at a time, the last of them perhaps beside nothing.
inline Size set_stride(Size sums, Size lanes) { return (sums + 3) * lanes; }

// A convolution, or a dense layer as a 1x1 convolution of a 1x1 image.
struct Convolution {
    Grid in, out;
    Size kernel, stride;
    Activation in_activation;   // of the layer that wrote `in`
    Activation activation;
    Size in_stride, out_stride; // floats from block to block
    const std::int32_t* taps;   // [in_channel, kernel row, kernel column] -> floats from the window

    Size tap_count() const { return in.channels * kernel * kernel; }
    Size weight_count() const { return out.channels * tap_count(); }
};

struct Pool {
    Grid in, out;
    Size height, width;         // of the window
    bool maximum;
    Activation in_activation;
    Size in_stride, out_stride;
};

// An activation of its own, a dropout or a batch normalisation: as many values out as in.
struct Elementwise {
    Grid in, out;
    Activation in_activation;   // of the layer that wrote `in`
    Activation activation;
    float scale;                // of what a dropout keeps
    Size in_stride, out_stride; // floats from block to block
};

// What a dropout keeps: 1 or 0 for [value][image], from the first image of a block on.
struct Masks {
    const std::uint8_t* kept;   // null where all is kept, after training
    Size stride;                // bytes from a value to the next
};

// What a batch normalisation does, by channel; `inverse` is of the root of the variance.
struct Normalisation {
    const float *mean, *inverse, *gamma, *beta;
};

}  // namespace hyperzoo
