"""LeNet-5 as in the published dataset: 91,481 parameters with one output.

Kurtenbach and Shamir, "An open dataset of neural networks for hypernetwork research", 2025;
after LeCun et al., "Gradient-based learning applied to document recognition", 1998.
"""

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import Conv2d, Dense, Pool2d


def lenet5(outputs: int) -> Architecture:
    """LeNet-5 for 32x32 RGB images.

    Args:
        outputs: logits; 1 for a one-vs-all network.
    """
    return Architecture(
        name="lenet5",
        input_shape=(32, 32, 3),
        layers=(
            Conv2d(filters=6, kernel=5, padding="same", activation="tanh"),
            Pool2d(kind="average"),
            Conv2d(filters=16, kernel=5, activation="tanh"),
            Pool2d(kind="average"),
            Conv2d(filters=120, kernel=5, activation="tanh"),
            Dense(units=84, activation="tanh"),
            Dense(units=outputs),
        ),
    )
