"""What a Keras model's `Rescaling` layers do, one after another, to the pixels that it gets."""

import math
import reprlib
from dataclasses import dataclass
from typing import Any

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras.effective import SCALES_ITSELF
from hyperzoo.exchange.keras.layers import Facts

_RANGES = (1, 255)
"""The largest pixel: of images as hyperzoo has them, and of bytes."""
_SPANS = (0.4, 13.0)
"""How far apart a scaling puts the darkest and the brightest pixel: from half a unit, roughly, to
1 / std of bytes that deviate by 20. Of both ranges at most one is scaled so."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """A map of pixels, x * factor + offset.

    Attributes:
        factors: one for all channels, or one a channel.
        offsets: as many.
    """

    factors: tuple[float, ...] = (1.0,)
    offsets: tuple[float, ...] = (0.0,)

    def then(self, own: Facts, place: str) -> "Scaling":
        """This one, and after it that of a `Rescaling`.

        Args:
            own: the layer's config.
            place: the layer, for messages.

        Raises:
            ForeignFileError: it is none.
        """
        scale, offset = own.get("scale"), own.get("offset", 0.0)
        factors, offsets = _numbers(scale), _numbers(offset)
        count = max(len(self.factors), len(factors), len(offsets))
        parts = (self.factors, self.offsets, factors, offsets)
        if any(len(part) not in (1, count) for part in parts) or not all(
            1e-6 < factor < 1e6 for factor in factors
        ):
            raise ForeignFileError(
                f"{place} scales by {reprlib.repr(scale)} and {reprlib.repr(offset)}; expected "
                "numbers, or one a channel, scales above 0"
            )
        before, moved, factors, offsets = (part * (count // len(part)) for part in parts)
        return Scaling(
            factors=tuple(a * b for a, b in zip(before, factors, strict=True)),
            offsets=tuple(
                a * b + c for a, b, c in zip(moved, factors, offsets, strict=True)
            ),
        )  # fmt: skip

    def normalised(self, place: str) -> tuple[list[Facts], tuple[str, ...]]:
        """The same as a layer of hyperzoo's, whose pixels are from 0 to 1; none if none is needed.

        The model was given pixels from 0 to 1, or bytes. Of one of the two a scaling that somebody
        chose makes numbers that lie neither close together nor far apart.

        Args:
            place: the last of the layers, for messages.

        Returns:
            Entries of a table of layers, and notes.

        Raises:
            ForeignFileError: nothing tells what pixels the model was given.
        """
        fitting = [most for most in _RANGES if all(map(_is_span, self._spans(most)))]
        if fitting:
            (most,) = fitting
        elif min(self.factors) >= 1:
            most = 1  # bytes would lie even further apart
        else:
            told = " and ".join(f"{self._made_of(most)} of pixels from 0 to {most}"
                                for most in _RANGES)  # fmt: skip
            raise ForeignFileError(
                f"{place} ends a scaling that makes {told}; expected one that tells which of the "
                "two the model was given, as 1/255 does; scale the first layer's weights in Keras "
                "instead, leave the scaling out, and save that"
            )
        mean = [_plain(-b / (a * most)) for a, b in zip(self.factors, self.offsets, strict=True)]
        std = [_plain(1 / (a * most)) for a in self.factors]
        is_same = not any(mean) and all(own == 1 for own in std)
        entries: list[Facts] = (
            [] if is_same else [{"normalize": "inputs", "mean": mean, "std": std}]
        )
        if most == 255:
            note = SCALES_ITSELF if is_same else (
                f"made to take pixels from 0 to 255, as of these its scaling makes "
                f"{self._made_of(255)}; here every network is given pixels from 0 to 1, and its "
                "scaling of them is 255 times that of the file, which comes to the same"
            )  # fmt: skip
            return entries, (note,)
        if min(self.factors) < 1:
            return entries, (
                "made to take pixels from 0 to 1, as of these its scaling makes "
                f"{self._made_of(1)}",
            )
        return entries, ()

    def _spans(self, most: int) -> list[float]:
        return [factor * most for factor in self.factors]

    def _made_of(self, most: int) -> str:
        """The numbers that come of pixels up to `most`, in words."""
        ends = zip(self.offsets, self._spans(most), strict=True)
        told = [f"{low:.4g} to {low + span:.4g}" for low, span in ends]
        return ", ".join(dict.fromkeys(told))


def _numbers(value: Any) -> tuple[float, ...]:
    """The numbers of a setting; none where it is something else."""
    values = value if isinstance(value, list) else [value]
    if not all(type(own) in (int, float) and math.isfinite(own) for own in values):
        return ()
    return tuple(map(float, values))


def _is_span(number: float) -> bool:
    return _SPANS[0] <= number <= _SPANS[1]


def _plain(number: float) -> float:
    """A number as somebody would write it: float32 has no more than these digits."""
    return float(f"{number:.12g}") + 0.0  # no -0.0
