"""Every error that hyperzoo raises on purpose.

    HyperzooError
    ├── RecipeError            (ValueError)    a recipe that can't be used
    ├── ImageError             (ValueError)    images that can't be read or don't fit
    ├── ArchitectureError      (ValueError)    a network that can't be built
    ├── EngineError            (RuntimeError)  an engine that can't run what it was asked to
    ├── ZooError                               something about a zoo on disk
    │   ├── ZooNotFoundError   (FileNotFoundError)
    │   ├── ZooFormatError     (ValueError)    files that are not a zoo of a known format
    │   ├── ZooMismatchError   (ValueError)    a zoo that belongs to another recipe or other images
    │   ├── ZooLockedError     (RuntimeError)  another run writes to the folder
    │   ├── ZooWriteError      (OSError)       the disk refused: full, read-only, ...
    │   ├── BundleError        (ValueError)    a worker's result that can't be taken into the zoo
    │   │   └── BundleUnreadableError          one that can't be read, though it may be sound
    │   └── NetworkNotFoundError (KeyError)    an id, a class or a parameter that the zoo has not
    ├── VerificationError      (ValueError)    a zoo whose content is not what it should be
    ├── ForeignFileError       (ValueError)    another format's file that can't be read or trusted
    ├── AnalysisError          (ValueError)    a study that the zoo's networks don't allow
    ├── PredictionError        (ValueError)    networks, a target or a method that do not fit
    ├── ClusterError           (RuntimeError)  many machines can't do the work, or not so
    ├── GenerationError        (ValueError)    a zoo, method or generator that can't make networks
    ├── ReportWriteError       (OSError)       tables, figures or a page that can't be written
    ├── ExportError            (OSError)       an export that the folder or the disk refuses
    ├── HubError               (OSError)       the Hugging Face Hub can't be reached, or refused
    └── MissingExtraError      (ImportError)   an optional package that is not installed

A message says what is wrong, what was expected, what was found, and what to do next. The
command line prints exactly that message and exits with status 1.
"""

import difflib
from collections.abc import Iterable


class HyperzooError(Exception):
    """The root of all errors that hyperzoo raises on purpose."""


class RecipeError(HyperzooError, ValueError):
    """A recipe is not valid; the message lists every problem with its place."""


class ImageError(HyperzooError, ValueError):
    """Images can't be read, or do not have the shape that was asked for."""


class ArchitectureError(HyperzooError, ValueError):
    """An architecture is unknown, or its layers do not fit together."""


class EngineError(HyperzooError, RuntimeError):
    """An engine can't run what it was asked to run."""


class ZooError(HyperzooError):
    """Something is wrong with a zoo on disk."""


class ZooNotFoundError(ZooError, FileNotFoundError):
    """There is no zoo in the folder."""


class ZooFormatError(ZooError, ValueError):
    """Files of a zoo are damaged, or of a format that this version does not know."""


class ZooMismatchError(ZooError, ValueError):
    """The folder holds a zoo of another recipe, of other images, or of another size."""


class ZooLockedError(ZooError, RuntimeError):
    """Another process is writing to the zoo."""


class ZooWriteError(ZooError, OSError):
    """The disk refused a write."""


class BundleError(ZooError, ValueError):
    """A bundle is cut short, has been changed, or belongs to another zoo or another part."""


class BundleUnreadableError(BundleError):
    """A bundle that can't be read, though it may be sound."""


class NetworkNotFoundError(ZooError, KeyError):
    """The zoo has no such network, class, parameter or checkpoint."""

    # KeyError shows the repr of its argument; a message should read as it was written.
    __str__ = Exception.__str__


class NetworkKeyError(ZooError, TypeError):
    """A network was asked for by what is neither an id nor a place."""


class AnalysisError(HyperzooError, ValueError):
    """A study can't be made of the networks that the zoo has."""


class ReportWriteError(HyperzooError, OSError):
    """The disk refused tables, figures or a page."""


class PredictionError(HyperzooError, ValueError):
    """Networks do not fit a method, or there is no such method, or its file can't be read."""


class TooLargeError(PredictionError):
    """Weights are so large that what a method computes of them is beyond float32."""


class ClusterError(HyperzooError, RuntimeError):
    """Work can't be shared out among machines as was asked, or a batch system refused it."""


class GenerationError(HyperzooError, ValueError):
    """Networks can't be generated: of such a zoo, by such a method, or from such a file."""


class VerificationError(HyperzooError, ValueError):
    """A zoo's content is not what its recipe and its checksums say."""


class ForeignFileError(HyperzooError, ValueError):
    """A file of another format is damaged, hostile, unknown, or does not fit the others."""


class ExportError(HyperzooError, OSError):
    """A zoo can't be written in another format: the folder is in use, or the disk refused."""


class HubError(HyperzooError, OSError):
    """The Hugging Face Hub can't be reached, has no such repository, or refused."""


class MissingExtraError(HyperzooError, ImportError):
    """An optional package is not installed; the message says how to install it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to put into a message behind a name that is not known; nothing where none is near."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""
