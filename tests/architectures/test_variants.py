"""Architectures of the same tensors that compute something else."""

from dataclasses import replace

import pytest
import torch

from hyperzoo.architectures import (
    architecture_facts,
    architecture_from,
    get_architecture,
    padded_symmetrically,
    under_own_name,
    varied,
    without_dropout,
)
from hyperzoo.architectures.forward import build_module
from hyperzoo.architectures.layers import Conv2d, Dropout
from hyperzoo.errors import ArchitectureError
from tests.architectures.declarations import EVERY, own
from tests.architectures.test_forward import some_parameters


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


@pytest.mark.parametrize("name", ["dropped out", "residual"])
def test_networks_without_dropout(name: str):
    """The same tensors, and the same answers."""
    plain = EVERY[name]
    found = without_dropout(plain)
    assert any(isinstance(step.layer, Dropout) for step in plain.steps)
    assert not any(isinstance(step.layer, Dropout) for step in found.steps)
    assert found.parameters == plain.parameters
    state = {own: torch.from_numpy(value) for own, value in some_parameters(plain).items()}
    height, width, channels = plain.input_shape
    images = torch.rand(3, channels, height, width)
    answers = []
    for architecture in (plain, found):
        module = build_module(architecture).eval()
        module.load_state_dict(state)
        answers.append(module(images))
    assert torch.equal(*answers)


def test_what_has_no_dropout_stays():
    plain = EVERY["normalised shortcuts"]
    assert without_dropout(plain) == plain
    alone = own("alone", (4, 4, 1), {"conv": 2, "kernel": 1}, {"residual": [{"dropout": 0.5}]})
    assert without_dropout(alone) == alone


def test_a_built_in_network_with_another_activation_is_told_under_a_name_of_its_own():
    """So that who reads the name does not take the layers for its own."""
    network = get_architecture("resnet8", 10)
    assert under_own_name(network) is network
    other = varied(network, activation="tanh")
    told = under_own_name(other)
    assert (told.name, told.layers) == ("resnet8-tanh", other.layers)
    assert architecture_from(architecture_facts(told)) == told
    with pytest.raises(ArchitectureError, match="not those of the built-in network 'resnet8'"):
        architecture_from(architecture_facts(other))
    own = varied(replace(network, name="mine"), activation="tanh")
    assert under_own_name(own) is own
