import numpy as np
import pyarrow as pa
import pytest

from hyperzoo.zoo.tables import numbers_of


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int64()])
def test_numbers_of_a_column(kind: pa.DataType):
    column = pa.chunked_array([[1, 2], [], [None, -4]], kind).slice(1)
    numbers = numbers_of(column)
    assert numbers.dtype == np.float64
    np.testing.assert_array_equal(numbers, [2, np.nan, -4])


def test_numbers_of_no_rows():
    assert numbers_of(pa.chunked_array([], pa.float32())).shape == (0,)
    # A float32 stays the number that it is, with or without nulls beside it.
    alone, beside = (pa.chunked_array([values], pa.float32()) for values in ([0.1], [0.1, None]))
    assert numbers_of(alone)[0] == numbers_of(beside)[0] == np.float32(0.1)


def test_numbers_are_not_made_of_words():
    with pytest.raises(ValueError, match="could not convert string to float"):
        numbers_of(pa.chunked_array([["a", None]]))
