"""Steps captured as CUDA graphs, and the pace at which they are replayed."""

from collections import deque
from collections.abc import Callable

import torch

Step = Callable[[], None]

AHEAD = 2
"""Steps that the GPU is given before it is waited for: enough to keep it busy, and to stop soon."""


def captured(step: Step, device: torch.device) -> Step:
    """A step as a CUDA graph: hundreds of kernels started by one call.

    Args:
        step: touches static buffers alone and never waits for the device. It is run once to warm
            up, so whatever it changes has to be set anew afterwards.
        device: where; anywhere but on a GPU the step is returned as it is.
    """
    if device.type != "cuda":
        return step
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        step()
    return graph.replay


class Pace:
    """Keeps a program that only gives orders from running far ahead of the GPU.

    Args:
        device: where the orders are carried out; anywhere but on a GPU there is nothing to do.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._given: deque[torch.cuda.Event] = deque()

    def mark(self) -> None:
        """Note an order, and wait until all but the last few are carried out."""
        if not self._on_gpu:
            return
        event = torch.cuda.Event()
        event.record()
        self._given.append(event)
        if len(self._given) > AHEAD:
            self._given.popleft().synchronize()
