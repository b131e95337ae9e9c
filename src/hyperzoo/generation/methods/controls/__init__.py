"""Controls: no serious ways to generate, but what serious ones must be told from."""
