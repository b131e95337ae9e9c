"""A quick pass computes what any pass does."""

import pytest
import torch

from hyperzoo.architectures import Architecture, get_architecture, initial_parameters
from hyperzoo.architectures.forward import forward
from hyperzoo.generation.projecting.quick_pass import QuickPass
from tests.architectures.declarations import EVERY

ALL = [*EVERY.values(), get_architecture("lenet5", 1)]


@pytest.mark.parametrize("architecture", ALL, ids=lambda own: own.name)
def test_says_what_a_pass_says(architecture: Architecture) -> None:
    weights = {
        name: torch.from_numpy(own)
        for name, own in initial_parameters(architecture, 0, "church", 0).items()
    }
    height, width, channels = architecture.input_shape
    images = torch.rand(9, channels, height, width, generator=torch.Generator().manual_seed(0))
    said = QuickPass(architecture, weights).run(images)
    wanted = forward(architecture, weights, images)
    assert wanted.std() > 0
    torch.testing.assert_close(said, wanted, rtol=1e-5, atol=2e-6)


def test_tanh_is_right_far_from_zero() -> None:
    quick = QuickPass(get_architecture("lenet5", 1), {})
    sums = torch.tensor([-200.0, -9.0, -1e-3, 0.0, 1e-6, 0.5, 9.0, 200.0])
    torch.testing.assert_close(quick.activated("tanh", sums), sums.tanh(), rtol=0, atol=2e-7)
