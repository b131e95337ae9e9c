"""Imports what make_small_cnn_zoo.py made, compares what the networks say, and exports them again.

python -m tests.exchange.keras.real.check_small_cnn_zoo FOLDER BACK: the folder BACK gets Keras
files, and beside them the probabilities of the networks that Keras built, for check.py.
Exit status 1 if a logit is off by more than 1e-5.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo


def main(root: Path, back: Path) -> int:
    expected = np.load(root / "expected.npz")
    images = torch.from_numpy(expected["images"]).float().permute(0, 3, 1, 2) / 255
    worst, answers = 0.0, {}
    zoo = import_zoo(root, back / "small-cnn-zoo" / "zoo").zoo
    for network, said in zip(zoo.ids, expected["said"], strict=True):
        with torch.no_grad():
            found = zoo.network(network)(images).numpy()
        worst = max(worst, float(np.abs(found - said).max()))
        answers[network] = torch.softmax(torch.from_numpy(said), dim=1).numpy()
    for written in ("keras-h5", "weights-h5"):
        export_zoo(zoo, written, back / "small-cnn-zoo" / written)
    np.savez(back / "small-cnn-zoo" / "expected.npz", images=expected["images"], **answers)
    sys.stdout.write(
        f"Small CNN Zoo of real Keras: {len(zoo)} networks, logits differ by at most {worst:.2g}\n"
    )
    return int(worst > 1e-5)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
