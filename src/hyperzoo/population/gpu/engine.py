"""The GPU engine: stacks as large as memory allows, one after another."""

import importlib.util
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Literal

import torch

from hyperzoo.architectures import Architecture
from hyperzoo.cores import usable_cores
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.engine import Engine, EpochRecord, Parameters, Settings
from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.gpu.network import check
from hyperzoo.population.gpu.precision import library_settings
from hyperzoo.population.gpu.stack import Pixels, Stack
from hyperzoo.population.gpu.trainer import Trainer
from hyperzoo.population.machine import processor_name
from hyperzoo.population.stacks import cut_into_stacks, own_images
from hyperzoo.population.start import Start, given_starts
from hyperzoo.population.task import one_of_each, own_architecture
from hyperzoo.population.workers import Event, run_on_threads

SHARE = 0.85
"""The share of the free memory that buffers may take; the rest is for the libraries' scratch."""

CPU_STACK = 16
"""Networks in a stack on a CPU, where the engine is there to be tested and not to be fast."""

_logger = logging.getLogger(__name__)


class GpuEngine(Engine):
    """Trains stacks of networks by batched matrix products.

    On a GPU two runs give the same bits. Those of a network may depend on the size of its stack,
    because the library chooses its kernels by it, and on the GPU and the library's version.

    Args:
        device: "cuda", or "cpu" for tests and where nothing else has the recipe's precision.
        stack: networks in a stack at most; 0 for as many as fit into the GPU's memory.
        fused: compute layers with Triton's kernels, not with the library's products.

    Raises:
        EngineError: the device is not there.
    """

    name = "gpu"

    def __init__(
        self, *, device: Literal["cpu", "cuda"] = "cuda", stack: int = 0, fused: bool = False
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise EngineError(
                f"the GPU engine needs a CUDA GPU, but torch {torch.__version__} finds none; "
                "use device 'cpu', or install a CUDA build of torch"
            )
        if fused and importlib.util.find_spec("triton") is None:
            raise EngineError("fused kernels need Triton, which CUDA builds of torch bring")
        self._device, self._stack, self._fused = torch.device(device), stack, fused

    @staticmethod
    def unsupported(architecture: Architecture) -> str | None:
        """Why the engine can't run an architecture; None where it can."""
        try:
            check(architecture)
        except EngineError as error:
            return str(error)
        return None

    @property
    def provenance(self) -> dict[str, str]:
        """Engine, device, torch's version, and the processor or GPU with its kernels."""
        on_gpu = self._device.type == "cuda"
        cpu = torch.backends.cpu.get_cpu_capability()
        kernels = f"CUDA {torch.version.cuda}" if on_gpu else cpu
        return {
            "engine": self.name,
            "device": self._device.type,
            "torch": torch.__version__,
            "kernels": kernels + (", Triton" if self._fused else ""),
            "processor": torch.cuda.get_device_name() if on_gpu else processor_name(),
        }

    @property
    def preferred_cohort(self) -> int:
        """Some thousands on a GPU."""
        return 2048 if self._device.type == "cuda" else CPU_STACK

    @classmethod
    def check(
        cls, architecture: Architecture, cohort: Sequence[PlannedNetwork], settings: Settings
    ) -> None:
        """See `Engine.check`."""
        for network in one_of_each(cohort):
            check(own_architecture(architecture, network))
        _check_optimizers(cohort)

    def train(
        self,
        architecture: Architecture,
        cohort: Sequence[PlannedNetwork],
        images: ImageSet,
        settings: Settings,
        start: Sequence[Parameters | None] | None = None,
    ) -> Generator[Event, None, None]:
        """See `Engine.train`.

        Raises:
            EngineError: the engine can't run this architecture, the images have another shape,
                `start` does not fit the networks, or not even one network fits into the GPU's
                memory.
        """
        self.check(architecture, cohort, settings)
        if tuple(architecture.input_shape) != images.image_shape:
            raise EngineError(
                f"'{architecture.name}' takes images of shape {architecture.input_shape}, got "
                f"'{images.name}' with {images.image_shape}"
            )

        starts = given_starts(architecture, cohort, start)

        def train_all(_: int, stopped: Callable[[], bool]) -> Iterator[Event]:
            torch.set_flush_denormal(True)  # of this thread, where it is a CPU that computes
            yield from self._train_all(architecture, cohort, images, settings, starts, stopped)

        with library_settings(settings.precision):
            yield from run_on_threads(train_all, min(len(cohort), 1), 1)

    @torch.no_grad()
    def _train_all(
        self,
        architecture: Architecture,
        cohort: Sequence[PlannedNetwork],
        images: ImageSet,
        settings: Settings,
        starts: Sequence[Start],
        stopped: Callable[[], bool],
    ) -> Iterator[Event]:
        pixels = Pixels(images, architecture, self._device)

        def room(members: Sequence[int], device: torch.device) -> Stack:
            """Buffers for networks that are alike."""
            first = cohort[members[0]]
            return Stack(
                own_architecture(architecture, first), len(members), first.batch_size,
                len(own_images(first, images, settings)), pixels, Memory(device),
                settings.precision, self._fused,
            )  # fmt: skip

        def train_one(members: Sequence[int]) -> Iterator[Event]:
            networks = [cohort[member] for member in members]
            trainer = Trainer(
                own_architecture(architecture, networks[0]), networks, members, images, settings,
                [starts[member] for member in members], room(members, self._device),
                threads=usable_cores(),
            )  # fmt: skip
            yield from trainer.train(stopped)

        everything = cut_into_stacks(cohort, images, settings, len(cohort))
        needed = max(room(alike[:1], torch.device("meta")).bytes for alike in everything)
        stacks = cut_into_stacks(cohort, images, settings, self._stack or self._that_fit(needed))
        yield from _halving(train_one, stacks, stopped)

    def _that_fit(self, bytes_a_network: int) -> int:
        """How many networks fit into the GPU's free memory."""
        if self._device.type != "cuda":
            return CPU_STACK
        free, _ = torch.cuda.mem_get_info()
        # What torch has freed it keeps, and gives out again.
        free += torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return max(1, int(free * SHARE / bytes_a_network))


def _check_optimizers(cohort: Sequence[PlannedNetwork]) -> None:
    """Refuse optimizers whose steps the stack can't take."""
    for network in cohort:
        if not network.has_plain_adam:
            other = "weight_decay" if network.weight_decay else "l2"
            own = network.optimizer if network.rule != "adam" else other
            raise EngineError(
                f"the GPU engine trains with plain Adam only, and {network.id} has '{own}'; use "
                "engine 'torch', on a GPU with --device cuda"
            )


def _halving(
    train_one: Callable[[Sequence[int]], Iterator[Event]],
    stacks: Sequence[Sequence[int]],
    stopped: Callable[[], bool],
) -> Iterator[Event]:
    """Train stacks one after another; one that memory does not hold begins again as two halves."""
    waiting = deque((stack, 0) for stack in stacks)
    while waiting and not stopped():
        members, reported = waiting.popleft()
        try:
            for event in train_one(members):
                if isinstance(event, EpochRecord):
                    # Epochs of a stack that began again are known already.
                    if event.epoch <= reported:
                        continue
                    reported = event.epoch
                yield event
            continue
        except torch.OutOfMemoryError as error:
            if len(members) == 1:
                raise EngineError(
                    "the GPU's memory does not hold even one network; end what else uses it, or "
                    f"take smaller batches ({error})"
                ) from error
        # Only here is the error gone, and with it the last hold on the buffers.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        middle = len(members) // 2
        _logger.warning("out of GPU memory: going on with stacks of %d networks", middle)
        waiting.extendleft([(members[middle:], reported), (members[:middle], reported)])
