"""Publishes a zoo on the Hugging Face Hub, where it is a dataset repository just as it lies."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hyperzoo.errors import HubError, ZooFormatError, ZooMismatchError, ZooNotFoundError
from hyperzoo.zoo import Zoo, layout, open_zoo
from hyperzoo.zoo.card import card, is_sealed, sealed
from hyperzoo.zoo.document import MAX_BYTES, ZooDocument, read_document
from hyperzoo.zoo.files import read_file, regular_size
from hyperzoo.zoo.hub import hub_errors, import_hub, is_hub_address, silent_hub
from hyperzoo.zoo.parts import mark
from hyperzoo.zoo.tables import read_metadata

PARTS_PER_COMMIT = 25
"""An interrupted push goes on from the last commit; the Hub allows some hundred an hour."""

_ADDRESS = "hf://datasets/"
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_LICENSE_LINE = re.compile(rb"^license: ([a-z0-9.+-]+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What a push did.

    Attributes:
        address: what `open_zoo` opens the zoo on the Hub by.
        networks: networks of the zoo on the Hub.
        uploaded: files that were uploaded.
        present: files that were there already.
        notes: what is left for people to know.
    """

    address: str
    networks: int
    uploaded: int
    present: int
    notes: tuple[str, ...]


def push_zoo(
    folder: str | Path,
    repo: str,
    *,
    private: bool = False,
    license: str | None = None,
    meter: Callable[[int, int | None], None] | None = None,
) -> Pushed:
    """Upload a zoo's complete parts to a dataset repository on the Hugging Face Hub.

    The repository is made if it is not there. Files that it has already are not uploaded again,
    so that a push that was interrupted goes on, and a zoo that has grown adds its new parts. Who
    pushes is known from `hf auth login` or HF_TOKEN.

    Args:
        folder: the zoo's folder.
        repo: "owner/name", or "name" for one of your own.
        private: make a new repository that only its owner sees.
        license: what the card on the Hub gives as license, as the Hub calls it ("cc-by-4.0").
        meter: is told how many files of how many are there.

    Raises:
        ZooNotFoundError: the folder holds no zoo, or no complete part.
        ZooFormatError: the zoo is damaged.
        ZooMismatchError: the repository holds another zoo, or other networks of this one.
        HubError: the Hub can't be reached, or refused.
        MissingExtraError: huggingface_hub is not installed.
    """
    if license is not None and not _LICENSE.fullmatch(license):
        raise HubError(
            f"expected a license as the Hub calls it, such as cc-by-4.0, got {license!r}"
        )
    if is_hub_address(folder):
        raise HubError(f"can't push {folder}: give the folder of a zoo on this machine")
    zoo = open_zoo(folder)
    document = read_document(zoo.path)
    if not zoo.parts_complete:
        raise ZooNotFoundError(f"{folder} has no complete part to push; train it first")
    hub = import_hub("pushing to the Hugging Face Hub")
    name = repo.removeprefix(_ADDRESS)
    with silent_hub(), hub_errors(f"can't push to {_ADDRESS}{name}"):
        there = _Repository(hub, name, private)
        there.check_same_zoo(document)
        content, note = _card(zoo.path, document, there, license)
        small = {Path(layout.DOCUMENT_FILE): document.encode()}
        if content is not None:
            small[Path(layout.CARD_FILE)] = content
        parts = [list(_part_files(zoo, document, part)) for part in zoo.parts_complete]
        uploaded = _upload(there, zoo.path, small, parts, meter)
    return Pushed(
        address=there.address,
        networks=len(zoo),
        uploaded=uploaded,
        present=len(small) + sum(map(len, parts)) - uploaded,
        notes=(note,) if note else (),
    )


class _Repository:
    """A dataset repository as it is when a push begins.

    Attributes:
        id: "owner/name".
        files: path -> what the Hub says of the file.
    """

    def __init__(self, hub: ModuleType, name: str, private: bool) -> None:
        self.hub, self.api = hub, hub.HfApi()
        self.id: str = self.api.create_repo(
            name, repo_type="dataset", private=private, exist_ok=True
        ).repo_id
        info = self.api.dataset_info(self.id)
        if private and not info.private:
            raise HubError(
                f"{self.address} is there already and public; make it private on its page, or "
                "push to another one"
            )
        self._commit: str = info.sha
        entries = self.api.list_repo_tree(
            self.id, repo_type="dataset", recursive=True, revision=self._commit
        )
        self.files: dict[str, Any] = {e.path: e for e in entries if isinstance(e, hub.RepoFile)}

    @property
    def address(self) -> str:
        """What the zoo on the Hub is opened by."""
        return f"{_ADDRESS}{self.id}"

    def download(self, name: str) -> Path | None:
        """Get one of the repository's files, if it has it."""
        if name not in self.files:
            return None
        return Path(
            self.hub.hf_hub_download(self.id, name, repo_type="dataset", revision=self._commit)
        )

    def check_same_zoo(self, document: ZooDocument) -> None:
        """Refuse to mix two zoos, or to make a zoo smaller."""
        path = self.download(layout.DOCUMENT_FILE)
        if path is None:
            return
        theirs = read_document(path.parent)
        if mark(0, theirs) != mark(0, document):
            raise ZooMismatchError(
                f"{self.address} holds a zoo of another recipe or of other images; push to "
                "another repository"
            )
        plan = theirs.plan()
        if document.plan()[: len(plan)] != plan:
            raise ZooMismatchError(
                f"{self.address} holds a larger zoo of this recipe, or one that has grown in other "
                "steps; push to another repository"
            )

    def has(self, name: Path, size: int, digests: Mapping[str, str]) -> bool:
        """Whether the repository has a file with this content.

        Args:
            name: path in the repository.
            size: in bytes.
            digests: "sha256" of the content and "git", its id as a git blob.
        """
        entry = self.files.get(name.as_posix())
        if entry is None or entry.size != size:
            return False
        if entry.lfs is not None:
            return bool(entry.lfs.sha256 == digests["sha256"])
        return bool(entry.blob_id == digests["git"])

    def preupload(self, additions: list[Any]) -> None:
        """Upload the content of large files; a commit then makes them appear."""
        self.api.preupload_lfs_files(self.id, additions, repo_type="dataset")

    def commit(self, additions: list[Any], message: str) -> None:
        """Add files; fails if somebody else has changed the repository meanwhile."""
        self._commit = self.api.create_commit(
            self.id,
            additions,
            repo_type="dataset",
            commit_message=message,
            parent_commit=self._commit,
        ).oid


def _part_files(zoo: Zoo, document: ZooDocument, part: int) -> Iterator[tuple[Path, str | None]]:
    """A part's files with the SHA-256 that they must have; the mark, which gives those, last."""
    models = layout.models_file(part)
    digests = read_metadata(zoo.path / models).get("sha256")
    for file in layout.data_files(part, document.checkpoint_epochs):
        digest = digests.get(file.as_posix()) if isinstance(digests, dict) else None
        yield file, digest if isinstance(digest, str) else ""
    yield models, None


def _upload(
    there: _Repository,
    folder: Path,
    small: Mapping[Path, bytes],
    parts: list[list[tuple[Path, str | None]]],
    meter: Callable[[int, int | None], None] | None,
) -> int:
    """Upload what is not there yet, whole parts at a time; returns how many files that were."""
    total, done, uploaded = len(small) + sum(map(len, parts)), len(small), 0
    add = there.hub.CommitOperationAdd
    # zoo.json comes with the first parts: whoever reads meanwhile sees a zoo that is incomplete.
    waiting = [
        add(name.as_posix(), content)
        for name, content in small.items()
        if not there.has(name, len(content), _digests(content))
    ]
    for begin in range(0, len(parts), PARTS_PER_COMMIT):
        for part in parts[begin : begin + PARTS_PER_COMMIT]:
            new = [
                add(name.as_posix(), str(folder / name))
                for name, digest in part
                if not _is_there(there, folder, name, digest)
            ]
            there.preupload(new)
            waiting += new
            done += len(part)
            if meter is not None:
                meter(done, total)
        if waiting:
            last = min(begin + PARTS_PER_COMMIT, len(parts))
            there.commit(waiting, f"Zoo: {last} of {len(parts)} parts")
            uploaded += len(waiting)
            waiting = []
    return uploaded


def _is_there(there: _Repository, folder: Path, name: Path, digest: str | None) -> bool:
    """Whether a file is on the Hub; refuses one that is damaged, or differs in a complete part."""
    try:
        found, size = _file_digests(folder / name), regular_size(folder / name)
    except OSError as error:
        raise ZooFormatError(f"{folder / name} can't be read: {error.strerror}") from error
    if digest is not None and found["sha256"] != digest:
        raise ZooFormatError(
            f"{folder / name}: the content is not what the part's mark says; `hyperzoo verify` "
            "tells more"
        )
    if there.has(name, size, found):
        return True
    if digest is None and name.as_posix() in there.files:
        raise ZooMismatchError(
            f"{there.address} has other networks in {name.as_posix()}, and a complete part never "
            "changes; push to another repository, or delete the part's files there first"
        )
    return False


def _file_digests(path: Path) -> dict[str, str]:
    sha256, git = hashlib.sha256(), _git_hash(regular_size(path))
    with path.open("rb") as file:
        while block := file.read(2**20):
            sha256.update(block)
            git.update(block)
    return {"sha256": sha256.hexdigest(), "git": git.hexdigest()}


def _digests(content: bytes) -> dict[str, str]:
    git = _git_hash(len(content))
    git.update(content)
    return {"sha256": hashlib.sha256(content).hexdigest(), "git": git.hexdigest()}


def _git_hash(size: int) -> Any:
    """The hash by which git names a file's content, begun."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _card(
    folder: Path, document: ZooDocument, there: _Repository, license: str | None
) -> tuple[bytes | None, str | None]:
    """The card to have on the Hub, None to leave it as it is; and what to tell people.

    A card that somebody has edited, there or here, is theirs.
    """
    place = there.download(layout.CARD_FILE)
    theirs = None if place is None else read_file(place, MAX_BYTES)
    if theirs is not None and not is_sealed(theirs):
        note = "the card on the Hub has been edited, and was left alone"
        return None, note + ("; give the license there" if license is not None else "")
    try:
        own = read_file(folder / layout.CARD_FILE, MAX_BYTES)
    except FileNotFoundError:
        return None, None
    if not is_sealed(own):
        if license is not None:
            raise HubError(f"{folder / layout.CARD_FILE} has been edited: give the license there")
        return own, None
    if license is None and theirs is not None and (found := _LICENSE_LINE.search(theirs)):
        license = found[1].decode()
    return sealed(card(document, address=there.address, license=license)), None
