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

    A stage's seconds are those its thread spent inside it, waiting for the processor included,
    so stages that overlap may add up to more than the wall time.
    """

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block as part of ``stage``."""
        start = perf_counter()
        try:
            yield
        finally:
            self.add(stage, perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Add ``seconds`` measured elsewhere to ``stage``."""
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def timed(self, stage: str, items: Iterator[T]) -> Iterator[T]:
        """Yield from ``items``, counting the time each step takes as ``stage``."""
        while True:
            start = perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self.add(stage, perf_counter() - start)
            yield item

    def seconds(self) -> dict[str, float]:
        """Return a copy of the sums so far."""
        with self._lock:
            return dict(self._seconds)
