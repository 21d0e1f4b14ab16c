"""Busy seconds per stage, cheap enough to leave on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")

STAGES = ("decode", "detect", "mel", "infer", "blend", "encode")


class StageTimer:
    """Sum of wall seconds spent in each named stage, from any number of threads.

    A stage that pulls from another one is not charged for it: entering a stage pauses the one
    around it in the same thread. Stages of different threads overlap, so the sums may exceed the
    wall time.
    """

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()
        self._threads = threading.local()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block as part of ``stage``."""
        self._enter(stage)
        try:
            yield
        finally:
            self._leave()

    def timed(self, stage: str, items: Iterator[T]) -> Iterator[T]:
        """Yield from ``items``, counting the time each step takes as ``stage``."""
        while True:
            with self(stage):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def add(self, stage: str, seconds: float) -> None:
        """Add ``seconds`` measured elsewhere to ``stage``."""
        with self._lock:
            self._seconds[stage] += seconds

    def seconds(self) -> dict[str, float]:
        """Return a copy of the sums so far."""
        with self._lock:
            return dict(self._seconds)

    def _enter(self, stage: str) -> None:
        now = perf_counter()
        if not hasattr(self._threads, "stack"):
            self._threads.stack = []
        if self._threads.stack:
            self.add(self._threads.stack[-1], now - self._threads.since)
        self._threads.stack.append(stage)
        self._threads.since = now

    def _leave(self) -> None:
        now = perf_counter()
        self.add(self._threads.stack.pop(), now - self._threads.since)
        self._threads.since = now
