// Runs every kernel through the C interface on awkward sizes and prints digests of the results,
// for builds with sanitizers (sanitize.sh).
#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

using Size = std::int64_t;

extern "C" {
const char* hyperzoo_variant();
void* hyperzoo_new(const std::int64_t*, Size, Size, char*, Size);
void hyperzoo_delete(void*);
Size hyperzoo_parameters(void*);
Size hyperzoo_outputs(void*);
void hyperzoo_load(void*, const float*);
void hyperzoo_use(void*, std::int64_t, double, double, double);
void hyperzoo_save(void*, float*);
Size hyperzoo_dropped(void*);
void hyperzoo_replace(void*, const float*);
Size hyperzoo_train(void*, const std::uint8_t*, const std::int64_t*, const float*,
                    const std::int64_t*, Size, Size, Size, double, double, const std::uint8_t*,
                    Size, double*);
Size hyperzoo_evaluate(void*, const std::uint8_t*, const std::int64_t*, Size, Size, Size, double,
                       float*, double*);
void hyperzoo_apply(std::int64_t, const float*, float*, Size);
double hyperzoo_fma_peak(double);
}

namespace {

const std::vector<std::vector<std::int64_t>> kNetworks = {
    // LeNet-5 on small images, with a 'same' convolution and both kinds of pooling.
    {20, 20, 3, 7,
     1, 5, 6, 1, 1, 1, 1,
     2, 2, 0, 0, 0, 0, 0,
     1, 5, 16, 1, 0, 1, 1,
     3, 2, 0, 0, 0, 0, 0,
     1, 3, 13, 1, 0, 2, 1,
     5, 0, 9, 0, 0, 1, 1,
     5, 0, 1, 0, 0, 0, 1},
    // Strided convolutions, global average, several outputs.
    {33, 31, 1, 5,
     1, 3, 16, 2, 0, 2, 1,
     1, 3, 7, 2, 1, 2, 1,
     1, 1, 5, 3, 0, 0, 1,
     4, 0, 0, 0, 0, 0, 0,
     5, 0, 10, 0, 0, 0, 1},
    // A dense layer on images whose bytes are no multiple of 16.
    {5, 7, 1, 1,
     5, 0, 3, 0, 0, 0, 1},
    // Pooling with a remainder, on the images themselves too.
    {19, 17, 3, 4,
     2, 2, 0, 0, 0, 0, 0,
     1, 3, 11, 1, 1, 1, 1,
     3, 3, 0, 0, 0, 0, 0,
     5, 0, 1, 0, 0, 0, 1},
    // Batch normalisation, dropout, even kernels, no bias, and activations of their own.
    {13, 10, 3, 10,
     7, 4606281698874543309LL, 4562254508917369340LL, 0, 0, 0, 0,
     1, 4, 5, 1, 1, 1, 1,
     8, 4611686018427387904LL, 0, 0, 0, 0, 0,
     7, 4602678819172646912LL, 4532020583610935537LL, 0, 0, 0, 0,
     6, 0, 0, 0, 0, 4, 0,
     1, 2, 7, 2, 1, 0, 0,
     6, 0, 0, 0, 0, 5, 0,
     7, 4606281698874543309LL, 4562254508917369340LL, 0, 1, 0, 0,
     6, 0, 0, 0, 0, 3, 0,
     5, 0, 3, 0, 0, 0, 1},
    // Images that are normalised, channel by channel: factors 4, 5, 2 and offsets -2, -1, -0.5.
    {11, 9, 3, 2,
     1, 3, 5, 1, 1, 1, 1,
     5, 0, 2, 0, 0, 0, 1,
     4616189618054758400LL, 4617315517961601024LL, 4611686018427387904LL,
     -4611686018427387904LL, -4616189618054758400LL, -4620693217682128896LL},
};

std::uint64_t digest(const void* data, std::size_t size) {
    std::uint64_t hash = 1469598103934665603u;
    for (std::size_t i = 0; i < size; ++i) {
        hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
    }
    return hash;
}

struct Random {
    std::uint64_t state = 1;
    std::uint32_t next() {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::uint32_t>(state >> 33);
    }
};

bool run(const std::vector<std::int64_t>& description, Size count, Size batch) {
    char message[256] = "";
    void* network = hyperzoo_new(description.data(), static_cast<Size>(description.size()), batch,
                                 message, sizeof message);
    if (network == nullptr) {
        std::fprintf(stderr, "refused: %s\n", message);
        return false;
    }
    Random random;
    std::vector<float> weights(static_cast<std::size_t>(hyperzoo_parameters(network)));
    for (float& weight : weights) weight = static_cast<float>(random.next() % 2001) / 5000 - 0.2f;
    // Among them are running variances, where there is a batch normalisation.
    if (description[4] == 7) {
        for (float& weight : weights) weight = std::fabs(weight);
    }
    // Exactly as large as they must be, so that reading beyond them is found out.
    std::vector<std::uint8_t> images(
        static_cast<std::size_t>(count * description[0] * description[1] * description[2]));
    for (std::uint8_t& byte : images) byte = static_cast<std::uint8_t>(random.next());
    const Size outputs = hyperzoo_outputs(network);
    std::vector<std::int64_t> targets, order;
    for (Size i = 0; i < count; ++i) {
        targets.push_back(random.next() % (outputs == 1 ? 2 : outputs));
        order.push_back(count - 1 - i);
    }
    std::vector<float> logits(static_cast<std::size_t>(count * outputs));
    double sums[4] = {0, 0, 0, 0};
    // Every optimizer, with weight decay and l2.
    hyperzoo_use(network, batch % 4, 0.5, 1e-3, 1e-3);
    hyperzoo_load(network, weights.data());
    const Size stride = (batch + 31) / 32 * 32, dropped = hyperzoo_dropped(network);
    std::vector<std::uint8_t> masks(static_cast<std::size_t>(dropped * stride));
    for (std::uint8_t& kept : masks) kept = random.next() % 4 > 0;
    for (Size begin = 0; begin < count;) {
        begin = hyperzoo_train(network, images.data(), targets.data(), nullptr, order.data(), begin,
                               count, batch, 1e-2, 1e9, dropped > 0 ? masks.data() : nullptr,
                               stride, sums);
    }
    // And once more towards logits.
    std::vector<float> wanted(logits.size());
    for (float& logit : wanted) logit = static_cast<float>(random.next() % 2001) / 500 - 2;
    hyperzoo_save(network, weights.data());
    hyperzoo_replace(network, weights.data());
    for (Size begin = 0; begin < count;) {
        begin = hyperzoo_train(network, images.data(), nullptr, wanted.data(), order.data(), begin,
                               count, batch, 1e-2, 1e9, dropped > 0 ? masks.data() : nullptr,
                               stride, sums);
    }
    hyperzoo_evaluate(network, images.data(), targets.data(), 0, count, batch, 1e9, logits.data(),
                      sums + 2);
    hyperzoo_save(network, weights.data());
    hyperzoo_delete(network);
    std::printf("%3" PRId64 " images, batch %3" PRId64 ": weights %016" PRIx64 " logits %016" PRIx64
                " loss %.17g %.17g right %g %g\n",
                count, batch, digest(weights.data(), weights.size() * 4),
                digest(logits.data(), logits.size() * 4), sums[0], sums[2], sums[1], sums[3]);
    return std::isfinite(sums[0]) && std::isfinite(sums[2]);
}

}  // namespace

int main() {
    std::fprintf(stderr, "variant %s\n", hyperzoo_variant());
    bool right = true;
    for (const auto& description : kNetworks) {
        right = run(description, 1, 1) && right;
        right = run(description, 37, 16) && right;
        right = run(description, 61, 61) && right;
    }
    right = run(kNetworks[2], 600, 550) && right;
    std::vector<float> in;
    Random random;
    for (int i = 0; i < 3 * 1001; ++i) {
        const std::uint32_t word = random.next() * 2 + random.next() % 2;
        float number;
        std::memcpy(&number, &word, sizeof number);
        in.push_back(std::isfinite(number) ? number : 0.0f);
    }
    std::vector<float> out(1001);
    for (std::int64_t function = 0; function < 6; ++function) {
        hyperzoo_apply(function, in.data(), out.data(), 1001);
        for (float& value : out) value = value != value ? 0 : value;
        std::printf("function %" PRId64 ": %016" PRIx64 "\n", function,
                    digest(out.data(), out.size() * 4));
    }
    return right && hyperzoo_fma_peak(0.001) > 0 ? 0 : 1;
}
