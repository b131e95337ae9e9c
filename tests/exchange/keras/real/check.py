"""Loads exported files with the Keras of this environment; `make keras` runs it in two of them.

python check.py FOLDER: the folder holds zoos, as make.py and check_small_cnn_zoo.py left them.
Exit status 1 if a file does not load, or a prediction is off by more than 1e-5.
"""

import sys
import warnings
from pathlib import Path

import keras
import numpy as np

warnings.filterwarnings("ignore")


def main(root: Path) -> int:
    version, checked, worst = keras.__version__, 0, 0.0
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        expected = np.load(folder / "expected.npz")
        images = expected["images"].astype("float32") / np.float32(255)
        for path in sorted((folder / "keras-h5").glob("*_model.h5")):
            own = path.name.removeprefix("binary_oneVall_").removesuffix("_model.h5")
            model = keras.models.load_model(path)
            said = [model.predict(images, verbose=0)]
            compiled = f"rate/{own}" in expected
            assert (getattr(model, "optimizer", None) is not None) == compiled, (
                f"{path}: compiled, or not"
            )
            if compiled and version.startswith("2."):
                # Keras 3 takes the optimizer's defaults for any file of Keras 2, its own included.
                rate = float(np.asarray(model.optimizer.learning_rate))
                assert abs(rate - float(expected[f"rate/{own}"])) <= 1e-6 * rate, f"{path}: {rate}"
            else:
                fresh = keras.models.clone_model(model)
                weights = folder / "weights-h5" / path.name.replace(".h5", ".weights.h5")
                fresh.load_weights(weights)
                said.append(fresh.predict(images, verbose=0))
            for probabilities in said:
                worst = max(worst, float(np.abs(probabilities - expected[own]).max()))
                checked += 1
    sys.stdout.write(
        f"Keras {version}: {checked} loads, predictions differ by at most {worst:.2g}\n"
    )
    return int(worst > 1e-5 or checked == 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
