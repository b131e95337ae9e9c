from dataclasses import replace

import numpy as np
import pytest

from hyperzoo.architectures import Architecture, lenet5, smallcnn
from hyperzoo.architectures.layers import Conv2d, Dense
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.population import make_engine
from hyperzoo.population.native import NativeEngine, library
from hyperzoo.population.native.description import describe
from hyperzoo.population.native.library import Network
from tests.architectures.declarations import BRANCHED, OVERLAPPING, STRAIGHT, SYMMETRIC
from tests.population.declared import noise_images, planned_for, settings_for
from tests.population.engine_contract import EngineContract, bits, network, run, settings
from tests.population.training_by_definition import train_by_definition

pytestmark = pytest.mark.skipif(library.reason_unavailable() is not None, reason="no native engine")


class TestNativeEngine(EngineContract):
    @staticmethod
    def make(workers: int) -> NativeEngine:
        return NativeEngine(workers=workers)


def test_provenance_names_the_arithmetic_and_no_machine():
    assert NativeEngine(workers=1).provenance == {"engine": "native", "kernels": "float32 2"}


@pytest.mark.parametrize("architecture", [lenet5(1), lenet5(10), smallcnn(10)])
def test_declared_architectures_are_supported(architecture: Architecture):
    if library.is_fast():
        assert NativeEngine.unsupported(architecture) is None


@pytest.mark.parametrize("architecture", STRAIGHT.values(), ids=lambda a: a.name)
def test_declared_networks_are_trained_as_defined(architecture: Architecture):
    if library.is_fast():
        assert NativeEngine.unsupported(architecture) is None
    images, chosen = noise_images(architecture), settings_for(architecture)
    planned = planned_for(architecture)
    found = run(NativeEngine(workers=1), architecture, [planned], images, chosen)[0]
    expected, logits = train_by_definition(architecture, planned, images, chosen)
    for name, value in expected.items():
        # Three steps of 1e-3: where a gradient is near 0, Adam makes much of its rounding.
        np.testing.assert_allclose(
            found.parameters[name], value, rtol=1e-3, atol=3e-5, err_msg=name
        )
    np.testing.assert_allclose(found.logits, logits, rtol=1e-3, atol=2e-3)


def test_a_batch_that_is_normalised_may_be_larger_than_a_chunk():
    """All of it is in memory at once: 300 images at a time, not 256 and 44."""
    architecture = STRAIGHT["normalised"]
    images, chosen = noise_images(architecture, train=300), settings_for(architecture)
    planned = replace(planned_for(architecture), batch_size=300)
    found = run(NativeEngine(workers=1), architecture, [planned], images, chosen)[0]
    expected, _ = train_by_definition(architecture, planned, images, chosen)
    for name in ("bn2.running_mean", "bn2.running_var", "bn5.running_var"):
        np.testing.assert_allclose(found.parameters[name], expected[name], rtol=1e-5, atol=1e-7)


def test_dropout_depends_on_the_network_alone():
    architecture = STRAIGHT["dropped out"]
    images, chosen = noise_images(architecture), settings_for(architecture, epochs=2)
    cohort = [planned_for(architecture, index) for index in range(3)]
    together = run(NativeEngine(workers=2), architecture, cohort, images, chosen)
    alone = run(NativeEngine(workers=1), architecture, cohort[2:], images, chosen)
    assert bits(together[2]) == bits(alone[0])
    assert bits(together[0]) != bits(together[1])


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (BRANCHED["residual"], "'residual' has residual blocks, which the native engine has not"),
        (OVERLAPPING, "pool1 of 'overlapping': the native engine pools over squares that neither"),
        (SYMMETRIC, "conv1 of 'symmetric' pads symmetrically, which the native engine does not"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_left_to_pytorch_has_a_reason(
    architecture: Architecture, message: str, caplog: pytest.LogCaptureFixture
):
    if library.is_fast():
        assert message in str(NativeEngine.unsupported(architecture))
        assert make_engine("auto", architecture, "cpu", 1).name == "torch"
        assert message in caplog.text
    images = noise_images(architecture)
    with pytest.raises(EngineError, match=message):
        run(
            NativeEngine(), architecture, [planned_for(architecture)], images,
            settings_for(architecture),
        )  # fmt: skip


def test_a_layer_beyond_the_kernels_is_refused_with_a_reason(digits: ImageSet):
    ended = replace(lenet5(1), layers=(Conv2d(filters=3, kernel=3), Dense(units=5000)))
    if library.is_fast():
        assert "layer 2: expected 1 to 4096 outputs" in str(NativeEngine.unsupported(ended))
    with pytest.raises(EngineError, match="layer 2: expected 1 to 4096 outputs, got 5000"):
        run(NativeEngine(), ended, [network()], digits, settings())


def test_images_of_another_size_are_refused(grey_digits: ImageSet):
    with pytest.raises(EngineError, match=r"takes images of shape \(32, 32, 3\), got 'digits'"):
        run(NativeEngine(), lenet5(1), [network()], grey_digits, settings())


def test_another_precision_is_refused(digits: ImageSet):
    with pytest.raises(EngineError, match="the native engine trains in precision 'float32' only"):
        run(NativeEngine(), lenet5(1), [network()], digits, settings(precision="bfloat16"))


def test_workers_below_zero():
    with pytest.raises(EngineError, match="workers must be 0"):
        NativeEngine(workers=-1)


def test_an_install_without_a_compiler(monkeypatch: pytest.MonkeyPatch):
    library._library.cache_clear()
    monkeypatch.setattr(library.importlib.machinery, "EXTENSION_SUFFIXES", [".none"])
    try:
        assert not NativeEngine.is_available()
        assert "was not built" in str(NativeEngine.unsupported(lenet5(1)))
        with pytest.raises(EngineError, match=r"install a C\+\+17 compiler"):
            NativeEngine()
    finally:
        library._library.cache_clear()


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ([8, 8, 1], "the description is too short"),
        ([8, 8, 1, 2, 5, 0, 1, 0, 0, 0, 1], "a description of their length"),
        ([8, 8, 1, 1, 9, 0, 1, 0, 0, 0, 0], "layer 1: unknown kind"),
        ([8, 8, 1, 1, 5, 0, 1, 0, 0, 7, 1], "layer 1: unknown activation"),
        ([8, 8, 1, 1, 5, 0, 1, 0, 0, 1, 1], "the last layer must be dense and linear"),
        ([8, 8, 1, 1, 5, 0, 0, 0, 0, 0, 1], "layer 1: expected 1 to 4096 outputs, got 0"),
        ([0, 8, 1, 1, 5, 0, 1, 0, 0, 0, 1], "images must be 1 to 1024"),
        ([8, 8, 1, 2, 1, 65, 2, 1, 0, 0, 1, 5, 0, 1, 0, 0, 0, 1], "a kernel must be 1 to 64"),
        ([8, 8, 1, 2, 1, 3, 2, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 1], "a stride must be 1 to 64"),
        ([8, 8, 1, 2, 1, 3, 2, 1, 5, 0, 1, 5, 0, 1, 0, 0, 0, 1], "unknown padding"),
        ([8, 8, 1, 2, 1, 9, 2, 1, 0, 0, 1, 5, 0, 1, 0, 0, 0, 1], "the kernel is larger"),
        ([8, 8, 1, 2, 2, 9, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 1], "the window is larger"),
        ([8, 8, 1, 2, 2, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 1], "pooling over 0 positions"),
        ([8, 8, 1, 1, 5, 0, 1, 0, 0, 0, 2], "layer 1: a bias is there or not"),
        ([8, 8, 1, 2, 6, 0, 0, 0, 0, 7, 0, 5, 0, 1, 0, 0, 0, 1], "layer 1: unknown activation"),
        ([8, 8, 1, 2, 7, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 1], "layer 1: impossible constants"),
        ([8, 8, 1, 2, 8, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 1], "layer 1: impossible scale"),
    ],
)
def test_a_bad_description_is_refused(description: list[int], message: str):
    with pytest.raises(EngineError, match=message):
        Network(np.array(description, np.int64), 1)


def test_arrays_that_do_not_fit_are_refused():
    own = Network(describe(smallcnn(10)), 8)
    images, targets = np.zeros((4, 32, 32, 1), np.uint8), np.zeros(4, np.int64)
    order, sums = np.arange(4), np.zeros(2)
    with pytest.raises(EngineError, match="expected a contiguous array of float32"):
        own.load(np.zeros(3, np.float32))
    with pytest.raises(EngineError, match="expected images of 1024 bytes"):
        own.gradient(np.zeros((4, 32, 32, 3), np.uint8), targets)
    with pytest.raises(EngineError, match="expected a contiguous array of uint8"):
        own.gradient(np.zeros((4, 32, 32, 1), np.float32), targets)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="expected a contiguous array of uint8"):
        own.gradient(np.zeros((8, 32, 32, 1), np.uint8)[::2], targets)
    with pytest.raises(EngineError, match="targets run from 0 to 10, expected 0 to 9"):
        own.gradient(images, np.array([0, 10, 0, 0]))
    with pytest.raises(EngineError, match="expected 1 to 8 images, got 0"):
        own.gradient(images[:0], targets[:0])
    with pytest.raises(EngineError, match="a batch of 1 to 8 images, got 0 and 9"):
        own.train(images, targets, order, 0, 9, 1e-3, 1, sums)
    with pytest.raises(EngineError, match="the order names images beyond the 4"):
        own.train(images, targets, order + 1, 0, 4, 1e-3, 1, sums)
    with pytest.raises(EngineError, match="expected an image below 4, got 4"):
        own.evaluate(images, targets, 4, 1, np.zeros((4, 10), np.float32), sums)


def test_networks_that_are_not_numbers_pass_on_and_do_not_crash():
    own = Network(describe(smallcnn(10)), 8)
    own.load(np.full(own.parameter_count, np.nan, np.float32))
    images, targets = np.ones((4, 32, 32, 1), np.uint8), np.zeros(4, np.int64)
    gradient, loss = own.gradient(images, targets)
    assert np.isnan(loss)
    assert np.isnan(gradient).any()


def test_pixels_are_divided_exactly():
    """Through a network that passes one pixel on: the quotient, correctly rounded."""
    own = Network(np.array([1, 1, 1, 1, 5, 0, 1, 0, 0, 0, 1]), 256)
    own.load(np.array([1, 0], np.float32))
    images = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    logits, sums = np.empty((256, 1), np.float32), np.zeros(2)
    own.evaluate(images, np.zeros(256, np.int64), 0, 1, logits, sums)
    assert np.array_equal(logits[:, 0], np.arange(256, dtype=np.float32) / np.float32(255))
