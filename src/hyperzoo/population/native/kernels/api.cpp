// The functions that Python calls through ctypes. Every one is safe against exceptions; those
// that compute run without Python's lock and return after about the time they were given.
#include <chrono>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "masks.hpp"
#include "network.hpp"
#include "processor.hpp"

using hyperzoo::Size;

#define HYPERZOO_API extern "C" __attribute__((visibility("default")))

namespace {

using Clock = std::chrono::steady_clock;

void tell(char* message, Size size, const char* text) {
    if (message == nullptr || size <= 0) return;
    std::strncpy(message, text, static_cast<std::size_t>(size) - 1);
    message[size - 1] = '\0';
}

bool past(Clock::time_point start, double seconds) {
    return std::chrono::duration<double>(Clock::now() - start).count() >= seconds;
}

hyperzoo::Network& network(void* handle) { return *static_cast<hyperzoo::Network*>(handle); }

}  // namespace

// Changes when any function's arguments do.
HYPERZOO_API std::int64_t hyperzoo_interface() { return 5; }

// The variant in use, or null where the processor lacks the one that was asked for.
HYPERZOO_API const char* hyperzoo_variant() {
    const hyperzoo::Kernels* kernels = hyperzoo::choose_kernels();
    return kernels ? kernels->name : nullptr;
}

HYPERZOO_API std::int64_t hyperzoo_is_fast() {
    const hyperzoo::Kernels* kernels = hyperzoo::choose_kernels();
    return kernels != nullptr && hyperzoo::is_fast(*kernels) ? 1 : 0;
}

// A network, or null and a message.
HYPERZOO_API void* hyperzoo_new(const std::int64_t* description, Size length, Size batch,
                                char* message, Size message_size) {
    try {
        const hyperzoo::Kernels* kernels = hyperzoo::choose_kernels();
        if (kernels == nullptr) {
            tell(message, message_size, "the processor can't run the kernels that were asked for");
            return nullptr;
        }
        if (batch < 1) {
            tell(message, message_size, "a batch must have an image");
            return nullptr;
        }
        auto plan = hyperzoo::read_plan(description, length, kernels->lanes);
        return new hyperzoo::Network(std::move(plan), *kernels, batch);
    } catch (const std::bad_alloc&) {
        tell(message, message_size, "out of memory");
    } catch (const std::exception& error) {
        tell(message, message_size, error.what());
    }
    return nullptr;
}

HYPERZOO_API void hyperzoo_delete(void* handle) {
    delete static_cast<hyperzoo::Network*>(handle);
}

HYPERZOO_API Size hyperzoo_parameters(void* handle) { return network(handle).plan().parameters; }

HYPERZOO_API Size hyperzoo_outputs(void* handle) { return network(handle).plan().outputs; }

// Values of an image that dropouts decide on.
HYPERZOO_API Size hyperzoo_dropped(void* handle) { return network(handle).plan().dropped; }

HYPERZOO_API Size hyperzoo_bytes(void* handle) { return network(handle).bytes(); }

HYPERZOO_API void hyperzoo_load(void* handle, const float* parameters) {
    network(handle).load(parameters);
}

// Other weights in the midst of training: the optimizer's moments stay.
HYPERZOO_API void hyperzoo_replace(void* handle, const float* parameters) {
    network(handle).replace(parameters);
}

HYPERZOO_API void hyperzoo_save(void* handle, float* parameters) {
    network(handle).save(parameters);
}

// Draws what the dropouts keep in a step of some images, as `hyperzoo_train` takes it: two words of
// a key and a limit for every dropout.
HYPERZOO_API void hyperzoo_masks(void* handle, const std::uint64_t* keys,
                                 const std::int64_t* limits, Size images, std::uint8_t* masks,
                                 Size stride) {
    for (const hyperzoo::Layer& layer : network(handle).plan().layers) {
        if (layer.kind != hyperzoo::LayerKind::dropout) continue;
        const auto limit = static_cast<std::uint32_t>(*limits++);
        hyperzoo::draw_masks(keys, limit, layer.in.values(1), images,
                             masks + layer.masks * stride, stride);
        keys += 2;
    }
}

// Chooses the optimizer (hyperzoo::Rule) of the networks that are loaded from now on.
HYPERZOO_API void hyperzoo_use(void* handle, std::int64_t rule, double momentum,
                               double weight_decay, double l2) {
    network(handle).use({static_cast<hyperzoo::Rule>(rule), momentum, weight_decay, l2});
}

// Trains on the order's images from `begin` on, in batches, until all are met or the time is
// over. Adds to sums = {loss, right}. Returns where to go on. `masks` is null, or what dropouts keep
// in one step, 1 or 0 for [value][image], `mask_stride` bytes from a value to the next and a
// multiple of 32: then it is one step. Where `wanted` is not null, it is the logits [image][output]
// to be come near to, by squares; then `targets` is not read.
HYPERZOO_API Size hyperzoo_train(void* handle, const std::uint8_t* images,
                                 const std::int64_t* targets, const float* wanted,
                                 const std::int64_t* order, Size begin, Size end, Size batch,
                                 double learning_rate,
                                 double seconds, const std::uint8_t* masks, Size mask_stride,
                                 double* sums) {
    const hyperzoo::FlushDenormals flush;
    const auto start = Clock::now();
    const hyperzoo::Split split{images, targets, order, {masks, mask_stride}, wanted};
    hyperzoo::LossSums so_far{sums[0], sums[1]};
    do {
        const Size count = end - begin < batch ? end - begin : batch;
        network(handle).step(split, begin, count, learning_rate, so_far);
        begin += count;
    } while (begin < end && masks == nullptr && !past(start, seconds));
    sums[0] = so_far.loss;
    sums[1] = so_far.right;
    return begin;
}

// The same for logits [image][output] of the images in their own order.
HYPERZOO_API Size hyperzoo_evaluate(void* handle, const std::uint8_t* images,
                                    const std::int64_t* targets, Size begin, Size end, Size batch,
                                    double seconds, float* logits, double* sums) {
    const hyperzoo::FlushDenormals flush;
    const auto start = Clock::now();
    const hyperzoo::Split split{images, targets, nullptr, {nullptr, 0}, nullptr};
    hyperzoo::LossSums so_far{sums[0], sums[1]};
    const Size outputs = network(handle).plan().outputs;
    do {
        const Size count = end - begin < batch ? end - begin : batch;
        network(handle).evaluate(split, begin, count, logits + begin * outputs, so_far);
        begin += count;
    } while (begin < end && !past(start, seconds));
    sums[0] = so_far.loss;
    sums[1] = so_far.right;
    return begin;
}

// The gradient of the mean loss over the first `count` images: [parameter].
HYPERZOO_API void hyperzoo_gradient(void* handle, const std::uint8_t* images,
                                    const std::int64_t* targets, const float* wanted, Size count,
                                    const std::uint8_t* masks, Size mask_stride, float* gradient,
                                    double* sums) {
    const hyperzoo::FlushDenormals flush;
    hyperzoo::LossSums so_far{0, 0};
    const hyperzoo::Split split{images, targets, nullptr, {masks, mask_stride}, wanted};
    network(handle).gradient(split, 0, count, gradient, so_far);
    sums[0] = so_far.loss;
    sums[1] = so_far.right;
}

// Starts (or stops) measuring seconds by layer and pass.
HYPERZOO_API void hyperzoo_measure(void* handle, std::int64_t on) {
    network(handle).measure(on != 0);
}

// Writes them, [layers + 1][4 passes].
HYPERZOO_API void hyperzoo_seconds(void* handle, double* seconds) {
    for (const auto& row : network(handle).seconds()) {
        for (const double value : row) *seconds++ = value;
    }
}

// An elementary function of every number (hyperzoo::Function), with denormals as zero.
HYPERZOO_API void hyperzoo_apply(std::int64_t function, const float* in, float* out, Size count) {
    const hyperzoo::FlushDenormals flush;
    const hyperzoo::Kernels* kernels = hyperzoo::choose_kernels();
    if (kernels == nullptr) return;
    kernels->apply(static_cast<hyperzoo::Function>(function), in, out, count);
}

// Floating-point operations a second that independent fused multiply-adds reach on this thread,
// measured for about the given time.
HYPERZOO_API double hyperzoo_fma_peak(double seconds) {
    const hyperzoo::Kernels* kernels = hyperzoo::choose_kernels();
    if (kernels == nullptr) return 0;
    double best = 0;
    const auto start = Clock::now();
    do {
        const auto round = Clock::now();
        const double operations = kernels->fma_peak(200000);
        const double taken = std::chrono::duration<double>(Clock::now() - round).count();
        if (operations / taken > best) best = operations / taken;
    } while (!past(start, seconds));
    return best;
}
