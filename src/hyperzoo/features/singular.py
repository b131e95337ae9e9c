"""Singular values of many matrices, of which some may hold no numbers."""

import torch
from torch import Tensor


def singular_values(matrices: Tensor) -> Tensor:
    """Singular values, falling; NaN for a matrix that is not finite, which LAPACK would refuse.

    Args:
        matrices: [..., row, column].

    Returns:
        [..., value].
    """
    finite = matrices.isfinite().flatten(-2).all(dim=-1)
    values: Tensor = torch.linalg.svdvals(torch.where(finite[..., None, None], matrices, 0.0))
    return torch.where(finite[..., None], values, torch.nan)
