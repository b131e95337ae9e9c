// Cross-entropy on logits, its gradient, and how many images are classified rightly; and squares of
// what logits miss.
#pragma once

namespace hyperzoo {
namespace {

struct LossVectors {
    Vector loss;
    Integers right;
};

// The targets of one vector of images; lanes from `count` on get -1.
HYPERZOO_INLINE Integers targets_of(const std::int32_t* targets, Size count) {
    Integers result = Integers{} - 1;
    for (Size lane = 0; lane < W && lane < count; ++lane) result[lane] = targets[lane];
    return result;
}

// Sigmoid and binary cross-entropy: max(z, 0) - z y + log(1 + e^-|z|); gradient sigmoid(z) - y.
HYPERZOO_INLINE LossVectors binary_loss(float* logits, Integers targets, Vector divisor,
                                        bool differentiate) {
    const Vector z = load(logits), y = targets == 1 ? all(1) : all(0);
    const Vector magnitude = as_floats(bits(z) & ~kSignBit);
    const Vector e = exp(-magnitude);
    const Vector loss = (at_least(z, all(0)) - z * y) + log1p(e);
    if (differentiate) {
        const Vector sigmoid = (z < all(0) ? e : all(1)) / (all(1) + e);
        store(logits, targets < 0 ? all(0) : (sigmoid - y) / divisor);
    }
    return {loss, (z > all(0)) == (targets == 1)};
}

// Softmax and categorical cross-entropy: log(sum of e^(z - max)) - (z_target - max).
HYPERZOO_INLINE LossVectors categorical_loss(float* logits, Size outputs, Integers targets,
                                             Vector divisor, bool differentiate) {
    Vector largest = load(logits), target_logit = load(logits);
    Integers said = {};
    for (Size k = 0; k < outputs; ++k) {
        const Vector z = load(logits + k * W);
        const std::int32_t output = static_cast<std::int32_t>(k);
        // As in PyTorch the first of equal logits is said, and not-a-number before all.
        const Integers wins = (z > largest) | ((z != z) & (largest == largest));
        largest = wins ? z : largest;
        said = wins ? Integers{} + output : said;
        target_logit = targets == output ? z : target_logit;
    }
    Vector sum = all(0);
    for (Size k = 0; k < outputs; ++k) sum += exp(load(logits + k * W) - largest);
    const Vector loss = log(sum) - (target_logit - largest);
    if (differentiate) {
        for (Size k = 0; k < outputs; ++k) {
            float* at = logits + k * W;
            const Vector share = exp(load(at) - largest) / sum;
            const Vector y = targets == static_cast<std::int32_t>(k) ? all(1) : all(0);
            store(at, targets < 0 ? all(0) : (share - y) / divisor);
        }
    }
    return {loss, said == targets};
}

void loss(float* logits, Size stride, Size outputs, const std::int32_t* targets, Size count,
          float divisor, LossSums& sums) {
    const bool differentiate = divisor != 0;
    const Size pairs = (count + kPair * W - 1) / (kPair * W);
    for (Size image = 0; image < pairs * kPair * W; image += W, logits += stride) {
        const Size here = count - image;
        const Integers wanted = targets_of(targets + (here > 0 ? image : 0), here);
        const LossVectors part =
            outputs == 1 ? binary_loss(logits, wanted, all(divisor), differentiate)
                         : categorical_loss(logits, outputs, wanted, all(divisor), differentiate);
        for (Size lane = 0; lane < W && lane < here; ++lane) {
            sums.loss += static_cast<double>(part.loss[lane]);
            sums.right += part.right[lane] != 0 ? 1 : 0;
        }
    }
}

// The mean over outputs of (z - wanted)^2; gradient 2 (z - wanted) / outputs. `wanted` is
// [image][output].
void squares(float* logits, Size stride, Size outputs, const float* wanted, Size count,
             float divisor, LossSums& sums) {
    const Vector share = all(2 / (divisor * static_cast<float>(outputs)));
    const Size pairs = (count + kPair * W - 1) / (kPair * W);
    for (Size image = 0; image < pairs * kPair * W; image += W, logits += stride) {
        double losses[W] = {};
        for (Size k = 0; k < outputs; ++k) {
            Vector miss = all(0);
            for (Size lane = 0; lane < W && image + lane < count; ++lane) {
                miss[lane] = logits[k * W + lane] - wanted[(image + lane) * outputs + k];
                losses[lane] += static_cast<double>(miss[lane]) * static_cast<double>(miss[lane]);
            }
            store(logits + k * W, miss * share);
        }
        for (Size lane = 0; lane < W && image + lane < count; ++lane) {
            sums.loss += losses[lane] / static_cast<double>(outputs);
        }
    }
}

}  // namespace
}  // namespace hyperzoo
