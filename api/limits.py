"""Admission: who may work now, who may wait, and when work is given up.

Heavy work runs in threads of a lower priority than the event loop's, so that health checks are
answered while every core is animating. A request takes a place before its body is read and keeps
it until its answer; a worker is free again only when its thread has really returned.
"""

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.types import Receive

from api.problems import busy
from api.statistics import Latencies
from runtime.errors import CancelledError, DeadlineError

T = TypeVar("T")

#: Added to the niceness of worker threads, as by nice(1); threads that they start inherit it.
WORKER_NICENESS = 5
LOWEST_PRIORITY = 19
#: Assumed duration of a job in seconds before any was measured.
FIRST_GUESS_S = 5.0


def lower_priority() -> None:
    """Lower the calling thread's priority; on Linux niceness belongs to the thread."""
    thread = threading.get_native_id()
    # Relative to what the process was started with: only the superuser may raise a priority.
    niceness = os.getpriority(os.PRIO_PROCESS, thread) + WORKER_NICENESS
    os.setpriority(os.PRIO_PROCESS, thread, min(niceness, LOWEST_PRIORITY))


class Admission:
    """Bounded concurrency, a bounded queue, deadlines and cancellation.

    Args:
        jobs: How much heavy work runs at once.
        queue_length: How many requests may wait beyond these.
        deadline_s: Seconds from arrival to answer.
        latencies: Past durations; they tell how long a refused client should wait.
    """

    def __init__(
        self, *, jobs: int, queue_length: int, deadline_s: float, latencies: Latencies
    ) -> None:
        self._jobs = jobs
        self._places = jobs + queue_length
        self._deadline_s = deadline_s
        self._latencies = latencies
        self._slots = asyncio.Semaphore(jobs)
        self._pool = ThreadPoolExecutor(jobs, "mouthpiece-worker", lower_priority)
        self.present = 0
        self.running = 0
        self.draining = False

    @property
    def waiting(self) -> int:
        """Requests that have a place and are not running."""
        return max(0, self.present - self.running)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[float]:
        """Take a place, or refuse at once.

        Yields:
            The deadline, in seconds of ``time.monotonic``.

        Raises:
            Problem: 429 when the queue is full, 503 while draining; both with Retry-After.
        """
        if self.draining:
            raise busy("the service is shutting down", retry_after_s=5, status=503)
        if self.present >= self._places:
            wait = self._latencies.average(FIRST_GUESS_S) * self.present / self._jobs
            raise busy(
                f"{self.present} requests are running or waiting, {self._places} are allowed",
                retry_after_s=min(wait, 120.0),
            )
        self.present += 1
        try:
            yield time.monotonic() + self._deadline_s
        finally:
            self.present -= 1

    async def run(
        self, work: Callable[[threading.Event], T], *, deadline: float, receive: Receive
    ) -> T:
        """Run ``work`` in a worker thread when one is free.

        Args:
            work: Blocking work; it gets an event that is set when it should stop.
            deadline: When to give up, in seconds of ``time.monotonic``.
            receive: The request's channel, its body already read: it tells when the client leaves.

        Raises:
            DeadlineError: The deadline passed, before or during the work.
            CancelledError: The client left.
        """
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await self._turn(gone, deadline)
            return await self._watched(work, gone, deadline)
        finally:
            gone.cancel()

    async def _turn(self, gone: asyncio.Future[None], deadline: float) -> None:
        turn = asyncio.ensure_future(self._slots.acquire())
        try:
            await first_of(turn, gone, deadline)
        except BaseException:
            if not turn.cancel() and not turn.cancelled():
                self._slots.release()
            raise

    async def _watched(
        self, work: Callable[[threading.Event], T], gone: asyncio.Future[None], deadline: float
    ) -> T:
        cancel = threading.Event()
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        thread = self._pool.submit(context.run, work, cancel)
        self.running += 1
        thread.add_done_callback(lambda _: loop.call_soon_threadsafe(self._finished))
        try:
            return await first_of(asyncio.wrap_future(thread), gone, deadline)
        except BaseException:
            cancel.set()
            raise

    def _finished(self) -> None:
        self.running -= 1
        self._slots.release()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Run ``work`` in a worker thread without a place, as the service itself does at start."""
        return self._pool.submit(work)

    def close(self) -> None:
        """Stop the worker threads; running work is waited for."""
        self._pool.shutdown(wait=True, cancel_futures=True)


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone; its body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(wanted: asyncio.Future[T], gone: asyncio.Future[None], deadline: float) -> T:
    """Wait for ``wanted``, the client's leaving, or the deadline, whichever is first."""
    left = deadline - time.monotonic()
    both: set[asyncio.Future[T] | asyncio.Future[None]] = {wanted, gone}
    await asyncio.wait(both, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
    if wanted.done():
        return wanted.result()
    wanted.add_done_callback(_look_at)
    if gone.done():
        raise CancelledError("the client left before its answer")
    raise DeadlineError("the deadline of this service passed before the answer was ready")


def _look_at(abandoned: asyncio.Future[T]) -> None:
    # An exception that nobody asks for would be reported as lost.
    if not abandoned.cancelled():
        abandoned.exception()
