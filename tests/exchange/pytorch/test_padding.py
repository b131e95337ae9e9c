"""Strided convolutions of PyTorch's modules pad on all sides, Keras's below and to the right."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hyperzoo.architectures import get_architecture
from hyperzoo.architectures.forward import build_module
from hyperzoo.exchange.importing import import_zoo
from tests.exchange.pytorch.test_saved import random_state


class Block(nn.Module):
    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        stride = outer // inner
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.shortcut = nn.Sequential()
        if stride > 1:
            convolution = nn.Conv2d(inner, outer, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outer))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


class ResNet8(nn.Module):
    """As most code for CIFAR has it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = Block(16, 16), Block(16, 32), Block(32, 64)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        values: Tensor = self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))
        return values


def module() -> nn.Module:
    made = ResNet8()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in made.state_dict().items():
            if tensor.is_floating_point():
                tensor += 0.2 * torch.rand(tensor.shape, generator=generator) * ("bn" in name)
    return made.eval()


@torch.no_grad()
def test_a_network_of_pytorch_s_computes_what_it_did(tmp_path: Path):
    made = module()
    torch.save(made.state_dict(), tmp_path / "all_0.pt")
    found = import_zoo(tmp_path / "all_0.pt", tmp_path / "zoo")
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(found.zoo.network("all_0").eval()(images), made(images))
    assert found.zoo.architecture.name == "resnet8-symmetric"
    (note,) = [note for note in found.notes if "zeros" in note]
    assert "on all sides, as PyTorch's padding=1 puts them ('resnet8-symmetric')" in note


@torch.no_grad()
def test_hyperzoo_s_own_names_are_its_own_function(tmp_path: Path):
    architecture = get_architecture("resnet8", 2)
    made = build_module(architecture).eval()
    torch.save(made.state_dict(), tmp_path / "all_0.pt")
    found = import_zoo(tmp_path / "all_0.pt", tmp_path / "zoo")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found.zoo.network("all_0").eval()(images), made(images))
    assert found.zoo.architecture == architecture
    (note,) = [note for note in found.notes if "zeros" in note]
    assert "the uneven one below and to the right (Keras's 'same'); PyTorch's padding=1" in note


@pytest.mark.parametrize("name", ["lenet5", "smallcnn"])
def test_nothing_is_said_where_nothing_is_uneven(tmp_path: Path, name: str):
    torch.save(random_state(name), tmp_path / "cat_0.pt")
    found = import_zoo(tmp_path / "cat_0.pt", tmp_path / "zoo")
    assert found.zoo.architecture.name == name
    assert not [note for note in found.notes if "zeros" in note]
