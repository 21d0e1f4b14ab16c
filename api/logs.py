"""Structured logs: one JSON object per line, each with the id of the request it belongs to."""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

#: The request being served; worker threads get a copy of the context with it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_PLAIN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """Render records as JSON: ``event`` is the message, ``extra`` becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without a line break inside."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line.update(extras(record))
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """Render records for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, message and fields; a traceback follows on its own lines."""
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = "".join(f" {name}={value}" for name, value in extras(record).items())
        line = f"{clock} {record.levelname.lower():7} {record.getMessage()}{fields}"
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info))
        return line


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the caller passed as ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in _PLAIN}


def configure(log_format: str, level: str, *, stream: TextIO | None = None) -> None:
    """Send every log line of this process to ``stream`` (standard error when unset)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
    if level == "debug":
        # Their debug lines are about bytes, not about requests.
        for name in ("asyncio", "python_multipart", "multipart"):
            logging.getLogger(name).setLevel(logging.INFO)
