"""What every engine must do; each engine's test file runs this suite.

A suite's class sets `make` to a function that makes the engine with a number of workers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, initial_parameters, lenet5, smallcnn
from hyperzoo.architectures.forward import build_module
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.plan import ALL_CLASSES, PlannedNetwork
from hyperzoo.population import Engine, EpochRecord, Parameters, Settings, TrainedNetwork
from hyperzoo.population.task import (
    image_order,
    noisy_labels,
    targets,
    training_images,
)
from tests.population.training_by_definition import train_by_definition

OPTIMIZERS: list[dict[str, Any]] = [
    {"optimizer": "adamw", "weight_decay": 0.3},
    {"optimizer": "adam", "l2": 0.02},
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.5},
    {"optimizer": "sgd", "momentum": 0.8, "nesterov": True, "l2": 0.1},
    {"optimizer": "rmsprop", "l2": 0.01},
    {"optimizer": "rmsprop", "momentum": 0.7, "weight_decay": 0.1},
]

Events = list[EpochRecord | TrainedNetwork]


def network(class_name: str = "three", index: int = 0, **changes: Any) -> PlannedNetwork:
    values = {"learning_rate": 1e-3, "batch_size": 64} | changes
    return PlannedNetwork(class_name=class_name, index=index, **values)


def settings(**changes: Any) -> Settings:
    values = {
        "seed": 0,
        "kind": "one-vs-all",
        "positive_fraction": None,
        "epochs": 2,
        "keep": "last",
    }
    return Settings(**(values | changes))


def run(
    engine: Engine,
    architecture: Architecture,
    cohort: Sequence[PlannedNetwork],
    images: ImageSet,
    chosen: Settings,
    start: Sequence[Parameters | None] | None = None,
) -> dict[int, TrainedNetwork]:
    events = engine.train(architecture, cohort, images, chosen, start)
    return {event.network: event for event in events if isinstance(event, TrainedNetwork)}


def bits(trained: TrainedNetwork) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in trained.parameters.items()}


def reference_steps(
    architecture: Architecture,
    planned: PlannedNetwork,
    images: ImageSet,
    chosen: Settings,
    given: Parameters | None = None,
) -> dict[str, NDArray[np.float64]]:
    """An ordinary module with autograd in float64 and Adam written out as Keras's source has it.

    Keras 3, `keras/src/optimizers/adam.py`: alpha = lr * sqrt(1 - beta_2^t) / (1 - beta_1^t);
    m += (g - m)(1 - beta_1); v += (g^2 - v)(1 - beta_2); p -= m alpha / (sqrt(v) + epsilon).
    """
    module = build_module(architecture).double()
    own_start = initial_parameters(architecture, chosen.seed, planned.class_name, planned.index)
    start = own_start if given is None else given
    module.load_state_dict({name: torch.tensor(value).double() for name, value in start.items()})
    told = noisy_labels(
        planned, images.train_labels, len(images.class_names), chosen.seed, planned.label_noise
    )
    own = targets(planned, chosen.kind, told, images.class_names)
    subset = training_images(
        planned, own, chosen.seed, chosen.positive_fraction, planned.train_fraction
    )
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in named(module)}
    step = 0
    for epoch in range(1, chosen.epochs + 1):
        order = image_order(planned, subset, chosen.seed, epoch)
        for begin in range(0, len(order), planned.batch_size):
            batch = order[begin : begin + planned.batch_size]
            pixels = torch.tensor(images.train_images[batch]).double().permute(0, 3, 1, 2) / 255
            logits = module(pixels)
            if chosen.kind != "multi-class":
                wanted = torch.tensor(own[batch]).double()
                loss = torch.nn.functional.binary_cross_entropy(torch.sigmoid(logits[:, 0]), wanted)
            else:
                chances = torch.softmax(logits, dim=1)
                loss = -chances[torch.arange(len(batch)), torch.tensor(own[batch])].log().mean()
            module.zero_grad()
            loss.backward()
            step += 1
            with torch.no_grad():
                for name, p in named(module):
                    m, v = moments[name]
                    alpha = planned.learning_rate * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
                    m += (p.grad - m) * (1 - 0.9)
                    v += (p.grad**2 - v) * (1 - 0.999)
                    p -= m * alpha / (v.sqrt() + 1e-7)
    return {name: p.detach().numpy() for name, p in named(module)}


def named(module: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return list(module.named_parameters())


class EngineContract:
    make: Callable[[int], Engine]

    @pytest.mark.parametrize("kind", ["one-vs-all", "multi-class"])
    @pytest.mark.parametrize("declared", [lenet5, smallcnn])
    def test_one_step_equals_the_float64_reference(
        self, declared: Any, kind: Any, digits: ImageSet, grey_digits: ImageSet
    ):
        """The second guarantee: every parameter, to float32 rounding."""
        images = digits if declared is lenet5 else grey_digits
        architecture = declared(1 if kind == "one-vs-all" else 10)
        name = "three" if kind == "one-vs-all" else ALL_CLASSES
        # One batch of all 150 images makes an epoch of one step.
        cohort = [network(name, index, batch_size=150) for index in range(3)]
        chosen = settings(kind=kind, epochs=1)
        found = run(type(self).make(2), architecture, cohort, images, chosen)
        for position, planned in enumerate(cohort):
            expected = reference_steps(architecture, planned, images, chosen)
            start = initial_parameters(architecture, 0, planned.class_name, planned.index)
            for parameter, after in expected.items():
                moved = found[position].parameters[parameter] - start[parameter].astype(float)
                # Adam's first step is lr g / (|g| + 3.2e-6): where a gradient is that small, its
                # rounding error of some 1e-9 moves the step of 1e-3 by some 3e-7; PyTorch's
                # kernels for AVX-512 were seen to move one weight by 1.2e-6.
                np.testing.assert_allclose(
                    moved, after - start[parameter], rtol=2e-3, atol=2e-6, err_msg=parameter
                )

    def test_a_share_of_the_images_and_noisy_labels(self, grey_digits: ImageSet):
        """What each network is shown and told is its own."""
        cohort = [
            network(ALL_CLASSES, 0, batch_size=25, train_fraction=0.5, label_noise=0.3),
            network(ALL_CLASSES, 1, batch_size=25, train_fraction=0.7),
        ]
        chosen = settings(kind="multi-class", epochs=1)
        found = run(type(self).make(1), smallcnn(10), cohort, grey_digits, chosen)
        for position, planned in enumerate(cohort):
            expected = reference_steps(smallcnn(10), planned, grey_digits, chosen)
            for parameter, after in expected.items():
                np.testing.assert_allclose(
                    found[position].parameters[parameter], after, rtol=1e-3, atol=2e-5
                )

    def test_networks_of_subsets(self, grey_digits: ImageSet):
        """A network says yes to every class of its subset; of one class it is a one-vs-all one."""
        cohort = [network("three+seven", batch_size=50), network("three", batch_size=50)]
        chosen = settings(kind="subset-vs-rest", epochs=1)
        found = run(type(self).make(1), smallcnn(1), cohort, grey_digits, chosen)
        expected = reference_steps(smallcnn(1), cohort[0], grey_digits, chosen)
        for parameter, after in expected.items():
            np.testing.assert_allclose(
                found[0].parameters[parameter], after, rtol=1e-3, atol=2e-5, err_msg=parameter
            )
        alone = run(type(self).make(1), smallcnn(1), cohort[1:], grey_digits, settings(epochs=1))
        subset = run(type(self).make(1), smallcnn(1), cohort[1:], grey_digits, chosen)
        assert bits(subset[0]) == bits(alone[0])

    @pytest.mark.parametrize("own", OPTIMIZERS, ids=str)
    def test_optimizers_equal_the_float64_reference(
        self, own: dict[str, Any], grey_digits: ImageSet
    ):
        """Three steps of each, of networks whose sizes of steps differ, beside one another."""
        cohort = [
            network(ALL_CLASSES, index, batch_size=50, **own | {"learning_rate": rate})
            for index, rate in enumerate((0.01, 0.003))
        ]
        chosen = settings(kind="multi-class", epochs=1)
        engine = type(self).make(2)
        if engine.name == "gpu":
            with pytest.raises(EngineError, match=r"plain Adam only, and all_0 has '\w+'; use eng"):
                run(engine, smallcnn(10), cohort, grey_digits, chosen)
            return
        found = run(engine, smallcnn(10), cohort, grey_digits, chosen)
        for position, planned in enumerate(cohort):
            expected, _ = train_by_definition(smallcnn(10), planned, grey_digits, chosen)
            for parameter, after in expected.items():
                np.testing.assert_allclose(
                    found[position].parameters[parameter], after, rtol=1e-4, atol=2e-6
                )

    def test_schedules_and_initialisations_equal_the_float64_reference(self, grey_digits: ImageSet):
        """Networks that differ in them beside one another, over three epochs of one step."""
        cohort = [
            network(ALL_CLASSES, 0, batch_size=150, learning_rate=0.01, schedule="cosine"),
            network(ALL_CLASSES, 1, batch_size=150, schedule="step", step_epochs=1),
            network(ALL_CLASSES, 2, batch_size=150, initialisation="he_normal", initial_bias=0.01),
        ]
        chosen = settings(kind="multi-class", epochs=3)
        found = run(type(self).make(2), smallcnn(10), cohort, grey_digits, chosen)
        for position, planned in enumerate(cohort):
            expected, _ = train_by_definition(smallcnn(10), planned, grey_digits, chosen)
            for parameter, after in expected.items():
                np.testing.assert_allclose(
                    found[position].parameters[parameter], after, rtol=1e-3, atol=2e-5
                )

    @pytest.mark.parametrize("declared", [lenet5, smallcnn])
    def test_some_epochs_stay_close_to_the_float64_reference(
        self, declared: Any, digits: ImageSet, grey_digits: ImageSet
    ):
        """Batches, a smaller last batch, sampled negatives and Adam's bias correction."""
        images = digits if declared is lenet5 else grey_digits
        planned = network("seven", 1, batch_size=13)
        chosen = settings(positive_fraction=0.4, epochs=3)
        found = run(type(self).make(1), declared(1), [planned], images, chosen)[0]
        expected = reference_steps(declared(1), planned, images, chosen)
        for parameter, after in expected.items():
            np.testing.assert_allclose(
                found.parameters[parameter], after, rtol=1e-3, atol=2e-5, err_msg=parameter
            )

    def test_bits_do_not_depend_on_cohort_or_workers(self, digits: ImageSet):
        """The first guarantee."""
        architecture, chosen = lenet5(1), settings()
        cohort = [network(name, index) for index in range(2) for name in ("two", "five", "nine")]
        together = run(type(self).make(3), architecture, cohort, digits, chosen)
        assert sorted(together) == list(range(6))
        reversed_order = run(type(self).make(2), architecture, cohort[::-1], digits, chosen)
        for position, planned in enumerate(cohort):
            alone = run(type(self).make(1), architecture, [planned], digits, chosen)[0]
            assert bits(alone) == bits(together[position]) == bits(reversed_order[5 - position])
            assert alone.logits.tobytes() == together[position].logits.tobytes()
        assert len({bits(trained)["conv1.weight"] for trained in together.values()}) == 6

    def test_records_are_complete_and_in_order(self, digits: ImageSet):
        cohort = [network("zero"), network("one", batch_size=32), network("two")]
        events: Events = list(
            type(self).make(2).train(lenet5(1), cohort, digits, settings(epochs=3))
        )
        for position in range(3):
            epochs = [
                event.epoch if isinstance(event, EpochRecord) else "trained"
                for event in events
                if position
                in np.atleast_1d(
                    getattr(
                        event,
                        "networks",
                        event.network if isinstance(event, TrainedNetwork) else -1,
                    )
                )
            ]
            assert epochs == [1, 2, 3, "trained"]

    def test_the_last_record_describes_the_kept_network(self, digits: ImageSet):
        """Logits, losses and accuracies agree with the module that the weights make."""
        planned = network("four")
        events: Events = list(
            type(self).make(1).train(lenet5(1), [planned], digits, settings(epochs=2))
        )
        record, trained = events[-2], events[-1]
        assert isinstance(record, EpochRecord)
        assert isinstance(trained, TrainedNetwork)
        module = build_module(lenet5(1))
        module.load_state_dict({k: torch.tensor(v) for k, v in trained.parameters.items()})
        pixels = torch.tensor(digits.validation_images).float().permute(0, 3, 1, 2) / 255
        with torch.no_grad():
            logits = module(pixels).numpy()
        np.testing.assert_allclose(trained.logits, logits, atol=1e-5)
        own = targets(planned, "one-vs-all", digits.validation_labels, digits.class_names)
        exact = logits[:, 0].astype(float)
        loss = np.mean(np.logaddexp(0, exact) - own * exact)
        assert record.validation_loss[0] == pytest.approx(loss, abs=1e-5)
        assert record.validation_accuracy[0] == pytest.approx(np.mean((exact > 0) == own))
        assert 0 < record.training_loss[0] < 1
        assert 0.5 < record.training_accuracy[0] <= 1

    def test_checkpoints_are_the_weights_of_their_epochs(self, digits: ImageSet):
        planned = network("four")
        chosen = settings(epochs=3, checkpoint_epochs=(0, 1, 3))
        trained = run(type(self).make(1), lenet5(1), [planned], digits, chosen)[0]
        start = initial_parameters(lenet5(1), 0, "four", 0)
        short = run(type(self).make(1), lenet5(1), [planned], digits, settings(epochs=1))[0]
        assert sorted(trained.checkpoints) == [0, 1, 3]
        for name in start:
            assert np.array_equal(trained.checkpoints[0][name], start[name])
            assert np.array_equal(trained.checkpoints[1][name], short.parameters[name])
            assert np.array_equal(trained.checkpoints[3][name], trained.parameters[name])

    def test_best_keeps_the_epoch_of_least_validation_loss(self, digits: ImageSet):
        # So high a rate that the loss goes up and down.
        planned = network("four", learning_rate=0.03)
        chosen = settings(epochs=6, keep="best", checkpoint_epochs=(1, 2, 3, 4, 5, 6))
        events: Events = list(type(self).make(1).train(lenet5(1), [planned], digits, chosen))
        losses = [e.validation_loss[0] for e in events if isinstance(e, EpochRecord)]
        trained = events[-1]
        assert isinstance(trained, TrainedNetwork)
        assert trained.epoch == 1 + int(np.argmin(losses))
        kept = trained.checkpoints[trained.epoch]
        assert all(np.array_equal(trained.parameters[name], kept[name]) for name in kept)

    def test_a_network_that_diverges_disturbs_no_other(self, digits: ImageSet):
        calm, wild = network("four"), network("five", learning_rate=1e38)
        found = run(type(self).make(1), lenet5(1), [wild, calm], digits, settings())
        alone = run(type(self).make(1), lenet5(1), [calm], digits, settings())
        assert bits(found[1]) == bits(alone[0])
        assert not all(np.isfinite(tensor).all() for tensor in found[0].parameters.values())

    def test_closing_ends_the_work(self, digits: ImageSet):
        cohort = [network("four", index) for index in range(4)]
        events = type(self).make(2).train(lenet5(1), cohort, digits, settings(epochs=10_000))
        assert isinstance(next(events), EpochRecord)
        events.close()

    def test_an_empty_cohort_yields_nothing(self, digits: ImageSet):
        assert list(type(self).make(2).train(lenet5(1), [], digits, settings())) == []

    def test_its_own_initial_weights_given_change_no_bit(self, digits: ImageSet):
        cohort, chosen = [network("four", 0), network("five", 3)], settings()
        start = [initial_parameters(lenet5(1), 0, n.class_name, n.index) for n in cohort]
        given = run(type(self).make(1), lenet5(1), cohort, digits, chosen, start)
        default = run(type(self).make(1), lenet5(1), cohort, digits, chosen)
        for position in range(2):
            assert bits(given[position]) == bits(default[position])
            assert given[position].logits.tobytes() == default[position].logits.tobytes()

    def test_given_weights_are_where_a_network_starts(self, digits: ImageSet):
        """The network beside it, which is given none, is not disturbed."""
        cohort = [network("four", 0), network("five", 0)]
        chosen = settings(epochs=1, checkpoint_epochs=(0,))
        other = initial_parameters(lenet5(1), 9, "four", 7)
        given = run(type(self).make(1), lenet5(1), cohort, digits, chosen, [other, None])
        default = run(type(self).make(1), lenet5(1), cohort, digits, chosen)
        assert bits(given[1]) == bits(default[1])
        for name, tensor in other.items():
            assert np.array_equal(given[0].checkpoints[0][name], tensor)
            # Three steps of Adam of 0.001 each lead away, but not far.
            moved = np.abs(given[0].parameters[name] - tensor).max()
            assert 0 < moved < 0.01
            assert not np.array_equal(given[0].parameters[name], default[0].parameters[name])

    def test_the_optimiser_and_the_epochs_start_anew(self, digits: ImageSet):
        """As in the float64 reference, and so not as in the second epoch of a longer run."""
        planned, one = network("four", batch_size=13), settings(epochs=1)
        first = run(type(self).make(1), lenet5(1), [planned], digits, one)[0]
        given = first.parameters
        more = run(type(self).make(1), lenet5(1), [planned], digits, one, [given])[0]
        longer = run(type(self).make(1), lenet5(1), [planned], digits, settings(epochs=2))[0]
        expected = reference_steps(lenet5(1), planned, digits, one, given)
        for name, after in expected.items():
            np.testing.assert_allclose(
                more.parameters[name], after, rtol=1e-3, atol=2e-5, err_msg=name
            )
        apart = [np.abs(longer.parameters[name] - after).max() for name, after in expected.items()]
        assert max(apart) > 1e-3

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda w: [w, w], "one entry for each of the 1 networks.*got 2"),
            (lambda w: [{}], r"start of four_0 must have the parameters of 'lenet5'.*got $"),
            (
                lambda w: [w | {"conv1.bias": w["conv1.bias"].astype(np.float64)}],
                r"conv1.bias in the start of four_0 must be float32 of shape \(6,\), got float64",
            ),
            (
                lambda w: [w | {"conv1.bias": w["conv1.bias"][1:]}],
                r"must be float32 of shape \(6,\), got float32 of shape \(5,\)",
            ),
            (
                lambda w: [w | {"conv1.bias": np.full(6, np.nan, np.float32)}],
                "conv1.bias in the start of four_0 must be finite, got 6 of 6 numbers",
            ),
        ],
    )
    def test_weights_that_do_not_fit_are_refused(self, change: Any, message: str, digits: ImageSet):
        start = change(initial_parameters(lenet5(1), 0, "four", 0))
        with pytest.raises(EngineError, match=message):
            run(type(self).make(1), lenet5(1), [network("four")], digits, settings(), start)
