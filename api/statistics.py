"""Latencies as OPEA's microservices report them."""

import threading
from collections import deque
from collections.abc import Sequence

#: The key under which OPEA's animation microservice reports itself.
SERVICE = "opea_service@animation"
#: Enough for a stable p99, bounded for a service that runs for months.
WINDOW = 10_000


class Latencies:
    """The latest request durations; safe to use from any thread."""

    def __init__(self, window: int = WINDOW) -> None:
        self._seconds: deque[float] = deque(maxlen=window)
        self._lock = threading.Lock()

    def record(self, seconds: float) -> None:
        """Add one request's wall time in seconds."""
        with self._lock:
            self._seconds.append(seconds)

    def average(self, default: float) -> float:
        """Return the mean in seconds, or ``default`` while nothing was recorded."""
        with self._lock:
            return sum(self._seconds) / len(self._seconds) if self._seconds else default

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Return OPEA's ``/v1/statistics`` body; values are null until there is data."""
        with self._lock:
            ordered = sorted(self._seconds)
        mean = sum(ordered) / len(ordered) if ordered else None
        return {
            SERVICE: {
                "p50_latency": percentile(ordered, 0.50),
                "p99_latency": percentile(ordered, 0.99),
                "average_latency": mean,
                "p50_latency_first_token": None,
                "p99_latency_first_token": None,
                "average_latency_first_token": None,
            }
        }


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the linearly interpolated percentile of ascending values, ``None`` when empty."""
    if not ordered:
        return None
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
