"""What networks are distilled from: images of many kinds, and the mean of training networks."""

from dataclasses import replace

import numpy as np
import pytest

from hyperzoo.generation import Split
from hyperzoo.generation.projecting import lessons as module
from hyperzoo.generation.projecting import unseen
from hyperzoo.generation.projecting.lessons import blended, lessons, patched, zoomed
from hyperzoo.generation.training_set import training_set
from hyperzoo.images import ImageSet
from hyperzoo.population import evaluate
from hyperzoo.zoo import Zoo


def test_means_are_what_training_networks_say(
    zoo: Zoo, images: ImageSet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unseen, "LEAST_IMAGES", 100)
    data = training_set(zoo, Split(training=4, held_out=2, fresh=2), images)
    answers = unseen.unseen_answers(data, 0)
    rows = np.flatnonzero(answers.sources % 3 != 0)
    taught = lessons(data, answers, rows, np.random.default_rng(0))
    assert len(taught.images) == len(taught.sources) == taught.means.shape[1]
    assert np.array_equal(taught.images[: len(rows)], answers.images[rows])
    learned = np.unique(answers.sources[rows])
    themselves = slice(len(rows), len(rows) + len(learned))
    assert np.array_equal(taught.images[themselves], images.train_images[learned])
    label = 2
    own = data.of_class(label)
    networks = ({name: stacked[k] for name, stacked in own.items()} for k in range(4))
    said = np.mean(list(evaluate(data.architecture, networks, taught.images)), axis=0)
    np.testing.assert_allclose(taught.means[label], said, rtol=1e-4, atol=1e-5)

    assert not (taught.sources % 3 == 0).any()
    others = images.train_images.copy()
    others[::3] = 77
    again = lessons(replace(data, images=others), answers, rows, np.random.default_rng(0))
    assert np.array_equal(again.images, taught.images), "images kept back are in nothing"


def test_mirrors_are_used_where_they_are_alike(
    zoo: Zoo, images: ImageSet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unseen, "LEAST_IMAGES", 100)
    data = training_set(zoo, Split(training=4, held_out=2, fresh=2), images)
    answers = unseen.unseen_answers(data, 0)
    rows = np.arange(len(answers.images))
    plain = lessons(data, answers, rows, np.random.default_rng(0))
    taught = lessons(data, replace(answers, mirrored=True), rows, np.random.default_rng(0))
    count = len(images.train_images)
    assert len(taught.images) == len(plain.images) + count
    begin = len(rows) + count
    mirrors = images.train_images[:, :, ::-1]
    assert np.array_equal(taught.images[begin : begin + count], mirrors)


def test_zoomed(images: ImageSet, monkeypatch: pytest.MonkeyPatch):
    some = images.train_images[:40]
    other = zoomed(some, np.random.default_rng(0), mirrored=False)
    assert other.shape == some.shape
    assert other.dtype == np.uint8
    agree = [
        np.corrcoef(one.ravel(), two.ravel())[0, 1] for one, two in zip(some, other, strict=True)
    ]
    assert 0.3 < np.mean(agree) < 0.98
    for name in ("ZOOM", "STRETCH", "SHIFT", "CONTRAST", "BRIGHTNESS"):
        monkeypatch.setattr(module, name, 0.0)
    assert np.array_equal(zoomed(some, np.random.default_rng(0), mirrored=False), some)
    turned = zoomed(some, np.random.default_rng(0), mirrored=True)
    same = (turned == some).all(axis=(1, 2, 3))
    mirror = (turned == some[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirror).all()
    assert 8 < same.sum() < 32


def test_blended_and_patched_are_mostly_the_image(images: ImageSet):
    some = images.train_images[:40]
    light, dark = np.full_like(some[:20], 200), np.zeros_like(some[:20])
    both = np.concatenate([light, dark])
    mixed = blended(both, np.random.default_rng(1)).astype(int)
    flat = mixed.reshape(40, -1)
    assert (flat.min(axis=1) == flat.max(axis=1)).all(), "the whole image has one share"
    assert (flat[:20] >= 100).all()
    assert (flat[20:] <= 100).all()
    assert len(np.unique(flat[:, 0])) > 5
    cut = patched(both, np.random.default_rng(1))
    assert np.isin(cut, [0, 200]).all()
    changed = (cut != both).reshape(40, -1).mean(axis=1)
    assert changed.max() <= 0.45
    assert (changed > 0.03).sum() > 8
