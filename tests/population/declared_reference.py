"""Training of declared networks by definition, in float64, for every engine's tests."""

import numpy as np
import torch
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, initial_parameters
from hyperzoo.architectures.forward import forward, training_forward
from hyperzoo.images import ImageSet
from hyperzoo.plan import ALL_CLASSES, PlannedNetwork
from hyperzoo.population import Settings
from hyperzoo.population.task import dropout_masks, image_order, targets

Arrays = dict[str, NDArray[np.float64]]


def noise_images(architecture: Architecture, train: int = 45, validation: int = 20) -> ImageSet:
    """Random images of the shape that a network takes, of as many classes as it tells apart."""
    generator = np.random.default_rng(3)
    classes = max(architecture.outputs, 2)

    def split(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        pixels = generator.integers(0, 256, (count, *architecture.input_shape), dtype=np.uint8)
        return pixels, np.arange(count) % classes

    (train_images, train_labels), (held_out, held_out_labels) = split(train), split(validation)
    return ImageSet(
        name="noise",
        class_names=tuple(f"c{number}" for number in range(classes)),
        train_images=train_images,
        train_labels=train_labels,
        validation_images=held_out,
        validation_labels=held_out_labels,
    )


def planned_for(architecture: Architecture, index: int = 0) -> PlannedNetwork:
    """A network whose batches of 20 leave one of 5."""
    name = "c1" if architecture.outputs == 1 else ALL_CLASSES
    return PlannedNetwork(class_name=name, index=index, learning_rate=1e-3, batch_size=20)


def settings_for(architecture: Architecture, epochs: int = 1) -> Settings:
    kind = "one-vs-all" if architecture.outputs == 1 else "multi-class"
    return Settings(seed=0, kind=kind, positive_fraction=None, epochs=epochs, keep="last")


def train_by_definition(
    architecture: Architecture, planned: PlannedNetwork, images: ImageSet, settings: Settings
) -> tuple[Arrays, NDArray[np.float64]]:
    """All parameters after training, and the validation logits."""
    start = initial_parameters(architecture, settings.seed, planned.class_name, planned.index)
    own = {name: torch.tensor(value).double() for name, value in start.items()}
    trained = [p.name for p in architecture.parameters if p.is_trained]
    moments = {name: (torch.zeros_like(own[name]), torch.zeros_like(own[name])) for name in trained}
    wanted = torch.tensor(targets(planned, settings.kind, images.train_labels, images.class_names))
    count = 0
    for epoch in range(1, settings.epochs + 1):
        order = image_order(planned, np.arange(len(wanted)), settings.seed, epoch)
        for step, begin in enumerate(range(0, len(order), planned.batch_size)):
            batch = order[begin : begin + planned.batch_size]
            masks = dropout_masks(architecture, planned, settings.seed, epoch, step, len(batch))
            leaves = {name: tensor.requires_grad_() for name, tensor in own.items()}
            logits, running = training_forward(
                architecture,
                leaves,
                torch.tensor(images.train_images[batch]).double().permute(0, 3, 1, 2) / 255,
                {name: torch.tensor(mask) for name, mask in masks.items()},
            )
            loss = loss_of(logits, wanted[batch])
            gradients = torch.autograd.grad(loss, [leaves[name] for name in trained])
            own = {name: tensor.detach() for name, tensor in leaves.items()} | running
            count += 1
            rate = planned.learning_rate * (1 - 0.999**count) ** 0.5 / (1 - 0.9**count)
            for name, gradient in zip(trained, gradients, strict=True):
                m, v = moments[name]
                m += (gradient - m) * (1 - 0.9)
                v += (gradient**2 - v) * (1 - 0.999)
                own[name] = own[name] - m * rate / (v.sqrt() + 1e-7)
    held_out = torch.tensor(images.validation_images).double().permute(0, 3, 1, 2) / 255
    said = forward(architecture, own, held_out)
    return {name: tensor.numpy() for name, tensor in own.items()}, said.numpy()


def loss_of(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    if logits.shape[1] == 1:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], wanted.double())
    return torch.nn.functional.cross_entropy(logits, wanted)
