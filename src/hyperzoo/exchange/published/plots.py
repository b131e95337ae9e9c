"""The published dataset's plots: two PNGs a network, under the published names."""

import logging
from collections.abc import Iterator
from pathlib import Path

from hyperzoo.errors import ExportError, ZooMismatchError
from hyperzoo.exchange.format import Export, Format, Meter, no_meter
from hyperzoo.exchange.published.drawing import HistoryFigure, RocFigure, house_style, roc_curve
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import evaluate, targets
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.files import write_file
from hyperzoo.zoo.layout import HISTORY_COLUMNS

_logger = logging.getLogger(__name__)


class Plots(Format):
    """Pictures of each network's training, and of its ROC curve where images are given."""

    name = "plots"
    description = "PNGs of loss and accuracy over the epochs and of the ROC curve (needs --images)"
    writes = True

    def recognises(self, path: Path) -> bool:
        """Never: a picture holds no network."""
        return False

    def write(self, export: Export) -> int:
        """Draw a zoo's networks; see `write_plots`."""
        return write_plots(export.zoo, export.folder, images=export.images, meter=export.meter)


def history_plot_name(network: PlannedNetwork) -> str:
    """The published name of a network's accuracy and loss over the epochs."""
    return f"accuracy_loss_{network.class_name}_{network.index}.png"


def roc_plot_name(network: PlannedNetwork) -> str:
    """The published name of a network's ROC curve."""
    return f"roc_curve_class_{network.class_name}_count_{network.index}.png"


def write_plots(
    zoo: Zoo,
    folder: Path,
    *,
    images: ImageSet | None = None,
    meter: Meter = no_meter,
) -> int:
    """Draw a zoo's networks.

    ROC curves are on the validation images, which the networks are asked about anew; a zoo does
    not keep what they said. Without images they are left out, which is logged; multi-class
    networks have none.

    Args:
        zoo: the zoo.
        folder: where the files go; made if it is not there. Files of the same names are replaced.
        images: the images that the zoo was trained on.
        meter: is told how many networks of how many are drawn.

    Returns:
        How many files were written.

    Raises:
        ExportError: the zoo has neither history nor images.
        ZooMismatchError: the images are not those that the zoo was trained on.
        MissingExtraError: matplotlib is not installed.
        ZooWriteError: the disk refused; every file that is there is whole.
    """
    networks = Export(zoo=zoo, folder=folder).planned
    has_roc = zoo.kind != "multi-class"
    known = zoo.image_fingerprint
    if images is not None and known and images.fingerprint != known:
        raise ZooMismatchError(
            f"the zoo was trained on images with fingerprint {zoo.image_fingerprint[:16]}, these "
            f"('{images.name}') have {images.fingerprint[:16]}; give the same images"
        )
    if has_roc and images is None:
        _logger.warning(
            "ROC curves are left out: they need the images that the zoo was trained on; "
            "give them with --images"
        )
    if not zoo.epochs and not (has_roc and images is not None):
        raise ExportError(
            f"{zoo.path} has nothing to plot: it has no training history, and ROC "
            "curves need images; give them with --images"
        )
    written, drawn = 0, 0
    with house_style():
        drawings = [_history_plots(zoo, networks)] if networks and zoo.epochs else []
        if has_roc and images is not None:
            drawings.append(_roc_plots(zoo, networks, images))
        for files in zip(*drawings, strict=True):
            for name, content in files:
                write_file(folder / name, content)
            written += len(files)
            drawn += 1
            meter(drawn, len(zoo))
    return written


def _history_plots(zoo: Zoo, networks: list[PlannedNetwork]) -> Iterator[tuple[str, bytes]]:
    """Name and content of every network's history, in the zoo's order."""
    table = zoo.history()
    epochs = zoo.history_epochs
    # [network, epoch] each.
    columns = {name: table[name].to_numpy().reshape(-1, len(epochs)) for name in HISTORY_COLUMNS}
    figure = HistoryFigure(epochs)
    for row, network in enumerate(networks):
        own = {name: values[row] for name, values in columns.items()}
        yield history_plot_name(network), figure.draw(network.id, own)


def _roc_plots(
    zoo: Zoo, networks: list[PlannedNetwork], images: ImageSet
) -> Iterator[tuple[str, bytes]]:
    """Name and content of every network's ROC curve, in the zoo's order."""
    weights = (zoo.arrays(network.id) for network in networks)
    logits = evaluate(zoo.architecture, weights, images.validation_images)
    figure = RocFigure()
    for network, said in zip(networks, logits, strict=True):
        truth = targets(network, zoo.kind, images.validation_labels, images.class_names)
        yield roc_plot_name(network), figure.draw(network.id, *roc_curve(said[:, 0], truth))
