"""Made the archived sample of format 1, once. Run again only to make a sample of a new format.

python -m tests.zoo.samples.make_format_1 FOLDER
"""

import sys
from pathlib import Path

from tests.zoo.makers import make_zoo, recipe

if __name__ == "__main__":
    chosen = recipe(
        networks_per_class=3,
        task={"kind": "multi-class"},
        vary={"learning_rate": {"log_uniform": [1e-4, 1e-2]}},
    )
    make_zoo(Path(sys.argv[1]), chosen)
