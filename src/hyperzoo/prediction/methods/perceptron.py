"""The published 256-128-64 perceptron with batch normalisation, ReLU and dropout 0.6."""

import copy
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline, make_pipeline
from torch import nn
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.features.components import LeadingComponents
from hyperzoo.prediction.splits import VALIDATION_SHARE, last_of_each_class
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """No search: the published size, Adam with learning rate 1e-3."""
    return make_pipeline(LeadingComponents(), Perceptron(seed=seed))


class Perceptron(ClassifierMixin, BaseEstimator):
    """A perceptron whose weights are those of the epoch of the least validation loss.

    Attributes:
        hidden: units of the hidden layers.
        dropout: share of hidden units that are left out while training.
        epochs: passes over the training share.
        batch: networks in a step.
        seed: of initial weights, order and dropout.
        classes_: the classes' names.
        history_: an entry an epoch: training_loss, training_accuracy, validation_loss,
            validation_accuracy.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (256, 128, 64),
        dropout: float = 0.6,
        epochs: int = 100,
        batch: int = 32,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch = batch
        self.seed = seed

    def fit(self, features: NDArray[Any], labels: NDArray[Any]) -> Self:
        """Train on [network, feature]; the last 20 % of each class only choose the epoch."""
        self.classes_, codes = np.unique(labels, return_inverse=True)
        held_out = last_of_each_class(np.asarray(labels), VALIDATION_SHARE)
        fitted = np.setdiff1d(np.arange(len(labels)), held_out)
        held_out = held_out if len(held_out) else fitted
        values = torch.as_tensor(np.asarray(features, np.float32))
        targets = torch.as_tensor(codes)
        # Dropout draws from the global generator: leave it as it was found.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._train(values[fitted], targets[fitted], values[held_out], targets[held_out])
        return self

    def _train(
        self,
        values: torch.Tensor,
        targets: torch.Tensor,
        held_out_values: torch.Tensor,
        held_out_targets: torch.Tensor,
    ) -> None:
        module = self._module(values.shape[1])
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
        self.history_: list[dict[str, float]] = []
        least, self.module_ = np.inf, module
        for _ in range(self.epochs):
            module.train()
            for rows in torch.randperm(len(values)).split(self.batch):
                if len(rows) > 1:  # batch normalisation needs two
                    optimizer.zero_grad()
                    functional.cross_entropy(module(values[rows]), targets[rows]).backward()
                    optimizer.step()
            module.eval()
            record = {}
            for name, given, wanted in (
                ("training", values, targets),
                ("validation", held_out_values, held_out_targets),
            ):
                with torch.no_grad():
                    logits = module(given)
                record[f"{name}_loss"] = float(functional.cross_entropy(logits, wanted))
                record[f"{name}_accuracy"] = float((logits.argmax(1) == wanted).float().mean())
            self.history_.append(record)
            if record["validation_loss"] < least:
                # A copy: the weights themselves go on changing.
                least, self.module_ = record["validation_loss"], copy.deepcopy(module)

    def _module(self, inputs: int) -> nn.Sequential:
        modules: list[nn.Module] = []
        for units in self.hidden:
            modules += [
                nn.Linear(inputs, units),
                nn.BatchNorm1d(units),
                nn.ReLU(),
                nn.Dropout(self.dropout),
            ]
            inputs = units
        return nn.Sequential(*modules, nn.Linear(inputs, len(self.classes_)))

    def predict_proba(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Probabilities [network, class]."""
        with torch.no_grad():
            logits = self.module_(torch.as_tensor(np.asarray(features, np.float32)))
            probabilities: NDArray[np.float32] = logits.softmax(dim=1).numpy()
        return probabilities

    def predict(self, features: NDArray[Any]) -> NDArray[Any]:
        """The likeliest class of each network."""
        likeliest: NDArray[Any] = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return likeliest
