"""Finds the compiled kernels and calls them.

The library has a plain C interface and knows nothing of Python: ctypes calls it, and releases
Python's lock meanwhile.
"""

import ctypes
import importlib.machinery
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import EngineError
from hyperzoo.plan import Rule

INTERFACE = 5
"""The version of the C interface that this file speaks."""

DROPOUT = 8
"""The kind of layer in a description."""

PASSES = ("other", "forward", "input gradient", "weight gradient")
"""What `Network.seconds` tells apart."""

_POINTER, _SIZE, _NUMBER = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "interface": (_SIZE, []),
    "variant": (ctypes.c_char_p, []),
    "is_fast": (_SIZE, []),
    "new": (_POINTER, [_POINTER, _SIZE, _SIZE, ctypes.c_char_p, _SIZE]),
    "delete": (None, [_POINTER]),
    "parameters": (_SIZE, [_POINTER]),
    "outputs": (_SIZE, [_POINTER]),
    "dropped": (_SIZE, [_POINTER]),
    "bytes": (_SIZE, [_POINTER]),
    "masks": (None, [_POINTER] * 3 + [_SIZE, _POINTER, _SIZE]),
    "load": (None, [_POINTER] * 2),
    "replace": (None, [_POINTER] * 2),
    "save": (None, [_POINTER] * 2),
    "use": (None, [_POINTER, _SIZE] + [_NUMBER] * 3),
    "train": (_SIZE, [_POINTER] * 5 + [_SIZE] * 3 + [_NUMBER] * 2 + [_POINTER, _SIZE, _POINTER]),
    "evaluate": (_SIZE, [_POINTER] * 3 + [_SIZE] * 3 + [_NUMBER] + [_POINTER] * 2),
    "gradient": (None, [_POINTER] * 4 + [_SIZE, _POINTER, _SIZE] + [_POINTER] * 2),
    "measure": (None, [_POINTER, _SIZE]),
    "seconds": (None, [_POINTER] * 2),
    "apply": (None, [_SIZE, _POINTER, _POINTER, _SIZE]),
    "fma_peak": (_NUMBER, [_NUMBER]),
}


def reason_unavailable() -> str | None:
    """Why the compiled kernels can't be used on this machine; None where they can."""
    try:
        variant()
    except EngineError as error:
        return str(error)
    return None


def variant() -> str:
    """The instruction set in use: "baseline", "avx2" or "avx512".

    Raises:
        EngineError: the kernels were not built, or the processor can't run those asked for.
    """
    found = _library().hyperzoo_variant()
    if found is None:
        raise EngineError(
            "HYPERZOO_NATIVE_ISA names kernels that this processor can't run; unset it, or set "
            "it to 'baseline'"
        )
    return str(found.decode())


def is_fast() -> bool:
    """Whether the processor has the fused multiply-add instruction that the kernels live on."""
    return bool(_library().hyperzoo_is_fast())


def fma_peak(seconds: float = 0.2) -> float:
    """Measure the floating-point operations a second that this thread's core reaches."""
    return float(_library().hyperzoo_fma_peak(seconds))


def apply(function: str, *arguments: NDArray[np.float32]) -> NDArray[np.float32]:
    """The kernels' own tanh, exp, log, log1p, fma or erf of every number, for tests."""
    number = ["tanh", "exp", "log", "log1p", "fma", "erf"].index(function)
    values = np.ascontiguousarray(np.concatenate([a.ravel() for a in arguments]), np.float32)
    result = np.empty(arguments[0].size, np.float32)
    _library().hyperzoo_apply(number, values.ctypes.data, result.ctypes.data, result.size)
    return result.reshape(arguments[0].shape)


@cache
def _library() -> ctypes.CDLL:
    folder = Path(__file__).parent
    names = [f"_native{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES]
    file = next((folder / name for name in names if (folder / name).exists()), None)
    if file is None:
        raise EngineError(
            "the native engine was not built when hyperzoo was installed; install a C++17 "
            "compiler and hyperzoo again, or use engine 'torch'"
        )
    try:
        library = ctypes.CDLL(str(file))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, f"hyperzoo_{name}")
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise EngineError(
            f"the native engine can't be loaded: {error}; install hyperzoo again"
        ) from (error)
    if library.hyperzoo_interface() != INTERFACE:
        raise EngineError(
            f"the native engine was built for interface {library.hyperzoo_interface()}, expected "
            f"{INTERFACE}; install hyperzoo again"
        )
    return library


class Network:
    """One network in memory of its own, used by one thread at a time.

    Args:
        description: what `describe` makes of an architecture.
        batch: the most images in a step.

    Raises:
        EngineError: the description can't be run.
    """

    def __init__(self, description: NDArray[np.int64], batch: int) -> None:
        self._library = _library()
        self._handle: int | None = None
        message = ctypes.create_string_buffer(256)
        self._handle = self._library.hyperzoo_new(
            description.ctypes.data, len(description), batch, message, len(message)
        )
        if self._handle is None:
            raise EngineError(f"the native engine can't run this network: {message.value.decode()}")
        self.batch = batch
        self.outputs = int(self._library.hyperzoo_outputs(self._handle))
        self.parameter_count = int(self._library.hyperzoo_parameters(self._handle))
        self.dropped = int(self._library.hyperzoo_dropped(self._handle))
        self.bytes = int(self._library.hyperzoo_bytes(self._handle))
        self._layers = int(description[3])
        kinds = description[4 : 4 + 7 * self._layers : 7]
        self._dropouts = int(np.count_nonzero(kinds == DROPOUT))
        self._image_bytes = int(description[0] * description[1] * description[2])

    def __del__(self) -> None:
        if self._handle is not None:
            self._library.hyperzoo_delete(self._handle)

    def load(self, parameters: NDArray[np.float32]) -> None:
        """Set the weights, [parameter] in the order of the table, and forget all moments."""
        self._expect(parameters, np.float32, (self.parameter_count,))
        self._library.hyperzoo_load(self._handle, parameters.ctypes.data)

    def replace(self, parameters: NDArray[np.float32]) -> None:
        """Set the weights in the midst of training: moments stay."""
        self._expect(parameters, np.float32, (self.parameter_count,))
        self._library.hyperzoo_replace(self._handle, parameters.ctypes.data)

    def use(self, rule: Rule, *, momentum: float, weight_decay: float, l2: float) -> None:
        """Choose the optimizer of the weights that are loaded from now on."""
        number = ("adam", "descent", "nesterov", "rmsprop").index(rule)
        self._library.hyperzoo_use(self._handle, number, momentum, weight_decay, l2)

    def draw_masks(
        self, keys: NDArray[np.uint64], limits: NDArray[np.int64], images: int
    ) -> NDArray[np.uint8]:
        """What dropouts keep in a step: the bits of `dropout_masks`, as `pack_masks` lays them out.

        Args:
            keys: [dropout, 2], as `dropout_keys` gives them.
            limits: [dropout], likewise.
            images: of the step.
        """
        self._expect(keys, np.uint64, (self._dropouts, 2))
        self._expect(limits, np.int64, (self._dropouts,))
        masks = np.empty((self.dropped, _padded(images)), np.uint8)
        self._library.hyperzoo_masks(
            self._handle, keys.ctypes.data, limits.ctypes.data, images, masks.ctypes.data,
            masks.shape[1],
        )  # fmt: skip
        return masks

    def save(self) -> NDArray[np.float32]:
        """A copy of the weights, [parameter] in the order of the table."""
        parameters = np.empty(self.parameter_count, np.float32)
        self._library.hyperzoo_save(self._handle, parameters.ctypes.data)
        return _canonical(parameters)

    def train(
        self,
        images: NDArray[np.uint8],
        targets: NDArray[np.int64] | NDArray[np.float32],
        order: NDArray[np.int64],
        begin: int,
        batch: int,
        learning_rate: float,
        seconds: float,
        sums: NDArray[np.float64],
        masks: NDArray[np.uint8] | None = None,
    ) -> int:
        """Train on from a position of the order for about some seconds.

        Args:
            images: [image, height, width, channel].
            targets: int64 [image]; or float32 [image, output], logits to come near to: the loss
                is then the mean square of what is missed, and no answer is right.
            order: [position], images in the order in which they are met.
            begin: the position to go on from.
            batch: images a step.
            learning_rate: of these steps.
            seconds: when to return, checked after every step.
            sums: float64 [2], to which losses and right answers are added.
            masks: what dropouts keep in one step, as `pack_masks` lays it out; with them it is
                one step.

        Returns:
            The position to go on from; the order's length when all is done.
        """
        self._expect_images(images, targets)
        self._expect(order, np.int64, (len(order),))
        if not 0 <= begin < len(order) or not 1 <= batch <= self.batch:
            raise EngineError(
                f"expected a position below {len(order)} and a batch of 1 to {self.batch} images, "
                f"got {begin} and {batch}"
            )
        if order.min() < 0 or order.max() >= len(images):
            raise EngineError(f"the order names images beyond the {len(images)} that there are")
        return int(
            self._library.hyperzoo_train(
                self._handle, images.ctypes.data, *_either(targets), order.ctypes.data, begin,
                len(order), batch, learning_rate, seconds,
                *self._masks(masks, min(batch, len(order) - begin)), sums.ctypes.data,
            )
        )  # fmt: skip

    def evaluate(
        self,
        images: NDArray[np.uint8],
        targets: NDArray[np.int64],
        begin: int,
        seconds: float,
        logits: NDArray[np.float32],
        sums: NDArray[np.float64],
    ) -> int:
        """Evaluate all images from `begin` on for about some seconds, as `train` trains.

        Args:
            images: [image, height, width, channel].
            targets: [image].
            begin: the image to go on from.
            seconds: when to return.
            logits: [image, output], filled in.
            sums: float64 [2], to which losses and right answers are added.

        Returns:
            The image to go on from.
        """
        self._expect_images(images, targets)
        self._expect(logits, np.float32, (len(images), self.outputs))
        if not 0 <= begin < len(images):
            raise EngineError(f"expected an image below {len(images)}, got {begin}")
        return int(
            self._library.hyperzoo_evaluate(
                self._handle, images.ctypes.data, targets.ctypes.data, begin, len(images),
                self.batch, seconds, logits.ctypes.data, sums.ctypes.data,
            )
        )  # fmt: skip

    def gradient(
        self,
        images: NDArray[np.uint8],
        targets: NDArray[np.int64] | NDArray[np.float32],
        masks: NDArray[np.uint8] | None = None,
    ) -> tuple[NDArray[np.float32], float]:
        """The gradient of the mean loss, [parameter], and the loss's sum, for tests.

        Targets are as `train` takes them.
        """
        self._expect_images(images, targets)
        if not 1 <= len(images) <= self.batch:
            raise EngineError(f"expected 1 to {self.batch} images, got {len(images)}")
        gradient, sums = np.empty(self.parameter_count, np.float32), np.zeros(2)
        self._library.hyperzoo_gradient(
            self._handle, images.ctypes.data, *_either(targets), len(images),
            *self._masks(masks, len(images)), gradient.ctypes.data, sums.ctypes.data,
        )  # fmt: skip
        return gradient, float(sums[0])

    def _masks(self, masks: NDArray[np.uint8] | None, images: int) -> tuple[int | None, int]:
        """Where masks lie, and bytes from a value to the next."""
        if self.dropped == 0:
            return None, 0
        if masks is None:
            raise EngineError("the network has dropouts: expected masks, got none")
        self._expect(masks, np.uint8, (self.dropped, _padded(images)))
        return masks.ctypes.data, masks.shape[1]

    def measure(self, on: bool) -> None:
        """Start measuring seconds by layer and pass, or stop."""
        self._library.hyperzoo_measure(self._handle, int(on))

    def seconds(self) -> NDArray[np.float64]:
        """Seconds since `measure`, [layers + 1, pass]; the last row is work between the layers."""
        seconds = np.zeros((self._layers + 1, len(PASSES)))
        self._library.hyperzoo_seconds(self._handle, seconds.ctypes.data)
        return seconds

    def _expect_images(
        self, images: NDArray[np.uint8], targets: NDArray[np.int64] | NDArray[np.float32]
    ) -> None:
        if images.ndim != 4 or images[:1].size not in (0, self._image_bytes):
            raise EngineError(
                f"expected images of {self._image_bytes} bytes, got shape {images.shape}"
            )
        self._expect(images, np.uint8, images.shape)
        if targets.dtype == np.float32:
            self._expect(targets, np.float32, (len(images), self.outputs))
            return
        self._expect(targets, np.int64, (len(images),))
        classes = max(self.outputs, 2)
        if len(targets) and not (targets.min() >= 0 and targets.max() < classes):
            raise EngineError(
                f"targets run from {targets.min()} to {targets.max()}, expected 0 to {classes - 1}"
            )

    @staticmethod
    def _expect(array: NDArray[Any], kind: type, shape: tuple[int, ...]) -> None:
        """The C++ side reads bare memory: what it gets must be exactly what it expects."""
        if array.dtype != kind or array.shape != shape or not array.flags.c_contiguous:
            raise EngineError(
                f"expected a contiguous array of {np.dtype(kind)} {shape}, got {array.dtype} "
                f"{array.shape}"
            )


def _either(targets: NDArray[Any]) -> tuple[int | None, int | None]:
    """Where classes lie, and where logits do."""
    here = targets.ctypes.data
    return (None, here) if targets.dtype == np.float32 else (here, None)


def pack_masks(masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.uint8] | None:
    """Masks as the kernels read them.

    Args:
        masks: name of every dropout, in order -> bool [channel, height, width, image].

    Returns:
        1 or 0, [value of any dropout, image], with zeros up to a multiple of 32 images; None
        without dropouts.
    """
    if not masks:
        return None
    rows = [mask.reshape(-1, mask.shape[-1]) for mask in masks.values()]
    images = rows[0].shape[1]
    packed = np.zeros((sum(map(len, rows)), _padded(images)), np.uint8)
    np.concatenate(rows, out=packed[:, :images], casting="unsafe")
    return packed


def _padded(images: int) -> int:
    """Kernels read pairs of up to 16 images."""
    return -(-images // 32) * 32


def _canonical(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """One pattern of bits for not-a-number, which processors make and pass on differently."""
    values[np.isnan(values)] = np.nan
    return values
