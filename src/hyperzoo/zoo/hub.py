"""Zoos on the Hugging Face Hub: read in place, downloading only the files that are asked for."""

import importlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

from hyperzoo.errors import HubError, HyperzooError, MissingExtraError, ZooNotFoundError
from hyperzoo.zoo import layout
from hyperzoo.zoo.document import read_document

_SCHEME = re.compile(r"hf:/+")
_ADDRESS = re.compile(r"hf:/+datasets/(?P<repo>[^/@]+/[^/@]+)(?:@(?P<revision>[^@]+?))?/*")
_THREADS = 8


def is_hub_address(path: str | Path) -> bool:
    """Whether a path means a zoo on the Hub; `Path` folds the two slashes of `hf://` into one."""
    return _SCHEME.match(str(path)) is not None


def parse_address(address: str | Path) -> tuple[str, str | None]:
    """Split an address into repository and revision.

    Args:
        address: "hf://datasets/owner/name" or "hf://datasets/owner/name@revision".

    Returns:
        The repository as "owner/name", and a branch, tag or commit; None for the default branch.

    Raises:
        HubError: it is no such address.
    """
    match = _ADDRESS.fullmatch(str(address))
    if match is None:
        text = _SCHEME.sub("hf://", str(address), count=1)
        raise HubError(
            f"can't read the address '{text}': expected hf://datasets/OWNER/NAME or "
            "hf://datasets/OWNER/NAME@REVISION, where the repository itself is the zoo"
        )
    return match["repo"], match["revision"]


def find_on_hub(address: str | Path) -> tuple[Path, Callable[[Path], Path]]:
    """Find a zoo on the Hub and download its zoo.json.

    From then on the zoo stays as it was at this moment, whatever is pushed to it: all its files
    come from one commit. They are kept in huggingface_hub's cache, which also serves without
    network what it holds already.

    Args:
        address: as in `parse_address`.

    Returns:
        The folder in the cache that stands for the commit, and a function that downloads one of
        the zoo's files if it is not there yet and returns its place, as `local_file` does.

    Raises:
        HubError: there is no such repository or revision, or it can't be reached.
        ZooNotFoundError: the repository holds no zoo.
        MissingExtraError: huggingface_hub is not installed.
    """
    repo, revision = parse_address(address)
    hub = import_hub("opening a zoo on the Hugging Face Hub")
    name = repo if revision is None else f"{repo}@{revision}"
    with hub_errors(f"can't open hf://datasets/{name}") as errors, silent_hub():
        try:
            document = Path(
                hub.hf_hub_download(
                    repo, layout.DOCUMENT_FILE, repo_type="dataset", revision=revision
                )
            )
        except errors.LocalEntryNotFoundError:
            raise
        except errors.EntryNotFoundError:
            raise ZooNotFoundError(
                f"no zoo in hf://datasets/{repo}: it has no {layout.DOCUMENT_FILE}; give a "
                "repository that `hyperzoo push` made"
            ) from None
    # The cache has a folder a commit, of that commit's name.
    return document.parent, partial(_download, repo, document.parent)


def _download(repo: str, folder: Path, name: Path) -> Path:
    """The local place of one of a commit's files; for one that the commit has not, a free place."""
    place = folder / name
    if place.exists():
        return place
    hub = import_hub("reading a zoo on the Hugging Face Hub")
    kept = hub.try_to_load_from_cache(
        repo, name.as_posix(), repo_type="dataset", revision=folder.name
    )
    # What a commit has not, it will never have.
    if kept is hub._CACHED_NO_EXIST:
        return place
    with hub_errors(f"can't get {name.as_posix()} of hf://datasets/{repo}") as errors:
        try:
            return Path(
                hub.hf_hub_download(
                    repo, name.as_posix(), repo_type="dataset", revision=folder.name
                )
            )
        except errors.LocalEntryNotFoundError:
            raise
        except errors.EntryNotFoundError:
            return place


def download_all(locate: Callable[[Path], Path], names: Iterable[Path]) -> None:
    """Get many files at a time, which for small ones is much faster than one after the other."""
    with ThreadPoolExecutor(_THREADS) as threads, silent_hub():
        waiting = [threads.submit(locate, name) for name in names]
        try:
            for result in waiting:
                result.result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def download_zoo(address: str | Path) -> Path:
    """Download all of a zoo's complete parts.

    Args:
        address: as in `parse_address`.

    Returns:
        The folder in the cache that holds them; a zoo like any other, but not to be written to.

    Raises:
        HubError: there is no such repository or revision, or it can't be reached.
        ZooNotFoundError: the repository holds no zoo.
        ZooFormatError: its zoo.json is damaged.
        MissingExtraError: huggingface_hub is not installed.
    """
    folder, locate = find_on_hub(address)
    document = read_document(folder)
    parts = range(len(document.plan()))
    download_all(locate, map(layout.models_file, parts))
    epochs = document.checkpoint_epochs
    complete = [part for part in parts if (folder / layout.models_file(part)).exists()]
    download_all(locate, [file for part in complete for file in layout.data_files(part, epochs)])
    return folder


def import_hub(purpose: str) -> ModuleType:
    """The package huggingface_hub, which is loaded by whoever speaks to the Hub and no one else.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise MissingExtraError(
            f'{purpose} needs huggingface_hub; install it with: pip install "hyperzoo[hub]"'
        ) from error


@contextmanager
def silent_hub() -> Iterator[None]:
    """Without huggingface_hub's own progress bars, of which there would be one a file."""
    bars = importlib.import_module("huggingface_hub.utils")
    if bars.are_progress_bars_disabled() or "HF_HUB_DISABLE_PROGRESS_BARS" in os.environ:
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()


@contextmanager
def hub_errors(what: str) -> Iterator[ModuleType]:
    """Turn whatever huggingface_hub raises into one error that says what to do.

    Args:
        what: what could not be done, as a message begins.

    Yields:
        The module with huggingface_hub's errors.

    Raises:
        HubError: in place of the Hub's own errors.
    """
    errors = importlib.import_module("huggingface_hub.errors")
    try:
        yield errors
    except HyperzooError:
        raise
    except (OSError, ValueError, RuntimeError, errors.HTTPError) as error:
        raise HubError(f"{what}: {_reason(errors, error)}") from error


def _reason(errors: ModuleType, error: BaseException) -> str:
    """What went wrong and what to do, of the first error in the chain that tells."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    for link in chain:
        if reason := _known_reason(errors, link):
            return reason
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"


def _known_reason(errors: ModuleType, error: BaseException) -> str | None:
    log_in = "log in with `hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids to ask the Hub for what is not in the cache; unset it"
    if isinstance(error, errors.GatedRepoError):
        return f"its owner must grant you access: ask for it on the repository's page, and {log_in}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such dataset repository, or it is private; check the name, or {log_in}"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision; give a branch, a tag or a commit that it has"
    if isinstance(error, errors.HFValidationError):
        return f"not a valid repository name: {str(error).partition(chr(10))[0]}"
    response = getattr(error, "response", None)
    if response is not None:
        return _refusal(response.status_code, getattr(error, "server_message", None), log_in)
    if isinstance(error, errors.HTTPError):
        return f"the Hub can't be reached ({error}); check the network, then try again"
    return None


def _refusal(status: int, message: str | None, log_in: str) -> str:
    said = f" ({message})" if message else ""
    if status == 401:
        return f"the Hub does not know who you are{said}; {log_in}"
    if status == 403:
        return f"the Hub says that you may not{said}; use a token that may write there"
    return f"the Hub answered with status {status}{said}; try again later"
