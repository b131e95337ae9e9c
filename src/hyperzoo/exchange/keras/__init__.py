"""Keras's files: whole models, weights and archives."""
