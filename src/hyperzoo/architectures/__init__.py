"""Networks that can be trained: built in, or declared by their layers (docs/architectures.md).

`forward` is not imported here because it needs PyTorch.
"""

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.builtin import architecture_names, get_architecture, known_as
from hyperzoo.architectures.declared import (
    Problem,
    declared_architecture,
    layer_tables,
    parse_layers,
)
from hyperzoo.architectures.facts import architecture_facts, architecture_from, under_own_name
from hyperzoo.architectures.initialisation import Initialisation, initial_parameters
from hyperzoo.architectures.lenet5 import lenet5
from hyperzoo.architectures.parameters import Parameter
from hyperzoo.architectures.resnet import resnet8, resnet20
from hyperzoo.architectures.smallcnn import smallcnn
from hyperzoo.architectures.variants import padded_symmetrically, varied, without_dropout

__all__ = [
    "Architecture",
    "Initialisation",
    "Parameter",
    "Problem",
    "architecture_facts",
    "architecture_from",
    "architecture_names",
    "declared_architecture",
    "get_architecture",
    "initial_parameters",
    "known_as",
    "layer_tables",
    "lenet5",
    "padded_symmetrically",
    "parse_layers",
    "resnet8",
    "resnet20",
    "smallcnn",
    "under_own_name",
    "varied",
    "without_dropout",
]
