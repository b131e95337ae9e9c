import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.zoo import FittedZoo, Generated, Imported
from hyperzoo.zoo.card import card, is_sealed, sealed
from hyperzoo.zoo.document import read_document
from tests.zoo.makers import make_zoo, recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 networks in two parts."""
    return make_zoo(tmp_path_factory.mktemp("zoos") / "zoo")


def test_the_card_as_huggingface_hub_reads_it(folder: Path):
    hub = pytest.importorskip("huggingface_hub")
    found = hub.DatasetCard.load(folder / "README.md")
    assert found.data.to_dict() == {
        "pretty_name": "made-up",
        "tags": ["hyperzoo", "weight-space-learning", "model-zoo"],
        "size_categories": ["n<1K"],
        "configs": [
            {"config_name": "models", "default": True, "data_files": "models/*.parquet"},
            {"config_name": "history", "data_files": "history/*.parquet"},
        ],
    }
    licensed = hub.DatasetCard(card(read_document(folder), license="cc-by-4.0"))
    assert licensed.data.license == "cc-by-4.0"
    assert licensed.text.lstrip().startswith("# made-up\n\nA zoo of 60 trained neural networks")


@pytest.mark.parametrize("name", ["1.0", "true", "null", "0x1F", "2026-11-21"])
def test_a_name_that_yaml_could_take_for_something_else(name: str, tmp_path: Path):
    hub = pytest.importorskip("huggingface_hub")
    folder = make_zoo(tmp_path / "zoo", recipe(name=name), parts=0)
    assert hub.DatasetCard.load(folder / "README.md").data.pretty_name == name


@pytest.mark.parametrize(
    ("networks", "size"), [(199, "n<1K"), (200, "1K<n<10K"), (2000, "10K<n<100K")]
)
def test_the_size_in_the_hub_s_words(networks: int, size: str, tmp_path: Path):
    folder = make_zoo(tmp_path / "zoo", recipe(networks_per_class=networks), parts=0)
    assert f"size_categories:\n- {size}\n" in (folder / "README.md").read_text()


def test_the_seal(folder: Path):
    content = (folder / "README.md").read_bytes()
    assert content == sealed(card(read_document(folder)))
    assert is_sealed(content)
    assert not is_sealed(content.replace(b"made-up", b"made up"))
    assert not is_sealed(b"")


HOSTILE = "<script>alert(1)</script> [/red](x) | *a* `b` &lt;\n# x"
SHOWN = r"&lt;script&gt;alert(1)&lt;/script&gt; \[/red\](x) \| \*a\* \`b\` &amp;lt;\\n\# x"


def test_names_are_texts_and_no_marks(folder: Path):
    """Of whatever the files say, in any kind of zoo."""
    document = replace(read_document(folder), images_name=HOSTILE, image_fingerprint=HOSTILE)
    fitted = FittedZoo(
        name=HOSTILE, recipe_digest=HOSTILE, image_fingerprint="", images_name=HOSTILE,
        training=4, held_out=2, fresh=2,
    )  # fmt: skip
    generated = Generated(
        method=HOSTILE, fit_seed=0, seed=0, generator_digest=HOSTILE,
        network_classes=document.image_classes, fitted_on=fitted,
    )  # fmt: skip
    imported = Imported(formats={HOSTILE: 1}, networks=())
    for origin, times in ((document.origin, 1), (generated, 6), (imported, 2)):
        text = card(replace(document, origin=origin)).partition("\n---\n")[2]
        assert text.count(SHOWN) == times + (origin is generated)
        code = HOSTILE.replace("\n", r"\n")
        assert f"`` {code} ``" in text
        assert "<script>" not in text.replace(f"`` {code} ``", "")
        assert "\n# x" not in text


def test_a_name_with_characters_outside_of_the_basic_plane(tmp_path: Path):
    hub = pytest.importorskip("huggingface_hub")
    document = read_document(make_zoo(tmp_path / "zoo", parts=0))
    fitted = FittedZoo(
        name="owls \U0001f989 \u2028", recipe_digest="", image_fingerprint="", images_name="",
        training=4, held_out=2, fresh=2,
    )  # fmt: skip
    made = Generated(
        method="copy", fit_seed=0, seed=0, generator_digest="", network_classes=("cat",),
        fitted_on=fitted,
    )  # fmt: skip
    found = hub.DatasetCard(card(replace(document, origin=made)))
    assert found.data.pretty_name == "owls \U0001f989 \\u2028-copy"


def test_datasets_loads_the_tables_offline(folder: Path, tmp_path: Path):
    """In a process of its own: `datasets` loads much, and reads its settings when it is loaded."""
    pytest.importorskip("datasets")
    export_zoo(folder, "pytorch", tmp_path / "files")
    import_zoo(tmp_path / "files", tmp_path / "imported")
    (folder / "models" / ".part-00007.parquet.partial").write_bytes(b"half-written")
    program = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from datasets import get_dataset_config_names, load_dataset\n"
        "models = load_dataset(sys.argv[1], 'models', split='train')\n"
        "default = load_dataset(sys.argv[1], split='train')\n"
        "history = load_dataset(sys.argv[1], 'history', split='train')\n"
        "print(len(models), models['id'][-1], default.column_names == models.column_names)\n"
        "print(len(history), sorted(history.column_names)[:3])\n"
        "imported = load_dataset(sys.argv[2], 'models', split='train')\n"
        "print(len(imported), get_dataset_config_names(sys.argv[2]))"
    )
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(tmp_path / "imported")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | offline,
    )
    assert done.stdout == (
        "60 yak_11 True\n120 ['epoch', 'id', 'training_accuracy']\n60 ['models']\n"
    ), done.stderr
