// Four lanes: arm64 (whose NEON has fused multiply-add), and any other processor.
#include "kernels.hpp"
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#define HYPERZOO_LANES 4
#define HYPERZOO_NAME "baseline"
#define HYPERZOO_TABLE baseline_kernels
#include "variant.hpp"
