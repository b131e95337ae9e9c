"""One network of a zoo, as `zoo[0]`, `zoo["seven_3"]` and iteration give it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from hyperzoo.zoo.read import Zoo


@dataclass(frozen=True)
class ZooNetwork:
    """A network of a zoo; what it holds is read when it is asked for.

    Attributes:
        zoo: the zoo.
        id: the network's id, e.g. "seven_3".
        position: its place in `zoo.ids`, and so on every network axis.
    """

    zoo: "Zoo" = field(repr=False)
    id: str
    position: int

    @property
    def facts(self) -> dict[str, Any]:
        """Its row of `zoo.models`: class, index, hyper-parameters, metrics."""
        row: dict[str, Any] = self.zoo.models.slice(self.position, 1).to_pylist()[0]
        return row

    @property
    def class_name(self) -> str:
        """The class that it detects; "all" of a multi-class network."""
        return self.id.rpartition("_")[0]

    @property
    def index(self) -> int:
        """Its number within the class."""
        return int(self.id.rpartition("_")[2])

    @property
    def parameters(self) -> dict[str, NDArray[np.float32]]:
        """Its weights: PyTorch name -> array that can't be written to."""
        return self.zoo.arrays(self.id)

    def network(self) -> "torch.nn.Module":
        """The network, ready to use; see `Zoo.network`."""
        return self.zoo.network(self.id)

    def history(self) -> pa.Table:
        """Loss and accuracy over the epochs; see `Zoo.history`."""
        return self.zoo.history(self.id)
