"""Checkpoints to OpenVINO networks, full precision and INT8; torch and NNCF stay in here."""

import runtime as _runtime  # noqa: F401  # first: it keeps OpenVINO's telemetry from starting
