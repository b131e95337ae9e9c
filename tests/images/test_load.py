import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from hyperzoo.errors import ImageError
from hyperzoo.images import load_images


def test_importing_images_loads_nothing_heavy():
    program = (
        "import sys, hyperzoo.images; "
        "print([m for m in ('torch', 'sklearn', 'PIL', 'pooch') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("[]", "")


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        ("mnist", {}, "unknown image source 'mnist'; expected one of digits, imagenette, fold"),
        ("digits", {"size": 0}, "expected 1 to 4096 pixels, got 0"),
        ("digits", {"channels": 2}, r"expected 1 \(grey\) or 3 \(RGB\), got 2"),
        ("digits", {"path": "some.npz"}, "take no path, got some.npz"),
        ("folder", {}, "images 'folder' need a path; set images.path"),
        ("npz", {}, "images 'npz' need a path"),
        ("npz", {"path": "missing.npz"}, r"missing.npz: .* no such file"),
        (
            "folder",
            {"path": "missing"},
            "missing: there is no such file or folder; expected a folder or an archive with <class>"
            "/<image>.*; correct images.path, or say where they lie with --images",
        ),
        *(
            (
                source,
                {"path": "missing"},
                f"missing: there is no such file or folder; expected the files of {source}: their "
                "archive, the folder that it unpacks to, or one of them; correct images.path",
            )
            for source in ("idx", "cifar10", "cifar100-coarse", "svhn", "stl10")
        ),
        ("imagenette", {"path": "missing.tgz"}, "missing.tgz: No such file"),
    ],
)
def test_what_cannot_be_loaded(source: str, arguments: dict, message: str):
    with pytest.raises(ImageError, match=message):
        load_images(source, **arguments)


def test_digits_are_those_of_scikit_learn():
    images = load_images("digits", size=8, channels=1)
    assert images.class_names[0] == "zero"
    assert images.class_names[9] == "nine"
    assert (len(images.train_images), len(images.validation_images)) == (1438, 359)
    real = datasets.load_digits()
    levels = np.rint(images.validation_images[1, :, :, 0] / 255 * 16)
    np.testing.assert_array_equal(levels, real.images[9])
    np.testing.assert_array_equal(images.validation_labels, real.target[4::5])
    np.testing.assert_array_equal(images.train_labels[:4], real.target[:4])


def test_an_unreadable_path_is_named(tmp_path: Path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(ImageError, match=r"a\.npz"):
        load_images("npz", path=tmp_path / "a.npz")
