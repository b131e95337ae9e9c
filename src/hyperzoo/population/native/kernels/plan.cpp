#include "plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace hyperzoo {
namespace {

constexpr Size kHeader = 4, kFields = 7;
constexpr Size kLargestSide = 1024, kLargestChannels = 4096, kMostLayers = 512;
constexpr Size kMostWeights = Size{1} << 26, kMostValues = Size{1} << 22;

void require(bool holds, const std::string& message) {
    if (!holds) throw std::invalid_argument(message);
}

struct Fields {
    Size kind, size, outputs, stride, same, activation, bias;
};

double as_double(std::int64_t bits) {
    double result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

Fields read_fields(const std::int64_t* from, const std::string& place) {
    const Fields fields{from[0], from[1], from[2], from[3], from[4], from[5], from[6]};
    require(fields.kind >= 1 && fields.kind <= 8, place + ": unknown kind of layer");
    const auto kind = static_cast<LayerKind>(fields.kind);
    require(fields.activation >= 0 &&
                fields.activation <= (kind == LayerKind::activation ? 6 : 2),
            place + ": unknown activation");
    require(fields.bias == 0 || fields.bias == 1, place + ": a bias is there or not");
    if (kind == LayerKind::convolution) {
        require(fields.size >= 1 && fields.size <= 64,
                place + ": a kernel must be 1 to 64, got " + std::to_string(fields.size));
        require(fields.stride >= 1 && fields.stride <= 64,
                place + ": a stride must be 1 to 64, got " + std::to_string(fields.stride));
    }
    require(fields.same == 0 || fields.same == 1, place + ": unknown padding");
    if (kind == LayerKind::average_pool || kind == LayerKind::max_pool) {
        require(fields.size >= 1 && fields.size <= kLargestSide,
                place + ": pooling over " + std::to_string(fields.size) + " positions");
    }
    if (kind == LayerKind::convolution || kind == LayerKind::dense) {
        require(fields.outputs >= 1 && fields.outputs <= kLargestChannels,
                place + ": expected 1 to " + std::to_string(kLargestChannels) + " outputs, got " +
                    std::to_string(fields.outputs));
    }
    if (kind == LayerKind::batch_norm) {
        const double momentum = as_double(fields.size), epsilon = as_double(fields.outputs);
        require(momentum >= 0 && momentum < 1 && epsilon > 0 && epsilon <= 1,
                place + ": impossible constants");
    }
    if (kind == LayerKind::dropout) {
        const double scale = as_double(fields.size);
        require(scale >= 1 && std::isfinite(scale), place + ": impossible scale");
    }
    return fields;
}

Grid plain_grid(Size channels, Size height, Size width) {
    return {channels, height, width, 0, 0, height, width};
}

// The border that a 'same' convolution needs along one axis, as Keras divides it.
struct Border {
    Size before, total;
};

Border border(Size size, Size kernel, Size stride) {
    const Size positions = (size + stride - 1) / stride;
    const Size total = std::max<Size>((positions - 1) * stride + kernel - size, 0);
    return {total / 2, total};
}

void plan_convolution(Layer& layer, const Fields& fields, const std::string& place) {
    layer.kernel = fields.size;
    layer.stride = fields.stride;
    Grid& in = layer.in;
    if (fields.same == 1) {
        const Border rows = border(in.height, layer.kernel, layer.stride);
        const Border columns = border(in.width, layer.kernel, layer.stride);
        in.top = rows.before;
        in.left = columns.before;
        in.stored_height += rows.total;
        in.stored_width += columns.total;
    }
    require(in.stored_height >= layer.kernel && in.stored_width >= layer.kernel,
            place + ": the kernel is larger than its input");
    layer.out = plain_grid(fields.outputs, (in.stored_height - layer.kernel) / layer.stride + 1,
                           (in.stored_width - layer.kernel) / layer.stride + 1);
}

void plan_elementwise(Layer& layer, const Fields& fields, const std::string& place) {
    const Grid& in = layer.in;
    if (layer.kind == LayerKind::batch_norm) {
        layer.momentum = as_double(fields.size);
        layer.epsilon = as_double(fields.outputs);
        if (fields.same == 1) layer.in = plain_grid(in.channels * in.height * in.width, 1, 1);
    }
    if (layer.kind == LayerKind::dropout) layer.scale = as_double(fields.size);
    if (layer.kind == LayerKind::activation) {
        layer.function = static_cast<Activation>(fields.activation);
    }
    require(layer.in.channels <= kMostValues, place + ": too many channels");
    layer.out = plain_grid(layer.in.channels, layer.in.height, layer.in.width);
}

void plan_layer(Layer& layer, const Fields& fields, const std::string& place) {
    const Grid& in = layer.in;
    if (layer.is_elementwise()) return plan_elementwise(layer, fields, place);
    layer.window_height = layer.window_width = fields.size;
    layer.bias = fields.bias == 1;
    switch (layer.kind) {
        case LayerKind::convolution:
            plan_convolution(layer, fields, place);
            break;
        case LayerKind::dense:
            layer.kernel = layer.stride = 1;
            layer.in = plain_grid(in.channels * in.height * in.width, 1, 1);
            layer.out = plain_grid(fields.outputs, 1, 1);
            break;
        case LayerKind::global_average_pool:
            layer.window_height = in.height;
            layer.window_width = in.width;
            layer.out = plain_grid(in.channels, 1, 1);
            break;
        default:
            require(std::min(in.height, in.width) >= fields.size,
                    place + ": the window is larger than its input");
            layer.out = plain_grid(in.channels, in.height / fields.size, in.width / fields.size);
    }
}

std::vector<std::int32_t> tap_offsets(const Layer& layer, Size block) {
    std::vector<std::int32_t> taps;
    for (Size channel = 0; channel < layer.in.channels; ++channel) {
        for (Size y = 0; y < layer.kernel; ++y) {
            for (Size x = 0; x < layer.kernel; ++x) {
                const Size at = channel * layer.in.plane(block) + y * layer.in.row(block);
                taps.push_back(static_cast<std::int32_t>(at + x * block));
            }
        }
    }
    return taps;
}

void count_parameters(Plan& plan, Layer& layer, const std::string& place) {
    const bool norm = layer.kind == LayerKind::batch_norm;
    // Of a batch normalisation gamma, beta, mean and variance of every channel.
    const Size count = norm ? layer.in.channels
                            : layer.in.channels * layer.kernel * layer.kernel * layer.out.channels;
    require(plan.parameters + count <= kMostWeights, place + ": too many weights");
    layer.weights = plan.parameters;
    layer.biases = layer.weights + count;
    plan.parameters = layer.biases + (norm ? 3 * count : layer.bias ? layer.out.channels : 0);
}

void read_scaling(Plan& plan, const std::int64_t* bits) {
    for (Size channel = 0; channel < plan.channels; ++channel) {
        plan.factors.push_back(static_cast<float>(as_double(bits[channel])));
        plan.offsets.push_back(static_cast<float>(as_double(bits[plan.channels + channel])));
        require(std::isfinite(plan.factors.back()) && std::isfinite(plan.offsets.back()),
                "images can't be scaled by what is not finite");
    }
}

}  // namespace

Plan read_plan(const std::int64_t* description, Size length, Size block) {
    require(description != nullptr && length >= kHeader + kFields, "the description is too short");
    Plan plan{description[0], description[1], description[2], 0, 0, -1, 0, false, {}, {}, {}, {}};
    const Size count = description[3];
    const Size told = kHeader + count * kFields;
    require(count >= 1 && count <= kMostLayers &&
                (length == told || length == told + 2 * plan.channels),
            "expected 1 to 512 layers and a description of their length");
    require(plan.height >= 1 && plan.height <= kLargestSide && plan.width >= 1 &&
                plan.width <= kLargestSide && plan.channels >= 1 && plan.channels <= 64,
            "images must be 1 to 1024 positions wide and high, with 1 to 64 channels");
    if (length > told) read_scaling(plan, description + told);
    Grid grid = plain_grid(plan.channels, plan.height, plan.width);
    for (Size number = 0; number < count; ++number) {
        const std::string place = "layer " + std::to_string(number + 1);
        const Fields fields = read_fields(description + kHeader + number * kFields, place);
        Layer layer{};
        layer.kind = static_cast<LayerKind>(fields.kind);
        layer.activation = layer.has_weights() ? static_cast<Activation>(fields.activation)
                                               : Activation::linear;
        layer.in = grid;
        plan_layer(layer, fields, place);
        require(layer.in.values(1) <= kMostValues && layer.out.values(1) <= kMostValues,
                place + ": too many values");
        if (layer.kind == LayerKind::dropout) {
            layer.masks = plan.dropped;
            plan.dropped += layer.in.values(1);
        }
        plan.by_batch |= layer.kind == LayerKind::batch_norm;
        if (layer.is_trained()) {
            count_parameters(plan, layer, place);
            if (layer.has_weights()) layer.taps = tap_offsets(layer, block);
            if (plan.first_with_weights < 0) plan.first_with_weights = number;
        }
        // Whoever writes the values leaves room for the border that their reader needs.
        Grid& written = number == 0 ? plan.input : plan.layers.back().out;
        if (number == 0) written = grid;
        if (layer.kind == LayerKind::convolution) written = layer.in;
        plan.layers.push_back(layer);
        grid = layer.out;
    }
    const Layer& last = plan.layers.back();
    require(last.kind == LayerKind::dense && last.activation == Activation::linear,
            "the last layer must be dense and linear");
    plan.outputs = last.out.channels;
    return plan;
}

}  // namespace hyperzoo
