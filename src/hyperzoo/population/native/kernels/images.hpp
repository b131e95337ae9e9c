// Gathers the images of a batch: bytes, channel last, to floats in [0, 1], image last, which are
// normalised where the network begins so.
#pragma once

namespace hyperzoo {
namespace {

typedef std::uint8_t Bytes __attribute__((vector_size(16), may_alias, aligned(1)));

// byte / 255, correctly rounded: one step of Newton's method on the quotient's error.
HYPERZOO_INLINE Vector scaled(const std::uint8_t* bytes) {
    const Vector x = numbers(bytes);
    const Vector quotient = x * all(1 / 255.0f);
    return fma(fma_minus(quotient, all(255), x), all(1 / 255.0f), quotient);
}

HYPERZOO_INLINE Bytes low_halves(Bytes a, Bytes b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

HYPERZOO_INLINE Bytes high_halves(Bytes a, Bytes b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
}

// 16 bytes of each of W images -> W images of each of 16 bytes. Interleaving the first half of
// all bytes with the second, once for every bit of the image's number, moves those bits last.
HYPERZOO_INLINE void transpose(const std::uint8_t* const* images, Size at, std::uint8_t* to) {
    Bytes now[W], next[W];
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) now[i] = *reinterpret_cast<const Bytes*>(images[i] + at);
#pragma GCC unroll 4
    for (int done = 1; done < W; done *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < W / 2; ++i) {
            next[2 * i] = low_halves(now[i], now[i + W / 2]);
            next[2 * i + 1] = high_halves(now[i], now[i + W / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) now[i] = next[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) *reinterpret_cast<Bytes*>(to + 16 * i) = now[i];
}

// The W images from a place of the batch on; beyond its end the blank one.
HYPERZOO_INLINE void find_images(const ImageBatch& batch, Size first,
                                 const std::uint8_t* (&images)[W]) {
    for (Size lane = 0; lane < W; ++lane) {
        const Size place = first + lane;
        if (place >= batch.count) {
            images[lane] = batch.blank;
            continue;
        }
        const Size image = batch.order ? batch.order[place] : batch.first + place;
        images[lane] = batch.images + image * batch.bytes;
    }
}

template <bool kNormalised>
HYPERZOO_INLINE Vector pixels(const ImageBatch& batch, Size at, const std::uint8_t* bytes) {
    const Vector x = scaled(bytes);
    return kNormalised ? fma(x, all(batch.factors[at]), all(batch.offsets[at])) : x;
}

template <bool kNormalised>
void gather_blocks(const ImageBatch& batch, float* values, Size stride, Size first_block,
                   Size blocks) {
    alignas(64) std::uint8_t bytes[16 * W];
    const std::uint8_t *images[W], *next[W];
    for (Size block = first_block; block < first_block + blocks; ++block) {
        find_images(batch, block * W, images);
        // Images lie anywhere in memory: ask for the next ones early.
        find_images(batch, (block + 1) * W, next);
        float* to = values + block * stride;
        Size at = 0;
        for (; at + 16 <= batch.bytes; at += 16) {
            if (at % 64 == 0) {
                for (Size lane = 0; lane < W; ++lane) __builtin_prefetch(next[lane] + at);
            }
            transpose(images, at, bytes);
            for (Size i = 0; i < 16; ++i) {
                store(to + batch.places[at + i],
                      pixels<kNormalised>(batch, at + i, bytes + i * W));
            }
        }
        for (; at < batch.bytes; ++at) {
            for (Size lane = 0; lane < W; ++lane) bytes[lane] = images[lane][at];
            store(to + batch.places[at], pixels<kNormalised>(batch, at, bytes));
        }
    }
}

void gather(const ImageBatch& batch, float* values, Size stride, Size first_block, Size blocks) {
    const auto run = batch.factors ? gather_blocks<true> : gather_blocks<false>;
    run(batch, values, stride, first_block, blocks);
}

}  // namespace
}  // namespace hyperzoo
