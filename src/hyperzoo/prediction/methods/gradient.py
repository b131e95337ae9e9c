"""Learning from weights by gradient descent: what the methods that do so share."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.features.matrix import CHUNK
from hyperzoo.prediction.target import Kind


class Learned(BaseEstimator):
    """An estimator of words or numbers whose values are learned from weights.

    Attributes:
        architecture: of the networks.
        kind: of what is predicted.
        epochs: passes over the training networks.
        seed: of initial values and of the order of networks.
        classes_: the words that there are.
        mean_: of the training numbers, which are scaled to mean 0 and deviation 1.
        scale_: their deviation.
        learned_: name -> learned values.
    """

    batch = 32
    learning_rate: float

    def __init__(self, architecture: Architecture, kind: Kind, epochs: int, seed: int) -> None:
        self.architecture = architecture
        self.kind = kind
        self.epochs = epochs
        self.seed = seed

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier" if self.kind == "category" else "regressor"
        return tags

    def fit(self, networks: NDArray[Any], wanted: NDArray[Any]) -> Self:
        """Learn from weights [network, parameter]."""
        if self.kind == "category":
            self.classes_, codes = np.unique(wanted, return_inverse=True)
            targets, outputs, loss = torch.as_tensor(codes), len(self.classes_), _cross_entropy
        else:
            numbers = np.asarray(wanted, np.float64)
            self.mean_, self.scale_ = float(numbers.mean()), float(numbers.std()) or 1.0
            scaled = (numbers - self.mean_) / self.scale_
            targets, outputs, loss = torch.from_numpy(scaled.astype(np.float32)), 1, _squares
        self.learned_ = train(
            self._start(networks, outputs),
            lambda learned, rows: loss(self._outputs(learned, networks[rows]), targets[rows]),
            len(networks),
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        return self

    @abstractmethod
    def _start(self, networks: NDArray[Any], outputs: int) -> dict[str, Tensor]:
        """Initial values of all that is learned."""

    @abstractmethod
    def _outputs(self, learned: dict[str, Tensor], networks: NDArray[Any]) -> Tensor:
        """Logits, or the scaled number: [network, output] of weights [network, parameter]."""

    def _all_outputs(self, networks: NDArray[Any]) -> Tensor:
        learned = {name: torch.from_numpy(value) for name, value in self.learned_.items()}
        with torch.no_grad():
            chunks = [
                self._outputs(learned, networks[begin : begin + CHUNK])
                for begin in range(0, len(networks), CHUNK)
            ]
        return torch.cat(chunks)

    def predict_proba(self, networks: NDArray[Any]) -> NDArray[np.float32]:
        """Probabilities [network, class] of words."""
        probabilities: NDArray[np.float32] = self._all_outputs(networks).softmax(dim=1).numpy()
        return probabilities

    def predict(self, networks: NDArray[Any]) -> NDArray[Any]:
        """The likeliest word, or the number, of each network."""
        if self.kind == "category":
            likeliest: NDArray[Any] = self.classes_[self.predict_proba(networks).argmax(axis=1)]
            return likeliest
        numbers: NDArray[Any] = self._all_outputs(networks)[:, 0].double().numpy()
        return numbers * self.scale_ + self.mean_


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, targets)


def _squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.mse_loss(outputs[:, 0], targets)


def train(
    parameters: dict[str, Tensor],
    loss: Callable[[dict[str, Tensor], NDArray[np.int64]], Tensor],
    networks: int,
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> dict[str, NDArray[np.float32]]:
    """Adam with a learning rate that falls to zero along a cosine.

    Args:
        parameters: name -> initial value.
        loss: from parameters and rows of training networks.
        networks: how many there are.
        epochs: passes over them.
        batch: networks in a step.
        learning_rate: at the beginning.
        seed: of the order.

    Returns:
        Name -> trained value.
    """
    learned = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    optimizer = torch.optim.Adam(learned.values(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=epochs * -(-networks // batch)
    )
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(networks)
        for begin in range(0, len(order), batch):
            optimizer.zero_grad()
            loss(learned, order[begin : begin + batch]).backward()
            optimizer.step()
            schedule.step()
    return {name: value.detach().numpy() for name, value in learned.items()}
