"""Networks that have every layer, every activation and every way to join them, small.

What a batch normalisation follows has no bias, and between two lies something that is not linear:
what the next normalisation takes away again has a gradient of 0 but for rounding, and of that Adam
makes a step in any direction.
"""

from hyperzoo.architectures import Architecture, declared_architecture


def own(name: str, shape: tuple[int, int, int], *layers: object, outputs: int = 1) -> Architecture:
    return declared_architecture(name, [*layers, {"dense": "outputs"}], shape, outputs)


STRAIGHT = {
    architecture.name: architecture
    for architecture in (
        own(
            "cnn-s",
            (28, 28, 1),
            {"conv": 8, "kernel": 5},
            {"pool": "max", "activation": "tanh"},
            {"conv": 6, "kernel": 5},
            {"pool": "max", "activation": "tanh"},
            {"conv": 4, "kernel": 2, "activation": "tanh"},
            {"dense": 20, "activation": "tanh"},
            outputs=10,
        ),
        own(
            "scaled",
            (10, 9, 3),
            {"normalize": "inputs", "mean": [0.49, 0.48, 0.45], "std": [0.25, 0.2, 0.3]},
            {"conv": 6, "kernel": 3, "padding": "same", "activation": "tanh"},
            {"pool": "average"},
            {"conv": 4, "kernel": 3, "activation": "relu"},
            {"dense": 7, "activation": "tanh"},
            outputs=3,
        ),
        own(
            "even kernels",
            (13, 10, 3),
            {"conv": 5, "kernel": 4, "padding": "same", "activation": "gelu"},
            {"conv": 7, "kernel": 2, "stride": 2, "padding": "same", "activation": "silu"},
            {"conv": 3, "kernel": 2, "activation": "sigmoid", "bias": False},
            {"dense": 9, "activation": "leaky_relu", "bias": False},
            outputs=3,
        ),
        own(
            "pooled activations",
            (17, 15, 3),
            {"conv": 6, "kernel": 3, "activation": "leaky_relu"},
            {"pool": "average", "size": 3, "activation": "gelu"},
            {"conv": 5, "kernel": 3, "padding": "same"},
            {"pool": "max", "activation": "sigmoid"},
            {"pool": "global", "activation": "silu"},
        ),
        own(
            "normalised",
            (12, 12, 3),
            {"norm": "batch", "momentum": 0.9},
            {"conv": 6, "kernel": 3, "padding": "same", "activation": "tanh"},
            {"norm": "batch", "momentum": 0.5, "epsilon": 1e-5, "activation": "silu"},
            {"conv": 5, "kernel": 3, "stride": 2, "bias": False},
            {"norm": "batch", "activation": "relu"},
            {"pool": "max"},
            {"flatten": True},
            {"norm": "batch", "activation": "sigmoid"},
            {"dense": 8, "bias": False},
            {"norm": "batch", "activation": "gelu"},
            outputs=4,
        ),
        own(
            "dropped out",
            (10, 11, 1),
            {"dropout": 0.1},
            {"conv": 6, "kernel": 3, "padding": "same", "activation": "tanh"},
            {"dropout": 0.5},
            {"pool": "average"},
            {"conv": 4, "kernel": 3, "activation": "relu"},
            {"norm": "batch"},
            {"dropout": 0.3},
            {"dense": 12, "activation": "silu"},
            {"dropout": 0.2},
        ),
    )
}

BRANCHED = {
    architecture.name: architecture
    for architecture in (
        own(
            "residual",
            (12, 11, 3),
            {"conv": 6, "kernel": 3, "padding": "same", "activation": "relu"},
            {
                "residual": [
                    {"conv": 6, "kernel": 3, "padding": "same", "bias": False},
                    {"norm": "batch"},
                ]
            },
            {
                "residual": [
                    {"conv": 8, "kernel": 3, "padding": "same", "stride": 2, "bias": False},
                    {"norm": "batch", "activation": "relu"},
                    {"dropout": 0.25},
                    {"conv": 8, "kernel": 3, "padding": "same"},
                ],
                "shortcut": [{"conv": 8, "kernel": 1, "stride": 2}],
                "activation": "linear",
            },
            {"pool": "max", "size": 3, "stride": 2},
            {"pool": "global"},
        ),
        own(
            "normalised shortcuts",  # as long as the body, shorter than it, and longer
            (9, 8, 1),
            {"conv": 4, "kernel": 3, "padding": "same", "activation": "tanh"},
            {
                "residual": [
                    {"conv": 6, "kernel": 3, "padding": "same", "bias": False},
                    {"norm": "batch"},
                ],
                "shortcut": [{"conv": 6, "kernel": 1, "bias": False}, {"norm": "batch"}],
            },
            {
                "residual": [
                    {"conv": 5, "kernel": 3, "padding": "same", "stride": 2, "bias": False},
                    {"norm": "batch", "activation": "tanh"},
                    {"conv": 5, "kernel": 3, "padding": "same", "bias": False},
                    {"norm": "batch", "activation": "silu"},
                    {"conv": 4, "kernel": 1, "bias": False},
                    {"norm": "batch"},
                ],
                "shortcut": [
                    {"conv": 4, "kernel": 1, "stride": 2, "bias": False},
                    {"norm": "batch"},
                ],
            },
            {
                "residual": [{"conv": 4, "kernel": 1, "bias": False}],
                "shortcut": [{"conv": 4, "kernel": 1, "bias": False}, {"norm": "batch"}],
            },
            {"pool": "global"},
            outputs=3,
        ),
    )
}

OVERLAPPING = own(
    "overlapping",
    (15, 15, 1),
    {"conv": 4, "kernel": 3, "activation": "relu"},
    {"pool": "max", "size": 3, "stride": 2},
    {"pool": "average", "size": 3, "stride": 1},
)

SYMMETRIC = own(
    "symmetric",
    (12, 13, 3),
    {"conv": 6, "kernel": 3, "stride": 2, "padding": "symmetric", "activation": "relu"},
    {"conv": 4, "kernel": 5, "stride": 2, "padding": "symmetric", "activation": "tanh"},
    outputs=2,
)

EVERY = {
    **STRAIGHT,
    **BRANCHED,
    OVERLAPPING.name: OVERLAPPING,
    SYMMETRIC.name: SYMMETRIC,
}
