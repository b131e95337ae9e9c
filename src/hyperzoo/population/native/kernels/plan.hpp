// A network as the kernels see it: checked layers with their shapes, borders and neighbours.
#pragma once
#include <string>
#include <vector>

#include "geometry.hpp"

namespace hyperzoo {

enum class LayerKind : std::int64_t {
    convolution = 1,
    average_pool = 2,
    max_pool = 3,
    global_average_pool = 4,
    dense = 5,
    activation = 6,
    batch_norm = 7,
    dropout = 8,
};

struct Layer {
    LayerKind kind;
    Grid in, out;               // `in` is the previous layer's `out`, flat for a dense layer
    Size kernel, stride;
    Size window_height, window_width;
    Activation activation;      // that is part of it, and through which its gradient must go
    Activation function;        // of an activation that is a layer of its own
    bool bias;
    double momentum, epsilon;   // of a batch normalisation
    double scale;               // of what a dropout keeps
    Size weights, biases;       // floats before this layer's, in the order of parameters
    Size masks;                 // values of dropouts before this one
    std::vector<std::int32_t> taps;

    bool has_weights() const {
        return kind == LayerKind::convolution || kind == LayerKind::dense;
    }
    bool is_trained() const { return has_weights() || kind == LayerKind::batch_norm; }
    bool is_elementwise() const { return kind >= LayerKind::activation; }
};

struct Plan {
    Size height, width, channels;
    Size outputs;
    Size parameters;
    Size first_with_weights;    // layers before it need no gradient
    Size dropped;               // values of an image that dropouts decide on
    bool by_batch;              // whether a batch normalisation needs all images at once
    Grid input;                 // the images, with the border that the first layer needs
    // What becomes of a value x from 0 to 1, by channel: x * factor + offset. Empty where it stays.
    std::vector<float> factors, offsets;
    std::vector<Layer> layers;
};

// Reads a description: [height, width, channels, layers] and for every layer
// [kind, size, outputs, stride, same, activation, bias], where size is a kernel's or a window's,
// outputs are filters or units, and fields that a layer does not have are 0. Of a batch
// normalisation size and outputs are the bits of momentum and epsilon as doubles, and same says
// whether every value of an image is a channel; of a dropout size is the bits of its scale.
// What may follow are the bits, as doubles, of every channel's factor and then of every offset.
//
// Throws std::invalid_argument with a message for people where it can't be run.
Plan read_plan(const std::int64_t* description, Size length, Size block);

}  // namespace hyperzoo
