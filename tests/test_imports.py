"""The house's rules on imports (docs/architecture.md), read from the import statements."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.zoo.makers import make_zoo, recipe

SOURCE = Path(__file__).parents[1] / "src" / "hyperzoo"

# Room -> rooms it may import. A room is a folder or a file of the package.
MAY_IMPORT = {
    "errors": set(),
    "version": set(),
    "cores": set(),
    "words": set(),
    "__main__": {"cli"},
    "randomness": set(),
    "recipe": {"architectures", "errors"},
    "unpickling": set(),
    "images": {"cores", "errors", "unpickling", "words"},
    "plan": {"errors", "recipe", "randomness"},
    "architectures": {"errors", "randomness"},
    "population": {"cores", "errors", "plan", "images", "architectures", "randomness"},
    "zoo": {"errors", "version", "words", "recipe", "plan", "architectures", "randomness"},
    "train": {"errors", "recipe", "plan", "images", "architectures", "population", "zoo"},
    "finetune": {"errors", "plan", "images", "architectures", "population"},
    "retrain": {"errors", "recipe", "images", "architectures", "population", "train", "zoo"},
    "exchange": {
        "errors",
        "words",
        "plan",
        "images",
        "architectures",
        "population",
        "unpickling",
        "zoo",
    },
    "cluster": {
        "errors",
        "version",
        "recipe",
        "plan",
        "images",
        "architectures",
        "population",
        "train",
        "words",
        "zoo",
    },
    "features": {"architectures", "randomness"},
    "analysis": {"cores", "errors", "recipe", "plan", "architectures", "randomness", "zoo"},
    "report": {
        "errors",
        "version",
        "words",
        "recipe",
        "architectures",
        "zoo",
        "analysis",
        "prediction",
        "features",
        "generation",
    },
    "prediction": {
        "cores",
        "errors",
        "version",
        "words",
        "recipe",
        "images",
        "architectures",
        "randomness",
        "zoo",
        "analysis",
        "features",
    },
    "generation": {
        "cores",
        "errors",
        "finetune",
        "version",
        "words",
        "plan",
        "images",
        "architectures",
        "population",
        "randomness",
        "train",
        "zoo",
        "analysis",
        "features",
    },
}
MAY_IMPORT["cli"] = set(MAY_IMPORT) - {"__main__"}


def imports_of(file: Path) -> set[str]:
    """The rooms of hyperzoo that a file imports anywhere, also inside functions."""
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide where a thing comes from"
            names = [node.module or ""]
        else:
            continue
        parts = [name.split(".") for name in names]
        rooms |= {part[1] for part in parts if part[0] == "hyperzoo" and len(part) > 1}
        rooms |= {"hyperzoo" for part in parts if part == ["hyperzoo"]}
    return rooms


@pytest.mark.parametrize(
    "file",
    [file for file in sorted(SOURCE.rglob("*.py")) if file != SOURCE / "__init__.py"],
    ids=lambda file: str(file.relative_to(SOURCE)),
)
def test_imports_go_one_way(file: Path):
    room = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    assert imports_of(file) <= MAY_IMPORT[room] | {room}


def test_one_room_knows_of_batch_systems():
    for file in SOURCE.rglob("*.py"):
        room = file.relative_to(SOURCE).parts[0]
        text = file.read_text()
        assert room == "cluster" or "import ray" not in text, file
        calls = [f'["{name}' in text for name in ("sbatch", "squeue", "scontrol", "scancel")]
        assert file.name == "slurm.py" or not any(calls), file


@pytest.mark.parametrize("module", ["hyperzoo", "hyperzoo.cli"])
def test_what_an_import_does_not_load(module: str):
    heavy = ["torch", "ray", "pandas", "matplotlib", "sklearn", "scipy", "PIL"]
    heavy += ["huggingface_hub", "h5py"]
    program = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("[]", "")


HEAVY = ["pandas", "pyarrow.compute", "torch", "sklearn", "hyperzoo.train", "hyperzoo.generation"]


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        ("--version", ["rich.table", "numpy", "pydantic", "pyarrow"]),
        ("--help", ["numpy", "pydantic", "pyarrow"]),
        ("recipes", ["pyarrow", *HEAVY]),
        ("show ZOO", HEAVY),
        ("show ZOO --json", HEAVY),
        ("status ZOO", HEAVY),
        ("verify ZOO", HEAVY),
    ],
)
def test_what_a_short_command_does_not_load(tmp_path: Path, arguments: str, absent: list[str]):
    zoo = make_zoo(tmp_path / "zoo", recipe(vary={"learning_rate": {"choice": [0.1, 0.2]}}))
    program = f"""
import gc, sys
sys.argv[1:] = {[str(zoo) if word == "ZOO" else word for word in arguments.split()]}
from hyperzoo.cli import main
try:
    main()
finally:
    print(gc.isenabled(), [m for m in {absent} if m in sys.modules], file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (found.stderr, found.returncode) == ("True []\n", 0)


def test_engines_need_little():
    """A machine lent for its GPU may have PyTorch and NumPy, and no way to install more."""
    missing = ["pydantic", "platformdirs", "pooch", "pyarrow", "safetensors", "typer"]
    program = f"""
import sys
sys.modules.update(dict.fromkeys({missing}))
import hyperzoo as hz
from hyperzoo.architectures import lenet5
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import Settings, TrainedNetwork, make_engine, metrics, targets
assert hz.load_images and not hasattr(hz, "nonsense")
print(make_engine("torch", lenet5(1), "cpu").name, make_engine("gpu", lenet5(1), "cpu").name)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == (
        "torch gpu",
        "the GPU engine is slow on a CPU\n",
    )


def test_the_public_names():
    import hyperzoo

    assert sorted(hyperzoo.__all__) == hyperzoo.__all__
    assert all(hasattr(hyperzoo, name) for name in hyperzoo.__all__)
