// Four lanes: arm64 (whose NEON has fused multiply-add), and any other processor.
#include "kernels.hpp"
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(HYPERZOO_BASELINE_LANES)
// For tests: the widths of other variants, without their instructions.
#define HYPERZOO_LANES HYPERZOO_BASELINE_LANES
#else
#define HYPERZOO_LANES 4
#endif
#define HYPERZOO_NAME "baseline"
#define HYPERZOO_TABLE baseline_kernels
#include "variant.hpp"
