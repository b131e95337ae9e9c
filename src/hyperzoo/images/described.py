"""What a file that can't be read seems to be instead."""

AGAIN = "make or download it again"
"""What to do with a file that is damaged, or is not what it is called."""

IDX_NAMES = (
    "name it and the others train-images-idx3-ubyte, train-labels-idx1-ubyte, "
    "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
)

_KNOWN = {
    b"version https://git-lfs": "a Git LFS pointer; run `git lfs pull`",
    b"version https://hawser": "a Git LFS pointer; run `git lfs pull`",
    b"BZh": "a .bz2 file; unpack it, and give the folder",
    b"\xfd7zXZ": "an .xz file; unpack it, and give the folder",
    b"7z\xbc\xaf": "a .7z file; unpack it, and give the folder",
    b"Rar!": "a .rar file; unpack it, and give the folder",
    b"\x93NUMPY": "a single array; save all with numpy.savez",
    b"\x89HDF": "an HDF5 file; save its arrays with numpy.savez",
    b"\x89PNG": "a picture; give the folder that holds a folder for each class",
    b"\xff\xd8\xff": "a picture; give the folder that holds a folder for each class",
    b"GIF8": "a picture; give the folder that holds a folder for each class",
    b"PK\x03\x04": "a zip file",
    b"\x1f\x8b": "a gzip file",
    b"\0\0\x08": f"an idx file; {IDX_NAMES}",
}


def described(start: bytes, remedy: str = "") -> str:
    """A file in words, and what to do with it.

    Args:
        start: its first bytes, some 512: fewer do not tell a tar archive.
        remedy: what to do with a file of which its kind does not tell that.
    """
    words = _kind(start) or f"a file that begins with {start[:16]!r}"
    return f"{words}; {remedy}" if remedy and ";" not in words else words


def described_inside(start: bytes) -> str:
    """What a gzip file holds that is no archive of images, in words; "" where that can't be told.

    Args:
        start: the first bytes of what it holds, some 512.
    """
    words = _kind(start).partition(";")[0]
    if not words or start[257:262] == b"ustar":
        return ""
    return f"{words}, compressed by gzip; unpack it first (gunzip)"


def _kind(start: bytes) -> str:
    """What a file is; "" where its first bytes do not tell."""
    if not start:
        return "an empty file"
    for first, words in _KNOWN.items():
        if start.startswith(first):
            return words
    if start[257:262] == b"ustar":
        return "a tar archive; unpack it, and give the folder"
    # MATLAB's newer files are HDF5 behind a text of 512 bytes.
    if start.startswith(b"MATLAB 7.3"):
        return "a MATLAB file of version 7.3; save it with -v7"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")):
        return "a web page; download the file itself"
    if text.startswith((b"{", b"[")):
        return "JSON text; if it is a server's message, download the file itself"
    return ""
