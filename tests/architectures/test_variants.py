"""Architectures of the same tensors that compute something else."""

import torch

from hyperzoo.architectures import get_architecture, padded_symmetrically
from hyperzoo.architectures.forward import build_module
from hyperzoo.architectures.layers import Conv2d


def test_padding_of_pytorch():
    plain = get_architecture("resnet8", 2)
    found = padded_symmetrically(plain)
    assert found.name == "resnet8-symmetric"
    assert [p.name for p in found.parameters] == [p.name for p in plain.parameters]
    uneven = [s.layer for s in found.steps if getattr(s.layer, "padding", "") == "symmetric"]
    assert [(layer.filters, layer.kernel, layer.stride) for layer in uneven
            if isinstance(layer, Conv2d)] == [(32, 3, 2), (64, 3, 2)]  # fmt: skip
    strided = build_module(found).get_submodule("conv4")
    assert isinstance(strided, torch.nn.Conv2d)
    assert strided.padding == (1, 1)


def test_what_pads_evenly_stays():
    for name in ("lenet5", "smallcnn"):
        assert padded_symmetrically(get_architecture(name, 10)) == get_architecture(name, 10)
