// One variant of all kernels. A variant's source file includes what it needs of the system,
// switches the compiler to its instruction set, defines HYPERZOO_LANES and the two names below,
// and includes this.
#include "kernels.hpp"

#include "vector.hpp"
#include "math.hpp"
#include "tiles.hpp"
#include "convolution.hpp"
#include "weight_gradient.hpp"
#include "pool.hpp"
#include "elementwise.hpp"
#include "norm.hpp"
#include "loss.hpp"
#include "optimizers.hpp"
#include "images.hpp"
#include "measure.hpp"

namespace hyperzoo {

const Kernels& HYPERZOO_TABLE() {
    static const Kernels table = {
        HYPERZOO_NAME, W, gather, forward, pack, input_gradient,
        weight_lanes, reduce_lanes, weight_gradient, pool_forward, pool_backward,
        activate_forward, activate_backward, drop_forward, drop_backward, batch_statistics,
        normalise_forward, normalise_backward, loss, squares, adam, descend, rmsprop,
        add_share, add, apply, fma_peak,
    };
    return table;
}

}  // namespace hyperzoo
