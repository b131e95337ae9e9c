"""Imports what make_small_cnn_zoo.py made, and compares what the networks say.

python -m tests.exchange.keras.real.check_small_cnn_zoo FOLDER
Exit status 1 if a logit is off by more than 1e-5.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from hyperzoo.exchange.importing import import_zoo


def main(root: Path) -> int:
    expected = np.load(root / "expected.npz")
    images = torch.from_numpy(expected["images"]).float().permute(0, 3, 1, 2) / 255
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        zoo = import_zoo(root, Path(folder, "zoo")).zoo
        for network, said in zip(zoo.ids, expected["said"], strict=True):
            with torch.no_grad():
                found = zoo.network(network)(images).numpy()
            worst = max(worst, float(np.abs(found - said).max()))
    sys.stdout.write(
        f"Small CNN Zoo of real Keras: {len(zoo)} networks, logits differ by at most {worst:.2g}\n"
    )
    return int(worst > 1e-5)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
