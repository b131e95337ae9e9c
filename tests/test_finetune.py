from typing import Any

import numpy as np
import pytest

from hyperzoo.architectures import declared_architecture, lenet5, smallcnn
from hyperzoo.errors import EngineError, ImageError
from hyperzoo.finetune import FineTuned, fine_tune
from hyperzoo.images import ImageSet, load_images
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import Settings, TrainedNetwork, metrics, targets
from hyperzoo.population.torch_engine import TorchEngine
from tests.helpers import few

NAMES = ("three", "five", "three")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return few(load_images("digits", channels=1), 150, 60)


@pytest.fixture(scope="module")
def scratch(images: ImageSet) -> FineTuned:
    return fine_tune(images, smallcnn(1), None, NAMES, epochs=3, engine="torch")


def test_from_scratch_it_is_ordinary_training(images: ImageSet, scratch: FineTuned):
    """The bits of the engine's networks, with the metrics of their epochs."""
    cohort = [
        PlannedNetwork(class_name=name, index=index, learning_rate=1e-3, batch_size=64)
        for name, index in zip(NAMES, (0, 0, 1), strict=True)
    ]
    for epochs in (1, 3):
        chosen = Settings(
            seed=0, kind="one-vs-all", positive_fraction=None, epochs=epochs, keep="last"
        )
        for event in TorchEngine().train(smallcnn(1), cohort, images, chosen):
            if not isinstance(event, TrainedNetwork):
                continue
            own = targets(
                cohort[event.network], "one-vs-all", images.validation_labels, images.class_names
            )
            for name, value in metrics(event.logits, own).items():
                found = scratch.metrics[name][epochs, event.network]
                assert found == pytest.approx(value, abs=1e-5), name
            if epochs == 3:
                for name, tensor in event.parameters.items():
                    assert np.array_equal(scratch.weights[name][event.network], tensor)
    assert scratch.metrics["auc"].shape == (4, 3)


def test_fine_tuning_begins_where_the_weights_are(images: ImageSet, scratch: FineTuned):
    tuned = fine_tune(images, smallcnn(1), scratch.weights, NAMES, epochs=1, engine="torch")
    for name, values in tuned.metrics.items():
        np.testing.assert_array_equal(values[0], scratch.metrics[name][3], err_msg=name)
    assert (tuned.metrics["loss"][1] < scratch.metrics["loss"][1]).all()


def test_multi_class_networks_have_no_auc(images: ImageSet):
    tuned = fine_tune(images, smallcnn(10), None, ["all"], epochs=1, kind="multi-class")
    assert np.isnan(tuned.metrics["auc"]).all()
    assert tuned.metrics["loss"][0, 0] == pytest.approx(np.log(10), abs=0.3)
    assert np.isfinite(tuned.metrics["f1"]).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": 0}, EngineError, "must be 1 or more, got epochs 0"),
        ({"learning_rate": float("nan")}, EngineError, "learning_rate must be finite.*got nan"),
        ({"class_names": ["owl"]}, EngineError, "no class 'owl' for one-vs-all.*zero, one"),
        ({"class_names": ["two"]}, EngineError, "weights of 1 networks.*got shape"),
        ({"architecture": smallcnn(10)}, EngineError, "have 1 outputs, got 'smallcnn' with 10"),
        ({"architecture": lenet5(1)}, ImageError, r"'lenet5' takes images of shape \(32, 32, 3\)"),
        ({"weights": {"a": np.zeros((3, 2))}}, EngineError, "must have the parameters of"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: dict[str, Any], error: Any, message: str, images: ImageSet, scratch: FineTuned
):
    chosen: dict[str, Any] = {
        "architecture": smallcnn(1),
        "weights": scratch.weights,
        "class_names": NAMES,
        "epochs": 1,
        "engine": "torch",
    }
    with pytest.raises(error, match=message):
        fine_tune(images, **(chosen | change))


def test_a_network_of_its_own_layers_takes_its_running_statistics_along(images: ImageSet):
    layers = [
        {"conv": 4, "kernel": 3, "bias": False},
        {"norm": "batch", "activation": "relu"},
        {"dense": "outputs"},
    ]
    own = declared_architecture("own", layers, images.image_shape, 1)
    first = fine_tune(images, own, None, NAMES, epochs=2)
    assert not np.allclose(first.weights["bn1.running_mean"], 0)
    tuned = fine_tune(images, own, first.weights, NAMES, epochs=1)
    np.testing.assert_array_equal(tuned.metrics["loss"][0], first.metrics["loss"][2])
    assert not np.array_equal(tuned.weights["bn1.running_var"], first.weights["bn1.running_var"])
