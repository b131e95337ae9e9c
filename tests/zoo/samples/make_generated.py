"""Made the archived sample of a generated zoo of format 1, once.

python -m tests.zoo.samples.make_generated FOLDER
"""

import sys
import tempfile
from pathlib import Path

from hyperzoo.generation import fit, generate_zoo
from tests.generation.makers import images, source_zoo

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        generator = fit(source_zoo(Path(place) / "zoo", "multi-class"), "copy", seed=3)
    generate_zoo(generator, sys.argv[1], networks_per_class=2, images=images(), seed=5)
