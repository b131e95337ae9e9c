// The functions that are compiled once for every instruction set. The rest of the engine calls
// them through this table, so nothing else needs to know what the processor has.
#pragma once
#include "geometry.hpp"

namespace hyperzoo {

struct LossSums {
    double loss;    // nats
    double right;   // images
};

// Where the images of a batch are, and which.
struct ImageBatch {
    const std::uint8_t* images;     // [image][row][column][channel]
    Size bytes;                     // of an image
    const std::int64_t* order;      // positions of the images; null for first, first + 1, ...
    Size first;
    Size count;                     // images in the batch
    const std::int32_t* places;     // byte of an image -> floats from the block's start
    const std::uint8_t* blank;      // stands in for the images that a last block lacks
    const float *factors, *offsets; // of every byte of an image; null where they are not scaled
};

// The constants of one step of Adam.
struct AdamStep {
    float rate;     // with both bias corrections
    float epsilon;
    float first;    // 1 - beta_1
    float second;   // 1 - beta_2
};

// The constants of a step of gradient descent with momentum.
struct MomentumStep {
    float rate;
    float momentum;
    bool nesterov;
};

// The constants of a step of RMSprop.
struct RmsStep {
    float rate;
    float momentum;
    float epsilon;
    float second;   // 1 - rho
};

enum class Function : std::int32_t { tanh = 0, exp = 1, log = 2, log1p = 3, fma = 4, erf = 5 };

struct Kernels {
    const char* name;
    Size lanes;     // floats in a vector, images in a block

    void (*gather)(const ImageBatch&, float* values, Size stride, Size first_block, Size blocks);

    void (*forward)(const Convolution&, const float* in, const float* weights, const float* bias,
                    float* out, Size blocks);
    // Weights [out][in][row][column] -> the order in which the next function reads those of more
    // than one tap.
    void (*pack)(const Convolution&, const float* weights, float* packed);
    // Turns the values of `in` into the gradient with respect to the sums they came from.
    void (*input_gradient)(const Convolution&, const float* out_gradient, const float* packed,
                           float* in, Size blocks);
    // Adds the blocks' part to the 16 partial sums of weights and of biases (set_stride) ...
    void (*weight_lanes)(const Convolution&, const float* in, const float* out_gradient,
                         float* lanes, float* bias_lanes, Size first_block, Size blocks);
    // ... which this sums up at the end.
    void (*reduce_lanes)(const Convolution&, const float* lanes, const float* bias_lanes,
                         float* gradient, float* bias_gradient);
    // Both at once, for layers with few positions and many weights.
    void (*weight_gradient)(const Convolution&, const float* in, const float* out_gradient,
                            float* gradient, float* bias_gradient, Size blocks);

    void (*pool_forward)(const Pool&, const float* in, float* out, Size blocks);
    void (*pool_backward)(const Pool&, float* in, const float* out_gradient, Size blocks);

    void (*activate_forward)(const Elementwise&, const float* in, float* out, Size blocks);
    void (*activate_backward)(const Elementwise&, float* in, const float* out_gradient,
                              Size blocks);
    void (*drop_forward)(const Elementwise&, const Masks&, const float* in, float* out,
                         Size blocks);
    void (*drop_backward)(const Elementwise&, const Masks&, float* in, const float* out_gradient,
                          Size blocks);
    // Mean and variance of every channel over the first `count` images.
    void (*batch_statistics)(const Elementwise&, const float* in, Size count, float* mean,
                             float* variance, Size blocks);
    void (*normalise_forward)(const Elementwise&, const float* in, const Normalisation&,
                              float* out, Size blocks);
    // `input` says whether the values of `in` turn into their gradient.
    void (*normalise_backward)(const Elementwise&, float* in, const float* out_gradient,
                               const Normalisation&, Size count, float* gamma_gradient,
                               float* beta_gradient, bool input, Size blocks);

    // Cross-entropy of logits [output][image of the block]. Where `divisor` is not 0 the logits
    // are replaced by the gradient of the mean over that many images.
    // Adds to `sums`, image after image.
    void (*loss)(float* logits, Size stride, Size outputs, const std::int32_t* targets, Size count,
                 float divisor, LossSums& sums);
    // The same for squares of what logits miss of `wanted` [image][output]; always with gradient.
    void (*squares)(float* logits, Size stride, Size outputs, const float* wanted, Size count,
                    float divisor, LossSums& sums);

    void (*adam)(const AdamStep&, const float* gradient, float* weights, float* first,
                 float* second, Size count);
    void (*descend)(const MomentumStep&, const float* gradient, float* weights, float* velocity,
                    Size count);
    void (*rmsprop)(const RmsStep&, const float* gradient, float* weights, float* velocity,
                    float* second, Size count);
    // Adds to each number `factor` times its share of another.
    void (*add_share)(float factor, const float* share, const float* others, float* numbers,
                      Size count);
    void (*add)(float* sums, const float* terms, Size count);

    void (*apply)(Function, const float* in, float* out, Size count);
    double (*fma_peak)(Size rounds);    // floating-point operations done
};

const Kernels& baseline_kernels();
#if defined(__x86_64__)
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();
#endif

}  // namespace hyperzoo
