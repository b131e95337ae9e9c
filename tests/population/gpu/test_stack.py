import pytest
import torch

from hyperzoo.architectures import Architecture, lenet5, smallcnn
from hyperzoo.images import ImageSet
from hyperzoo.population import Precision
from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.gpu.stack import Pixels, Stack


@pytest.mark.parametrize("architecture", [lenet5(1), lenet5(10)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_never_asks_for_a_value(
    architecture: Architecture, precision: Precision, digits: ImageSet
):
    """As a CUDA graph demands: tensors of device "meta" have no values to be asked for."""
    nowhere = torch.device("meta")
    pixels = Pixels(digits, architecture, nowhere)
    stack = Stack(architecture, 3, 64, 150, pixels, Memory(nowhere), precision)
    before = stack.bytes
    stack.capture()
    for step in (*stack._train_steps, *stack._evaluate_steps):
        step()
    # No buffer is made within a step.
    assert stack.bytes == before


def test_batches_of_an_epoch(digits: ImageSet):
    architecture, here = smallcnn(10), torch.device("cpu")
    grey = ImageSet(
        name="grey",
        class_names=digits.class_names,
        train_images=digits.train_images[..., :1].copy(),
        train_labels=digits.train_labels,
        validation_images=digits.validation_images[..., :1].copy(),
        validation_labels=digits.validation_labels,
    )
    pixels = Pixels(grey, architecture, here)
    for batch, sizes in ((64, [64, 64, 22]), (50, [50] * 3), (500, [150])):
        stack = Stack(architecture, 2, batch, 150, pixels, Memory(here), "float32")
        stack.capture()
        assert [step.args[0].images for step in stack._train_steps] == sizes
        assert sum(step.args[0].images for step in stack._evaluate_steps) == 60


def test_pixels_bring_the_zeros_of_the_first_layer(digits: ImageSet):
    pixels = Pixels(digits, lenet5(1), torch.device("cpu"))
    assert pixels.shape == (36, 36, 3)
    images = pixels.train.view(-1, 36, 36, 3)
    assert torch.equal(images[:, 2:34, 2:34], torch.tensor(digits.train_images))
    assert int(images.sum()) == int(digits.train_images.sum(dtype="int64"))


def test_a_buffer_is_shared_by_its_name():
    memory = Memory(torch.device("cpu"))
    whole = memory.zeros("one", (4, 3), torch.float32)
    part = memory.zeros("one", (2, 3), torch.float32)
    part += 1
    assert whole.sum() == 6
    assert memory.bytes == 48
