"""The Hugging Face Hub: zoos are published on it as they are."""
