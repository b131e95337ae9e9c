"""Convolutions and dense layers over a stack of networks as Triton kernels.

They compute what `affine.Affine` computes, with windows gathered into registers: the unfolded
matrix is never written. A block of a network's rows goes through one program from the first term
to the last, so its bits do not depend on how many networks there are.

Imported only where Triton is installed. With TRITON_INTERPRET=1 in the environment they run on a
CPU, one element after another, for tests.
"""

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from hyperzoo.population.engine import Precision
from hyperzoo.population.gpu.geometry import Geometry
from hyperzoo.population.gpu.memory import Memory

BLOCK_ROWS, BLOCK_TERMS, MOST_COLUMNS, LEAST = 128, 32, 64, 16
"""Sizes of tiles; a tensor core wants 16 of everything at least."""

WARPS = 8
"""With 4, tiles of this size do not fit into a Hopper GPU's registers."""

_ROUNDING = {
    "float32": "ieee",
    "tf32": "tf32",
    "bfloat16": "interpreted" if triton.knobs.runtime.interpret else "bfloat16",
}


@triton.jit
def _tanh(x):
    # Near zero the quotient cancels; there a polynomial (Taylor's, to the 11th power) is exact.
    square = x * x
    near = -1382.0 / 155925.0 * square + 62.0 / 2835.0
    near = (near * square - 17.0 / 315.0) * square + 2.0 / 15.0
    near = x + x * square * (near * square - 1.0 / 3.0)
    small = tl.exp(-2.0 * tl.abs(x))
    far = (1.0 - small) / (1.0 + small)
    far = tl.where(x < 0, -far, far)
    return tl.where(tl.abs(x) < 0.3, near, far)


@triton.jit
def _product(left, right, total, precision: tl.constexpr):
    """Add a product of two tiles to a third."""
    if precision == "ieee" or precision == "tf32":
        return tl.dot(left, right, total, input_precision=precision)
    left, right = left.to(tl.bfloat16), right.to(tl.bfloat16)
    if precision == "interpreted":
        # The interpreter has no products of bfloat16; these are the same.
        left, right = left.to(tl.float32), right.to(tl.float32)
    return tl.dot(left, right, total)


@triton.jit
def _gather(values, start, seen, term, line_stride, line: tl.constexpr, terms: tl.constexpr):
    """A tile of the unfolded matrix, [sample, term]: windows, and a one for the bias."""
    place = (term // line) * line_stride + term % line
    known = seen[:, None] & (term < terms)[None, :]
    tile = tl.load(values + start[:, None] + place[None, :], mask=known, other=0).to(tl.float32)
    return tl.where((term == terms)[None, :] & seen[:, None], 1.0, tile)


@triton.jit
def _starts(
    sample, image_stride, row_stride, group_stride, rows: tl.constexpr, groups: tl.constexpr
):
    """Where the windows of samples (image, row, group) begin within a network's values."""
    place = sample % (rows * groups)
    image = (sample // (rows * groups)).to(tl.int64)
    return image * image_stride + (place // groups) * row_stride + (place % groups) * group_stride


@triton.jit
def _forward(
    values, band, sums, samples, network_stride, image_stride, row_stride, group_stride,
    line_stride, rows: tl.constexpr, groups: tl.constexpr, line: tl.constexpr,
    terms: tl.constexpr, band_rows: tl.constexpr, columns: tl.constexpr, kind: tl.constexpr,
    precision: tl.constexpr,
    block_rows: tl.constexpr, block_terms: tl.constexpr, block_columns: tl.constexpr,
):  # fmt: skip
    network = tl.program_id(2).to(tl.int64)
    sample = tl.program_id(0) * block_rows + tl.arange(0, block_rows)
    column = tl.program_id(1) * block_columns + tl.arange(0, block_columns)
    seen, wanted = sample < samples, column < columns
    start = network * network_stride + _starts(
        sample, image_stride, row_stride, group_stride, rows, groups
    )
    total = tl.zeros((block_rows, block_columns), dtype=tl.float32)
    for first in range(0, band_rows, block_terms):
        term = first + tl.arange(0, block_terms)
        left = _gather(values, start, seen, term, line_stride, line, terms)
        known = (term < band_rows)[:, None] & wanted[None, :]
        places = network * band_rows * columns + term[:, None] * columns + column[None, :]
        right = tl.load(band + places, mask=known, other=0)
        total = _product(left, right, total, precision)
    if kind == "tanh":
        total = _tanh(total)
    elif kind == "relu":
        # Not a maximum, which would drop what is not a number.
        total = tl.where(total < 0, 0.0, total)
    places = (network * samples + sample)[:, None] * columns + column[None, :]
    tl.store(sums + places, total.to(sums.dtype.element_ty), mask=seen[:, None] & wanted[None, :])


@triton.jit
def _band_gradient(
    values, delta, gradient, samples: tl.constexpr, network_stride, image_stride, row_stride,
    group_stride, line_stride, rows: tl.constexpr, groups: tl.constexpr, line: tl.constexpr,
    terms: tl.constexpr, band_rows: tl.constexpr, columns: tl.constexpr,
    precision: tl.constexpr, block_rows: tl.constexpr, block_terms: tl.constexpr,
    block_columns: tl.constexpr,
):  # fmt: skip
    network = tl.program_id(2).to(tl.int64)
    term = tl.program_id(0) * block_terms + tl.arange(0, block_terms)
    column = tl.program_id(1) * block_columns + tl.arange(0, block_columns)
    wanted = column < columns
    total = tl.zeros((block_terms, block_columns), dtype=tl.float32)
    for first in range(0, samples, block_rows):
        sample = first + tl.arange(0, block_rows)
        seen = sample < samples
        start = network * network_stride + _starts(
            sample, image_stride, row_stride, group_stride, rows, groups
        )
        left = _gather(values, start, seen, term, line_stride, line, terms)
        places = (network * samples + sample)[:, None] * columns + column[None, :]
        right = tl.load(delta + places, mask=seen[:, None] & wanted[None, :], other=0)
        total = _product(tl.trans(left), right, total, precision)
    places = network * band_rows * columns + term[:, None] * columns + column[None, :]
    tl.store(gradient + places, total, mask=(term < band_rows)[:, None] & wanted[None, :])


@triton.jit
def _input_gradient(
    delta, band, below, samples, band_rows: tl.constexpr, columns: tl.constexpr,
    height: tl.constexpr, width: tl.constexpr, channels: tl.constexpr,
    out_height: tl.constexpr, out_width: tl.constexpr, filters: tl.constexpr,
    tall: tl.constexpr, wide: tl.constexpr, window: tl.constexpr, stride: tl.constexpr,
    group: tl.constexpr, precision: tl.constexpr,
    block_rows: tl.constexpr, block_terms: tl.constexpr, block_columns: tl.constexpr,
):  # fmt: skip
    """Each group of inputs side by side collects from the outputs that it reached."""
    network = tl.program_id(2).to(tl.int64)
    sample = tl.program_id(0) * block_rows + tl.arange(0, block_rows)
    column = tl.program_id(1) * block_columns + tl.arange(0, block_columns)
    seen, wanted = sample < samples, column < group * channels
    groups: tl.constexpr = (width + group - 1) // group
    span: tl.constexpr = wide + group - 1
    image, place = sample // (height * groups), sample % (height * groups)
    y, x = place // groups, place % groups * group
    beside, channel = column // channels, column % channels
    images = network * (samples // (height * groups)) + image
    total = tl.zeros((block_rows, block_columns), dtype=tl.float32)
    for first in range(0, tall * span * filters, block_terms):
        # A term is a line of the kernel, a place of the outputs reached, a filter.
        term = first + tl.arange(0, block_terms)
        line, reached, unit = term // (span * filters), term // filters % span, term % filters
        down = y[:, None] - line[None, :]
        across = x[:, None] - (wide - 1) + reached[None, :]
        there = (down >= 0) & (down % stride == 0) & (down < out_height * stride)
        there = there & (across >= 0) & (across % stride == 0) & (across < out_width * stride)
        there = there & seen[:, None] & (line < tall)[None, :]
        position = (images[:, None] * out_height + down // stride) * out_width + across // stride
        left = tl.load(delta + position * filters + unit[None, :], mask=there, other=0)
        # The kernel's column that leads from there to each input of the group; the band's first
        # columns, one a filter, hold the kernel without a shift.
        tap = beside[None, :] + (wide - 1) - reached[:, None]
        known = (tap >= 0) & (tap < wide) & (line < tall)[:, None] & wanted[None, :]
        row = (line[:, None] * window + tap) * channels + channel[None, :]
        places = (network * band_rows + row) * columns + unit[:, None]
        right = tl.load(band + places, mask=known, other=0)
        total = _product(left, right, total, precision)
    places = (images * height + y)[:, None] * width + x[:, None] + beside[None, :]
    inside = seen[:, None] & wanted[None, :] & (x[:, None] + beside[None, :] < width)
    tl.store(below + places * channels + channel[None, :], total, mask=inside)


class Fused:
    """The three operations of a layer, as `products.Products` describes them.

    Args:
        name: the layer's name ("conv1").
        numbers: what it does.
        networks: how many.
        images: images at once.
        memory: where its buffers come from.
        dtype: what activations are kept in.
        below: whether the input's gradient is wanted.
        precision: of the products.
    """

    def __init__(
        self,
        name: str,
        numbers: Geometry,
        networks: int,
        images: int,
        memory: Memory,
        dtype: torch.dtype,
        below: bool,
        precision: Precision,
    ) -> None:
        self._numbers, self._rounding = numbers, _ROUNDING[precision]
        self._samples = images * math.prod(numbers.positions)
        if below:
            size = (networks, images, *numbers.padded)
            self._below = memory.zeros(f"{name}.input gradient", size, torch.float32)

    def forward(self, values: Tensor, band: Tensor, sums: Tensor) -> None:
        """Products and activation; the values are kept for `band_gradient`."""
        own, columns, self._values = self._numbers, band.shape[2], values
        block = _block(columns)
        _forward[_cells(self._samples, BLOCK_ROWS), _cells(columns, block), len(band)](
            values, band, sums, self._samples, *_strides(own, values, len(band)), *own.positions,
            own.window[1] * own.shape[2], own.terms, own.rows, columns, own.activation,
            self._rounding, BLOCK_ROWS, BLOCK_TERMS, block, num_warps=WARPS,
        )  # fmt: skip

    def band_gradient(self, delta: Tensor, gradient: Tensor) -> None:
        """The gradient of the band, for the values of the last `forward`."""
        own, (networks, rows, columns) = self._numbers, gradient.shape
        block = _block(columns)
        _band_gradient[_cells(rows, BLOCK_TERMS), _cells(columns, block), networks](
            self._values, delta, gradient, self._samples,
            *_strides(own, self._values, networks), *own.positions,
            own.window[1] * own.shape[2], own.terms, rows, columns,
            self._rounding, BLOCK_ROWS, BLOCK_TERMS, block, num_warps=WARPS,
        )  # fmt: skip

    def input_gradient(self, delta: Tensor, band: Tensor) -> Tensor:
        """The gradient of the input with the zeros around it."""
        own = self._numbers
        height, width, channels = own.padded
        group = min(width, max(1, LEAST // channels))
        samples = delta.shape[1] * height * _cells(width, group)
        block = _block(group * channels)
        _input_gradient[_cells(samples, BLOCK_ROWS), _cells(group * channels, block), len(band)](
            delta, band, self._below, samples, own.rows, band.shape[2], height, width, channels,
            *own.output, *own.kernel, own.window[1], own.stride, group, self._rounding,
            BLOCK_ROWS, BLOCK_TERMS, block, num_warps=WARPS,
        )  # fmt: skip
        return self._below


def _strides(own: Geometry, values: Tensor, networks: int) -> tuple[int, ...]:
    """From network to network, image to image, row to row, group to group, line to line."""
    _, width, channels = own.padded
    line, image = width * channels, math.prod(own.padded)
    apart = image * values.shape[1] if len(values) == networks else 0
    return apart, image, own.stride * line, own.columns * own.stride * channels, line


def _block(columns: int) -> int:
    power: Any = triton.next_power_of_2(columns)
    return int(min(MOST_COLUMNS, max(LEAST, power)))


def _cells(count: int, block: int) -> int:
    return -(-count // block)
