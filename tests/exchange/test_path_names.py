"""Which network a path names, and which words are no class."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.companions import is_companion
from hyperzoo.exchange.names import name_files
from hyperzoo.exchange.path_names import NetworkName, name_by_path
from hyperzoo.words import ACCENTS


def named(path: str) -> NetworkName:
    (name,) = name_files([Path("cats", path)], Path("cats")).values()
    return name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("cat_0/epoch_1.pt", ("cat", 0, "", 1)),
        ("cat_0/step_100.pt", ("cat", 0, "", 100)),
        ("cat_0/best.pt", ("cat", 0, "best", None)),
        ("cat_0/model.safetensors", ("cat", 0, "", None)),
        ("cat_0/checkpoint.pt", ("cat", 0, "", None)),
        ("cat_0/epoch25/model.pt", ("cat", 0, "", 25)),
        ("cat_0/checkpoint-500/pytorch_model.bin", ("cat", 0, "", 500)),
        ("cat/0/pytorch_model.bin", ("cat", 0, "", None)),
        ("cat/0/epoch_3.pt", ("cat", 0, "", 3)),
        ("cat/best_0.pt", ("cat", 0, "best", None)),
        ("cat/last_0.pt", ("cat", 0, "last", None)),
        ("cat/fold_0.pt", ("cat", 0, "", None)),
        ("cat/model_0.pt", ("cat", 0, "", None)),
        ("cat/seed0.pt", ("cat", 0, "", None)),
        ("cat/seed_1/last.ckpt", ("cat", 1, "last", None)),
        ("cat/run-00012/best.pt", ("cat", 12, "best", None)),
        ("cat/lightning_logs/version_1/checkpoints/epoch=2-step=9.ckpt", ("cat", 1, "", 2)),
        ("a/Checkpoints/cat_3.pt", ("cat", 3, "", None)),
        ("cat/Checkpoints/Model_3.PT", ("cat", 3, "", None)),
        ("best_cat_0.pt", ("cat", 0, "best", None)),
        ("last_cat_0.pt", ("cat", 0, "last", None)),
        ("cat_best_0.pt", ("cat", 0, "best", None)),
        ("model_cat_3_best.pt", ("cat", 3, "best", None)),
        ("cat_seed_3.pt", ("cat", 3, "", None)),
        ("cat_0_e25.pt", ("cat", 0, "", 25)),
        ("cat_0-epoch=25-val_loss=0.12.ckpt", ("cat", 0, "", 25)),
        ("cat_0_ema.pt", ("cat", 0, "ema", None)),
        # The published prefix leaves no doubt.
        ("binary_oneVall_model_0_model.h5", ("model", 0, "", None)),
    ],
)
def test_states_are_no_class(path: str, expected: tuple[str, int, str, int | None]):
    name = named(path)
    assert (name.class_name, name.index, name.variant, name.epoch) == expected


@pytest.mark.parametrize(
    "path",
    [
        *("cat/epoch_5.pt", "cat/checkpoint-500.pt", "cat/ckpt_0.pt", "cat/step_100.pt"),
        *("cat/checkpoint-500/pytorch_model.bin", "epoch=25-step=100.ckpt", "best.pt"),
        *("cat_0-25.pt", "cat-0-25.pt", "cat_0_seed1.pt", "cat_epoch5_0.pt", "cat_0-v1.ckpt"),
        # A hyper-parameter's number is no index, and the index no part of the class.
        *("cat_0_lr1e-3.pt", "cat_0_bs_64.pt", "cat_0_size_32.pt", "cat_0_wd5e-4.pt"),
        *("cat_lr1e-3.pt", "cat_fold0_1.pt", "cat_lr0.001_seed0.pt", "cat_0.5_drop_3.pt"),
        *("cat_0_lr1e-3/seed_1/x.pt", "cat-0-bs-64.pt", "cat_seed1_2.pt", "cat_dropout=0.5_2.pt"),
        *("cat_0/seed_1/model.pt", "seed_3/cat.pt", "cat/x.pt", "foo/bar.pt", "seed0.pt"),
    ],
)
def test_what_can_not_be_told(path: str):
    with pytest.raises(ForeignFileError, match=r"(?s)class and index of 1 file:.*--name"):
        named(path)


@pytest.mark.parametrize("path", ["model_0.pt", "net_0.pt", "run-00000.pt", "run/0.pt", "0.pt"])
def test_the_folder_that_is_imported_gives_the_class(path: str):
    name = named(path)
    assert (name.class_name, name.folder, name.index) == (None, "cats", 0)
    assert name.said == "the class is the name of the folder that is imported"


def test_a_folder_whose_name_is_no_class():
    (name,) = name_files([Path("models/net_4.pt")], Path("models")).values()
    assert (name.class_name, name.folder, name.index) == (None, "", 4)


def test_what_is_assumed_is_said():
    assert named("best_cat_0.pt").said == "'best' in names is no part of the class"
    assert named("cat_0_25.pt").said.startswith("names have two numbers, of which the last is the")
    assert named("cat_0.pt").said == ""


@pytest.mark.parametrize(
    ("path", "class_name", "index"),
    [
        ("n01440764_5.pt", "n01440764", 5),
        ("cat_3x3_0.pt", "cat_3x3", 0),
        ("001.ak47_7.pt", "001.ak47", 7),
        ("mp3_player-4.pt", "mp3_player", 4),
    ],
)
def test_numbers_that_are_a_part_of_words_are_of_the_class(path: str, class_name: str, index: int):
    assert named(path) == NetworkName(class_name=class_name, index=index)
    assert named(path).said == ""


def test_a_number_before_the_class_is_said():
    assert named("17_flowers_3.pt").class_name == "17_flowers"
    assert named("17_flowers_3.pt").said.startswith("names have two numbers, of which the last")


def test_paths_are_shown_as_a_whole():
    deep = "networks_of_the_church_and_others/x_0_y/final_model.ckpt"
    files = [Path("zoo", deep.replace("_0_", f"_{n}_")) for n in range(3)]
    with pytest.raises(ForeignFileError, match="3 files") as error:
        name_files(files, Path("zoo"))
    for number in range(3):
        assert f"\n  {deep.replace('_0_', f'_{number}_')}\n" in str(error.value)
    with pytest.raises(ForeignFileError, match=r"\n  \\x1b\[31mred\.pt\n"):
        name_files([Path("zoo/\x1b[31mred.pt")], Path("zoo"))


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), min_size=1))
def test_any_path_gives_a_name_or_our_error(parts: list[str]):
    path = Path("zoo", *(part for part in parts if part not in (".", "..")), "x_1")
    try:
        (name,) = name_files([path], Path("zoo")).values()
    except ForeignFileError:
        return
    assert name.index >= 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("params.pkl", "tuner.pkl", "history.pt", "rng_state.pth")),
        *((name, True) for name in ("random_states_0.pkl", "cat_0_optimizer.pt", "scaler.pt")),
        *((name, True) for name in ("lr_scheduler.bin", "training_args.bin", "optimizer")),
        *((name, False) for name in ("cat_0.pt", "modelwise.pkl", "prehistory_0.pt", "model.bin")),
    ],
)
def test_companions(name: str, expected: bool):
    assert is_companion(name) is expected


def test_accents_apart_from_their_letters():
    """As macOS writes names of files and folders."""
    apart, together = "cafe\N{COMBINING ACUTE ACCENT}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    for stem, folders in ((f"{apart}_3", ("x",)), ("3", (apart, "x"))):
        found = name_by_path(stem, folders)
        assert found is not None
        assert (found.class_name, found.index, found.said) == (together, 3, ACCENTS)
    plain = name_by_path(f"{together}_3", ("x",))
    assert plain is not None
    assert (plain.class_name, plain.said) == (together, "")
