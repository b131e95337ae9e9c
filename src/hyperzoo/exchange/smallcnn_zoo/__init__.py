"""The Small CNN Zoo (Unterthiner et al., 2020): a matrix of weights and two tables."""
