"""Other people's zoos: training runs with their checkpoints, settings and figures."""
