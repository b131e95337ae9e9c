"""Data sets in the files that their authors publish, told by their files' names."""

from hyperzoo.images.published.load import load_published
from hyperzoo.images.published.tell import SOURCES, tell_archive, tell_file, tell_folder

__all__ = ["SOURCES", "load_published", "tell_archive", "tell_file", "tell_folder"]
