"""Arrays as text in a page."""

import base64
import gzip
import json
import struct

import numpy as np
import pytest

from hyperzoo.report.packing import compress, pack


def unpack(text: str) -> tuple[dict, dict[str, np.ndarray]]:
    """What the page's script does."""
    content = gzip.decompress(base64.b64decode(text))
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    arrays, begin = {}, 4 + length
    for name, kind, size in header["arrays"]:
        arrays[name] = np.frombuffer(content, kind, size, begin)
        begin += arrays[name].nbytes
    assert begin == len(content)
    return header, arrays


@pytest.mark.parametrize("noise", [False, True])
def test_what_is_packed_comes_out(noise: bool):
    arrays = {
        "bytes": np.arange(7, dtype=np.uint8),
        "floats": np.array([[0.5, np.nan], [-np.inf, 3]], ">f4"),
        "words": np.array([1, 65535], np.uint16)[::-1],
        "none": np.zeros(0, np.float32),
    }
    header, found = unpack(pack({"a": "ü</script>"}, arrays, noise=noise))
    assert header["a"] == "ü</script>"
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array.ravel())


def test_the_same_content_gives_the_same_text():
    assert compress(b"abc" * 100) == compress(b"abc" * 100)
    assert gzip.decompress(base64.b64decode(compress(b"abc"))) == b"abc"


def test_numbers_that_json_has_not_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack({"a": float("nan")}, {})
