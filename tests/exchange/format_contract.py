"""What every exchange format must do; a test class a format inherits these tests.

class TestPytorch(FormatContract):
    format = Pytorch()
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from hyperzoo.errors import ExportError
from hyperzoo.exchange import FORMATS, ForeignNetwork, Format
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.zoo import Zoo, open_zoo, verify_zoo
from tests.zoo.makers import make_zoo, recipe


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden or not: path -> content."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


class FormatContract:
    format: ClassVar[Format]
    keeps_ids: ClassVar[bool] = True
    """Whether a network that is read back has the id that it was written with."""

    @pytest.fixture(params=["lenet5", "smallcnn"])
    def zoo(self, request: pytest.FixtureRequest, tmp_path: Path) -> Zoo:
        """Ten one-vs-all networks of five classes."""
        chosen = recipe(
            networks_per_class=2,
            architecture={"name": request.param},
            images={
                "source": "npz",
                "path": "nowhere.npz",
                "channels": 3 if request.param == "lenet5" else 1,
            },
        )
        return open_zoo(make_zoo(tmp_path / "zoo", chosen))

    @pytest.fixture
    def small(self, tmp_path: Path) -> Zoo:
        """A zoo of two parts, where content does not matter."""
        return open_zoo(make_zoo(tmp_path / "small"))

    def read_all(self, folder: Path) -> list[ForeignNetwork]:
        """Every network in a folder's files."""
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        known = [file for file in files if self.format.recognises(file)]
        return [network for file in known for network in self.format.read(file)]

    def test_it_is_registered(self):
        assert type(FORMATS[self.format.name]) is type(self.format)
        assert self.format.description
        assert self.format.description == self.format.description.strip().rstrip(".")

    def test_what_is_written_is_read_back_bit_for_bit(self, zoo: Zoo, tmp_path: Path):
        if not (self.format.writes and self.format.reads):
            pytest.skip("the format does not both write and read networks")
        export_zoo(zoo, self.format.name, tmp_path / "out")
        found = {network.id: network for network in self.read_all(tmp_path / "out")}
        if self.keeps_ids:
            assert sorted(found) == sorted(zoo.ids)
        assert len(found) == len(zoo)
        for network_id, network in found.items():
            assert network.architecture == zoo.architecture
            stored = zoo.state_dict(network_id)
            assert network.weights.keys() == stored.keys()
            for name, tensor in stored.items():
                assert network.weights[name].dtype == np.float32
                assert network.weights[name].tobytes() == tensor.numpy().tobytes()

    def test_a_round_trip_through_import(self, zoo: Zoo, tmp_path: Path):
        if not (self.format.writes and self.format.reads and self.keeps_ids):
            pytest.skip("the format does not both write and read networks")
        export_zoo(zoo, self.format.name, tmp_path / "out")
        imported = import_zoo(tmp_path / "out", tmp_path / "imported").zoo
        # Classes of a zoo that is imported without images are in the order of their names.
        assert sorted(imported.ids) == sorted(zoo.ids)
        rows = [imported.ids.index(network_id) for network_id in zoo.ids]
        assert imported.matrix()[rows].tobytes() == zoo.matrix().tobytes()
        assert verify_zoo(imported.path).problems == ()
        # And back again, without a recipe.
        export_zoo(imported, self.format.name, tmp_path / "again")
        found = {network.id: network for network in self.read_all(tmp_path / "again")}
        assert sorted(found) == sorted(zoo.ids)

    def test_networks_of_several_outputs(self, tmp_path: Path):
        if not (self.format.writes and self.format.reads):
            pytest.skip("the format does not both write and read networks")
        chosen = recipe(networks_per_class=2, task={"kind": "multi-class"})
        zoo = open_zoo(make_zoo(tmp_path / "zoo", chosen))
        export_zoo(zoo, self.format.name, tmp_path / "out")
        found = {network.id: network for network in self.read_all(tmp_path / "out")}
        assert sorted(found) == ["all_0", "all_1"]
        bias = zoo.state_dict("all_1")["fc1.bias"].numpy()
        assert found["all_1"].weights["fc1.bias"].tobytes() == bias.tobytes()

    def test_the_same_zoo_gives_the_same_bytes(self, small: Zoo, tmp_path: Path):
        if not self.format.writes:
            pytest.skip("the format does not write")
        for out in ("one", "two"):
            export_zoo(small, self.format.name, tmp_path / out)
        assert files_of(tmp_path / "one") == files_of(tmp_path / "two")

    def test_the_meter_counts_networks(self, small: Zoo, tmp_path: Path):
        if not self.format.writes:
            pytest.skip("the format does not write")
        calls: list[tuple[int, int | None]] = []
        written = export_zoo(
            small,
            self.format.name,
            tmp_path / "out",
            meter=lambda done, total: calls.append((done, total)),
        )
        assert written == len(files_of(tmp_path / "out"))
        assert calls[-1] == (len(small), len(small))
        assert calls == sorted(calls)

    def test_an_interruption_leaves_nothing(self, small: Zoo, tmp_path: Path):
        if not self.format.writes:
            pytest.skip("the format does not write")

        def interrupt(done: int, total: int | None) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            export_zoo(small, self.format.name, tmp_path / "out", meter=interrupt)
        assert not (tmp_path / "out").exists()

    def test_other_files_are_safe(self, small: Zoo, tmp_path: Path):
        if not self.format.writes:
            pytest.skip("the format does not write")
        out = tmp_path / "out"
        out.mkdir()
        (out / "thesis.txt").write_text("years of work")
        with pytest.raises(ExportError, match=r"holds other files \(thesis.txt\).*--force"):
            export_zoo(small, self.format.name, out)
        assert files_of(out) == {"thesis.txt": b"years of work"}
        written = export_zoo(small, self.format.name, out, force=True)
        assert (out / "thesis.txt").read_text() == "years of work"
        assert len(files_of(out)) == written + 1

    @pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"])
    def test_recognising_raises_nothing(self, tmp_path: Path, content: bytes):
        for name in ("church_1.h5", "church_1.weights.h5", "a.keras", "a.pkl", "a.csv", "a", ".h5"):
            (tmp_path / name).write_bytes(content)
            assert self.format.recognises(tmp_path / name) in (True, False)
        assert self.format.recognises(tmp_path / "absent.h5") is False
        assert self.format.recognises(tmp_path) in (True, False)
