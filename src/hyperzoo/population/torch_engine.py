"""The PyTorch engine: the reference for every other engine, on a CPU or a CUDA GPU.

On a CPU each worker thread trains one network at a time: PyTorch's convolutions gain nothing
from batching networks there. On a GPU many networks are stacked along a first axis, and
`torch.func.vmap` runs their forward passes as one.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward, training_forward
from hyperzoo.cores import usable_cores
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.engine import (
    Engine,
    EpochRecord,
    Parameters,
    Settings,
    TrainedNetwork,
    require_float32,
)
from hyperzoo.population.loss import answered_right, image_losses
from hyperzoo.population.machine import keep_freed_memory, processor_name
from hyperzoo.population.optimizers import Optimizer
from hyperzoo.population.stacks import both_targets, cut_into_stacks, own_images
from hyperzoo.population.start import Start, given_starts, starting_weights
from hyperzoo.population.task import dropout_masks, image_order, own_architecture
from hyperzoo.population.workers import Event, run_on_threads

EVALUATION_BATCH = 128
"""Validation images in one forward pass; fixed, because rounding may depend on it."""


class TorchEngine(Engine):
    """Trains networks with PyTorch.

    On a CPU a network's bits depend on nothing but itself, torch's version and the processor. On
    a GPU the library's kernels may round differently for stacks of another size.

    Args:
        device: "cpu" or "cuda".
        workers: threads on a CPU; 0 for one a core.
        stack: networks trained as one; 0 for one on a CPU and as many as fit on a GPU.

    Raises:
        EngineError: the device is not there.
    """

    name = "torch"

    def __init__(
        self, *, device: Literal["cpu", "cuda"] = "cpu", workers: int = 0, stack: int = 0
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise EngineError(
                f"device 'cuda' was asked for, but torch {torch.__version__} finds no CUDA GPU; "
                "use device 'cpu', or install a CUDA build of torch"
            )
        self._device = torch.device(device)
        self._workers = workers or usable_cores()
        self._stack = stack

    @property
    def provenance(self) -> dict[str, str]:
        """Engine, device, torch's version, and the processor or GPU with its kernels."""
        on_gpu = self._device.type == "cuda"
        return {
            "engine": self.name,
            "device": self._device.type,
            "torch": torch.__version__,
            "kernels": f"CUDA {torch.version.cuda}"
            if on_gpu
            else torch.backends.cpu.get_cpu_capability(),
            "processor": torch.cuda.get_device_name() if on_gpu else processor_name(),
        }

    @property
    def preferred_cohort(self) -> int:
        """A few networks for every worker on a CPU, a large stack on a GPU."""
        return 1024 if self._device.type == "cuda" else 4 * self._workers

    @classmethod
    def check(
        cls, architecture: Architecture, cohort: Sequence[PlannedNetwork], settings: Settings
    ) -> None:
        """See `Engine.check`."""
        require_float32(cls.name, settings)

    def train(
        self,
        architecture: Architecture,
        cohort: Sequence[PlannedNetwork],
        images: ImageSet,
        settings: Settings,
        start: Sequence[Parameters | None] | None = None,
    ) -> Generator[Event, None, None]:
        """See `Engine.train`."""
        self.check(architecture, cohort, settings)
        starts = given_starts(architecture, cohort, start)
        on_gpu = self._device.type == "cuda"
        stack = self._stack or (_stack_that_fits(architecture, cohort) if on_gpu else 1)
        stacks = cut_into_stacks(cohort, images, settings, stack)
        data = _Images(images, self._device)

        def train_one(position: int, stopped: Callable[[], bool]) -> Iterator[Event]:
            torch.set_flush_denormal(True)  # of this thread
            members = stacks[position]
            networks = [cohort[member] for member in members]
            trainer = _Stack(
                own_architecture(architecture, networks[0]), networks, members, data, settings,
                [starts[member] for member in members], self._device,
            )  # fmt: skip
            yield from trainer.train(stopped)

        keep_freed_memory()
        with _library_settings(on_gpu):
            yield from run_on_threads(train_one, len(stacks), 1 if on_gpu else self._workers)


@contextmanager
def _library_settings(on_gpu: bool) -> Iterator[None]:
    """One thread an operation (workers are the parallelism), and reproducible float32 kernels."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if on_gpu:
            with torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            ):
                yield
        else:
            yield
    finally:
        torch.set_num_threads(threads)


def _stack_that_fits(architecture: Architecture, cohort: Sequence[PlannedNetwork]) -> int:
    """How many networks fit into half of the GPU's free memory, by a generous estimate."""
    shapes = [architecture.input_shape, *(step.output_shape for step in architecture.steps)]
    values = sum(height * width * channels for height, width, channels in shapes)
    batch = max((network.batch_size for network in cohort), default=1)
    # A layer keeps its sums, its activations and their gradients, and libraries need scratch.
    needed = 4 * (8 * batch * values + 8 * architecture.parameter_count)
    free, _ = torch.cuda.mem_get_info()
    return int(max(1, free // 2 // needed))


class _Images:
    """An image set's pixels and labels on the device."""

    def __init__(self, images: ImageSet, device: torch.device) -> None:
        self.source = images
        self.train = torch.tensor(images.train_images, device=device)
        self.validation = torch.tensor(images.validation_images, device=device)


def _scaled(pixels: Tensor) -> Tensor:
    """uint8 [..., height, width, channel] -> float32 [..., channel, height, width] in [0, 1].

    The result keeps the channel innermost in memory, which suits convolutions on a CPU.
    """
    return pixels.to(torch.float32).div_(255.0).movedim(-1, -3)


class _Stack:
    """Networks trained in step: parameters are [network, parameter]."""

    def __init__(
        self,
        architecture: Architecture,
        networks: Sequence[PlannedNetwork],
        positions: Sequence[int],
        data: _Images,
        settings: Settings,
        starts: Sequence[Start],
        device: torch.device,
    ) -> None:
        self._architecture, self._networks, self._settings = architecture, networks, settings
        self._positions = np.array(positions, dtype=np.int64)
        self._data, self._device = data, device
        images = data.source
        both = [both_targets(network, images, settings) for network in networks]
        self._train_targets = torch.tensor(np.stack([train for train, _ in both]), device=device)
        self._targets = torch.tensor(np.stack([held_out for _, held_out in both]), device=device)
        self._subsets = [own_images(network, images, settings) for network in networks]

        flat = [
            starting_weights(architecture, network, settings.seed, start)
            for network, start in zip(networks, starts, strict=True)
        ]
        self.flat = torch.tensor(np.stack(flat), device=device)
        self._leaves = {
            name: view.detach().requires_grad_() for name, view in self._views(self.flat).items()
        }
        self._optimizer = Optimizer(architecture, networks, self.flat)

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        """[network, parameter] -> name -> [network, *shape], sharing memory."""
        table = self._architecture.parameters
        pieces = flat.split([parameter.size for parameter in table], dim=1)
        return {
            parameter.name: piece.unflatten(1, parameter.shape)
            for parameter, piece in zip(table, pieces, strict=True)
        }

    def train(self, stopped: Callable[[], bool]) -> Iterator[Event]:
        """Run all epochs; end early and silently when `stopped` says so."""
        settings = self._settings
        checkpoints = {0: self.flat.clone()} if 0 in settings.checkpoint_epochs else {}
        kept, kept_logits = self.flat.clone(), torch.zeros(0)
        kept_epochs = np.zeros(len(self._networks), dtype=np.int64)
        best = np.full(len(self._networks), np.nan)
        for epoch in range(1, settings.epochs + 1):
            training = self._train_epoch(epoch, stopped)
            validation = self._evaluate(stopped) if training else None
            if training is None or validation is None:
                return
            loss, accuracy, logits = validation
            if epoch in settings.checkpoint_epochs:
                checkpoints[epoch] = self.flat.clone()
            better = np.isnan(best) | (loss < best) | (settings.keep == "last")
            chosen = torch.from_numpy(better).to(self._device)
            best[better], kept_epochs[better] = loss[better], epoch
            kept = torch.where(chosen[:, None], self.flat, kept)
            if epoch == 1:
                kept_logits = logits
            kept_logits = torch.where(chosen[:, None, None], logits, kept_logits)
            yield EpochRecord(
                networks=self._positions,
                epoch=epoch,
                training_loss=training[0],
                training_accuracy=training[1],
                validation_loss=loss,
                validation_accuracy=accuracy,
            )
        for row, position in enumerate(self._positions):
            yield TrainedNetwork(
                network=int(position),
                epoch=int(kept_epochs[row]),
                parameters=self._arrays(kept, row),
                logits=kept_logits[row].cpu().numpy(),
                checkpoints={at: self._arrays(flat, row) for at, flat in checkpoints.items()},
            )

    def _arrays(self, flat: Tensor, row: int) -> dict[str, NDArray[np.float32]]:
        views = self._views(flat[row : row + 1].cpu())
        return {name: view[0].numpy() for name, view in views.items()}

    def _train_epoch(
        self, epoch: int, stopped: Callable[[], bool]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """One pass over the training images: mean loss and accuracy, each [network]."""
        seed = self._settings.seed
        orders = [
            image_order(network, subset, seed, epoch)
            for network, subset in zip(self._networks, self._subsets, strict=True)
        ]
        order = torch.tensor(np.stack(orders), device=self._device)
        rates = [own.learning_rate_in(epoch, self._settings.epochs) for own in self._networks]
        total = torch.zeros((2, len(self._networks)), dtype=torch.float64, device=self._device)
        for number, batch in enumerate(order.split(self._networks[0].batch_size, dim=1)):
            if stopped():
                return None
            total += self.step(
                _scaled(self._data.train[batch]),
                self._train_targets.gather(1, batch),
                self._masks(epoch, number, batch.shape[1]),
                rates,
            )
        loss, accuracy = (total / order.shape[1]).cpu().numpy()
        return loss, accuracy

    def _masks(self, epoch: int, step: int, images: int) -> dict[str, Tensor]:
        """What dropouts keep: name -> bool [network, channel, height, width, image]."""
        if not self._architecture.differs_in_training:
            return {}
        drawn = [
            dropout_masks(self._architecture, own, self._settings.seed, epoch, step, images)
            for own in self._networks
        ]
        return {
            name: torch.tensor(np.stack([own[name] for own in drawn]), device=self._device)
            for name in drawn[0]
        }

    def step(
        self,
        images: Tensor,
        batch_targets: Tensor,
        masks: Mapping[str, Tensor],
        rates: Sequence[float],
    ) -> Tensor:
        """One step of the optimizer.

        Args:
            images: [network, image, channel, height, width], scaled.
            batch_targets: int64 [network, image].
            masks: name of every dropout -> bool [network, channel, height, width, image].
            rates: the learning rates, [network].

        Returns:
            [2, network]: the sums over the images of loss and of right answers, before the step.
        """
        logits, statistics = self._training_logits(images, masks)
        losses = image_losses(logits, batch_targets)
        # Running statistics have no part in a training pass: their gradient is 0.
        gradients = torch.autograd.grad(
            losses.mean(dim=1).sum(), list(self._leaves.values()), materialize_grads=True
        )
        with torch.no_grad():
            self._optimizer.step(
                torch.cat([gradient.flatten(1) for gradient in gradients], dim=1), rates
            )
            for name, running in statistics.items():
                self._leaves[name].copy_(running)
            return torch.stack(
                [losses.sum(dim=1), answered_right(logits, batch_targets).sum(dim=1)]
            )

    def _training_logits(
        self, images: Tensor, masks: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The same as `_logits` in training, and the running statistics after the batch."""
        architecture = self._architecture
        if not architecture.differs_in_training:
            return self._logits(self._leaves, images), {}
        if len(self._networks) == 1:
            only, kept = ({n: t[0] for n, t in own.items()} for own in (self._leaves, masks))
            logits, statistics = training_forward(architecture, only, images[0], kept)
            return logits[None], {name: running[None] for name, running in statistics.items()}
        stacked, running = torch.func.vmap(
            lambda own, batch, kept: training_forward(architecture, own, batch, kept)
        )(self._leaves, images, masks)
        return stacked, running

    def _logits(self, parameters: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """[network, image, channel, height, width] -> [network, image, output]."""
        architecture = self._architecture
        if len(self._networks) == 1:
            only = {name: tensor[0] for name, tensor in parameters.items()}
            return forward(architecture, only, images[0])[None]
        stacked: Tensor = torch.func.vmap(lambda own, batch: forward(architecture, own, batch))(
            parameters, images
        )
        return stacked

    @torch.no_grad()
    def _evaluate(
        self, stopped: Callable[[], bool]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], Tensor] | None:
        """Loss and accuracy on the validation split, each [network], and all logits."""
        parameters, logits = self._views(self.flat), []
        for pixels in self._data.validation.split(EVALUATION_BATCH):
            if stopped():
                return None
            images = _scaled(pixels)
            logits.append(
                self._logits(parameters, images.expand(len(self._networks), *images.shape))
            )
        joined = torch.cat(logits, dim=1)
        loss = image_losses(joined, self._targets).to(torch.float64).mean(dim=1)
        accuracy = answered_right(joined, self._targets).to(torch.float64).mean(dim=1)
        return loss.cpu().numpy(), accuracy.cpu().numpy(), joined
