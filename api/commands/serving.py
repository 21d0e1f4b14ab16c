"""``mouthpiece serve``: the HTTP service."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on [default: 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="Port to listen on [default: 8080].")
    ] = None,
) -> None:
    """Serve animations over HTTP until SIGTERM, then finish what was accepted."""
    with _quick_imports():
        from api import app, service  # noqa: F401 - the engine is opened in a thread, later
        from api.settings import Settings

    settings = Settings()
    given = {"host": host or settings.host, "port": settings.port if port is None else port}
    app.serve(settings.model_copy(update=given))


@contextmanager
def _quick_imports() -> Iterator[None]:
    """Import in a sixth less time."""
    from pydantic import BaseModel

    # Each model is compiled when it is first used; most of FastAPI's describe OpenAPI alone.
    BaseModel.model_config["defer_build"] = True
    # One thread is all that frames use (``runtime.threads``), and more are slow to start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Nothing of what is imported becomes garbage, now or later.
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
