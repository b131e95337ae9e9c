"""The network of the Small CNN Zoo: 4,970 parameters with ten outputs.

Unterthiner et al., "Predicting neural network accuracy from weights", 2020.
"""

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import Conv2d, Dense, GlobalAveragePool


def smallcnn(outputs: int) -> Architecture:
    """Three strided convolutions and a global average, for 32x32 grey images.

    Args:
        outputs: logits; 10 in the Small CNN Zoo.
    """
    convolution = Conv2d(filters=16, kernel=3, stride=2, activation="relu")
    return Architecture(
        name="smallcnn",
        input_shape=(32, 32, 1),
        layers=(convolution, convolution, convolution, GlobalAveragePool(), Dense(units=outputs)),
    )
