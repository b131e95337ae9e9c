// What the processor has, and how it treats denormal numbers.
#pragma once
#include "kernels.hpp"

namespace hyperzoo {

// The widest variant that the processor runs; HYPERZOO_NATIVE_ISA=baseline|avx2|avx512 asks for
// another, for tests. Null where the processor lacks what was asked for.
const Kernels* choose_kernels();

// Whether fused multiply-add is an instruction and not an emulation.
bool is_fast(const Kernels& kernels);

// Treats denormal numbers as zero while it lives: Adam's second moment is full of them, and a
// processor computes with them many times slower.
class FlushDenormals {
  public:
    FlushDenormals();
    ~FlushDenormals();
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;

  private:
    std::uint64_t before_;
};

}  // namespace hyperzoo
