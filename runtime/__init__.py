"""The engine: a face and speech in, frames of that face saying that speech out."""

import sys

# OpenVINO and NNCF start a process that reports to their maker on import and on every conversion,
# unless this package is missing; both are written to go on without it.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None = not importable
