"""The published dataset's table of metrics and its pictures."""
