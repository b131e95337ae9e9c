"""Pickles of strangers, read without running anything that is in them."""
