"""The zoo's README.md: a dataset card for people and for the Hugging Face Hub."""

import hashlib
import json
import re
from pathlib import Path

from hyperzoo.errors import ZooFormatError
from hyperzoo.recipe import Recipe
from hyperzoo.words import code_in_markdown, in_markdown, printable
from hyperzoo.zoo.document import ZooDocument
from hyperzoo.zoo.files import GO_ON, read_file, write_file
from hyperzoo.zoo.layout import CARD_FILE
from hyperzoo.zoo.origin import Generated, Imported, Origin, Trained

_MAX_BYTES = 2**20
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
_SEAL = re.compile(r"<!-- hyperzoo ([0-9a-f]{64}): [^\n]*-->\n\Z")


def update_card(folder: Path, document: ZooDocument) -> None:
    """Write the card, unless there is one that somebody has edited.

    The last line seals the card with a digest of what stands before it, so that later versions
    too can tell a card that is as hyperzoo wrote it from one that has become somebody's own.

    Raises:
        ZooWriteError: the disk refused.
    """
    path = folder / CARD_FILE
    content = sealed(card(document))
    try:
        found = read_file(path, _MAX_BYTES)
    except FileNotFoundError:
        write_file(path, content, otherwise=GO_ON)
        return
    except ZooFormatError:
        return
    if found != content and is_sealed(found):
        write_file(path, content, otherwise=GO_ON)


def sealed(text: str) -> bytes:
    """A card's content: its text, and the line that seals it."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    seal = f"<!-- hyperzoo {digest}: an edited card is left alone when the zoo grows -->\n"
    return (text + seal).encode()


def is_sealed(content: bytes) -> bool:
    """Whether a card is as hyperzoo wrote it."""
    text = content.decode("utf-8", errors="replace")
    seal = _SEAL.search(text)
    if seal is None:
        return False
    return hashlib.sha256(text[: seal.start()].encode()).hexdigest() == seal[1]


def card(
    document: ZooDocument, *, address: str = "path/to/this/folder", license: str | None = None
) -> str:
    """The text of the card, its seal aside.

    Its YAML block is what huggingface_hub's `DatasetCard` reads, but written without it, so that
    a zoo can be made where it is not installed.

    Args:
        document: the zoo.
        address: what a reader opens the zoo by.
        license: the zoo's license as the Hub calls it, e.g. "cc-by-4.0"; None says nothing, for
            that is for whoever publishes the zoo to choose.
    """
    architecture = document.architecture
    networks = sum(len(part) for part in document.plan())
    size = next((name for limit, name in _SIZES if networks < limit), "100M<n<1B")
    task = (
        "one-vs-all: each network tells one class from all others"
        if document.kind == "one-vs-all"
        else "subset-vs-rest: each network tells a few classes, which its id names, from all others"
        if document.kind == "subset-vs-rest"
        else "multi-class: each network tells all classes apart"
    )
    license_line = "" if license is None else f"license: {license}\n"
    return f"""---
{license_line}pretty_name: {json.dumps(printable(document.name), ensure_ascii=False)}
tags:
- hyperzoo
- weight-space-learning
- model-zoo
size_categories:
- {size}
configs:
- config_name: models
  default: true
  data_files: "models/*.parquet"
{_history_config(document)}---

# {_text(document.name)}

A zoo of {networks:,} {_made(document.origin)}.

- Networks: {_code(architecture.name)}, {architecture.parameter_count:,} parameters,
  {architecture.outputs} output{"s" if architecture.outputs > 1 else ""}
- Task: {task}
- Images: {_text(document.images_name)}, {len(document.image_classes)} classes
  ({_text(", ".join(document.image_classes))}),
  fingerprint {_code(document.image_fingerprint or "unknown")}

{_usage(document, address)}
{_origin(document.origin)}"""


def _text(text: str) -> str:
    """What a file says, which may be anything, as text in the card."""
    return in_markdown(printable(text))


def _code(text: str) -> str:
    """What a file says as code in the card."""
    return code_in_markdown(printable(text))


def _history_config(document: ZooDocument) -> str:
    # Networks not trained here have no history, and `datasets` can't load a table without rows.
    if not document.epochs:
        return ""
    return '- config_name: history\n  data_files: "history/*.parquet"\n'


def _made(origin: Origin) -> str:
    match origin:
        case Trained():
            return "trained neural networks, made by hyperzoo"
        case Imported():
            return "trained neural networks, imported by hyperzoo"
        case Generated():
            return "neural networks that were generated, not trained, by hyperzoo"


def _origin(origin: Origin) -> str:
    match origin:
        case Trained(recipe):
            return _trained(recipe)
        case Imported():
            return _imported(origin)
        case Generated():
            return _generated(origin)


def _imported(origin: Imported) -> str:
    counts = ", ".join(f"{count:,} as {_text(name)}" for name, count in origin.formats.items())
    known = (
        "How they were trained is not\nknown here, so they can't be made again from a recipe."
        if origin.training is None
        else "Hyper-parameters and figures\nare those that the files tell; the networks can't be "
        "made again from a recipe."
    )
    return f"""## Origin

The networks were trained elsewhere and came in as files: {counts}. {known}
"""


def _generated(origin: Generated) -> str:
    source = origin.fitted_on
    first = (
        f" (its first ones by index; the next\n{source.held_out} were held out)"
        if origin.given is None
        else ""
    )
    return f"""## Origin

The networks were never trained. They were {_text(origin.how)}{first}. With
{_text(origin.again)}, hyperzoo makes the same networks again.

- Recipe digest of the zoo that it was fitted on: {_code(source.recipe_digest or "unknown")}
- Its images: {_text(source.images_name)},
  fingerprint {_code(source.image_fingerprint or "unknown")}
"""


def _trained(recipe: Recipe) -> str:
    return f"""## Recipe

With these images, the recipe makes the same networks again. Its digest is
`{recipe.digest}`.

```json
{json.dumps(recipe.canonical(), indent=1)}
```
"""


def _usage(document: ZooDocument, address: str) -> str:
    first = document.architecture.parameters[0].name
    place = address.removeprefix("hf://datasets/")
    names = ("models", "history") if document.epochs else ("models",)
    tables = "\n".join(
        f'{name} = load_dataset("{place}", "{name}", split="train")' for name in names
    )
    return f"""## Use

```python
import hyperzoo as hz

zoo = hz.open_zoo("{address}")
zoo.models  # a row a network: id, class, accuracy, ...
zoo.weights("{first}")  # numpy [network, ...]
network = zoo.network(zoo.ids[0])  # torch.nn.Module
```

With [datasets](https://huggingface.co/docs/datasets), the tables without the weights:

```python
from datasets import load_dataset

{tables}
```

With neither, in this folder:

```python
import pyarrow.parquet as pq
from safetensors.numpy import load_file

models = pq.read_table("models/part-00000.parquet")
weights = load_file("weights/part-00000.safetensors")
weights["{first}"][0]  # of the network in row 0 of models
```

## Format

hyperzoo zoo format 1. Networks come in parts of up to 50; row r is the same network in every file
of a part.

| file | content |
|---|---|
| `zoo.json` | recipe, image set, parameter table, and which software made which part |
| `models/part-N.parquet` | a row a network: id, class, hyper-parameters, performance |
| `history/part-N.parquet` | a row a network and epoch: training and validation loss and accuracy |
| `weights/part-N.safetensors` | one float32 tensor a parameter, stacked: [network, *shape] |
| `epochs/eEEE/part-N.safetensors` | the same after epoch EEE, where the recipe keeps it |

"""
