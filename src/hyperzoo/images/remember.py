"""Where image sets lay when they were last read on this machine, by their fingerprints.

A zoo does not tell where its maker's images lie: that is nobody else's business. The user's own
cache does, so that a network can be trained again without saying so anew.
"""

import json
from contextlib import suppress
from pathlib import Path

from hyperzoo.images.files import cache_file, replacing


def remember_place(fingerprint: str, source: str, path: Path | None) -> None:
    """Note where images were read from; where the cache can't be written, nothing is noted."""
    if path is not None and source != "hub":  # where it is a name
        path = path.absolute()
    known = {"source": source, "path": None if path is None else str(path)}
    with suppress(OSError), replacing(_note(fingerprint)) as file:
        file.write(json.dumps(known).encode())


def remembered_place(fingerprint: str) -> tuple[str, Path | None] | None:
    """Source and path that images of this fingerprint were read from; None where not known."""
    try:
        known = json.loads(_note(fingerprint).read_bytes())
        path = known["path"]
        return str(known["source"]), None if path is None else Path(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(fingerprint: str) -> Path:
    return cache_file(f"places/{fingerprint[:32]}.json")
