import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hyperzoo.errors import ZooNotFoundError
from hyperzoo.zoo import verify_zoo
from hyperzoo.zoo.tensors import encode_tensors, read_tensors
from tests.zoo.makers import make_zoo


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
    assert any("history/part-00001.parquet: can't be read" in problem for problem in found)
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
    assert any("weights/part-00001.safetensors: conv1.weight: expected shape" in p for p in found)


def test_content_is_checked_even_where_checksums_agree(zoo: Path):
    """Somebody has written wrong values and brought the mark up to date."""
    import hashlib

    weights = zoo / "weights" / "part-00001.safetensors"
    tensors = {name: tensor.copy() for name, tensor in read_tensors(weights).items()}
    tensors["conv2.bias"][3, 0] = np.nan
    weights.write_bytes(encode_tensors(tensors, {}))
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
    assert any("row 0: expected index 10, got 99" in problem for problem in found)
    assert any("row 1 (dog_10): accuracy is inf" in problem for problem in found)
    assert any("row 2: unknown status 'good'" in problem for problem in found)
    assert len(found) == 5


def test_a_mark_that_is_none(zoo: Path):
    models = zoo / "models" / "part-00000.parquet"
    pq.write_table(pq.read_table(models).replace_schema_metadata({}), models)
    assert "no readable mark" in problems(zoo)[0]
    models.write_bytes(b"")
    assert "no readable mark" in problems(zoo)[0]


def test_no_zoo(tmp_path: Path):
    with pytest.raises(ZooNotFoundError, match=r"no zoo\.json"):
        verify_zoo(tmp_path)
