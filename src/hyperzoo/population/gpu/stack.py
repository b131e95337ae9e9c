"""A stack on the device: its buffers, and the steps that touch them."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.images import ImageSet
from hyperzoo.population.engine import Precision
from hyperzoo.population.gpu.adam import Adam
from hyperzoo.population.gpu.graphs import Pace, Step, captured
from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.gpu.network import Network, image_pads
from hyperzoo.population.loss import answered_right, image_losses, loss_gradient


class Pixels:
    """An image set's pixels on the device, with the zeros that the first layer wants.

    Attributes:
        shape: (height, width, channels) of an image with its zeros.
        train: uint8 [image, pixel].
        validation: uint8 [image, pixel].
    """

    def __init__(self, images: ImageSet, architecture: Architecture, device: torch.device) -> None:
        (above, below), (left, right) = image_pads(architecture)

        def placed(pixels: Tensor) -> Tensor:
            return torch.nn.functional.pad(pixels, (0, 0, left, right, above, below))

        train, validation = (
            placed(torch.tensor(array, device=device))
            for array in (images.train_images, images.validation_images)
        )
        self.shape: tuple[int, ...] = tuple(train.shape[1:])
        self.train, self.validation = train.flatten(1), validation.flatten(1)


class Stack:
    """Networks that take their steps together.

    Args:
        architecture: what every network is.
        networks: how many.
        batch: images in a step.
        epoch: training images that each network sees in an epoch.
        pixels: the images, on the stack's device.
        memory: where the buffers come from.
        precision: of the products.
        fused: whether Triton's kernels compute the layers.
    """

    def __init__(
        self,
        architecture: Architecture,
        networks: int,
        batch: int,
        epoch: int,
        pixels: Pixels,
        memory: Memory,
        precision: Precision,
        fused: bool = False,
    ) -> None:
        self._architecture, self._pixels, self._memory = architecture, pixels, memory
        self._precision, self._fused, self._device = precision, fused, memory.device
        self._batch, self._epoch, self._held_out = batch, epoch, len(pixels.validation)
        self.networks = networks
        shape, outputs = (networks, architecture.parameter_count), architecture.outputs
        self._adam = Adam(*shape, memory)
        self.flat = self._adam.flat
        self._order = memory.zeros("order", (networks, epoch), torch.int64)
        self._train_targets = memory.zeros(
            "training targets", (networks, len(pixels.train)), torch.int64
        )
        self._targets = memory.zeros("targets", (networks, self._held_out), torch.int64)
        self._totals = memory.zeros("totals", (2, networks), torch.float64)
        self._begin = memory.zeros("begin", (1,), torch.int64)
        self.logits = memory.zeros("logits", (networks, self._held_out, outputs), torch.float32)
        self.kept = memory.zeros("kept", shape, torch.float32)
        self.kept_logits = memory.zeros("kept logits", tuple(self.logits.shape), torch.float32)
        size = (networks * self._counts()[0], pixels.train.shape[1])
        self._gathered_pixels = memory.zeros("pixels", size, torch.uint8)
        # Full batches first: smaller ones are laid out in their memory.
        self._runs = {count: self._run(count) for count in self._counts()}

    @property
    def bytes(self) -> int:
        """The bytes of all buffers."""
        return self._memory.bytes

    def _counts(self) -> list[int]:
        """The sizes of batches that occur, largest first."""
        sizes = {min(self._batch, self._epoch), self._epoch % self._batch}
        sizes |= {min(self._batch, self._held_out), self._held_out % self._batch}
        return sorted(sizes - {0}, reverse=True)

    def _run(self, images: int) -> Network:
        return Network(
            self._architecture,
            self._views(self._adam.flat),
            self._views(self._adam.gradient),
            images,
            self._memory,
            self._precision,
            self._fused,
        )

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        """[network, parameter] -> name -> [network, *shape], sharing memory."""
        table = self._architecture.parameters
        pieces = flat.split([parameter.size for parameter in table], dim=1)
        return {
            parameter.name: piece.unflatten(1, parameter.shape)
            for parameter, piece in zip(table, pieces, strict=True)
        }

    def capture(self) -> None:
        """Make the steps ready; what `start` and `begin_epoch` set is undefined until they do."""
        self._train_steps = self._captured(self._epoch, self._train)
        self._evaluate_steps = self._captured(self._held_out, self._evaluate)

    def _captured(self, images: int, work: Callable[[Network], None]) -> list[Step]:
        """The steps of one pass over so many images: a graph for each size of batch."""
        whole, last = divmod(images, self._batch)
        steps: list[Step] = []
        for count, times in ((self._batch, whole), (last, 1)):
            if count * times:
                run = self._runs[count]
                # What a step that only warms up reads must lie within the images.
                self._begin.zero_()
                steps += [captured(partial(work, run), self._device)] * times
        return steps

    def start(self, flat: Tensor, train_targets: Tensor, targets: Tensor) -> None:
        """Begin anew with these networks.

        Args:
            flat: initial weights, float32 [network, parameter].
            train_targets: int64 [network, training_image], of all training images.
            targets: int64 [network, validation_image].
        """
        self._adam.start(flat)
        self._train_targets.copy_(train_targets)
        self._targets.copy_(targets)
        self.kept.copy_(flat)

    def train_epoch(
        self, order: Tensor, rates: Tensor, stopped: Callable[[], bool]
    ) -> Tensor | None:
        """One pass over the training images.

        Args:
            order: int64 [network, image], the images as each network meets them.
            rates: learning rates, float64 [network].
            stopped: whether to end early.

        Returns:
            float64 [2, network]: mean loss, and share of right answers; None when stopped.
        """
        self._order.copy_(order)
        self._adam.set_rates(rates)
        self._totals.zero_()
        return self._totals / self._epoch if self._pass(self._train_steps, stopped) else None

    def evaluate(self, stopped: Callable[[], bool]) -> Tensor | None:
        """Fill `logits`.

        Args:
            stopped: whether to end early.

        Returns:
            float64 [2, network]: mean loss, and share of right answers; None when stopped.
        """
        if not self._pass(self._evaluate_steps, stopped):
            return None
        values = (
            image_losses(self.logits, self._targets), answered_right(self.logits, self._targets)
        )  # fmt: skip
        return torch.stack([value.to(torch.float64).mean(dim=1) for value in values])

    def keep(self, chosen: Tensor) -> None:
        """Keep the present weights and logits of some networks.

        Args:
            chosen: bool [network].
        """
        own = chosen.to(self._device)
        torch.where(own[:, None], self.flat, self.kept, out=self.kept)
        torch.where(own[:, None, None], self.logits, self.kept_logits, out=self.kept_logits)

    def _pass(self, steps: list[Step], stopped: Callable[[], bool]) -> bool:
        """Take steps from the first image on; whether all were taken."""
        self._begin.zero_()
        pace = Pace(self._device)
        for step in steps:
            if stopped():
                return False
            step()
            pace.mark()
        return True

    def _next(self, images: int) -> Tensor:
        """Positions of the next images; the device counts, so that a graph can be replayed."""
        positions = self._begin + torch.arange(images, device=self._device)
        self._begin += images
        return positions

    def _gathered(self, source: Tensor, positions: Tensor) -> Tensor:
        """[network, image] positions -> uint8 [network, image, height, width, channel]."""
        gathered = self._gathered_pixels[: positions.numel()]
        torch.index_select(source, 0, positions.flatten(), out=gathered)
        return gathered.view(*positions.shape, *self._pixels.shape)

    def _train(self, run: Network) -> None:
        """One step of every network."""
        batch = self._order.index_select(1, self._next(run.images))
        targets = self._train_targets.gather(1, batch)
        logits = run.forward(self._gathered(self._pixels.train, batch))
        losses, right = image_losses(logits, targets), answered_right(logits, targets)
        self._totals += torch.stack(
            [losses.sum(dim=1, dtype=torch.float64), right.sum(dim=1, dtype=torch.float64)]
        )
        run.backward(loss_gradient(logits, targets))
        self._adam.step()

    def _evaluate(self, run: Network) -> None:
        """The logits of the next validation images, which are the same for every network."""
        positions = self._next(run.images)
        logits = run.forward(self._gathered(self._pixels.validation, positions[None]))
        self.logits.index_copy_(1, positions, logits)
