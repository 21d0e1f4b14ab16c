"""Prometheus metrics of one application; nothing is global, so tests can run many."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

STAGES = ("decode", "detect", "mel", "infer", "blend", "encode")
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_FACTORS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)


class Metrics:
    """Counters and histograms of the service; names of the first four are fixed."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.generations = Counter(
            "avatar_generations", "Videos made, cached ones included.", registry=registry
        )
        self.errors = Counter(
            "avatar_generation_errors", "Videos that could not be made.", registry=registry
        )
        self.problems = Counter(
            "mouthpiece_problems", "Refusals and failures by code.", ("code",), registry=registry
        )
        self.result_cache = Counter(
            "mouthpiece_result_cache", "Look-ups by outcome.", ("outcome",), registry=registry
        )
        for outcome in ("hit", "miss"):
            self.result_cache.labels(outcome)
        self.duration = Histogram(
            "avatar_generation_duration_seconds",
            "Wall seconds from request to result.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.stage = Histogram(
            "mouthpiece_stage_seconds",
            "Busy seconds of one stage in one generation.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        for stage in STAGES:
            self.stage.labels(stage)
        self.real_time_factor = Histogram(
            "mouthpiece_real_time_factor",
            "Wall seconds per second of video.",
            buckets=_FACTORS,
            registry=registry,
        )
        self.video_seconds = Counter(
            "mouthpiece_video_seconds", "Seconds of video made.", registry=registry
        )
        self.requests = Counter(
            "mouthpiece_http_requests",
            "HTTP answers.",
            ("method", "route", "status"),
            registry=registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read when metrics are scraped."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """Return the Prometheus text format."""
        return generate_latest(self.registry)
