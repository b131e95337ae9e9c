"""Brings a model's layers into the form of the known architectures, where that changes no answer.

Left out are layers that act in training alone or not at all; folded into the layer before or after
are activations and paddings in layers of their own. The function stays exactly the same, or the
layer stays as it is, and the comparison with the architecture names it.
"""

import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.layers import Conv2d, GlobalAveragePool, Shape
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras.layers import Facts

MODELS = ("Sequential", "Functional", "Model")
"""What is a model; it may also stand among the layers of another."""

_MOST_LEVELS = 8
_WITHOUT_EFFECT = {"InputLayer", "Identity"}
IN_TRAINING_ALONE = {
    *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise"),
    *("GaussianDropout", "AlphaDropout", "ActivityRegularization", "RandomFlip"),
    *("RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"),
    *("RandomColorDegeneration", "RandomColorJitter", "RandomElasticTransform", "RandomErasing"),
    *("RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective"),
    *("RandomPosterization", "RandomSaturation", "RandomSharpness", "RandomShear", "MixUp"),
    *("CutMix", "AugMix", "RandAugment"),
}
_OF_KERAS = ("keras", "keras_core", "tf_keras", "tensorflow")
"""The packages of Keras's own classes."""
OWN_LAYER = "a layer of one's own, which may compute anything"
CALLED_OTHERWISE = (
    "is called with settings of its own, such as training=True, which make it act here as it does "
    "in training; expected a call of its input alone"
)
SCALES_ITSELF = (
    "made to take pixels from 0 to 255 and scale them by 1/255 themselves; here every network is "
    "given pixels from 0 to 1, which comes to the same"
)


def is_model(layer: Facts) -> bool:
    """Whether a layer is a model by itself."""
    return layer["class_name"] in MODELS and "layers" in layer["config"]


def is_of_keras(layer: Mapping[str, Any]) -> bool:
    """Whether a layer or model is of a class of Keras's, as far as the file tells.

    One of one's own may be called as Keras's are and compute anything.
    """
    module = layer.get("module", "keras")
    return (
        layer.get("registered_name") in (None, layer["class_name"])
        and isinstance(module, str)
        and module.partition(".")[0] in _OF_KERAS
    )


def is_called_plainly(node: Any) -> bool:
    """Whether a layer of a Functional model is called with its inputs alone.

    Args:
        node: what the layer says of the call, as Keras 2 or Keras 3 writes it.
    """
    match node:
        case {"kwargs": dict(own)}:
            settings = [own]
        case list(tensors):
            settings = [own for tensor in tensors for own in tensor[3:]]
        case _:
            settings = []
    return not any(value for own in settings for value in own.values())


def check_model_class(model: Mapping[str, Any], source: str) -> None:
    """Refuse a subclassed model.

    Raises:
        ForeignFileError: with what to do instead.
    """
    kind = model["class_name"]
    if kind not in MODELS or not is_of_keras(model):
        raise ForeignFileError(
            f"{source}: expected a Sequential or a Functional model, got {reprlib.repr(kind)}, a "
            "subclassed model: its code is not in the file, so nothing tells what it computes; "
            "save its weights where it was made, model.save_weights('NAME.weights.h5'), whose "
            "shapes tell a built-in architecture"
        )


def told_in_training_alone(names: Iterable[str]) -> str:
    """The note on layers that were passed over."""
    return f"layers that act in training alone were passed over: {', '.join(names)}"


def leaves(layers: list[Facts], source: str, level: int = 0) -> Iterator[Facts]:
    """The layers of a model, and in the place of a model among them the layers of that one."""
    if level > _MOST_LEVELS:
        raise ForeignFileError(f"{source}: models within models, more than {_MOST_LEVELS} deep")
    for layer in layers:
        if is_model(layer):
            yield from leaves(layer["config"]["layers"], source, level + 1)
        else:
            yield layer


class Folding:
    """Takes a model's layers one after another and keeps those that compute something.

    Args:
        architecture: what the tensors' shapes look like.
        source: the file, for messages.

    Attributes:
        kept: class and config of the layers that an architecture has.
        notes: what is to be said of those that it has not.
    """

    def __init__(self, architecture: Architecture, source: str) -> None:
        self._architecture, self._source = architecture, source
        self._padding: str | None = None
        self._passed: dict[str, None] = {}
        self._folded: dict[str, None] = {}
        self.kept: list[tuple[str, Facts]] = []
        self.notes: list[str] = []

    def take(self, layer: Facts) -> None:
        """Take the next layer.

        Raises:
            ForeignFileError: it would have to be folded, but that changes what the model computes.
        """
        name, config = layer["class_name"], layer["config"]
        place = f"{self._source}: layer {reprlib.repr(config.get('name'))} ({name})"
        if not is_of_keras(layer):
            raise ForeignFileError(f"{place}: {OWN_LAYER}")
        check_shape(config, self._shape, place, is_input=not self.kept)
        if name in _WITHOUT_EFFECT:
            return
        if name in IN_TRAINING_ALONE or name == "Dropout":  # known networks have none
            self._passed[name] = None
            return
        if name in _FOLDED:
            _FOLDED[name](self, config, place)
            return
        if self._padding is not None:
            if name != "Conv2D" or config.get("padding") != "valid":
                raise ForeignFileError(
                    f"{self._padding}: expected a convolution without padding of its own behind "
                    f"it, got {name}"
                )
            config, self._padding = config | {"padding": "same"}, None
        if _is_plain_relu(config.get("activation")):
            config = config | {"activation": "relu"}
        if name == "AveragePooling2D" and self._averages_all(config):
            name = "GlobalAveragePooling2D"
            config = config | {"keepdims": False, "data_format": "channels_last"}
        self.kept.append((name, config))

    def finish(self) -> None:
        """Say that there are no more layers.

        Raises:
            ForeignFileError: a padding is left over.
        """
        if self._padding is not None:
            raise ForeignFileError(f"{self._padding}: nothing follows it")
        if self._passed:
            self.notes.append(told_in_training_alone(self._passed))
        if self._folded:
            names = ", ".join(self._folded)
            self.notes.append(f"folded into their neighbours, which changes no answer: {names}")

    @property
    def _shape(self) -> Shape:
        shapes = self._architecture.shapes
        return shapes[min(len(self.kept), len(shapes) - 1)]

    def _averages_all(self, config: Facts) -> bool:
        """Whether a pooling averages all of its input, where the architecture does that too."""
        layers, place = self._architecture.layers, len(self.kept)
        return (
            place < len(layers)
            and isinstance(layers[place], GlobalAveragePool)
            and config.get("pool_size") == list(self._shape[:2])
            and config.get("padding") == "valid"
            and _channels_last(config)
        )

    def _activation(self, config: Facts, place: str) -> None:
        self._fold(config.get("activation"), place)

    def _relu(self, config: Facts, place: str) -> None:
        if not _is_plain(config):
            raise ForeignFileError(
                f"{place}: expected a plain ReLU, got one with a maximum, a slope or a threshold"
            )
        self._fold("relu", place)

    def _softmax(self, config: Facts, place: str) -> None:
        if config.get("axis", -1) not in (-1, 1):
            raise ForeignFileError(f"{place}: expected axis -1, got {reprlib.repr(config['axis'])}")
        self._fold("softmax", place)

    def _fold(self, activation: Any, place: str) -> None:
        """Give an activation to the layer before."""
        if activation == "linear":
            return
        if not self.kept or self._padding is not None or "activation" not in self.kept[-1][1]:
            before = self.kept[-1][0] if self.kept else "the input"
            raise ForeignFileError(
                f"{place}: an activation is folded into the convolution or dense layer right "
                f"before it, but before this one is {'a padding' if self._padding else before}"
            )
        self._folded["activations"] = None
        name, config = self.kept[-1]
        own = config["activation"]
        if own == "linear":
            self.kept[-1] = name, config | {"activation": activation}
        elif (own, activation) != ("relu", "relu"):  # twice is as good as once
            raise ForeignFileError(
                f"{place}: {reprlib.repr(activation)} follows the activation "
                f"{reprlib.repr(own)} of the {name} before; no known architecture has both"
            )

    def _zero_padding(self, config: Facts, place: str) -> None:
        padding = sides(config.get("padding"))
        if padding == ((0, 0), (0, 0)):
            return
        layers = self._architecture.layers
        layer = layers[len(self.kept)] if len(self.kept) < len(layers) else None
        height, width, _ = self._shape
        wanted = (
            (layer.pads(height), layer.pads(width))
            if isinstance(layer, Conv2d) and layer.padding == "same"
            else None
        )
        if padding is None or padding != wanted or not _channels_last(config):
            raise ForeignFileError(
                f"{place}: expected the zeros that padding 'same' adds before a convolution "
                f"({wanted or 'none here'}), got {reprlib.repr(config.get('padding'))}"
            )
        self._padding = place
        self._folded["ZeroPadding2D"] = None

    def _rescaling(self, config: Facts, place: str) -> None:
        scale, offset = config.get("scale"), config.get("offset", 0)
        known = all(isinstance(value, int | float) for value in (scale, offset)) and offset == 0
        if known and scale == 1:
            return
        if not (known and not self.kept and abs(float(scale or 0) * 255 - 1) < 1e-6):
            raise ForeignFileError(
                f"{place}: expected a scaling by 1/255 without offset, before all other layers, as "
                f"hyperzoo scales pixels, got scale {reprlib.repr(scale)} and offset "
                f"{reprlib.repr(offset)}; other scalings make another network"
            )
        if SCALES_ITSELF in self.notes:
            raise ForeignFileError(f"{place}: pixels are scaled by 1/255 twice")
        self.notes.append(SCALES_ITSELF)

    def _flatten(self, config: Facts, place: str) -> None:
        if not _channels_last(config):
            raise ForeignFileError(f"{place}: it flattens channels first, in another order")

    def _reshape(self, config: Facts, place: str) -> None:
        target, shape = config.get("target_shape"), self._shape
        size = math.prod(shape)
        if isinstance(target, list) and target.count(-1) == 1:
            rest = -math.prod(number for number in target if isinstance(number, int))
            target = [size // rest if n == -1 and rest > 0 else n for n in target]
        if target not in (list(shape), [size]):
            raise ForeignFileError(
                f"{place}: expected a shape that changes nothing, {list(shape)} or {[size]}, got "
                f"{reprlib.repr(config.get('target_shape'))}"
            )

    def _resizing(self, config: Facts, place: str) -> None:
        size = [config.get("height"), config.get("width")]
        if size != list(self._shape[:2]) or not _channels_last(config):
            raise ForeignFileError(
                f"{place}: expected a size that changes nothing, {list(self._shape[:2])}, got "
                f"{reprlib.repr(size)}"
            )

    def _permute(self, config: Facts, place: str) -> None:
        axes = config.get("dims")
        if not isinstance(axes, list) or axes != list(range(1, len(axes) + 1)):
            raise ForeignFileError(
                f"{place}: expected axes in their own order, got {reprlib.repr(axes)}"
            )


_FOLDED = {
    "Activation": Folding._activation,
    "ReLU": Folding._relu,
    "Softmax": Folding._softmax,
    "ZeroPadding2D": Folding._zero_padding,
    "Rescaling": Folding._rescaling,
    "Flatten": Folding._flatten,
    "Reshape": Folding._reshape,
    "Resizing": Folding._resizing,
    "Permute": Folding._permute,
}


def check_shape(config: Facts, shape: Shape, place: str, *, is_input: bool) -> None:
    """Compare what a config says of its input: other sizes can give the same tensors.

    Raises:
        ForeignFileError: it is another shape than the architecture has there.
    """
    known = [list(shape)] if is_input else [list(shape), [math.prod(shape)]]
    for key in ("batch_input_shape", "batch_shape", "build_input_shape"):
        found = config.get(key)
        # How many images at a time does not matter: the first batch's number, where Keras found
        # the shape out by itself.
        if found is not None and (not isinstance(found, list) or found[1:] not in known):
            what = "images" if is_input else "an input"
            raise ForeignFileError(
                f"{place}: expected {what} of shape {shape}, got {reprlib.repr(found)}"
            )


def _is_plain(relu: Facts) -> bool:
    """Whether a ReLU's config has no maximum, slope or threshold."""
    return relu.get("max_value") is None and not any(
        relu.get(key) for key in ("negative_slope", "threshold")
    )


def _is_plain_relu(activation: Any) -> bool:
    """Whether an activation is a layer ReLU in the place of the function's name."""
    match activation:
        case {"class_name": "ReLU", "config": dict(config)}:
            return activation.get("registered_name") in (None, "ReLU") and _is_plain(config)
    return False


def _channels_last(config: Facts) -> bool:
    return config.get("data_format") in (None, "channels_last")


def sides(padding: Any) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Zeros before and after each axis, in any of the forms that Keras takes."""
    match padding:
        case int(each):
            return (each, each), (each, each)
        case [int(height), int(width)]:
            return (height, height), (width, width)
        case [[int(top), int(bottom)], [int(left), int(right)]]:
            return (top, bottom), (left, right)
    return None
