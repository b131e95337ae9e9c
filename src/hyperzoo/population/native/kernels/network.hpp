// Trains and evaluates one network at a time in memory of its own.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "kernels.hpp"
#include "plan.hpp"

namespace hyperzoo {

// Floats at an address that suits every vector.
class Floats {
  public:
    explicit Floats(Size count = 0);
    float* data() { return data_.get(); }
    Size size() const { return size_; }
    void clear();

  private:
    struct Free {
        void operator()(float* data) const;
    };
    Size size_;
    std::unique_ptr<float, Free> data_;
};

// Where images and targets are, and which of them a call is about.
struct Split {
    const std::uint8_t* images;     // [image][row][column][channel]
    const std::int64_t* targets;    // [image]; null where logits are wanted
    const std::int64_t* order;      // positions; null for the images' own order
    Masks masks;                    // [value of any dropout][image of the call]
    const float* wanted;            // logits [image][output]; null where targets are
};

enum class Pass : std::int32_t { other = 0, forward = 1, input_gradient = 2, weight_gradient = 3 };

enum class Rule : std::int64_t { adam = 0, descent = 1, nesterov = 2, rmsprop = 3 };

// How gradients become steps. Weight decay is decoupled: w -= rate decay w before a step, of all
// that is trained. The penalty is l2 times the sum of the squares of kernels.
struct Optimizer {
    Rule rule;
    double momentum, weight_decay, l2;
};

class Network {
  public:
    // `batch` is the largest number of images that a call may ask for at once.
    Network(Plan plan, const Kernels& kernels, Size batch);

    const Plan& plan() const { return plan_; }
    Size bytes() const { return bytes_; }

    // Parameters in the order of the parameter table; a new network forgets the
    // optimizer's moments.
    void load(const float* parameters);
    // Other parameters in the midst of training: nothing is forgotten.
    void replace(const float* parameters);
    void use(const Optimizer& optimizer) { optimizer_ = optimizer; }
    void save(float* parameters) const;

    // All three work on images [begin, begin + count) of the order and add what they met to
    // `sums`, image after image, so that no sum depends on how a call is cut into chunks.

    // One step of the optimizer.
    void step(const Split& split, Size begin, Size count, double learning_rate, LossSums& sums);
    // The gradient of the mean loss alone: [parameter].
    void gradient(const Split& split, Size begin, Size count, float* gradient, LossSums& sums);
    // Logits [image][output].
    void evaluate(const Split& split, Size begin, Size count, float* logits, LossSums& sums);

    // Seconds spent by [layer][pass] since the last call; the last row is work between layers:
    // gathering images, packing weights, the loss, the optimizer. Null where they are not measured.
    static constexpr Size kPasses = 4;
    void measure(bool on);
    const std::vector<std::array<double, kPasses>>& seconds() const { return seconds_; }

  private:
    struct Stage {
        Convolution convolution;
        Pool pool;
        Elementwise elementwise;
        std::vector<float> mean, variance, inverse; // of a batch normalisation, by channel
        Floats packed;              // weights in the order of the input's gradient
        Floats lanes, bias_lanes;   // of a layer whose gradient is summed block by block
        bool by_block;
    };

    float* values(Size layer) { return activations_[static_cast<std::size_t>(layer)].data(); }
    Size stride(Size layer) const { return strides_[static_cast<std::size_t>(layer)]; }
    Stage& stage(Size layer) { return stages_[static_cast<std::size_t>(layer)]; }
    const Layer& layer(Size number) const {
        return plan_.layers[static_cast<std::size_t>(number)];
    }
    Size layers() const { return static_cast<Size>(plan_.layers.size()); }

    void plan_stage(Size number);
    Size blocks_of(Size images) const;      // pairs of them, filled up with blank images
    void pack();
    void differentiate(const Split& split, Size begin, Size count, LossSums& sums);
    void chunk(const Split& split, Size begin, Size count, Size batch, float* gradient,
               LossSums& sums);
    void set_targets(const Split& split, Size begin, Size count);
    void forward(const Split& split, Size begin, Size count, bool training);
    void forward_layer(Size number, Size block, Size blocks);
    void forward_elementwise(Size number, Size block, Size blocks);
    void backward(Size blocks, float* gradient);
    void backward_elementwise(Size number, Size block, Size blocks, float* gradient);
    const float* bias(Size number);
    float* bias_gradient(Size number, float* gradient);
    Masks masks(Size number, Size block) const;
    Normalisation normalisation(Size number);
    void follow_statistics();
    void optimize(double learning_rate);
    void backward_layer(Size number, Size block, Size blocks, float* gradient);
    void weight_gradient(Size number, Size block, Size blocks, float* gradient);

    class Timer;

    Plan plan_;
    const Kernels& kernels_;
    Size chunk_images_, bytes_ = 0, by_block_ = 0;
    std::vector<Floats> activations_;   // [0] the images, [n + 1] what layer n gives
    std::vector<Size> strides_;         // floats from block to block
    std::vector<Stage> stages_;
    std::vector<std::int32_t> places_, targets_;
    std::vector<float> wanted_;             // [image][output], of the images of the call
    std::vector<std::uint8_t> blank_;
    std::vector<float> factors_, offsets_;  // of every byte of an image; empty where there are none
    Floats no_bias_, no_bias_gradient_;  // of layers without one: zeros, and what nobody reads
    Masks masks_ = {nullptr, 0};        // of the call that is running
    Size count_ = 0;                    // its images
    bool training_ = false;
    Floats weights_, gradient_, chunk_gradient_, first_moment_, second_moment_;
    Floats kernels_share_, trained_share_;  // 1 of the parameters that are kernels, or trained
    Optimizer optimizer_ = {Rule::adam, 0, 0, 0};
    double power_1_ = 1, power_2_ = 1;  // beta_1^steps, beta_2^steps
    bool measuring_ = false;
    std::vector<std::array<double, kPasses>> seconds_;
};

}  // namespace hyperzoo
