"""Makes a Small CNN Zoo with real Keras, as the script of the published one builds its networks.

python make_small_cnn_zoo.py FOLDER: the three files, and `expected.npz` with what the networks say.
"""

import csv
import gzip
import sys
from pathlib import Path

import keras
import numpy as np

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu")


def build(activation: str, dropout: float) -> keras.Sequential:
    model = keras.Sequential([keras.layers.Input((32, 32, 1))])
    for _ in range(3):
        model.add(
            keras.layers.Conv2D(
                16, kernel_size=3, strides=2, activation=activation, bias_initializer="normal"
            )
        )
        if dropout > 0.0:
            model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(10, bias_initializer="normal"))
    return model


def main(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 1), dtype=np.uint8)
    scaled = -1.0 + images.astype("float32") / 255 * 2.0
    rows, table, said, order = [], [], [], []
    for number, activation in enumerate(ACTIVATIONS * 2):
        dropout = 0.0 if number < len(ACTIVATIONS) else 0.3
        model = build(activation, dropout)
        layers = [layer for layer in model.layers if layer.weights]
        kinds = ["conv2d", "conv2d_1", "conv2d_2", "dense"]
        # By name, the bias before the kernel, as the published file has them.
        named = [
            (f"sequential/{name}/{kind}:0", array)
            for name, layer in zip(kinds, layers, strict=True)
            for kind, array in zip(("bias", "kernel"), reversed(layer.get_weights()), strict=True)
        ]
        rows.append(np.concatenate([array.ravel() for _, array in named]))
        order = [(name, array.shape) for name, array in named]
        said.append(model.predict(scaled, verbose=0))
        table.append([f"/zoo/{number}", 86, activation, dropout, 86, "sgd", 0.01, 0.1, 2.3])
    np.save(root / "weights.npy", np.array(rows, np.float32))
    with (root / "layout.csv").open("w", newline="") as file:
        writer, begin = csv.writer(file), 0
        writer.writerow(["varname", "start_idx", "end_idx", "size", "shape"])
        for name, shape in order:
            size = int(np.prod(shape))
            writer.writerow([name, begin, begin + size, size, shape])
            begin += size
    with gzip.open(root / "metrics.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["modeldir", "step", "config.activation", "config.dropout", "config.epochs",
             "config.optimizer", "config.learning_rate", "test_accuracy", "test_loss"]
        )  # fmt: skip
        writer.writerows(table)
    np.savez(root / "expected.npz", images=images, said=np.array(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
