"""What one running service holds; made by ``api.app`` and reached through ``request.app.state``."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request

from api.engine import Engine
from api.fetch import Fetcher
from api.limits import Admission, lower_priority
from api.metrics import Metrics
from api.problems import busy
from api.results import Output, ResultCache
from api.settings import Settings
from api.statistics import Latencies
from api.submission import BodyReader, Submission
from api.uploads import Budget, Inbox

T = TypeVar("T")

#: Threads for short blocking steps: writing uploads, hashing, looking things up.
SHORT_STEPS = 4
#: A body carries at most a few files, each blown up by base64.
_BODY_FACTOR = 4


@dataclass(slots=True)
class Readiness:
    """Why the service does not take requests yet.

    Attributes:
        waiting_for: Steps that are not done.
        failure: Set when it will never be ready.
    """

    waiting_for: list[str] = field(default_factory=lambda: ["the engine"])
    failure: str | None = None


class Service:
    """The parts that routes share.

    Args:
        settings: What it was started with.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine: Engine | None = None
        self.readiness = Readiness()
        self.metrics = Metrics()
        self.latencies = Latencies()
        self.budget = Budget(settings.max_inflight_bytes)
        self.output = Output(settings.output_dir)
        self.results = ResultCache(settings.results_dir, budget_bytes=settings.result_cache_bytes)
        self.admission = Admission(
            jobs=settings.concurrent_jobs,
            queue_length=settings.queue_length,
            deadline_s=settings.deadline_s,
            latencies=self.latencies,
        )
        self._short = ThreadPoolExecutor(SHORT_STEPS, "mouthpiece-step", lower_priority)
        self.reader = BodyReader(
            max_bytes=settings.max_upload_bytes * _BODY_FACTOR,
            timeout_s=settings.upload_timeout_s,
            fetcher=Fetcher(settings.url_hosts) if settings.allow_urls else None,
            offload=self.step,
        )
        #: OPEA's AUDIO: taken once in place of a request's own sound.
        self.first_audio = settings.audio
        #: Called when the service can never become ready; the server sets it to stop itself.
        self.give_up: Callable[[], None] = lambda: None
        self._gauges()

    def _gauges(self) -> None:
        gauge = self.metrics.gauge
        gauge("mouthpiece_queue_depth", "Requests waiting.", lambda: self.admission.waiting)
        gauge("mouthpiece_jobs_running", "Jobs running.", lambda: self.admission.running)
        gauge("mouthpiece_upload_bytes", "Uploads on disk.", lambda: self.budget.used)
        gauge("mouthpiece_ready", "1 when ready.", lambda: not self.readiness.waiting_for)

    async def step(self, work: Callable[[], T]) -> T:
        """Run a short blocking step in a thread."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._short, context.run, work)

    def ready_engine(self) -> Engine:
        """Return the engine.

        Raises:
            Problem: 503 while it starts.
        """
        if self.engine is None or self.readiness.waiting_for:
            waiting = self.readiness.failure or f"waiting for {self.readiness.waiting_for[0]}"
            raise busy(f"not ready: {waiting}", retry_after_s=2, status=503)
        return self.engine

    def close(self) -> None:
        """Stop the threads and let go of the engine."""
        self.admission.close()
        self._short.shutdown(wait=True)
        if self.engine is not None:
            self.engine.close()


class Visit:
    """One request that may read a body and do heavy work.

    Attributes:
        service: The service.
        request: The request.
        engine: The engine.
        inbox: Its files.
    """

    def __init__(self, service: Service, request: Request, inbox: Inbox, deadline: float) -> None:
        self.service = service
        self.request = request
        self.engine = service.ready_engine()
        self.inbox = inbox
        self._deadline = deadline

    async def read(self, *blobs: str, any_type: bool = False) -> Submission:
        """Read the body; ``blobs`` are the JSON keys that are files in base64."""
        return await self.service.reader.read(
            self.request, self.inbox, blobs=frozenset(blobs), any_type=any_type
        )

    async def run(self, work: Callable[[threading.Event], T]) -> T:
        """Run heavy work in turn; the inbox stays until the work has really ended."""

        def held(cancel: threading.Event) -> T:
            with self.inbox.in_use:
                return work(cancel)

        return await self.service.admission.run(
            held, deadline=self._deadline, receive=self.request.receive
        )


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    service: Service = request.app.state.service
    return service


@asynccontextmanager
async def visit(request: Request) -> AsyncIterator[Visit]:
    """Admit a request for heavy work and clean up behind it.

    Raises:
        Problem: 429 or 503 when there is no capacity.
    """
    service = service_of(request)
    service.ready_engine()
    async with service.admission.place() as deadline:
        inbox = Inbox(
            service.settings.uploads_dir,
            max_file_bytes=service.settings.max_upload_bytes,
            budget=service.budget,
        )
        with inbox.in_use:
            yield Visit(service, request, inbox, deadline)
