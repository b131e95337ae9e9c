#include "masks.hpp"

#include <algorithm>
#include <cstring>

namespace hyperzoo {
namespace {

constexpr std::uint64_t kMultiply0 = 0xD2E7470EE14C6C93u, kMultiply1 = 0xCA5A826395121157u;
constexpr std::uint64_t kWeyl0 = 0x9E3779B97F4A7C15u, kWeyl1 = 0xBB67AE8584CAA73Bu;

__extension__ typedef unsigned __int128 Wide;

// Philox 4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
void philox(std::uint64_t counter, const std::uint64_t* key, std::uint64_t* words) {
    std::uint64_t a = counter, b = 0, c = 0, d = 0, key0 = key[0], key1 = key[1];
    for (int round = 0; round < 10; ++round) {
        const Wide left = Wide{kMultiply0} * a, right = Wide{kMultiply1} * c;
        a = static_cast<std::uint64_t>(right >> 64) ^ b ^ key0;
        c = static_cast<std::uint64_t>(left >> 64) ^ d ^ key1;
        b = static_cast<std::uint64_t>(right);
        d = static_cast<std::uint64_t>(left);
        key0 += kWeyl0;
        key1 += kWeyl1;
    }
    words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}

// Four counters at a time: their chains of products run side by side.
constexpr Size kAtOnce = 4, kDrawn = 16 * kAtOnce;

// What is kept by the bits of some counters, in their order.
void draw(std::uint64_t counter, const std::uint64_t* key, std::uint16_t limit,
          std::uint8_t* kept) {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a word's lowest 16 bits come first");
    std::uint64_t words[4 * kAtOnce];
    for (Size i = 0; i < kAtOnce; ++i) {
        philox(counter + static_cast<std::uint64_t>(i), key, words + 4 * i);
    }
    std::uint16_t drawn[kDrawn];
    std::memcpy(drawn, words, sizeof words);
    for (Size i = 0; i < kDrawn; ++i) kept[i] = drawn[i] >= limit;
}

}  // namespace

void draw_masks(const std::uint64_t* key, std::uint32_t limit, Size values, Size images,
                std::uint8_t* masks, Size stride) {
    std::uint8_t kept[kDrawn];
    Size left = 0;
    std::uint64_t counter = 1;  // NumPy's first
    for (Size value = 0; value < values; ++value, masks += stride) {
        std::memset(masks, limit == 0, static_cast<std::size_t>(images));
        std::memset(masks + images, 0, static_cast<std::size_t>(stride - images));
        if (limit == 0 || limit > 0xffffu) continue;  // all are kept, or none
        for (Size image = 0; image < images;) {
            if (left == 0) {
                draw(counter, key, static_cast<std::uint16_t>(limit), kept);
                counter += kAtOnce;
                left = kDrawn;
            }
            const Size count = std::min(left, images - image);
            std::memcpy(masks + image, kept + kDrawn - left, static_cast<std::size_t>(count));
            image += count;
            left -= count;
        }
    }
}

}  // namespace hyperzoo
