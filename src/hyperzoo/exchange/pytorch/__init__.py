"""PyTorch's files: a state_dict a network."""
