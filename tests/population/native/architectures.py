"""Small networks that have every operation, at sizes that leave remainders."""

from hyperzoo.architectures import Architecture, lenet5, smallcnn
from hyperzoo.architectures.layers import Conv2d, Dense, GlobalAveragePool, Layer, Pool2d


def declared(name: str, shape: tuple[int, int, int], *layers: Layer) -> Architecture:
    return Architecture(name=name, input_shape=shape, layers=layers)


EVERY = {
    architecture.name: architecture
    for architecture in (
        lenet5(1),
        smallcnn(10),
        declared("dense alone", (5, 7, 3), Dense(units=1)),
        declared("dense", (4, 4, 1), Dense(units=19, activation="relu"), Dense(units=3)),
        declared(
            "same, odd size",
            (11, 9, 3),
            Conv2d(filters=7, kernel=3, padding="same", activation="tanh"),
            Conv2d(filters=5, kernel=5, padding="same", activation="relu"),
            Dense(units=1),
        ),
        declared(
            "same, stride 2, even size",
            (12, 10, 1),
            Conv2d(filters=13, kernel=5, stride=2, padding="same", activation="tanh"),
            Conv2d(filters=4, kernel=3, stride=2, padding="same"),
            Dense(units=2),
        ),
        declared(
            "stride 3, valid, kernel 1",
            (17, 14, 3),
            Conv2d(filters=3, kernel=3, stride=3, activation="relu"),
            Conv2d(filters=8, kernel=1, activation="tanh"),
            Conv2d(filters=6, kernel=1, stride=2),
            Dense(units=1),
        ),
        declared(
            "max pool with remainder",
            (15, 15, 3),
            Conv2d(filters=6, kernel=3, activation="tanh"),
            Pool2d(kind="max"),
            Conv2d(filters=9, kernel=3, padding="same", activation="relu"),
            Pool2d(kind="max", size=4),
            Dense(units=4),
        ),
        declared(
            "average pool 3, global average",
            (20, 23, 1),
            Pool2d(kind="average", size=2),
            Conv2d(filters=5, kernel=3, activation="tanh"),
            Pool2d(kind="average", size=3),
            GlobalAveragePool(),
            Dense(units=6, activation="tanh"),
            Dense(units=1),
        ),
        declared(
            "wide late layer",
            (9, 9, 3),
            Conv2d(filters=31, kernel=7, activation="relu"),
            Dense(units=1),
        ),
        declared(
            "linear, many planes",
            (34, 33, 1),
            Conv2d(filters=3, kernel=3, stride=2, padding="same"),
            Conv2d(filters=2, kernel=5, padding="same", activation="tanh"),
            Pool2d(kind="max", size=5),
            Dense(units=1),
        ),
    )
}
