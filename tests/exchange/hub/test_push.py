from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperzoo.errors import HubError, ZooFormatError, ZooMismatchError, ZooNotFoundError
from hyperzoo.exchange.hub.push import push_zoo
from hyperzoo.zoo import open_zoo, verify_zoo
from tests.exchange.hub.stand_in import READ_TOKEN, TOKEN, Hub, Repository
from tests.zoo.makers import make_zoo, recipe

# What huggingface_hub's own way without Xet meets in its own client.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

ADDRESS = "hf://datasets/ann/zoo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 networks in two parts, with what else lies about in a zoo's folder."""
    folder = make_zoo(tmp_path_factory.mktemp("zoos") / "zoo")
    (folder / "models" / ".part-00002.parquet.partial").write_bytes(b"half")
    (folder / "weights" / "part-00002.safetensors").write_bytes(b"no mark")
    (folder / "secret.txt").write_text("mine")
    return folder


def upload(hub: Hub, folder: Path, *, private: bool = False) -> Repository:
    """A repository with a zoo's files, as if somebody had pushed it."""
    repository = hub.repositories["ann/zoo"] = Repository(private=private)
    files = [file for file in folder.rglob("*.*") if file.is_file() and file.name != ".lock"]
    repository.add_commit({f.relative_to(folder).as_posix(): f.read_bytes() for f in files})
    return repository


@pytest.mark.usefixtures("login")
def test_a_pushed_zoo_opens_from_the_hub(hub: Hub, folder: Path):
    calls: list[tuple[int, int | None]] = []
    pushed = push_zoo(folder, "ann/zoo", meter=lambda done, total: calls.append((done, total)))
    assert (pushed.address, pushed.networks) == (ADDRESS, 60)
    assert (pushed.uploaded, pushed.present, pushed.notes) == (10, 0, ())
    assert calls == [(6, 10), (10, 10)]
    repository = hub.repositories["ann/zoo"]
    assert sorted(repository.files) == [
        ".gitattributes",
        "README.md",
        "epochs/e001/part-00000.safetensors",
        "epochs/e001/part-00001.safetensors",
        "history/part-00000.parquet",
        "history/part-00001.parquet",
        "models/part-00000.parquet",
        "models/part-00001.parquet",
        "weights/part-00000.safetensors",
        "weights/part-00001.safetensors",
        "zoo.json",
    ]
    assert len(hub.asked("/commit/main$")) == 1
    there, here = open_zoo(ADDRESS), open_zoo(folder)
    assert there.models.equals(here.models)
    assert there.ids == here.ids
    assert np.array_equal(there.matrix(), here.matrix())
    assert np.array_equal(there.matrix(epoch=1), here.matrix(epoch=1))
    assert there.history().equals(here.history())
    assert verify_zoo(ADDRESS).problems == ()


def test_only_the_parts_that_are_asked_for_are_downloaded(hub: Hub, folder: Path):
    upload(hub, folder)
    zoo = open_zoo(ADDRESS)
    assert len(zoo) == 60
    assert hub.asked("weights|history|epochs") == []
    zoo.state_dict("yak_11")
    assert {request.split("/resolve/")[1][41:] for request in hub.asked("weights|history")} == {
        "weights/part-00001.safetensors"
    }
    zoo.history("cat_0")
    assert hub.asked("GET.*history/part-00000")
    assert not hub.asked("history/part-00001")
    asked = len(hub.requests)
    zoo.state_dict("yak_10")
    assert open_zoo(ADDRESS).state_dict("yak_11").keys() == zoo.state_dict("yak_11").keys()
    # Of the zoo that is in the cache, only the branch is looked up again.
    assert hub.requests[asked:] == ["HEAD /datasets/ann/zoo/resolve/main/zoo.json"]


def test_a_zoo_stays_as_it_was_when_it_was_opened(hub: Hub, folder: Path):
    repository = upload(hub, folder)
    first = repository.head
    zoo = open_zoo(ADDRESS)
    repository.add_commit({"weights/part-00000.safetensors": b"something else"})
    assert np.array_equal(zoo.matrix(), open_zoo(folder).matrix())
    with pytest.raises(ZooFormatError, match="not a safetensors file"):
        open_zoo(ADDRESS).matrix()
    assert np.array_equal(open_zoo(f"{ADDRESS}@{first}").matrix(), open_zoo(folder).matrix())


def test_an_incomplete_zoo(hub: Hub, tmp_path: Path):
    upload(hub, make_zoo(tmp_path / "zoo", parts=1))
    zoo = open_zoo(ADDRESS)
    assert (len(zoo), zoo.planned, zoo.is_complete) == (50, 60, False)
    assert zoo.matrix().shape[0] == 50
    found = verify_zoo(ADDRESS)
    assert (found.networks, found.problems) == (50, ())
    # What a commit has not is asked for once.
    assert len(hub.asked("models/part-00001")) == 1


def test_a_path_folds_the_slashes_of_an_address(hub: Hub, folder: Path):
    upload(hub, folder)
    assert len(open_zoo(Path(f"{ADDRESS}@main/"))) == 60


def test_without_network_the_cache_serves_what_it_has(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    upload(hub, folder)
    open_zoo(ADDRESS).state_dict("cat_0")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    zoo = open_zoo(ADDRESS)
    assert zoo.is_complete
    assert zoo.state_dict("cat_0")
    with pytest.raises(HubError, match=r"can't get weights/part-00001\S+ of hf://.*HF_HUB_OFFLINE"):
        zoo.state_dict("yak_11")
    with pytest.raises(HubError, match=r"can't open hf://datasets/ann/other: HF_HUB_OFFLINE"):
        open_zoo("hf://datasets/ann/other")
    with pytest.raises(HubError, match=r"can't push to .* HF_HUB_OFFLINE forbids to ask the Hub"):
        push_zoo(folder, "ann/zoo")
    assert len(hub.requests) == asked


def test_a_hub_that_is_not_there(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    # Port 9 is for discarding, and nobody listens.
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
    )
    with pytest.raises(HubError, match=r"the Hub can't be reached .*check the network"):
        open_zoo(ADDRESS)


def test_what_the_hub_has_not(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(
        HubError, match="can't open hf://datasets/ann/zoo: there is no such dataset"
    ):
        open_zoo(ADDRESS)
    repository = upload(hub, folder, private=True)
    with pytest.raises(HubError, match="or it is private; check the name, or log in"):
        open_zoo(ADDRESS)
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    assert len(open_zoo(ADDRESS)) == 60
    with pytest.raises(HubError, match=r"can't open hf://datasets/ann/zoo@v9: .* no such revision"):
        open_zoo(f"{ADDRESS}@v9")
    repository.gated = True
    repository.add_commit({"new": b""})
    with pytest.raises(HubError, match="its owner must grant you access"):
        open_zoo(f"{ADDRESS}@{repository.head}")
    hub.repositories["ann/other"] = Repository()
    with pytest.raises(ZooNotFoundError, match=r"no zoo in hf://datasets/ann/other: it has no zoo"):
        open_zoo("hf://datasets/ann/other")
    hub.fail = {"zoo.json": 500}
    with pytest.raises(HubError, match="the Hub answered with status 500"):
        open_zoo("hf://datasets/ann/third")


@pytest.mark.parametrize(
    "address",
    [
        "hf://datasets/zoo",
        "hf://models/ann/zoo",
        "hf://ann/zoo",
        "hf://datasets/ann/zoo/part",
        "hf://datasets/ann/zoo@",
        "hf://datasets/ann/zoo@a@b",
        "hf://",
    ],
)
def test_addresses_that_are_none(address: str):
    with pytest.raises(HubError, match=f"can't read the address '{address}': expected hf://data"):
        open_zoo(address)


def test_names_that_the_hub_does_not_have(hub: Hub):
    with pytest.raises(HubError, match="not a valid repository name"):
        open_zoo("hf://datasets/ann/-zoo..")


def test_a_hostile_repository(hub: Hub, folder: Path):
    repository = upload(hub, folder)
    repository.add_commit({"zoo.json": b'{"format": "hyperzoo-zoo", "format_version": 7}'})
    with pytest.raises(ZooFormatError, match="format version 7"):
        open_zoo(ADDRESS)
    repository.add_commit({"zoo.json": b"[" * 100_000})
    with pytest.raises(ZooFormatError, match="not valid JSON"):
        open_zoo(ADDRESS)


@pytest.mark.usefixtures("login")
def test_pushing_again_uploads_nothing(hub: Hub, folder: Path):
    push_zoo(folder, "zoo")
    head = hub.repositories["ann/zoo"].head
    again = push_zoo(folder, "hf://datasets/ann/zoo")
    assert (again.uploaded, again.present) == (0, 10)
    assert hub.repositories["ann/zoo"].head == head
    assert len(hub.asked("PUT /lfs/")) == 8


@pytest.mark.usefixtures("login")
def test_a_zoo_that_has_grown_adds_its_parts(hub: Hub, tmp_path: Path):
    folder = make_zoo(tmp_path / "zoo", recipe(networks_per_class=2))
    assert push_zoo(folder, "zoo").networks == 10
    make_zoo(folder, recipe(networks_per_class=4))
    grown = push_zoo(folder, "zoo")
    # zoo.json, the card and the new part's four files.
    assert (grown.networks, grown.uploaded, grown.present) == (20, 6, 4)
    assert len(open_zoo(ADDRESS)) == 20
    small = make_zoo(tmp_path / "small", recipe(networks_per_class=2))
    with pytest.raises(ZooMismatchError, match="holds a larger zoo of this recipe"):
        push_zoo(small, "zoo")


@pytest.mark.usefixtures("login")
def test_an_interrupted_push_goes_on(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hyperzoo.exchange.hub.push.PARTS_PER_COMMIT", 1)

    def stop(done: int, total: int | None) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push_zoo(folder, "zoo", meter=stop)
    assert len(open_zoo(ADDRESS)) == 50
    assert not open_zoo(ADDRESS).is_complete
    assert push_zoo(folder, "zoo").uploaded == 4
    assert open_zoo(ADDRESS).is_complete
    # Even the content that had been uploaded without a commit was not uploaded twice.
    assert len(hub.asked("PUT /lfs/")) == 8


@pytest.mark.usefixtures("login")
def test_other_zoos_are_not_mixed(hub: Hub, folder: Path, tmp_path: Path):
    push_zoo(folder, "zoo")
    other = make_zoo(tmp_path / "other", recipe(training={"epochs": 3}))
    with pytest.raises(ZooMismatchError, match="holds a zoo of another recipe"):
        push_zoo(other, "zoo")
    repository = hub.repositories["ann/zoo"]
    repository.add_commit({"models/part-00001.parquet": b"other networks"})
    with pytest.raises(ZooMismatchError, match=r"other networks in models/part-00001\.parquet"):
        push_zoo(folder, "zoo")


@pytest.mark.usefixtures("login")
def test_a_damaged_zoo_is_not_pushed(hub: Hub, tmp_path: Path):
    folder = make_zoo(tmp_path / "zoo")
    file = folder / "weights" / "part-00001.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(ZooFormatError, match=r"part-00001\.safetensors: the content is not what"):
        push_zoo(folder, "zoo")
    file.unlink()
    with pytest.raises(ZooFormatError, match=r"part-00001\.safetensors can't be read: No such"):
        push_zoo(folder, "zoo")
    with pytest.raises(ZooNotFoundError, match="no complete part to push"):
        push_zoo(make_zoo(tmp_path / "empty", parts=0), "zoo")
    with pytest.raises(ZooNotFoundError, match=r"it has no zoo\.json"):
        push_zoo(tmp_path / "nowhere", "zoo")
    with pytest.raises(HubError, match="give the folder of a zoo on this machine"):
        push_zoo("hf://datasets/ann/zoo", "zoo")


def test_who_may_not_push(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(HubError, match=r"can't push to hf://datasets/ann/zoo: .* log in with"):
        push_zoo(folder, "ann/zoo")
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    with pytest.raises(HubError, match=r"says that you may not .*use a token that may write"):
        push_zoo(folder, "ann/zoo")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(HubError, match="you may not create repositories for bob"):
        push_zoo(folder, "bob/zoo")
    hub.fail = {"/commit/main": 500}
    with pytest.raises(HubError, match="the Hub answered with status 500"):
        push_zoo(folder, "ann/zoo")
    hub.fail = {"PUT": 403}
    hub.uploads.clear()
    with pytest.raises(HubError, match="the Hub says that you may not"):
        push_zoo(folder, "ann/second")


@pytest.mark.usefixtures("login")
def test_somebody_else_pushes_meanwhile(hub: Hub, folder: Path):
    def interfere(done: int, total: int | None) -> None:
        hub.repositories["ann/zoo"].add_commit({f"{done}.txt": b""})

    with pytest.raises(HubError, match=r"status 412 .*A commit has happened since"):
        push_zoo(folder, "ann/zoo", meter=interfere)


@pytest.mark.usefixtures("login")
def test_private_repositories(hub: Hub, folder: Path):
    push_zoo(folder, "mine", private=True)
    assert hub.repositories["ann/mine"].private
    push_zoo(folder, "zoo")
    with pytest.raises(HubError, match="is there already and public"):
        push_zoo(folder, "zoo", private=True)


@pytest.mark.usefixtures("login")
def test_the_card_on_the_hub(hub: Hub, tmp_path: Path):
    folder = make_zoo(tmp_path / "zoo", recipe(networks_per_class=2))
    push_zoo(folder, "zoo", license="cc-by-4.0")
    repository = hub.repositories["ann/zoo"]
    card = repository.files["README.md"].decode()
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert f'hz.open_zoo("{ADDRESS}")' in card
    # It goes on to tell the size, and keeps its license.
    make_zoo(folder, recipe(networks_per_class=3))
    push_zoo(folder, "zoo")
    card = repository.files["README.md"].decode()
    assert "A zoo of 15 trained neural networks" in card
    assert "license: cc-by-4.0" in card
    repository.add_commit({"README.md": b"---\nlicense: mit\n---\nmine\n"})
    pushed = push_zoo(folder, "zoo", license="cc0-1.0")
    assert "has been edited, and was left alone; give the license there" in pushed.notes[0]
    assert repository.files["README.md"].endswith(b"mine\n")
    (folder / "README.md").write_text("---\npretty_name: own\n---\n")
    push_zoo(folder, "second")
    assert b"own" in hub.repositories["ann/second"].files["README.md"]
    with pytest.raises(HubError, match=r"README\.md has been edited: give the license there"):
        push_zoo(folder, "third", license="mit")
    with pytest.raises(HubError, match="expected a license as the Hub calls it"):
        push_zoo(folder, "third", license="mit\nx: y")


def test_without_huggingface_hub(folder: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    from hyperzoo.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for act in (lambda: open_zoo(ADDRESS), lambda: push_zoo(folder, "zoo")):
        with pytest.raises(MissingExtraError, match=r'pip install "hyperzoo\[hub\]"'):
            act()


def test_a_zoo_on_the_hub_is_not_trained_on():
    from hyperzoo.train import train_zoo

    chosen: Any = recipe(images={"source": "digits", "channels": 1})
    with pytest.raises(ZooMismatchError, match="a zoo on the Hub is only read"):
        train_zoo(chosen, ADDRESS)
