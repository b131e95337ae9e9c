"""The sections of a report, one study a module."""
