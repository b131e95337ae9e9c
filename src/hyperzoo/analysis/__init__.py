"""Studies of a zoo."""

from hyperzoo.analysis.performance import PERFORMANCE_METRICS, performance

__all__ = ["PERFORMANCE_METRICS", "performance"]
