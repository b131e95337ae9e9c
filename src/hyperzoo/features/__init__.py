"""Features of a network: what can be computed of its weights alone, and of its answers."""
