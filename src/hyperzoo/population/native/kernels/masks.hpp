// What dropouts keep, drawn as hyperzoo.population.task.dropout_masks draws it.
#pragma once
#include "geometry.hpp"

namespace hyperzoo {

// Fills [value][image], `stride` bytes from a value to the next, with 1 where 16 random bits are
// not below `limit`, and 0 elsewhere and beyond the last image. The bits are those of the words
// of numpy.random.Philox(key), the lowest of a word first.
void draw_masks(const std::uint64_t* key, std::uint32_t limit, Size values, Size images,
                std::uint8_t* masks, Size stride);

}  // namespace hyperzoo
