// How output channels are cut into register tiles.
#pragma once

namespace hyperzoo {
namespace {

// `count` channels in as few tiles of at most `largest` as there must be, all about as large.
struct Tiles {
    Size count, smaller, larger;    // `larger` tiles are one channel wider than `smaller`

    Tiles(Size channels, Size largest)
        : count((channels + largest - 1) / largest),
          smaller(channels / count),
          larger(channels % count) {}

    Size width(Size tile) const { return smaller + (tile < larger ? 1 : 0); }
    Size first(Size tile) const { return smaller * tile + (tile < larger ? tile : larger); }
};

#if HYPERZOO_LANES == 16
constexpr Size kForwardWidth = 12;  // times two vectors: 24 of 32 registers hold sums
#else
constexpr Size kForwardWidth = 6;   // times two vectors: 12 of 16 registers hold sums
#endif

// Calls `function<width>` for a width that is known at run time only.
#if HYPERZOO_LANES == 16
#define HYPERZOO_WIDE_TILES(function, ...)          \
    case 7: function<7>(__VA_ARGS__); break;        \
    case 8: function<8>(__VA_ARGS__); break;        \
    case 9: function<9>(__VA_ARGS__); break;        \
    case 10: function<10>(__VA_ARGS__); break;      \
    case 11: function<11>(__VA_ARGS__); break;      \
    case 12: function<12>(__VA_ARGS__); break;
#else
#define HYPERZOO_WIDE_TILES(function, ...)
#endif

#define HYPERZOO_FOR_WIDTH(width, function, ...)    \
    switch (width) {                                \
        case 1: function<1>(__VA_ARGS__); break;    \
        case 2: function<2>(__VA_ARGS__); break;    \
        case 3: function<3>(__VA_ARGS__); break;    \
        case 4: function<4>(__VA_ARGS__); break;    \
        case 5: function<5>(__VA_ARGS__); break;    \
        case 6: function<6>(__VA_ARGS__); break;    \
        HYPERZOO_WIDE_TILES(function, __VA_ARGS__)  \
        default: break;                             \
    }

}  // namespace
}  // namespace hyperzoo
