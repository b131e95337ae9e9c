from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hyperzoo as hz
from hyperzoo.errors import HyperzooError, PredictionError
from hyperzoo.prediction import FittedMethod, fit, load_method
from hyperzoo.prediction.maps import tensors_of_map
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.tensors import encode_tensors, open_tensors
from tests.architectures.declarations import EVERY
from tests.prediction.makers import planted_weights, planted_zoo
from tests.zoo.makers import make_zoo, recipe


@pytest.fixture(scope="module")
def fitted(planted: Zoo) -> FittedMethod:
    return fit(planted, "linear-response")


@pytest.fixture
def file(fitted: FittedMethod, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "method.safetensors")
    return tmp_path / "method.safetensors"


@pytest.mark.parametrize("method", ["linear-response", "smooth-probes", "invariants", "statistics"])
def test_a_saved_method_names_networks_of_another_zoo(method: str, planted: Zoo, tmp_path: Path):
    fitted = fit(planted, method)
    fitted.save(tmp_path / "method.safetensors")
    loaded = load_method(tmp_path / "method.safetensors")
    elsewhere = planted_zoo(tmp_path / "elsewhere", 3, seed=7)
    probabilities = loaded.probabilities(elsewhere)
    np.testing.assert_array_equal(probabilities, fitted.probabilities(elsewhere))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    right = np.array(loaded.predict(elsewhere)) == elsewhere.models["class"].to_pylist()
    assert right.mean() >= (1 if method == "linear-response" else 0.6)


@pytest.mark.parametrize("method", ["linear-response", "statistics"])
def test_it_names_as_the_estimator_does(method: str, planted: Zoo):
    labels = planted.models["class"].to_pylist()
    pipeline = hz.prediction.METHODS[method].build(planted.architecture, 0)
    expected = pipeline.fit(planted.matrix(), labels).predict_proba(planted.matrix())
    np.testing.assert_allclose(fit(planted, method).probabilities(planted), expected, atol=1e-5)


def test_two_classes_have_two_probabilities(tmp_path: Path, planted: Zoo, monkeypatch):
    from hyperzoo.prediction import fitted as module

    networks = module.networks_of(planted)
    pair = np.isin(networks.values, ["cat", "owl"])
    two = replace(
        networks,
        ids=[name for name, kept in zip(networks.ids, pair, strict=True) if kept],
        values=networks.values[pair],
        matrix=networks.matrix[pair],
    )
    monkeypatch.setattr(module, "networks_of", lambda *_, **__: two)
    for method in ("linear-response", "statistics"):
        fitted = fit(planted, method)
        assert fitted.classes == ("cat", "owl")
        pipeline = hz.prediction.METHODS[method].build(planted.architecture, 0)
        expected = pipeline.fit(two.matrix, two.values).predict_proba(planted.matrix())
        np.testing.assert_allclose(fitted.probabilities(planted), expected, atol=1e-5)


def test_weights_come_from_anywhere(fitted: FittedMethod, planted: Zoo):
    assert fitted.predict(planted_weights("dog", 50, 3)) == ["dog"]
    assert fitted.predict(planted.state_dict("yak_1")) == ["yak"]
    stacked = {
        name: np.stack([planted_weights(c, 9, 9)[name] for c in ("owl", "rat")]).astype(np.float64)
        for name in planted.state_dict("yak_1")
    }
    assert fitted.predict(stacked) == ["owl", "rat"]
    module = planted.network("yak_1")
    assert fitted.predict(dict(module.named_parameters())) == ["yak"]
    assert fitted.predict(module.bfloat16().state_dict()) == ["yak"]


def test_wrong_networks_are_refused(fitted: FittedMethod, tmp_path: Path):
    weights = planted_weights("dog", 0, 0)
    with pytest.raises(PredictionError, match=r"expected the parameters conv1.weight, .*, got a"):
        fitted.predict({"a": np.zeros(3)})
    with pytest.raises(PredictionError, match=r"conv1.bias: expected .*\(16,\).* got shape \(\)"):
        fitted.predict(weights | {"conv1.bias": np.float32(1)})
    with pytest.raises(PredictionError, match=r"conv1.bias: .*got shape \(2, 16\)"):
        fitted.predict(weights | {"conv1.bias": np.zeros((2, 16))})
    with pytest.raises(PredictionError, match=r"conv1.bias: .* got shape \(1, 16\) of int64"):
        fitted.predict(weights | {"conv1.bias": np.zeros(16, np.int64)})
    with pytest.raises(PredictionError, match=r"not finite numbers: number 0"):
        fitted.predict(weights | {"conv1.bias": np.full(16, np.inf)})
    with pytest.raises(PredictionError, match=r"not finite numbers: number 0"):
        fitted.predict({name: tensor * np.float64(1e300) for name, tensor in weights.items()})
    huge = {name: tensor * np.float32(1e12) for name, tensor in weights.items()}
    with pytest.raises(PredictionError, match=r"too large for method 'linear-r.*': number 0"):
        fitted.predict(huge)
    with pytest.raises(PredictionError, match=r"conv1.weight: .* got shape \(0, 16, 1, 3, 3\)"):
        fitted.predict({name: tensor[None][:0] for name, tensor in weights.items()})
    with pytest.raises(PredictionError, match=r"names and weights .*, got PosixPath"):
        fitted.predict(tmp_path)
    other = make_zoo(tmp_path / "zoo", recipe(networks_per_class=1, task={"kind": "multi-class"}))
    with pytest.raises(PredictionError, match=r"1 output\(s\), but .* 'smallcnn' with 5"):
        fitted.predict(hz.open_zoo(other))


def test_what_can_not_be_kept_is_refused(planted: Zoo):
    with pytest.raises(PredictionError, match=r"'svm' can't be kept; those that can: linear-"):
        fit(planted, "svm")
    with pytest.raises(PredictionError, match=r"seed: expected a whole number"):
        fit(planted, "linear-response", seed=-1)
    with pytest.raises(PredictionError, match=r"no method 'nothing'"):
        fit(planted, "nothing")


def test_it_is_kept_with_its_network_s_layers(fitted: FittedMethod, tmp_path: Path):
    """So a network that no table of names has can be named elsewhere too."""
    own = replace(fitted, architecture=EVERY["residual"])
    own.save(tmp_path / "own.safetensors")
    assert load_method(tmp_path / "own.safetensors").architecture == EVERY["residual"]


def test_wrong_files_are_refused(fitted: FittedMethod, tmp_path: Path):
    path = tmp_path / "method.safetensors"
    with pytest.raises(PredictionError, match=r"no such file; `hyperzoo classify ZOO"):
        load_method(path)
    with pytest.raises(PredictionError, match=r"no such file"):
        load_method(tmp_path)

    def write(metadata: dict, **changes) -> None:
        metadata = {
            "format": "hyperzoo prediction method",
            "version": 1,
            "target": "class",
            "kind": "category",
            "logarithmic": False,
            "method": "linear-response",
            "architecture": "smallcnn",
            "outputs": 1,
            "classes": list(fitted.classes),
        } | metadata
        tensors = tensors_of_map(fitted.map) | changes
        path.write_bytes(encode_tensors(tensors, metadata))

    write({})
    assert load_method(path).classes == fitted.classes
    write({"format": "hyperzoo classification method", "target": None})  # of an earlier version
    assert load_method(path).target == fitted.target
    for metadata, message in [
        ({"version": 2}, r"not a prediction method of format 1"),
        ({"format": "other"}, r"not a prediction method"),
        ({"outputs": True}, r"must name a method, an architecture"),
        ({"outputs": 10**9}, r"must name a method, an architecture"),
        ({"classes": ["cat"]}, r"at least two different classes"),
        ({"classes": ["cat", "cat"]}, r"at least two different classes"),
        ({"classes": "cat"}, r"classes in printable characters"),
        ({"kind": "number"}, r"at least two different classes, or none of a number"),
        ({"kind": "letter"}, r"must name a target and its kind"),
        ({"target": "a b"}, r"must name a target and its kind"),
        ({"classes": ["cat", "dog"]}, r"expected tensors of shapes"),
        ({"classes": [*fitted.classes[:-1], "\x1b[31m"]}, r"in printable characters"),
        ({"method": "svm"}, r"'svm' can't be kept in a file"),
        ({"method": "__import__"}, r"no method '__import__'"),
        ({"architecture": "vgg"}, r"no architecture 'vgg'"),
        ({"layers": [], "input_shape": [32, 32, 1]}, r"expected a list of layers, got \[\]"),
        ({"layers": [{"dense": "outputs"}]}, r"input_shape: expected height, width and channels"),
    ]:
        write(metadata)
        with pytest.raises(HyperzooError, match=message):
            load_method(path)
    write({}, scale=0 * fitted.map.scale)
    with pytest.raises(PredictionError, match=r"scales not positive"):
        load_method(path)
    write({}, bias=np.full_like(fitted.map.bias, np.nan))
    with pytest.raises(PredictionError, match=r"not finite"):
        load_method(path)
    metadata = dict(open_tensors(path).metadata)
    path.write_bytes(encode_tensors({"mean": fitted.map.mean}, metadata))
    with pytest.raises(PredictionError, match=r"tensors of a linear map or of trees, got mean"):
        load_method(path)
    map = fitted.map
    write({}, mean=map.mean[:5], scale=map.scale[:5], weight=map.weight[:, :5])
    with pytest.raises(PredictionError, match=r"makes 64 features, but was fitted on 5"):
        load_method(path).predict(planted_weights("cat", 0, 0))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_raises_nothing_but_our_errors(file: Path, place, byte, cut):
    content = bytearray(file.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    position = int(place * (header - 1))
    damaged = content[:position] if cut else content
    if not cut:
        damaged[position] = byte
    path = file.with_name("damaged.safetensors")
    path.write_bytes(bytes(damaged))
    try:
        found = load_method(path)
    except HyperzooError:
        return
    # A change that leaves a valid file must leave a method of the same shape.
    assert found.map.weight.shape == (len(found.classes), len(found.map.mean))
