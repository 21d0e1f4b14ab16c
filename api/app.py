"""The HTTP application and the server that runs it."""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse

from api import logs, problems
from api.auth import KeyGuard
from api.context import Service
from api.generation import product_version
from api.middleware import Surround
from api.routes import animation, avatars, knowledge, operation, say
from api.settings import Settings
from api.startup import OpenEngine, open_mouthpiece, start, with_checkpoint
from runtime.errors import ModelError, MouthpieceError

logger = logging.getLogger(__name__)

CONSOLE = Path(__file__).parent / "web" / "index.html"
#: The page is one file of ours and loads nothing from elsewhere.
CONSOLE_POLICY = (
    "default-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; media-src 'self' blob:;"
    " frame-ancestors 'none'"
)
#: h11 answers 400 by itself above this; ``check_headers`` is stricter and answers in our words.
HEADER_BUFFER_BYTES = 64 << 10
BACKLOG = 512
#: How long a worker may keep the interpreter while the event loop waits, in seconds. Against the
#: default of 5 ms it takes a third off the 99th percentile of /livez while every core animates.
SWITCH_S = 0.0005


def create_app(
    settings: Settings | None = None, *, open_engine: OpenEngine = open_mouthpiece
) -> FastAPI:
    """Build the application; its engine opens in the background when it starts.

    Args:
        settings: Read from the environment when unset.
        open_engine: Opens the engine; tests bring their own.
    """
    settings = with_checkpoint(settings or Settings())
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        opening = asyncio.wrap_future(service.admission.submit(lambda: start(service, open_engine)))
        opening.add_done_callback(lambda done: _opened(service, done))
        yield
        service.admission.draining = True
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="mouthpiece",
        summary="A face and speech in, a video of that face saying that speech out.",
        version=product_version(),
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.service = service
    problems.install(app, uploads_dir=settings.uploads_dir)
    _surround(app, service)
    for part in (animation, say, avatars, knowledge, operation):
        app.include_router(part.router)
    app.get("/", include_in_schema=False)(console)
    return app


async def console() -> FileResponse:
    """Return the web console."""
    return FileResponse(CONSOLE, headers={"Content-Security-Policy": CONSOLE_POLICY})


def _surround(app: FastAPI, service: Service) -> None:
    # The last one added is the first to see a request.
    keys = [key.get_secret_value() for key in service.settings.api_keys]
    app.add_middleware(KeyGuard, keys=keys)
    if service.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["ETag", "Retry-After", "X-Request-ID", "X-Cache"],
        )
    app.add_middleware(Surround, metrics=service.metrics)


def _opened(service: Service, opening: "asyncio.Future[None]") -> None:
    if opening.cancelled() or (error := opening.exception()) is None:
        return
    service.readiness.failure = str(error)
    logger.error("start_failed", extra={"why": str(error)}, exc_info=_unexpected(error))
    service.give_up()


def _unexpected(error: BaseException) -> BaseException | None:
    return None if isinstance(error, MouthpieceError) else error


class Server(uvicorn.Server):
    """Uvicorn that refuses new work from the moment it is asked to stop."""

    service: Service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain: running requests finish, new ones are refused."""
        self.service.admission.draining = True
        super().handle_exit(sig, frame)


def serve(settings: Settings | None = None) -> None:
    """Serve until SIGTERM or SIGINT, on every port of the settings.

    Raises:
        ModelError: The networks or the default avatar cannot be used.
        OSError: A port is taken.
    """
    settings = settings or Settings()
    logs.configure(settings.log_format, "debug" if settings.logflag else settings.log_level)
    app = create_app(settings)
    server = Server(server_config(app, settings))
    server.service = service = app.state.service

    def give_up() -> None:
        server.should_exit = True

    service.give_up = give_up
    sockets = [bind(settings.host, port) for port in settings.ports]
    logger.info("listening", extra={"addresses": [_address(one) for one in sockets]})
    sys.setswitchinterval(SWITCH_S)
    server.run(sockets=sockets)
    if service.readiness.failure is not None:
        raise ModelError(service.readiness.failure)


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn runs the application."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="auto",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=HEADER_BUFFER_BYTES,
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
        backlog=BACKLOG,
    )


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; IPv6 when ``host`` is such an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{host}:{port}"
