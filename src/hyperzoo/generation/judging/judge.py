"""Judges networks that were never trained by those that were."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hyperzoo.errors import GenerationError
from hyperzoo.generation.judging.coverage import coverage
from hyperzoo.generation.judging.detection import detection
from hyperzoo.generation.judging.diversity import diversity, repeats
from hyperzoo.generation.judging.judgement import Judgement, table_of
from hyperzoo.generation.judging.mixing import mixing
from hyperzoo.generation.judging.networks import Networks
from hyperzoo.generation.judging.novelty import novelty
from hyperzoo.generation.judging.quality import quality
from hyperzoo.generation.judging.reference import Half, Reference, Row, prepare_reference
from hyperzoo.generation.judging.use import barriers, fine_tuning
from hyperzoo.generation.judging.verdicts import faults, verdicts
from hyperzoo.generation.registry import Meter
from hyperzoo.generation.split import Split
from hyperzoo.images import ImageSet
from hyperzoo.version import VERSION
from hyperzoo.zoo import FittedZoo, Generated, Trained, Zoo

Weights = Mapping[str, Mapping[str, NDArray[Any]]]

FAMILIES = ("quality", "diversity", "novelty", "detection", "coverage", "use")
_COLUMNS = ("measure", "group", "class", "value", "low", "high")
_VERDICT = ("family", "measure", "generated", "held_out", "fresh", "bar", "passed", "sentence")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a generator costs; None where it is not known.

    Attributes:
        fit_seconds: to fit it.
        network_seconds: to make one network.
        training_seconds: to train one network.
        generator_bytes: of its file.
        zoo_bytes: of the training networks' weights.
    """

    fit_seconds: float | None = None
    network_seconds: float | None = None
    training_seconds: float | None = None
    generator_bytes: float | None = None
    zoo_bytes: float | None = None


def judge(
    generated: Zoo | Weights,
    against: Zoo | Reference,
    *,
    images: ImageSet | None = None,
    split: Split | None = None,
    half: Half = "report",
    fine_tune: int = 0,
    cost: Cost | None = None,
    name: str = "",
    meter: Meter | None = None,
) -> Judgement:
    """Judge networks by the held-out networks of a zoo.

    Args:
        generated: a zoo, or class -> PyTorch name -> [network, *shape].
        against: the zoo that a generator was fitted on; or what `prepare_reference` made of it,
            which saves time where several are judged.
        images: the zoo's images; not needed with a prepared reference.
        split: of the zoo; None for `split_of`.
        half: the half of the validation images that is asked about.
        fine_tune: train on from so many networks of each class, and from scratch; 0 leaves it out.
        cost: what the generator costs.
        name: of what is judged, for people; "" for the zoo's.
        meter: is told of progress: families of measures done, and in all.

    Raises:
        GenerationError: too few networks, a class or architecture that the other has not, other
            images, weights that are not finite, the zoo itself, or a split by which the generator
            has seen held-out networks.
    """
    reference = against if isinstance(against, Reference) else None
    zoo = against.zoo if isinstance(against, Reference) else against
    if isinstance(generated, Zoo):
        check_pair(generated, zoo)
        split = split_of(generated, zoo, split if reference is None else reference.split)
        name = name or generated.name
        weights: Weights = weights_by_class(generated)
    else:
        weights = generated
    if reference is None:
        if images is None:
            raise GenerationError("judge: networks are judged on images; give the zoo's images")
        reference = prepare_reference(zoo, images, split, half)
    return judge_networks(
        reference.networks(weights),
        reference,
        fine_tune=fine_tune,
        cost=cost or Cost(),
        name=name or "networks",
        meter=meter,
    )


def judge_networks(
    made: Networks,
    reference: Reference,
    *,
    fine_tune: int = 0,
    cost: Cost | None = None,
    name: str = "networks",
    meter: Meter | None = None,
) -> Judgement:
    """Judge networks as `reference.networks` made them; see `judge`."""
    most = min(len(rows) for rows in made.rows)
    if not 0 <= fine_tune <= most:
        raise GenerationError(
            f"fine_tune: expected 0 to {most} networks of every class, got {fine_tune}"
        )
    tell = meter or (lambda done, families: None)
    found: dict[str, list[Row]] = {}
    for place, family in enumerate(FAMILIES):
        tell(place, len(FAMILIES))
        found[family] = _family(family, made, reference, "generated") + trained_rows(
            reference, family
        )
    if fine_tune:
        found["use"] += fine_tuning(made, reference, "generated", fine_tune)
        found["use"] += reference.once(
            f"scratch {fine_tune}",
            lambda: fine_tuning(None, reference, "scratch", fine_tune),
        )
    tell(len(FAMILIES), len(FAMILIES))
    return _judgement(found, made, reference, cost or Cost(), name)


def trained_rows(reference: Reference, family: str) -> list[Row]:
    """The figures of held-out and fresh networks; computed once."""

    def compute() -> list[Row]:
        rows: list[Row] = []
        if family not in ("detection", "coverage"):
            rows += _family(family, reference.held_out, reference, "held-out")
        if reference.fresh is not None:
            rows += _family(family, reference.fresh, reference, "fresh")
        # The z of held-out networks against themselves says nothing.
        return [r for r in rows if not (r["group"] == "held-out" and r["measure"][:3] == "C_T")]

    return reference.once(family, compute)


def weights_by_class(zoo: Zoo) -> dict[str, dict[str, NDArray[Any]]]:
    """A zoo's sound networks: class -> PyTorch name -> [network, *shape]."""
    from hyperzoo.generation.split import sound_rows

    tensors = {p.name: zoo.weights(p.name) for p in zoo.architecture.parameters}
    return {
        name: {key: tensor[rows] for key, tensor in tensors.items()}
        for name, rows in sound_rows(zoo).items()
    }


def _family(family: str, networks: Networks, reference: Reference, group: str) -> list[Row]:
    match family:
        case "quality":
            return quality(networks, group)
        case "diversity":
            return diversity(networks, group) + repeats(networks, reference.held_out, group)
        case "novelty":
            return novelty(networks, reference, group) + mixing(networks, reference, group)
        case "detection":
            return detection(networks, reference.held_out, group)
        case "coverage":
            return coverage(networks, reference.held_out, group)
        case _:
            return barriers(networks, group)


def check_pair(generated: Zoo, zoo: Zoo) -> None:
    """Check that a zoo can be judged against another.

    Raises:
        GenerationError: they are the same, differ in architecture or images, or the other's
            networks were not trained.
    """
    same_place = generated.path.absolute().resolve() == zoo.path.absolute().resolve()
    if same_place or _same_training(generated, zoo):
        raise GenerationError(
            f"{generated.path}: is the zoo that it is to be judged against; name a zoo of other "
            "networks"
        )
    if isinstance(zoo.origin, Generated):
        raise GenerationError(
            f"{zoo.path}: its networks were generated, and networks are judged by trained ones; "
            "give the zoo that a generator was fitted on"
        )
    if generated.architecture != zoo.architecture:
        raise GenerationError(
            f"{generated.path}: its networks are '{generated.architecture.name}' with "
            f"{generated.architecture.outputs} output(s), those of {zoo.path} are "
            f"'{zoo.architecture.name}' with {zoo.architecture.outputs}; judge against a zoo of "
            "the same architecture"
        )
    prints = generated.image_fingerprint, zoo.image_fingerprint
    if all(prints) and prints[0] != prints[1]:
        raise GenerationError(
            f"{generated.path}: its networks are of images with fingerprint {prints[0][:16]}, "
            f"those of {zoo.path} of images with fingerprint {prints[1][:16]}; judge against a "
            "zoo of the same images"
        )


def _same_training(generated: Zoo, zoo: Zoo) -> bool:
    """Whether both were trained by one recipe, so that the smaller is part of the larger."""
    match generated.origin, zoo.origin:
        case Trained(own), Trained(other):
            same_images = generated.image_fingerprint == zoo.image_fingerprint
            return own.digest == other.digest and same_images
        case _:
            return False


def split_of(generated: Zoo, zoo: Zoo, given: Split | None = None) -> Split | None:
    """The split to judge a zoo by: the given one, else that of its generator's fit.

    Returns:
        None where neither is known: the zoo was not generated, or from another zoo.

    Raises:
        GenerationError: held-out networks of the given one were training networks of the fit.
    """
    source = _source(generated, zoo)
    if source is None:
        return given
    if given is None:
        return Split(training=source.training, held_out=source.held_out, fresh=source.fresh)
    if given.training < source.training:
        raise GenerationError(
            f"split: {generated.path} comes from a generator that has seen the first "
            f"{source.training} networks of every class, so these can't be held out; give "
            f"{source.training} or more training networks, got {given.training}"
        )
    return given


def _source(generated: Zoo, zoo: Zoo) -> FittedZoo | None:
    """What a generated zoo says of the zoo that its generator was fitted on, if that is this one.

    A zoo that was imported has no recipe; its name and its images must do.
    """
    if not isinstance(generated.origin, Generated):
        return None
    source = generated.origin.fitted_on
    same = source.image_fingerprint == zoo.image_fingerprint
    same &= source.recipe_digest == (zoo.origin.recipe_digest or "")
    return source if same and (source.recipe_digest or source.name == zoo.name) else None


def judged_by(generated: Zoo, zoo: Zoo, split: Split, given: Split | None) -> str:
    """Whose split networks are judged by, in words."""
    cut = f"split {split.training}/{split.held_out}/{split.fresh}"
    if given is not None:
        return f"{cut}, as given"
    if _source(generated, zoo) is not None:
        return f"{cut}, that of the generator's fit"
    if isinstance(generated.origin, Generated):
        return (
            f"{cut} of {zoo.path}; the generator was fitted on another zoo, "
            f"'{generated.origin.fitted_on.name}', and may have seen networks of this one: "
            "--split tells which it has not"
        )
    return f"{cut}, the usual one"


def _judgement(
    found: dict[str, list[Row]], made: Networks, reference: Reference, cost: Cost, name: str
) -> Judgement:
    figures = {
        (row["measure"], row["group"]): row["value"]
        for rows in found.values()
        for row in rows
        if row["class"] == "all"
    }
    counts = {"generated": len(made.labels), "held-out": len(reference.held_out.labels)}
    least = min(map(len, made.rows)), min(map(len, reference.held_out.rows))
    return Judgement(
        about={
            "hyperzoo": VERSION,
            "name": name,
            "zoo": reference.zoo.name,
            "image_fingerprint": reference.images.fingerprint,
            "half": reference.half,
            "images": len(reference.questions.labels),
            "split": vars(reference.split),
            "networks": counts["generated"],
        },
        **{family: table_of(rows, _COLUMNS) for family, rows in found.items()},
        cost=table_of(
            [
                {"measure": key, "value": value}
                for key, value in vars(cost).items()
                if value is not None
            ],
            ("measure", "value"),
        ),
        verdicts=table_of(verdicts(figures, counts, least), _VERDICT),
        faults=table_of(faults(figures), ("fault", "sentence")),
    )
