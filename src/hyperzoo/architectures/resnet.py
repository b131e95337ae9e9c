"""Residual networks in the form for CIFAR, with 6n + 2 layers.

He et al., "Deep residual learning for image recognition", 2016, section 4.2. Where the number of
channels doubles, the shortcut is a 1x1 convolution with batch normalisation (the paper's option B,
and what most code does). Constants of batch normalisation are PyTorch's.
"""

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import (
    Activation,
    BatchNorm,
    Conv2d,
    Dense,
    GlobalAveragePool,
    Layer,
    Residual,
)


def resnet8(outputs: int) -> Architecture:
    """One residual block for each of 16, 32 and 64 channels, for 32x32 RGB images.

    Args:
        outputs: logits; 1 for a one-vs-all network.
    """
    return _resnet("resnet8", 1, outputs)


def resnet20(outputs: int) -> Architecture:
    """Three residual blocks for each of 16, 32 and 64 channels, for 32x32 RGB images.

    Args:
        outputs: logits; 1 for a one-vs-all network.
    """
    return _resnet("resnet20", 3, outputs)


def _resnet(name: str, blocks: int, outputs: int) -> Architecture:
    layers: list[Layer] = [_convolution(16), _norm("relu")]
    for filters in (16, 32, 64):
        layers.append(_block(filters, halves=filters > 16))
        layers += [_block(filters, halves=False)] * (blocks - 1)
    return Architecture(
        name=name,
        input_shape=(32, 32, 3),
        layers=(*layers, GlobalAveragePool(), Dense(units=outputs)),
    )


def _block(filters: int, *, halves: bool) -> Residual:
    stride = 2 if halves else 1
    shortcut = (Conv2d(filters=filters, kernel=1, stride=2, bias=False), _norm("linear"))
    return Residual(
        layers=(
            _convolution(filters, stride),
            _norm("relu"),
            _convolution(filters),
            _norm("linear"),
        ),
        shortcut=shortcut if halves else (),
    )


def _convolution(filters: int, stride: int = 1) -> Conv2d:
    return Conv2d(filters=filters, kernel=3, stride=stride, padding="same", bias=False)


def _norm(activation: Activation) -> BatchNorm:
    return BatchNorm(momentum=0.9, epsilon=1e-5, activation=activation)
