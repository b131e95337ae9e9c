"""A generated zoo beside the zoo that it was generated from: networks, reference and judgement."""

from dataclasses import dataclass

from hyperzoo.generation.judging.judge import (
    check_pair,
    judge_networks,
    split_of,
    weights_by_class,
)
from hyperzoo.generation.judging.judgement import Judgement
from hyperzoo.generation.judging.networks import Networks
from hyperzoo.generation.judging.reference import Reference, prepare_reference
from hyperzoo.generation.registry import Meter
from hyperzoo.generation.split import Split
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo


@dataclass(frozen=True, kw_only=True, eq=False)
class Beside:
    """What is needed to draw generated networks beside trained ones.

    Attributes:
        zoo: the generated zoo.
        made: its networks.
        reference: the trained networks.
        judgement: what the judge says of them.
    """

    zoo: Zoo
    made: Networks
    reference: Reference
    judgement: Judgement

    @property
    def groups(self) -> dict[str, Networks]:
        """Networks of each origin, generated ones first."""
        found = {"generated": self.made, "held-out": self.reference.held_out}
        return found if self.reference.fresh is None else found | {"fresh": self.reference.fresh}


def put_beside(
    generated: Zoo,
    zoo: Zoo,
    *,
    images: ImageSet,
    split: Split | None = None,
    meter: Meter | None = None,
) -> Beside:
    """Judge a zoo by another, and keep what figures are drawn of.

    Args:
        generated: the zoo of generated networks.
        zoo: the zoo that their generator was fitted on.
        images: that zoo's images.
        split: of that zoo; None for `split_of`.
        meter: is told of progress: families of measures done, and in all.

    Raises:
        GenerationError: as `judge`.
    """
    check_pair(generated, zoo)
    reference = prepare_reference(zoo, images, split_of(generated, zoo, split))
    made = reference.networks(weights_by_class(generated))
    judgement = judge_networks(made, reference, name=generated.name, meter=meter)
    return Beside(zoo=generated, made=made, reference=reference, judgement=judgement)
