#include "network.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace hyperzoo {
namespace {

constexpr Size kAlignment = 64;
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kRho = 0.9, kEpsilon = 1e-7;

Size rounded_up(Size count, Size multiple) { return (count + multiple - 1) / multiple * multiple; }

// Floats from a block to the next, for at least `count`. A cache puts addresses that are a
// multiple of 4096 bytes apart into one set, where they drive each other out; so a stride is
// always 11 lines more than such a multiple.
Size block_stride(Size count) { return rounded_up(count - 11 * kLine, 1024) + 11 * kLine; }

}  // namespace

Floats::Floats(Size count) : size_(rounded_up(count, kLogicalLanes)) {
    if (size_ == 0) return;
    const auto bytes = static_cast<std::size_t>(size_) * sizeof(float);
    data_.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
    if (!data_) throw std::bad_alloc();
    clear();
}

void Floats::Free::operator()(float* data) const { std::free(data); }

void Floats::clear() {
    if (size_ > 0) std::fill_n(data_.get(), size_, 0.0f);
}

// Adds the time of a scope to a layer's pass.
class Network::Timer {
    using Clock = std::chrono::steady_clock;

  public:
    Timer(Network& network, Size row, Pass pass) : to_(nullptr) {
        if (!network.measuring_) return;
        to_ = &network.seconds_[static_cast<std::size_t>(row)][static_cast<std::size_t>(pass)];
        start_ = Clock::now();
    }
    ~Timer() {
        if (to_) *to_ += std::chrono::duration<double>(Clock::now() - start_).count();
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

  private:
    double* to_;
    Clock::time_point start_;
};

Network::Network(Plan plan, const Kernels& kernels, Size batch)
    : plan_(std::move(plan)),
      kernels_(kernels),
      // What is normalised by the batch needs all of it at once.
      chunk_images_(rounded_up(plan_.by_batch ? batch : std::min(batch, kChunk),
                               kPair * kernels.lanes)),
      weights_(plan_.parameters),
      gradient_(plan_.parameters),
      chunk_gradient_(batch > chunk_images_ ? plan_.parameters : 0),
      first_moment_(plan_.parameters),
      second_moment_(plan_.parameters),
      kernels_share_(plan_.parameters),
      trained_share_(plan_.parameters) {
    std::fill_n(trained_share_.data(), plan_.parameters, 1.0f);
    for (const Layer& layer : plan_.layers) {
        if (layer.has_weights()) {
            std::fill_n(kernels_share_.data() + layer.weights, layer.biases - layer.weights, 1.0f);
        }
        if (layer.kind == LayerKind::batch_norm) {
            const Size channels = layer.biases - layer.weights;
            std::fill_n(trained_share_.data() + layer.biases + channels, 2 * channels, 0.0f);
        }
    }
    const Size blocks = chunk_images_ / kernels_.lanes;
    for (Size number = 0; number <= layers(); ++number) {
        const Grid& grid = number == 0 ? plan_.input : layer(number - 1).out;
        strides_.push_back(block_stride(grid.values(kernels_.lanes)));
        activations_.emplace_back(strides_.back() * blocks);
    }
    stages_.resize(plan_.layers.size());
    for (Size number = 0; number < layers(); ++number) plan_stage(number);
    Size widest = 0;
    for (const Layer& layer : plan_.layers) widest = std::max(widest, layer.out.channels);
    no_bias_ = Floats(widest);
    no_bias_gradient_ = Floats(widest);
    while (by_block_ < layers()) {
        const Grid& out = layer(by_block_).out;
        if (layer(by_block_).kind == LayerKind::batch_norm) break;
        if (out.height * out.width < kPositionsByBlock && stage(by_block_).by_block == false &&
            layer(by_block_).has_weights()) {
            break;
        }
        ++by_block_;
    }
    const Grid& input = plan_.input;
    for (Size y = 0; y < plan_.height; ++y) {
        for (Size x = 0; x < plan_.width; ++x) {
            for (Size c = 0; c < plan_.channels; ++c) {
                const Size at = input.origin(kernels_.lanes) + c * input.plane(kernels_.lanes) +
                                y * input.row(kernels_.lanes) + x * kernels_.lanes;
                places_.push_back(static_cast<std::int32_t>(at));
                if (plan_.factors.empty()) continue;
                factors_.push_back(plan_.factors[static_cast<std::size_t>(c)]);
                offsets_.push_back(plan_.offsets[static_cast<std::size_t>(c)]);
            }
        }
    }
    targets_.resize(static_cast<std::size_t>(chunk_images_));
    blank_.resize(places_.size());
    for (const Floats& floats : activations_) bytes_ += floats.size() * 4;
    for (const Stage& stage : stages_) {
        bytes_ += (stage.packed.size() + stage.lanes.size() + stage.bias_lanes.size()) * 4;
    }
    bytes_ += (6 * weights_.size() + chunk_gradient_.size()) * 4;
}

void Network::plan_stage(Size number) {
    const Layer& from = layer(number);
    Stage& stage = this->stage(number);
    const Activation before = number == 0 ? Activation::linear : layer(number - 1).activation;
    const Size in_stride = stride(number), out_stride = stride(number + 1);
    stage.by_block = false;
    if (from.is_elementwise()) {
        stage.elementwise = {from.in, from.out, before, from.function,
                             static_cast<float>(from.scale), in_stride, out_stride};
        if (from.kind == LayerKind::batch_norm) {
            const auto channels = static_cast<std::size_t>(from.in.channels);
            stage.mean.resize(channels);
            stage.variance.resize(channels);
            stage.inverse.resize(channels);
        }
        return;
    }
    if (!from.has_weights()) {
        stage.pool = {from.in, from.out, from.window_height, from.window_width,
                      from.kind == LayerKind::max_pool, before, in_stride, out_stride};
        return;
    }
    stage.convolution = {from.in, from.out, from.kernel, from.stride, before, from.activation,
                         in_stride, out_stride, from.taps.data()};
    const Size weights = stage.convolution.weight_count();
    stage.by_block = from.out.height * from.out.width >= kPositionsByBlock;
    if (number > plan_.first_with_weights && from.kernel > 1) stage.packed = Floats(weights);
    if (stage.by_block) {
        const Size sets = kLogicalLanes / kernels_.lanes;
        stage.lanes = Floats(sets * set_stride(weights, kernels_.lanes));
        stage.bias_lanes = Floats(sets * set_stride(from.out.channels, kernels_.lanes));
    }
}

void Network::replace(const float* parameters) {
    std::copy_n(parameters, plan_.parameters, weights_.data());
}

void Network::load(const float* parameters) {
    replace(parameters);
    first_moment_.clear();
    second_moment_.clear();
    power_1_ = power_2_ = 1;
}

void Network::save(float* parameters) const {
    std::copy_n(const_cast<Network*>(this)->weights_.data(), plan_.parameters, parameters);
}

void Network::measure(bool on) {
    measuring_ = on;
    seconds_.assign(plan_.layers.size() + 1, {});
}

void Network::pack() {
    const Timer timer(*this, layers(), Pass::input_gradient);
    for (Size number = 0; number < layers(); ++number) {
        Stage& stage = this->stage(number);
        if (stage.packed.size() == 0) continue;
        kernels_.pack(stage.convolution, weights_.data() + layer(number).weights,
                      stage.packed.data());
    }
}

void Network::set_targets(const Split& split, Size begin, Size count) {
    const Size outputs = plan_.outputs;
    wanted_.resize(split.wanted ? static_cast<std::size_t>(count * outputs) : 0);
    for (Size i = 0; i < count; ++i) {
        const Size image = split.order ? split.order[begin + i] : begin + i;
        if (split.wanted) {
            std::copy_n(split.wanted + image * outputs, outputs, wanted_.data() + i * outputs);
            continue;
        }
        targets_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(split.targets[image]);
    }
}

Size Network::blocks_of(Size images) const {
    return rounded_up(images, kPair * kernels_.lanes) / kernels_.lanes;
}

void Network::forward(const Split& split, Size begin, Size count, bool training) {
    set_targets(split, begin, count);
    training_ = training;
    count_ = count;
    const Size blocks = blocks_of(count);
    const ImageBatch batch{split.images, static_cast<Size>(places_.size()),
                           split.order ? split.order + begin : nullptr, begin, count,
                           places_.data(), blank_.data(),
                           factors_.empty() ? nullptr : factors_.data(),
                           offsets_.empty() ? nullptr : offsets_.data()};
    for (Size block = 0; block < blocks; ++block) {
        {
            const Timer timer(*this, layers(), Pass::forward);
            kernels_.gather(batch, values(0), stride(0), block, 1);
        }
        for (Size number = 0; number < by_block_; ++number) forward_layer(number, block, 1);
    }
    for (Size number = by_block_; number < layers(); ++number) forward_layer(number, 0, blocks);
}

void Network::forward_layer(Size number, Size block, Size blocks) {
    const Timer timer(*this, number, Pass::forward);
    Stage& stage = this->stage(number);
    const float* in = values(number) + block * stride(number);
    float* out = values(number + 1) + block * stride(number + 1);
    if (layer(number).is_elementwise()) {
        forward_elementwise(number, block, blocks);
    } else if (layer(number).has_weights()) {
        kernels_.forward(stage.convolution, in, weights_.data() + layer(number).weights,
                         bias(number), out, blocks);
    } else {
        kernels_.pool_forward(stage.pool, in, out, blocks);
    }
}

void Network::forward_elementwise(Size number, Size block, Size blocks) {
    Stage& stage = this->stage(number);
    const Elementwise& own = stage.elementwise;
    const float* in = values(number) + block * stride(number);
    float* out = values(number + 1) + block * stride(number + 1);
    if (layer(number).kind == LayerKind::activation) {
        return kernels_.activate_forward(own, in, out, blocks);
    }
    if (layer(number).kind == LayerKind::dropout) {
        return kernels_.drop_forward(own, masks(number, block), in, out, blocks);
    }
    const float* running = weights_.data() + layer(number).biases + own.in.channels;
    if (training_) {
        kernels_.batch_statistics(own, in, count_, stage.mean.data(), stage.variance.data(),
                                  blocks);
    } else {
        std::copy_n(running, own.in.channels, stage.mean.data());
        std::copy_n(running + own.in.channels, own.in.channels, stage.variance.data());
    }
    for (std::size_t channel = 0; channel < stage.mean.size(); ++channel) {
        const double variance = static_cast<double>(stage.variance[channel]);
        stage.inverse[channel] =
            static_cast<float>(1 / std::sqrt(variance + layer(number).epsilon));
    }
    kernels_.normalise_forward(own, in, normalisation(number), out, blocks);
}

const float* Network::bias(Size number) {
    return layer(number).bias ? weights_.data() + layer(number).biases : no_bias_.data();
}

float* Network::bias_gradient(Size number, float* gradient) {
    return layer(number).bias ? gradient + layer(number).biases : no_bias_gradient_.data();
}

Masks Network::masks(Size number, Size block) const {
    if (!training_ || masks_.kept == nullptr) return {nullptr, 0};
    const std::uint8_t* own = masks_.kept + layer(number).masks * masks_.stride;
    return {own + block * kernels_.lanes, masks_.stride};
}

Normalisation Network::normalisation(Size number) {
    const Stage& stage = this->stage(number);
    return {stage.mean.data(), stage.inverse.data(), weights_.data() + layer(number).weights,
            weights_.data() + layer(number).biases};
}

// Running mean and variance move towards the batch's.
void Network::follow_statistics() {
    for (Size number = 0; number < layers(); ++number) {
        if (layer(number).kind != LayerKind::batch_norm) continue;
        const Stage& stage = this->stage(number);
        const Size channels = stage.elementwise.in.channels;
        const float step = static_cast<float>(1 - layer(number).momentum);
        float* running = weights_.data() + layer(number).biases + channels;
        for (Size channel = 0; channel < channels; ++channel) {
            const auto at = static_cast<std::size_t>(channel);
            float &mean = running[channel], &variance = running[channels + channel];
            mean += (stage.mean[at] - mean) * step;
            variance += (stage.variance[at] - variance) * step;
        }
    }
}

// Every buffer of activations turns into their gradient as the pass goes back through it.
void Network::backward(Size blocks, float* gradient) {
    for (Stage& stage : stages_) {
        stage.lanes.clear();
        stage.bias_lanes.clear();
    }
    for (Size number = layers() - 1; number >= std::max(by_block_, plan_.first_with_weights);
         --number) {
        backward_layer(number, 0, blocks, gradient);
    }
    // Only the gradient of an input takes pairs of blocks; what comes after the last goes singly.
    Size single = plan_.first_with_weights;
    do {
        ++single;
    } while (single < by_block_ && !layer(single).has_weights());
    for (Size pair = 0; pair < blocks; pair += kPair) {
        for (Size number = by_block_ - 1; number >= single; --number) {
            backward_layer(number, pair, kPair, gradient);
        }
        for (Size block = pair; block < pair + kPair; ++block) {
            for (Size number = std::min(single, by_block_) - 1;
                 number >= plan_.first_with_weights; --number) {
                backward_layer(number, block, 1, gradient);
            }
        }
    }
    for (Size number = plan_.first_with_weights; number < layers(); ++number) {
        Stage& stage = this->stage(number);
        if (!stage.by_block) continue;
        kernels_.reduce_lanes(stage.convolution, stage.lanes.data(), stage.bias_lanes.data(),
                              gradient + layer(number).weights, bias_gradient(number, gradient));
    }
}

void Network::backward_layer(Size number, Size block, Size blocks, float* gradient) {
    float* in = values(number) + block * stride(number);
    const float* out = values(number + 1) + block * stride(number + 1);
    Stage& stage = this->stage(number);
    if (layer(number).is_elementwise()) {
        return backward_elementwise(number, block, blocks, gradient);
    }
    if (!layer(number).has_weights()) {
        const Timer timer(*this, number, Pass::input_gradient);
        kernels_.pool_backward(stage.pool, in, out, blocks);
        return;
    }
    weight_gradient(number, block, blocks, gradient);
    if (number == plan_.first_with_weights) return;
    const Timer timer(*this, number, Pass::input_gradient);
    const float* weights = stage.packed.size() > 0 ? stage.packed.data()
                                                   : weights_.data() + layer(number).weights;
    kernels_.input_gradient(stage.convolution, out, weights, in, blocks);
}

void Network::backward_elementwise(Size number, Size block, Size blocks, float* gradient) {
    const Timer timer(*this, number, Pass::input_gradient);
    float* in = values(number) + block * stride(number);
    const float* out = values(number + 1) + block * stride(number + 1);
    const Elementwise& own = stage(number).elementwise;
    switch (layer(number).kind) {
        case LayerKind::activation:
            return kernels_.activate_backward(own, in, out, blocks);
        case LayerKind::dropout:
            return kernels_.drop_backward(own, masks(number, block), in, out, blocks);
        default:
            return kernels_.normalise_backward(
                own, in, out, normalisation(number), count_, gradient + layer(number).weights,
                gradient + layer(number).biases, number != plan_.first_with_weights, blocks);
    }
}

void Network::weight_gradient(Size number, Size block, Size blocks, float* gradient) {
    const Timer timer(*this, number, Pass::weight_gradient);
    Stage& stage = this->stage(number);
    if (stage.by_block) {
        kernels_.weight_lanes(stage.convolution, values(number), values(number + 1),
                              stage.lanes.data(), stage.bias_lanes.data(), block, blocks);
    } else {
        kernels_.weight_gradient(stage.convolution, values(number), values(number + 1),
                                 gradient + layer(number).weights,
                                 bias_gradient(number, gradient), blocks);
    }
}

void Network::chunk(const Split& split, Size begin, Size count, Size batch, float* gradient,
                    LossSums& sums) {
    forward(split, begin, count, true);
    {
        const Timer timer(*this, layers(), Pass::other);
        float* logits = values(layers());
        const auto divisor = static_cast<float>(batch);
        if (split.wanted) {
            kernels_.squares(logits, stride(layers()), plan_.outputs, wanted_.data(), count,
                             divisor, sums);
        } else {
            kernels_.loss(logits, stride(layers()), plan_.outputs, targets_.data(), count, divisor,
                          sums);
        }
    }
    backward(blocks_of(count), gradient);
}

void Network::differentiate(const Split& split, Size begin, Size count, LossSums& sums) {
    pack();
    for (Size done = 0; done < count; done += chunk_images_) {
        const Size here = std::min(chunk_images_, count - done);
        masks_ = {split.masks.kept == nullptr ? nullptr : split.masks.kept + done,
                  split.masks.stride};
        float* gradient = done == 0 ? gradient_.data() : chunk_gradient_.data();
        chunk(split, begin + done, here, count, gradient, sums);
        if (done > 0) kernels_.add(gradient_.data(), gradient, gradient_.size());
    }
}

void Network::gradient(const Split& split, Size begin, Size count, float* gradient,
                       LossSums& sums) {
    differentiate(split, begin, count, sums);
    std::copy_n(gradient_.data(), plan_.parameters, gradient);
}

void Network::step(const Split& split, Size begin, Size count, double learning_rate,
                   LossSums& sums) {
    differentiate(split, begin, count, sums);
    {
        const Timer timer(*this, layers(), Pass::weight_gradient);
        optimize(learning_rate);
    }
    follow_statistics();
}

void Network::optimize(double learning_rate) {
    float *gradient = gradient_.data(), *weights = weights_.data();
    float *first = first_moment_.data(), *second = second_moment_.data();
    const Size count = weights_.size();
    if (optimizer_.l2 != 0) {
        kernels_.add_share(static_cast<float>(2 * optimizer_.l2), kernels_share_.data(), weights,
                           gradient, count);
    }
    if (optimizer_.weight_decay != 0) {
        const double lost = learning_rate * optimizer_.weight_decay;
        kernels_.add_share(static_cast<float>(-lost), trained_share_.data(), weights, weights,
                           count);
    }
    const auto momentum = static_cast<float>(optimizer_.momentum);
    switch (optimizer_.rule) {
        case Rule::adam: {
            // Products, not std::pow, whose last bit depends on the system.
            power_1_ *= kBeta1;
            power_2_ *= kBeta2;
            const double rate = learning_rate * (std::sqrt(1 - power_2_) / (1 - power_1_));
            const AdamStep step{static_cast<float>(rate), static_cast<float>(kEpsilon),
                                static_cast<float>(1 - kBeta1), static_cast<float>(1 - kBeta2)};
            return kernels_.adam(step, gradient, weights, first, second, count);
        }
        case Rule::rmsprop: {
            const RmsStep step{static_cast<float>(learning_rate), momentum,
                               static_cast<float>(kEpsilon), static_cast<float>(1 - kRho)};
            return kernels_.rmsprop(step, gradient, weights, first, second, count);
        }
        default: {
            const MomentumStep step{static_cast<float>(learning_rate), momentum,
                                    optimizer_.rule == Rule::nesterov};
            return kernels_.descend(step, gradient, weights, first, count);
        }
    }
}

void Network::evaluate(const Split& split, Size begin, Size count, float* logits,
                       LossSums& sums) {
    const Size outputs = plan_.outputs, block = kernels_.lanes;
    for (Size done = 0; done < count; done += chunk_images_) {
        const Size here = std::min(chunk_images_, count - done);
        forward(split, begin + done, here, false);
        float* from = values(layers());
        kernels_.loss(from, stride(layers()), outputs, targets_.data(), here, 0, sums);
        for (Size image = 0; image < here; ++image) {
            for (Size output = 0; output < outputs; ++output) {
                logits[(done + image) * outputs + output] =
                    from[image / block * stride(layers()) + output * block + image % block];
            }
        }
    }
}

}  // namespace hyperzoo
