"""One stage of a pipeline in a thread of its own, order kept."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def overlapped(
    make: Callable[[Given], Made], items: Iterable[Given], *, ahead: int, name: str
) -> Iterator[Made]:
    """Yield ``make(item)`` for every item, made while the next items are pulled.

    Args:
        make: Called in one thread, in order.
        items: Pulled in the caller's thread.
        ahead: Items pulled beyond the one that is yielded, at most.
        name: Of the thread.
    """
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(1, f"mouthpiece-{name}") as worker:
        try:
            for item in items:
                waiting.append(worker.submit(make, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for unwanted in waiting:
                unwanted.cancel()
