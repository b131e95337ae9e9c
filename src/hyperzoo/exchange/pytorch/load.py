"""Loads what `torch.save` or safetensors wrote: tensors and plain data, and nothing is run."""

import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ForeignFileError, ZooFormatError
from hyperzoo.exchange.content import Content, look, told
from hyperzoo.zoo import layout
from hyperzoo.zoo.tensors import Place, open_tensors

MAX_BYTES = 256 * 2**20
"""More than any known network's state_dict takes."""

_GLOBAL = re.compile(r"GLOBAL ([^\s]+)")
COUNTED = "num_batches_tracked"
"""PyTorch counts batches beside its running statistics; no answer depends on it."""

_WHOLE = {
    **{"BOOL": "?", "I8": "i1", "U8": "u1", "I16": "<i2", "U16": "<u2"},
    **{"I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8"},
}
"""Types of safetensors that count or mark something -> NumPy's."""
_UNKNOWN = {"F8_E4M3": ("float8_e4m3", 1), "F8_E5M2": ("float8_e5m2", 1), "C64": ("complex64", 8)}
"""Types that nothing is made of -> what they are called, and their bytes."""
_WIDTHS = {
    **{"F32": 4, "F16": 2, "BF16": 2, "F64": 8},
    **{name: np.dtype(own).itemsize for name, own in _WHOLE.items()},
    **{name: width for name, (_, width) in _UNKNOWN.items()},
}
TOO_LARGE = "float64 was rounded to float32, in which numbers beyond 3.4e38 became infinite"
_MOST_PLACEHOLDERS = 64
_BOOKKEEPING = re.compile(
    r"(pytorch_lightning|lightning|lightning_fabric|lightning_utilities|omegaconf)\..*"
    r"|argparse\.Namespace|pathlib\.(_local\.)?(Pure)?(Posix|Windows)?Path|typing\.Any"
    r"|datetime\.(date|datetime|timedelta)|collections\.defaultdict"
    r"|numpy\.(_?core\.multiarray\.(scalar|_reconstruct)|dtype|ndarray|dtypes\.\w+)"
    r"|builtins\.(dict|list|int|float|str|bool|tuple|set|bytes|complex)"
)
"""Names with which training frameworks keep settings and progress beside the tensors."""


class _Placeholder:
    """Stands for an object of a framework, whose class is not loaded: a dict of what it is given.

    torch fills in nothing but its own kinds of dict.
    """

    def __new__(cls, *arguments: object, **named: object) -> Any:
        return OrderedDict[str, object]()


class Number:
    """Stands for a number of NumPy, or its type; it holds nothing."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def load_torch(path: Path) -> object:
    """What `torch.save` wrote, of either format: tensors of torch and plain data.

    torch loads it with `weights_only=True`. Objects of training frameworks, which Lightning keeps
    beside the tensors, become plain dicts: their classes are neither imported nor called. Any
    other name that the file asks for is refused.

    Raises:
        ForeignFileError: it is damaged, too large, or asks for what may run code.
    """
    import torch

    if (content := look(path)) is not Content.TORCH:
        raise ForeignFileError(f"{path}: not a file of torch.save but {told(path, content)}")
    _check_archive(path)
    known: set[str] = set()
    while True:
        try:
            allowed: list[Any] = [(_stand_in(name), name) for name in known]
            with (
                path.open("rb") as file,  # of a path torch looks at the suffix
                torch.serialization.safe_globals(allowed),
                warnings.catch_warnings(),
            ):
                # What torch warns of is refused in words, or does not matter to weights.
                warnings.simplefilter("ignore")
                return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            # Whatever torch stumbles over in a stranger's file: it names its own errors poorly.
            named = _GLOBAL.search(str(error))
            name = named[1] if named else ""
            name = f"builtins.{name}" if name and "." not in name else name  # as torch shortens it
            is_new = name not in known and len(known) < _MOST_PLACEHOLDERS
            if is_new and _BOOKKEEPING.fullmatch(name):
                known.add(name)
                continue
            raise ForeignFileError(
                f"{path}: torch can't load it with weights_only=True, and hyperzoo never loads it "
                f"otherwise: {_reason(error)}"
            ) from error


def _stand_in(name: str) -> Any:
    return Number if name.startswith("numpy.") else _Placeholder


def _reason(error: Exception) -> str:
    """Why torch refused a file, without its advice to load with `weights_only=False`."""
    text = str(error).strip()
    if isinstance(error, OSError | EOFError | RuntimeError) and "GLOBAL" not in text:
        # Whatever torch says of a file that ends too early, such as "[Errno 22]".
        return f"it is damaged or cut short ({text.split(chr(10))[0][:200]}); get it again"
    if named := _GLOBAL.search(text):
        return (
            f"it asks for {named[1][:200]!r}, which no state_dict needs and which may run code; "
            "save `module.state_dict()` by itself where the file was made"
        )
    text = text.rpartition("WeightsUnpickler error:")[2].strip()
    return text.split("\n")[0][:300] or type(error).__name__


def _check_archive(path: Path) -> None:
    """Refuse an archive that unpacks to much more than it is."""
    if not zipfile.is_zipfile(path):
        return  # the older format of torch.save, which is not compressed
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise ForeignFileError(f"{path}: damaged archive: {error}") from error
    if total > MAX_BYTES:
        raise ForeignFileError(f"{path}: expected at most {MAX_BYTES} bytes unpacked, got {total}")


def numbers(tensor: Any, source: str) -> tuple[NDArray[np.float32], str]:
    """A tensor of torch as float32.

    Args:
        tensor: dense, of a floating type.
        source: the file and the tensor's name, for messages.

    Returns:
        The numbers, and what was done to them: "" for nothing.

    Raises:
        ForeignFileError: it is something else, or has no numbers.
    """
    import torch

    kept = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    kept[torch.float64] = "F64"
    if tensor.dtype not in kept or tensor.layout != torch.strided:
        raise ForeignFileError(
            f"{source}: expected a dense tensor of float32, float16, bfloat16 or float64, got "
            f"{_called(tensor)}; {_SAVE}"
        )
    if tensor.device.type != "cpu":
        raise ForeignFileError(f"{source}: it has a shape, but no numbers")
    if tensor.numel() * 4 > MAX_BYTES:
        raise ForeignFileError(f"{source}: {tensor.numel()} numbers are too many")
    # Parameters are tensors too, and a tensor may be kept as the negative of its numbers.
    plain = tensor.detach().resolve_neg().contiguous()
    if plain.dtype == torch.float64:
        return _rounded(plain.numpy())
    return plain.to(torch.float32).numpy(), _widened(kept[plain.dtype])


_SAVE = "save the weights as float32 where the file was made"


def check_floating(tensors: Mapping[str, NDArray[Any]], source: str) -> None:
    """Refuse weights of whole numbers.

    Raises:
        ForeignFileError: with the name and the type of the first.
    """
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32:
            raise ForeignFileError(
                f"{source}: {name[:80]}: expected a tensor of float32, float16, bfloat16 or "
                f"float64, got one of {tensor.dtype}; {_SAVE}"
            )


def _called(tensor: Any) -> str:
    """A tensor's kind in words: "a dense one of int8"."""
    import torch

    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_quantized:
        return f"a quantised one ({kind})"
    return f"a {'dense' if tensor.layout == torch.strided else 'sparse'} one of {kind}"


def _widened(dtype: str) -> str:
    names = {"F16": "float16", "BF16": "bfloat16"}
    return f"{names[dtype]} was widened to float32, without loss" if dtype in names else ""


def _rounded(wide: NDArray[np.float64]) -> tuple[NDArray[np.float32], str]:
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        narrow = wide.astype(np.float32)
    if np.array_equal(narrow, wide, equal_nan=True):
        return narrow, "float64 was rounded to float32, which changed no number"
    if np.any(np.isinf(narrow) & np.isfinite(wide)):
        return narrow, TOO_LARGE
    return narrow, "float64 was rounded to float32, which changed numbers"


def load_safetensors(
    path: Path,
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...], Mapping[str, Any]]:
    """The tensors of a safetensors file as float32, and those of whole numbers as they are.

    Returns:
        Name -> tensor; what was done to them; and what hyperzoo, if it wrote the file, says of
        them, such as their architecture.

    Raises:
        ForeignFileError: it is damaged, a part of a zoo, or holds other types.
    """
    try:
        file = open_tensors(path, mmap=False, widths=_WIDTHS)
        if layout.FORMAT in file.metadata or "part" in file.metadata:
            raise ForeignFileError(
                f"{path} is a part of a zoo; give the zoo's folder to open_zoo instead"
            )
        content = path.read_bytes()
    except ZooFormatError as error:
        raise ForeignFileError(
            f"{error}; expected a safetensors file of float32, float16, bfloat16 or float64"
        ) from error
    places = {n: place for n, place in file.places.items() if n.rpartition(".")[2] != COUNTED}
    for name, place in places.items():
        if place.dtype in _UNKNOWN:
            raise ForeignFileError(
                f"{path}: {name[:80]}: expected a tensor of float32, float16, bfloat16 or float64, "
                f"got one of {_UNKNOWN[place.dtype][0]}; {_SAVE}"
            )
    found = {name: _stored(content, place) for name, place in places.items()}
    tensors = {name: tensor for name, (tensor, _) in found.items()}
    return tensors, done_to(note for _, note in found.values()), file.metadata


def _stored(content: bytes, place: Place) -> tuple[NDArray[Any], str]:
    raw = content[place.begin : place.end]
    if place.dtype in _WHOLE:
        return np.frombuffer(raw, _WHOLE[place.dtype]).reshape(place.shape), ""
    if place.dtype == "F64":
        tensor, note = _rounded(np.frombuffer(raw, "<f8"))
    elif place.dtype == "BF16":
        # The upper half of a float32.
        tensor = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        note = _widened("BF16")
    else:
        tensor = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[place.dtype]).astype(np.float32)
        note = _widened(place.dtype)
    return tensor.reshape(place.shape), note


def done_to(notes: Iterable[str]) -> tuple[str, ...]:
    """Each note once; that numbers changed says all that others would say of float64."""
    kept = dict.fromkeys(filter(None, notes))
    if TOO_LARGE in kept:
        kept.pop("float64 was rounded to float32, which changed numbers", None)
        kept.pop("float64 was rounded to float32, which changed no number", None)
    if "float64 was rounded to float32, which changed numbers" in kept:
        kept.pop("float64 was rounded to float32, which changed no number", None)
    return tuple(kept)


def is_safetensors(path: Path) -> bool:
    """Whether a file is to be read as safetensors: by its content, else by its name."""
    content = look(path)
    return content is Content.SAFETENSORS or (
        content is not Content.TORCH and path.suffix.lower() == ".safetensors"
    )
