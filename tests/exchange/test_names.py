import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hyperzoo.architectures import get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.names import NetworkName, file_stem, name_files, parse_id
from hyperzoo.exchange.path_names import is_class
from hyperzoo.words import ACCENTS


@pytest.mark.parametrize(
    "text",
    [
        "church_649",
        "church-649",
        "church_649.keras",
        "church_649.safetensors",
        "church_649.pth.tar",
        "church_649.PT",
        "church_649.CKPT",
        "church_649_best",
        "church_649_best.pt",
        "church_649.best.pt",
        "church-649-last.ckpt",
        "church_649_final.pth",
        "church_649_epoch7.h5",
        "church_649_epoch_25.pt",
        "church_649-epoch=25.ckpt",
        "church_649_state_dict.pt",
        "binary_oneVall_church_649_model.h5",
        "binary_oneVall_church_649_best_model.weights.h5",
        "binary_oneVall_church_649_model.weights.h5",
        "binary_oneVall_church_649_weights.h5",
        "binary_oneVall_church_649_epoch7.h5",
        "church_0649.pt",
    ],
)
def test_ids(text: str):
    assert parse_id(text) == ("church", 649)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("binary_oneVall_english_springer_7_model.h5", ("english_springer", 7)),
        ("english-springer-7", ("english-springer", 7)),
        ("epoch3_5.pt", ("epoch3", 5)),
        ("model_weights_2.pt", ("model_weights", 2)),
        ("a__3", ("a_", 3)),
    ],
)
def test_odd_classes(text: str, expected: tuple[str, int]):
    assert parse_id(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "church", "church_", "_3", "church_3x", "a b_3", "../a_3", "church_٣"),
        *("a_" + "9" * 30, "0", "0.pt", "best.pt", "epoch=4-step=100.ckpt", "cat_-1", "a_3_v2"),
    ],
)
def test_what_has_no_class_and_index(text: str):
    with pytest.raises(ForeignFileError, match=r"can't tell class and index .*; rename it"):
        parse_id(text)


@given(st.text())
def test_any_text_gives_an_id_or_our_error(text: str):
    try:
        class_name, index = parse_id(text)
    except ForeignFileError:
        return
    assert class_name
    assert index >= 0


@given(st.from_regex(r"[a-z]([a-z_]{0,8}[a-z])?", fullmatch=True), st.integers(0, 10**6))
def test_names_are_read_back(class_name: str, index: int):
    assume(is_class(class_name))  # not "ep", which is an epoch's
    architecture = get_architecture("lenet5", 1)
    stem = file_stem(class_name, index, architecture)
    assert parse_id(f"{stem}_model.h5") == (class_name, index)


def named(path: str, pattern: str | None = None) -> NetworkName:
    (name,) = name_files([Path("zoo", path)], Path("zoo"), pattern).values()
    return name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("cat/0.pt", NetworkName(class_name="cat", index=0)),
        ("deep/cat/12.safetensors", NetworkName(class_name="cat", index=12)),
        ("cat/3_best.pt", NetworkName(class_name="cat", index=3, variant="best")),
        ("cat/dog_1.pt", NetworkName(class_name="dog", index=1)),
        ("cat_0.txt", NetworkName(class_name="cat", index=0)),
        ("cat_0_best.DAT", NetworkName(class_name="cat", index=0, variant="best")),
        ("cat_0.pt.bak", NetworkName(class_name="cat", index=0)),
        ("cat_0.pt~", NetworkName(class_name="cat", index=0)),
        ("cat_0.ckpt.1", NetworkName(class_name="cat", index=0)),
        ("cat/0.dat", NetworkName(class_name="cat", index=0)),
        ("cat_0/best.bak", NetworkName(class_name="cat", index=0, variant="best")),
        ("cat_0.epoch7", NetworkName(class_name="cat", index=0, epoch=7)),
        ("cat_0_final.pt", NetworkName(class_name="cat", index=0, variant="last")),
        ("cat_0_Epoch25.pt", NetworkName(class_name="cat", index=0, epoch=25)),
        (
            "binary_oneVall_cat_1_best_model.h5",
            NetworkName(class_name="cat", index=1, variant="best", kind="model"),
        ),
        (
            "binary_oneVall_cat_1_weights.h5",
            NetworkName(class_name="cat", index=1, kind="weights"),
        ),
        (
            "cats/train_fn_ab12c_00007_7_lr=0.1_2024-01-02/checkpoint_000025/checkpoints",
            NetworkName(class_name=None, index=7, epoch=25, folder="cats", is_checkpoint=True),
        ),
        (
            "cat_4/checkpoint_3/model.pt",
            NetworkName(class_name="cat", index=4, epoch=3, is_checkpoint=True),
        ),
    ],
)
def test_what_a_path_says(path: str, expected: NetworkName):
    assert named(path) == expected


@pytest.mark.parametrize(
    ("pattern", "path", "class_name", "index", "epoch"),
    [
        ("{class}/run{index}", "cat/run7.pt", "cat", 7, None),
        ("{class}/run{index}.pt", "cat/run7.pt", "cat", 7, None),
        ("seed{index}/{class}", "seed3/cat_1.pt", "cat_1", 3, None),
        ("*/{class}-v*-{index}", "x/cat-v2-5.pth.tar", "cat", 5, None),
        ("{class}/{index}/*", "cat/5/best.pt", "cat", 5, None),
        ("{class}/{index}/e{epoch}.*", "cat/5/e12.model", "cat", 5, 12),
        ("net{index}", "net04.bin", None, 4, None),
        ("{class}_{index}", "cat_0.txt", "cat", 0, None),
        ("{class}_{index}", "cat_0.pt.bak", "cat", 0, None),
        ("{class}_{index}", "a.b_3.dat", "a.b", 3, None),
        ("(a+)/{class}.{index}", "(a+)/cat.5", "cat", 5, None),
    ],
)
def test_patterns(pattern: str, path: str, class_name: str | None, index: int, epoch: int | None):
    name = named(path, pattern)
    assert (name.class_name, name.index, name.epoch) == (class_name, index, epoch)


@pytest.mark.parametrize("pattern", ["{class}", "{klass}/{index}", "{index}/{index}", "", "*", "{"])
def test_patterns_that_are_none(pattern: str):
    with pytest.raises(ForeignFileError, match=r"can't be used: expected \{index\} and"):
        named("cat/0.pt", pattern)


@pytest.mark.parametrize("path", ["cat_0.5", "cat_0.fold1", "cat_0.v1.pt"])
def test_what_follows_a_dot_and_may_count_networks(path: str):
    with pytest.raises(ForeignFileError, match="can't tell class and index of 1 file"):
        named(path)


def test_all_names_that_fail_are_told():
    files = [Path("zoo", f"run{n}.pt") for n in range(1010)] + [Path("zoo/cat_0.pt")]
    with pytest.raises(
        ForeignFileError, match=r"can't tell class and index of 1,010 files:"
    ) as error:
        name_files(files, Path("zoo"))
    message = str(error.value)
    assert all(f"\n  run{n}.pt" in message for n in range(1000))
    assert "\n  and 10 more\n" in message
    assert "cat_0" not in message
    assert "--name '{class}/run{index}'" in message
    with pytest.raises(ForeignFileError, match=r"'\{class\}/x\{index\}' does not fit 1 file:\n  a"):
        name_files([Path("zoo/a.pt"), Path("zoo/b/x1.pt")], Path("zoo"), "{class}/x{index}")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_accents_under_a_pattern(form: str, typed: str):
    """However they were typed, and as macOS writes them in names of files."""
    root = Path("zoo")
    file = root / unicodedata.normalize(form, "Übung/café/3.pt")
    pattern = unicodedata.normalize(typed, "Übung/{class}/{index}")
    found = name_files([file], root, pattern)[file]
    assert (found.class_name, found.index) == ("caf\u00e9", 3)
    assert found.said == (ACCENTS if form == "NFD" else "")
