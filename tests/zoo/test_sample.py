"""The archived zoo of a released format is read for ever."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
from safetensors.numpy import load_file

from hyperzoo.zoo import open_zoo, verify_zoo

SAMPLE = Path(__file__).parent / "samples" / "format-1"


def bits(values: object) -> list[int]:
    return np.asarray(values, dtype=np.float32).view(np.uint32).ravel().tolist()


def test_format_1_is_read():
    zoo = open_zoo(SAMPLE)
    assert zoo.ids == ["all_0", "all_1", "all_2"]
    assert zoo.classes == ("all",)
    assert zoo.image_classes == ("cat", "dog", "owl", "rat", "yak")
    assert zoo.recipe.name == "made-up"
    assert zoo.is_complete
    row = zoo.models.to_pylist()[1]
    assert (row["learning_rate"], row["batch_size"], row["epoch"]) == (0.00097243, 128, 2)
    assert (row["loss"], row["accuracy"], row["auc"]) == (0.002, 1.002, None)
    assert zoo.history("all_2")["training_accuracy"].to_pylist() == [1.003, 0.503]
    assert bits(zoo.weights("conv1.weight")[1])[:3] == [1032941123, 3180550537, 1035085239]
    assert bits(zoo.weights("fc1.weight", epoch=1)[2])[-2:] == [1044881842, 3198764487]


def test_format_1_is_sound():
    found = verify_zoo(SAMPLE)
    assert (found.networks, found.parts, found.incomplete, found.problems) == (3, 1, (), ())


def test_the_lines_that_the_contract_gives_for_reading_without_hyperzoo():
    contract = (Path(__file__).parents[2] / "docs" / "zoo-format.md").read_text()
    lines = contract.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(lines.replace("my-zoo", str(SAMPLE)).replace("church_3", "all_1"), names)
    assert bits(names["kernel"])[:3] == [1032941123, 3180550537, 1035085239]


def test_format_1_is_read_without_hyperzoo():
    """As docs/zoo-format.md and the dataset card say."""
    models = ds.dataset(SAMPLE / "models", format="parquet").to_table()
    row = models["id"].to_pylist().index("all_1")
    weights = load_file(SAMPLE / "weights" / "part-00000.safetensors")
    assert bits(weights["conv1.weight"][row])[:3] == [1032941123, 3180550537, 1035085239]
    assert 'data_files: "models/*.parquet"' in (SAMPLE / "README.md").read_text()


def test_the_generated_sample_is_read():
    folder = SAMPLE.parent / "format-1-generated"
    zoo = open_zoo(folder)
    assert (zoo.ids, zoo.recipe, zoo.is_complete) == (["all_0", "all_1"], None, True)
    origin = zoo.generated
    assert origin is not None
    assert (origin.method, origin.fit_seed, origin.seed) == ("copy", 3, 5)
    assert origin.generator_digest.startswith("0d7c23b835107a1c")
    assert (origin.fitted_on.name, origin.fitted_on.training) == ("made-up", 4)
    assert zoo.models.to_pylist()[1]["epoch"] is None
    assert verify_zoo(folder).problems == ()
