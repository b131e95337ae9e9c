"""Studies of a zoo."""

from hyperzoo.analysis.alignment import Alignment, align
from hyperzoo.analysis.performance import PERFORMANCE_METRICS, performance

__all__ = ["PERFORMANCE_METRICS", "Alignment", "align", "performance"]
