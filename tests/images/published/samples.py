"""Small data sets in the exact layouts that are published.

Sources of the layouts: MNIST's page ("the IDX file format"), CIFAR's page ("dataset layout" and
"binary version"; the pickles as cPickle of Python 2 wrote them, protocol 2), SVHN's page ("format
2"), STL-10's page (binary files).
"""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

CIFAR10_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)
STL10_NAMES = (
    *("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
)
FINE_NAMES = tuple(f"fine_{number}" for number in range(100))
COARSE_NAMES = tuple(f"coarse_{number}" for number in range(20))


def pixels(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def idx_files(prefix: str = "", test: str = "t10k", first: int = 0) -> dict[str, bytes]:
    """20 training and 10 test images, 7x9, of 10 classes from `first` on."""
    files = {}
    for split, count, seed in (("train", 20, 0), (test, 10, 1)):
        files[f"{prefix}{split}-images-idx3-ubyte"] = idx(pixels(count, 7, 9, seed=seed))
        labels = (np.arange(count) % 10 + first).astype(np.uint8)
        files[f"{prefix}{split}-labels-idx1-ubyte"] = idx(labels)
    return files


def gzipped(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}


def python2(value: object) -> bytes:
    """What cPickle of Python 2 writes with protocol 2; everything is memoized, as it does."""
    memo = [0]
    return b"\x80\x02" + _python2(value, memo) + b"."


def _put(memo: list[int]) -> bytes:
    memo[0] += 1
    return b"q" + bytes([memo[0]]) if memo[0] < 256 else b"r" + struct.pack("<I", memo[0])


def _text2(text: bytes, memo: list[int]) -> bytes:
    short = len(text) < 256
    start = b"U" + bytes([len(text)]) if short else b"T" + struct.pack("<i", len(text))
    return start + text + _put(memo)


def _python2(value: object, memo: list[int]) -> bytes:
    match value:
        case int():
            if 0 <= value < 256:
                return b"K" + bytes([value])
            return b"M" + struct.pack("<H", value) if 0 <= value < 2**16 else _int2(value)
        case str():
            return _text2(value.encode(), memo)
        case list():
            start = b"]" + _put(memo) + b"("
            return start + b"".join(_python2(one, memo) for one in value) + b"e"
        case dict():
            start = b"}" + _put(memo) + b"("
            items = (
                _python2(key, memo) + _python2(content, memo) for key, content in value.items()
            )
            return start + b"".join(items) + b"u"
        case np.ndarray():
            return _array2(value, memo)
    raise TypeError(value)


def _int2(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _array2(array: NDArray[np.uint8], memo: list[int]) -> bytes:
    rows, columns = (_python2(length, memo) for length in array.shape)
    return b"".join(
        (
            b"cnumpy.core.multiarray\n_reconstruct\n" + _put(memo),
            b"cnumpy\nndarray\n" + _put(memo) + b"K\x00\x85U\x01b\x87R" + _put(memo),
            b"(K\x01" + rows + columns + b"\x86",
            b"cnumpy\ndtype\n" + _put(memo) + b"U\x02u1K\x00K\x01\x87R" + _put(memo),
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            _text2(array.tobytes(), memo),
            b"tb",
        )
    )


def cifar10_batches() -> dict[str, tuple[NDArray[np.uint8], list[int]]]:
    """Five batches of 4 and one of 10 for testing: name -> uint8 [image, 3072], labels."""
    batches = {}
    for number in range(1, 6):
        labels = [(4 * number + index) % 10 for index in range(4)]
        batches[f"data_batch_{number}"] = pixels(4, 3072, seed=number), labels
    batches["test_batch"] = pixels(10, 3072), [9 - index for index in range(10)]
    return batches


def cifar10_python() -> dict[str, bytes]:
    files = {
        name: python2(
            {
                "batch_label": f"batch {name}",
                "labels": labels,
                "data": data,
                "filenames": [f"picture_s_{index:06d}.png" for index in range(len(labels))],
            }
        )
        for name, (data, labels) in cifar10_batches().items()
    }
    meta = {"num_cases_per_batch": 10000, "label_names": list(CIFAR10_NAMES), "num_vis": 3072}
    return files | {"batches.meta": python2(meta), "readme.html": b"<html>"}


def cifar10_binary() -> dict[str, bytes]:
    files = {
        f"{name}.bin": b"".join(
            bytes([label]) + row.tobytes() for row, label in zip(data, labels, strict=True)
        )
        for name, (data, labels) in cifar10_batches().items()
    }
    names = "\n".join(CIFAR10_NAMES) + "\n\n"
    return files | {"batches.meta.txt": names.encode(), "readme.html": b"<html>"}


def cifar100_python() -> dict[str, bytes]:
    files = {}
    for seed, name in enumerate(("train", "test")):
        batch = {
            "filenames": ["a.png"] * 100,
            "batch_label": "training batch 1 of 1",
            "fine_labels": list(range(100)),
            "coarse_labels": [label % 20 for label in range(100)],
            "data": pixels(100, 3072, seed=seed),
        }
        files[name] = python2(batch)
    meta = {"fine_label_names": list(FINE_NAMES), "coarse_label_names": list(COARSE_NAMES)}
    return files | {"meta": python2(meta), "file.txt~": b""}


def cifar100_binary() -> dict[str, bytes]:
    files = {}
    for seed, name in enumerate(("train", "test")):
        records = (
            bytes([label % 20, label]) + row.tobytes()
            for label, row in enumerate(pixels(100, 3072, seed=seed))
        )
        files[f"{name}.bin"] = b"".join(records)
    files["fine_label_names.txt"] = "\n".join(FINE_NAMES).encode()
    return files | {"coarse_label_names.txt": "\n".join(COARSE_NAMES).encode()}


def stl10_files() -> dict[str, bytes]:
    """12 training and 10 test images; the pixel [row, column, channel] of image 0 tells its place.

    Each image is written column by column, as the files are.
    """
    files = {}
    for split, count in (("train", 12), ("test", 10)):
        images = pixels(count, 96, 96, 3, seed=count)
        images[0] = np.arange(96 * 96 * 3).reshape(96, 96, 3) % 251
        files[f"{split}_X.bin"] = b"".join(
            bytes(image[:, :, channel].T.tobytes()) for image in images for channel in range(3)
        )
        files[f"{split}_y.bin"] = bytes(index % 10 + 1 for index in range(count))
    names = "\n".join(STL10_NAMES).encode()
    return files | {"class_names.txt": names, "fold_indices.txt": b"0 1 2"}


def mat(compressed: bool = True, **arrays: object) -> bytes:
    file = io.BytesIO()
    savemat(file, arrays, do_compression=compressed)
    return file.getvalue()


def svhn_arrays(count: int, seed: int) -> dict[str, NDArray[np.uint8]]:
    labels = (np.arange(count) % 10 + 1).astype(np.uint8)
    return {"X": pixels(32, 32, 3, count, seed=seed), "y": labels[:, None]}


def svhn_files(compressed: bool = True) -> dict[str, bytes]:
    return {
        f"{split}_32x32.mat": mat(compressed, **svhn_arrays(count, count))
        for split, count in (("train", 20), ("test", 10))
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
