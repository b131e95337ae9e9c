"""The published dataset's pickles, read by an interpreter of hyperzoo's own."""
