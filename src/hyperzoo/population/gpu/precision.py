"""How precisely matrix products are computed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from hyperzoo.population.engine import Precision

COLUMNS = {"float32": 24, "tf32": 48, "bfloat16": 48}
"""Columns that a product should have at least: a tensor core's tile is wider than an FMA's."""


def storage(precision: Precision) -> torch.dtype:
    """The numbers that activations are kept in; sums, weights and moments are float32 always."""
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def multiply(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Multiply stacks of matrices, accumulating in float32.

    Args:
        left: [network, row, term], float32 or bfloat16.
        right: [network, term, column], of the same type.
        out: [network, row, column], written; of the same type or float32.
    """
    if left.dtype == torch.float32 or (left.is_cuda and out.dtype == left.dtype):
        torch.bmm(left, right, out=out)
    elif left.is_cuda:
        torch.bmm(left, right, out_dtype=torch.float32, out=out)
    else:
        # What a GPU does: exact products of bfloat16, sums in float32, one rounding at the end.
        out.copy_(torch.bmm(left.float(), right.float()))


@contextmanager
def library_settings(precision: Precision) -> Iterator[None]:
    """TF32 as asked for, float32 sums, one CPU thread; all as before when it ends.

    On a CPU "tf32" is float32: its processors have no such products.
    """
    matmul, threads = torch.backends.cuda.matmul, torch.get_num_threads()
    rounding, reduced = matmul.fp32_precision, matmul.allow_bf16_reduced_precision_reduction
    torch.set_num_threads(1)
    # The older of two switches sets both; torch refuses to go on where they disagree.
    matmul.allow_tf32 = precision == "tf32"
    matmul.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        matmul.allow_tf32 = rounding == "tf32"
        matmul.fp32_precision = rounding
        matmul.allow_bf16_reduced_precision_reduction = reduced
        torch.set_num_threads(threads)
