"""Trains one stack: its epochs, its records, and the weights that are kept."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.engine import EpochRecord, Settings, TrainedNetwork
from hyperzoo.population.gpu.stack import Stack
from hyperzoo.population.stacks import both_targets, own_images
from hyperzoo.population.start import Start, starting_weights
from hyperzoo.population.task import image_order
from hyperzoo.population.workers import Event


class Trainer:
    """A stack and what its networks are to learn.

    Args:
        architecture: what every network is.
        networks: the networks of the stack.
        positions: where they are in their cohort.
        images: the images.
        settings: what the networks share.
        starts: what each network starts from.
        stack: room for them on the device.
        threads: threads that draw the orders of images, while the device trains.
    """

    def __init__(
        self,
        architecture: Architecture,
        networks: Sequence[PlannedNetwork],
        positions: Sequence[int],
        images: ImageSet,
        settings: Settings,
        starts: Sequence[Start],
        stack: Stack,
        threads: int,
    ) -> None:
        self._architecture, self._networks, self._settings = architecture, networks, settings
        self._positions = np.array(positions, dtype=np.int64)
        self._starts, self._stack, self._threads = starts, stack, threads
        self._subsets = [own_images(network, images, settings) for network in networks]
        self._targets = [both_targets(network, images, settings) for network in networks]

    def train(self, stopped: Callable[[], bool]) -> Iterator[Event]:
        """Run all epochs; end early and silently when `stopped` says so."""
        settings, stack = self._settings, self._stack
        stack.capture()
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                self._start(pool)
                checkpoints = (
                    {0: stack.flat.to("cpu", copy=True)} if 0 in settings.checkpoint_epochs else {}
                )
                kept_epochs = np.zeros(len(self._networks), dtype=np.int64)
                best = np.full(len(self._networks), np.nan)
                orders = self._orders(pool, 1)
                for epoch in range(1, settings.epochs + 1):
                    order = _stacked([future.result() for future in orders])
                    orders = self._orders(pool, epoch + 1) if epoch < settings.epochs else []
                    training = stack.train_epoch(order, self._rates(epoch), stopped)
                    validation = stack.evaluate(stopped) if training is not None else None
                    if training is None or validation is None:
                        return
                    record = self._record(epoch, training, validation)
                    if epoch in settings.checkpoint_epochs:
                        checkpoints[epoch] = stack.flat.to("cpu", copy=True)
                    losses = record.validation_loss
                    better = np.isnan(best) | (losses < best) | (settings.keep == "last")
                    best[better], kept_epochs[better] = losses[better], epoch
                    stack.keep(torch.from_numpy(better))
                    yield record
            finally:
                pool.shutdown(cancel_futures=True)
        yield from self._trained(kept_epochs, checkpoints)

    def _start(self, pool: ThreadPoolExecutor) -> None:
        """Load initial weights and targets."""

        def initial(network: PlannedNetwork, start: Start) -> NDArray[np.float32]:
            return starting_weights(self._architecture, network, self._settings.seed, start)

        self._stack.start(
            _stacked(list(pool.map(initial, self._networks, self._starts))),
            _stacked([train for train, _ in self._targets]),
            _stacked([held_out for _, held_out in self._targets]),
        )

    def _rates(self, epoch: int) -> Tensor:
        """The learning rates of an epoch, float64 [network]."""
        epochs = self._settings.epochs
        rates = [network.learning_rate_in(epoch, epochs) for network in self._networks]
        return torch.tensor(rates, dtype=torch.float64)

    def _orders(self, pool: ThreadPoolExecutor, epoch: int) -> list[Future[NDArray[np.int64]]]:
        """Have the orders of an epoch's images drawn, one for each network."""
        seed = self._settings.seed
        return [
            pool.submit(image_order, network, subset, seed, epoch)
            for network, subset in zip(self._networks, self._subsets, strict=True)
        ]

    def _record(self, epoch: int, training: Tensor, validation: Tensor) -> EpochRecord:
        train, held_out = training.cpu().numpy(), validation.cpu().numpy()
        return EpochRecord(
            networks=self._positions,
            epoch=epoch,
            training_loss=train[0],
            training_accuracy=train[1],
            validation_loss=held_out[0],
            validation_accuracy=held_out[1],
        )

    def _trained(
        self, kept_epochs: NDArray[np.int64], checkpoints: dict[int, Tensor]
    ) -> Iterator[TrainedNetwork]:
        kept, logits = self._stack.kept.cpu(), self._stack.kept_logits.cpu().numpy()
        for row, position in enumerate(self._positions):
            yield TrainedNetwork(
                network=int(position),
                epoch=int(kept_epochs[row]),
                parameters=self._arrays(kept, row),
                logits=logits[row],
                checkpoints={at: self._arrays(flat, row) for at, flat in checkpoints.items()},
            )

    def _arrays(self, flat: Tensor, row: int) -> dict[str, NDArray[np.float32]]:
        """The parameters of one network, copied out of the stack's."""
        table, own = self._architecture.parameters, flat[row].numpy().copy()
        ends = np.cumsum([parameter.size for parameter in table])
        return {
            parameter.name: piece.reshape(parameter.shape)
            for parameter, piece in zip(table, np.split(own, ends[:-1]), strict=True)
        }


def _stacked(arrays: Sequence[NDArray[np.generic]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
