"""Other people's formats: read into a zoo, written from a zoo."""
