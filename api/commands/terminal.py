"""A progress bar that stays quiet outside a terminal, and Ctrl-C that cleans up."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

import typer


class Bar:
    """A progress bar fed with fractions, 0 to 1; shows nothing when stderr is not a terminal."""

    _STEPS = 1000

    def __init__(self, label: str) -> None:
        self._context: Any = typer.progressbar(
            length=self._STEPS, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
        )
        self._bar: Any = None
        self._done = 0

    def __enter__(self) -> Self:
        self._bar = self._context.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.__exit__(kind, error, trace)

    def __call__(self, fraction: float) -> None:
        """Move the bar to ``fraction`` of its length."""
        step = int(min(1.0, fraction) * self._STEPS) - self._done
        if step > 0:
            self._bar.update(step)
            self._done += step


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, so that work stops at the next frame.

    A second signal interrupts at once.
    """
    cancel = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
