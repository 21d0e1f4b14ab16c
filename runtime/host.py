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
        unrolls_upsampling: Run transposed convolutions as plain ones.
        why: The reasons, as sentences for ``doctor``.
    """

    precision: Precision = "f32"
    streams: int = 1
    threads: int = 2
    batch: int = 4
    unrolls_upsampling: bool = False
    why: tuple[str, ...] = field(default=())

    @property
    def requests(self) -> int:
        """Requests under way at once: one waits in line, unless frames are live."""
        return self.streams if self.batch == 1 else self.streams + 1

    def compile_config(self) -> dict[str, str | int | bool]:
        """Give the plan as OpenVINO compile options."""
        return {
            "NUM_STREAMS": self.streams,
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32",
            "ENABLE_CPU_PINNING": False,
        }
