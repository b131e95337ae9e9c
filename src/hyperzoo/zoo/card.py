"""The zoo's README.md: a dataset card for people and for the Hugging Face Hub."""

import json

from hyperzoo.version import VERSION
from hyperzoo.zoo.document import ZooDocument

FILE_NAME = "README.md"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(document: ZooDocument) -> str:
    """The text of the card.

    It says nothing of a license: that is for whoever publishes the zoo to choose.
    """
    recipe, architecture = document.recipe, document.architecture
    networks = sum(len(part) for part in document.plan())
    size = next((name for limit, name in _SIZES if networks < limit), "n>1M")
    task = (
        "one-vs-all: each network tells one class from all others"
        if recipe.task.kind == "one-vs-all"
        else "multi-class: each network tells all classes apart"
    )
    return f"""---
pretty_name: {recipe.name}
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
- config_name: history
  data_files: "history/*.parquet"
---

# {recipe.name}

A zoo of {networks:,} trained neural networks, made by hyperzoo {VERSION}.

- Networks: `{architecture.name}`, {architecture.parameter_count:,} parameters,
  {architecture.outputs} output{"s" if architecture.outputs > 1 else ""}
- Task: {task}
- Images: {document.images_name}, {len(document.image_classes)} classes
  ({", ".join(document.image_classes)}), fingerprint `{document.image_fingerprint}`
- Recipe digest: `{recipe.digest}`

## Use

```python
import hyperzoo as hz

zoo = hz.open_zoo("path/to/this/folder")
zoo.models                                # a row a network: id, class, accuracy, ...
zoo.weights("{architecture.parameters[0].name}")              # [network, ...]
network = zoo.network(zoo.ids[0])         # torch.nn.Module
```

Without hyperzoo, `weights/part-00000.safetensors` holds one tensor a parameter, stacked over the
networks; row r of it is the network in row r of `models/part-00000.parquet`.

## Recipe

```json
{json.dumps(recipe.canonical(), indent=1)}
```
"""
