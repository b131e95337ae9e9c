import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyperzoo.errors import ZooNotFoundError
from hyperzoo.zoo import layout, verify_zoo
from hyperzoo.zoo.parts import weights_metadata
from hyperzoo.zoo.tensors import encode_tensors
from tests.zoo.makers import make_zoo, read_tensors, recipe


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_zoo(tmp_path_factory.mktemp("zoos") / "zoo")


@pytest.fixture
def zoo(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "zoo")
    return tmp_path / "zoo"


def problems(zoo: Path) -> list[str]:
    return [problem.removeprefix(f"{zoo}/") for problem in verify_zoo(zoo).problems]


def test_a_sound_zoo(zoo: Path):
    told: list[tuple[int, int | None]] = []
    found = verify_zoo(zoo, meter=lambda done, total: told.append((done, total)))
    assert (found.networks, found.parts, found.incomplete) == (60, 2, ())
    assert found.problems == ()
    assert told == [(1, 2), (2, 2)]


def test_an_incomplete_zoo_is_sound(zoo: Path):
    (zoo / "models" / "part-00000.parquet").unlink()
    found = verify_zoo(zoo)
    assert (found.networks, found.parts, found.incomplete, found.problems) == (10, 1, (0,), ())


def test_every_flipped_byte_is_found(zoo: Path):
    for place in ("weights/part-00000.safetensors", "epochs/e001/part-00001.safetensors"):
        content = bytearray((zoo / place).read_bytes())
        content[-3] ^= 1
        (zoo / place).write_bytes(content)
    found = problems(zoo)
    assert [problem.partition(":")[0] for problem in found] == [
        "weights/part-00000.safetensors",
        "epochs/e001/part-00001.safetensors",
    ]
    assert all("SHA-256" in problem for problem in found)


def test_missing_and_short_files_are_found(zoo: Path):
    (zoo / "history" / "part-00001.parquet").unlink()
    weights = zoo / "weights" / "part-00000.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    found = problems(zoo)
    assert any("history/part-00001.parquet can't be read" in problem for problem in found)
    assert any("tensors, got" in problem for problem in found)


def test_swapped_parts_are_found(zoo: Path):
    for folder in ("models", "history", "weights", "epochs/e001"):
        first, second = sorted((zoo / folder).iterdir())
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
    found = problems(zoo)
    assert any("models/part-00000.parquet: the mark has part 1" in p for p in found)
    assert any("models/part-00000.parquet: expected 50 rows, got 10" in p for p in found)
    assert any(
        "weights/part-00001.safetensors: the metadata must say part 1, but says 0" in p
        for p in found
    )


def test_content_is_checked_even_where_checksums_agree(zoo: Path):
    """Somebody has written wrong values and brought the mark up to date."""
    import hashlib

    weights = zoo / "weights" / "part-00001.safetensors"
    tensors = {name: tensor.copy() for name, tensor in read_tensors(weights).items()}
    tensors["conv2.bias"][3, 0] = np.nan
    weights.write_bytes(encode_tensors(tensors, weights_metadata(1, None)))
    models = zoo / "models" / "part-00001.parquet"
    table = pq.read_table(models)
    mark = json.loads(table.schema.metadata[b"hyperzoo"])
    mark["sha256"]["weights/part-00001.safetensors"] = hashlib.sha256(
        weights.read_bytes()
    ).hexdigest()
    mark["recipe_digest"] = "f" * 64
    rows = table.to_pylist()
    rows[0]["index"], rows[1]["accuracy"], rows[2]["status"] = 99, float("inf"), "good"
    changed = table.from_pylist(rows, schema=table.schema)
    changed = changed.replace_schema_metadata({b"hyperzoo": json.dumps(mark).encode()})
    pq.write_table(changed, models)
    found = problems(zoo)
    assert any("conv2.bias of rat_10 is not finite" in problem for problem in found)
    assert any("the mark has recipe_digest" in problem for problem in found)
    assert any("row 0 (cat_10): expected index 10, got 99" in problem for problem in found)
    assert any("row 1 (dog_10): accuracy is inf" in problem for problem in found)
    assert any(
        "row 2 (owl_10): expected status 'ok' or 'failed', got 'good'" in problem
        for problem in found
    )
    assert len(found) == 5


def test_a_mark_that_is_none(zoo: Path):
    models = zoo / "models" / "part-00000.parquet"
    pq.write_table(pq.read_table(models).replace_schema_metadata({}), models)
    assert "no readable mark" in problems(zoo)[0]
    models.write_bytes(b"")
    assert any("no readable mark" in problem for problem in problems(zoo))


def test_swapped_parts_of_the_same_size_are_found(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", recipe(networks_per_class=20))
    for folder in ("models", "history", "weights", "epochs/e001"):
        first, second = sorted((zoo / folder).iterdir())
        first.rename(zoo / "aside")
        second.rename(first)
        (zoo / "aside").rename(second)
    found = problems(zoo)
    assert any("models/part-00000.parquet: the mark has part 1, expected 0" in p for p in found)
    assert any("row 0 (cat_0): expected id 'cat_0', got 'cat_10'" in p for p in found)
    assert any("history/part-00001.parquet: the rows are not" in p for p in found)
    assert any("weights/part-00001.safetensors: the metadata must say part 1" in p for p in found)


def test_damage_that_goes_together(zoo: Path):
    """Too few rows in the models, numbers that are not finite, a pipe for a file: all collected."""
    models = zoo / "models" / "part-00000.parquet"
    pq.write_table(pq.read_table(models).slice(0, 10), models)
    pipe = zoo / "history" / "part-00001.parquet"
    pipe.unlink()
    os.mkfifo(pipe)
    found = problems(zoo)
    assert any("models/part-00000.parquet: expected 50 rows, got 10" in p for p in found)
    assert any("history/part-00001.parquet: expected a regular file" in p for p in found)


def test_history_that_is_not_finite(zoo: Path):
    path = zoo / "history" / "part-00000.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[5]["validation_loss"] = float("nan")
    pq.write_table(pa.Table.from_pylist(rows, schema=layout.HISTORY_SCHEMA), path)
    assert any("validation_loss of owl_0 is not finite" in problem for problem in problems(zoo))


def test_a_damaged_document_is_a_problem(zoo: Path):
    document = json.loads((zoo / "zoo.json").read_text())
    document["recipe"]["seed"] = 5
    (zoo / "zoo.json").write_text(json.dumps(document))
    [problem] = problems(zoo)
    assert problem.startswith("zoo.json is damaged: the recipe has been changed")


def test_other_files_are_noted(zoo: Path):
    (zoo / "models" / "part-00001.parquet").unlink()
    (zoo / "plots").mkdir()
    (zoo / "plots" / "a.png").touch()
    (zoo / ".hidden").touch()
    found = verify_zoo(zoo)
    assert found.problems == ()
    assert [Path(note.partition(":")[0]).relative_to(zoo).as_posix() for note in found.notes] == [
        "epochs/e001/part-00001.safetensors",
        "history/part-00001.parquet",
        "plots/a.png",
        "weights/part-00001.safetensors",
    ]


def test_no_zoo(tmp_path: Path):
    with pytest.raises(ZooNotFoundError, match=r"no zoo\.json"):
        verify_zoo(tmp_path)
