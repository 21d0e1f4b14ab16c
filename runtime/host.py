"""What this machine can do, and how the networks should run on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Precision = Literal["int8", "bf16", "f32"]


@dataclass(frozen=True, slots=True)
class HostPlan:
    """How networks run here.

    Attributes:
        precision: ``int8`` takes the quantized network, ``bf16`` and ``f32`` the other one.
        streams: Requests that run at the same time.
        threads: Threads of all streams together.
        batch: Frames in one request.
        why: The reasons, as sentences for ``doctor``.
    """

    precision: Precision = "f32"
    streams: int = 1
    threads: int = 2
    batch: int = 4
    why: tuple[str, ...] = field(default=())

    def compile_config(self) -> dict[str, str | int | bool]:
        """Give the plan as OpenVINO compile options."""
        return {
            "NUM_STREAMS": self.streams,
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32",
            "ENABLE_CPU_PINNING": False,
        }
