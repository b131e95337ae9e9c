"""The parsers of the Small CNN Zoo's tables take what was written, and nothing makes them fall."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.smallcnn_zoo.layout import Variable, parse_layout
from hyperzoo.exchange.smallcnn_zoo.metrics import FIGURES, read_metrics

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
NO_FUNCTION_SCOPE = [HealthCheck.function_scoped_fixture]


@given(st.lists(SHAPES, min_size=1, max_size=12), st.randoms())
def test_layouts_come_back(shapes: list[tuple[int, ...]], random):
    expected, begin = [], 0
    for number, shape in enumerate(shapes):
        size = int(np.prod(shape))
        expected.append(Variable(f"v{number}", begin, begin + size, shape))
        begin += size
    rows = [f'{v.name},{v.begin},{v.end},{v.end - v.begin},"{v.shape}"' for v in expected]
    random.shuffle(rows)
    text = "\n".join(["varname,start_idx,end_idx,size,shape", *rows])
    assert parse_layout(text) == expected


@given(st.text(max_size=300))
def test_no_text_makes_a_layout_fall(text: str):
    for content in (text, "varname,start_idx,end_idx,size,shape\n" + text):
        try:
            found = parse_layout(content)
        except (ValueError, csv.Error):
            continue
        assert found[0].begin == 0


@given(
    st.lists(
        st.tuples(WORDS, st.lists(st.integers(0, 999), unique=True, min_size=1, max_size=4)),
        min_size=1,
        max_size=5,
        unique_by=lambda run: run[0].strip(),
    ),
    st.floats(0, 1),
)
@settings(suppress_health_check=NO_FUNCTION_SCOPE, deadline=None)
def test_tables_come_back(tmp_path: Path, runs: list[tuple[str, list[int]]], figure: float):
    rows = [(key, epoch) for key, epochs in runs for epoch in epochs]
    path = tmp_path / "metrics.csv.gz"
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["modeldir", "step", "config.activation", *FIGURES])
        writer.writerows([key, epoch, "relu", figure, "", "nan", 1] for key, epoch in rows)
    table = read_metrics(path, len(rows))
    assert table.keys == [key for key, _ in runs]
    assert [
        (table.keys[run], epoch) for run, epoch in zip(table.runs, table.epochs, strict=True)
    ] == rows
    np.testing.assert_array_equal(table.figures[0], [figure, np.nan, np.nan, 1])
    for count in (len(rows) - 1, len(rows) + 1):
        with pytest.raises(ForeignFileError, match=r"metrics.csv.gz: it has .* rows"):
            read_metrics(path, count)


@given(st.binary(max_size=300))
@settings(suppress_health_check=NO_FUNCTION_SCOPE, deadline=None)
def test_no_bytes_make_a_table_fall(tmp_path: Path, content: bytes):
    path = tmp_path / "metrics.csv"
    for start in (b"", b"modeldir,step,config.activation\n"):
        path.write_bytes(start + content)
        with pytest.raises(ForeignFileError, match=r"metrics\.csv"):
            read_metrics(path, 10_000)
