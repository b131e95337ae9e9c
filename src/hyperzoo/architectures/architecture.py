"""An architecture: a declared list of layers, and all that follows from it."""

from dataclasses import dataclass
from functools import cached_property

from hyperzoo.architectures.layers import BatchNorm, Dropout, Layer, Residual, Shape
from hyperzoo.architectures.parameters import Parameter, parameters_of
from hyperzoo.architectures.steps import Step, unroll


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network as a list of layers.

    Attributes:
        name: the name in recipes.
        input_shape: (height, width, channels) of an image.
        layers: the layers in the order in which they are applied; the last is a `Dense` that
            gives the logits, and its activation is "linear".
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]

    @property
    def outputs(self) -> int:
        """How many logits the network gives."""
        return self.steps[-1].output_shape[2]

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The operations in order, residual blocks unrolled.

        Raises:
            ArchitectureError: a layer does not fit its input.
        """
        return unroll(self.layers, self.input_shape)

    @property
    def is_straight(self) -> bool:
        """Whether every layer takes what the one before gave: there are no residual blocks."""
        return not any(isinstance(layer, Residual) for layer in self.layers)

    @property
    def is_drawn(self) -> bool:
        """Whether activations differ from network to network of a zoo, whose column tells them."""
        return any(getattr(step.layer, "activation", "") == "drawn" for step in self.steps)

    @property
    def differs_in_training(self) -> bool:
        """Whether it computes something else in training: dropout, batch normalisation."""
        return any(isinstance(step.layer, BatchNorm | Dropout) for step in self.steps)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of the input, then of every layer's output: layers + 1 entries.

        Raises:
            ArchitectureError: a layer does not fit its input.
        """
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    @cached_property
    def layer_names(self) -> tuple[str | None, ...]:
        """PyTorch's name of every layer ("conv1", "fc2"); None for layers without parameters.

        None for a residual block too: its layers have names, which `steps` tells.
        """
        straight = iter(self.steps)
        names: list[str | None] = []
        for layer in self.layers:
            if isinstance(layer, Residual):
                for _ in range(len(layer.layers) + len(layer.shortcut) + 1):
                    next(straight)
                names.append(None)
            else:
                step = next(straight)
                names.append(step.name if any(parameters_of(step)) else None)
        return tuple(names)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameter table: the weight, then the bias, of every layer in order.

        Of a batch normalisation gamma, beta, running mean and running variance.
        """
        return tuple(parameter for step in self.steps for parameter in parameters_of(step))

    @cached_property
    def published_order(self) -> tuple[Parameter, ...]:
        """The table in the order of the published `parameters_flat`.

        Keras's layer names in alphabetical order, the bias before the kernel.
        """
        return tuple(sorted(self.parameters, key=lambda p: (p.keras_layer, p.keras_name)))

    @property
    def parameter_count(self) -> int:
        """How many numbers a network has, running statistics included."""
        return sum(parameter.size for parameter in self.parameters)
