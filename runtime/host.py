"""What this machine can do, and by which rules the networks should run on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection
from dataclasses import dataclass, field
from math import floor
from pathlib import Path
from typing import Literal

from runtime.errors import OptionError

Precision = Literal["int8", "bf16", "f32"]

#: Frames in one request. Benchmark ``infer``: 4 is within 1 % of 16 and keeps the padding short.
BATCH = 4

# Instruction sets by the names of /proc/cpuinfo, best first, with what they are good for.
_INT8_SETS = {"amx_int8": "AMX INT8", "avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX VNNI"}
_BF16_SETS = {"amx_bf16": "AMX bf16", "avx512_bf16": "AVX-512 bf16"}
_PLAIN_SETS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}


@dataclass(frozen=True, slots=True)
class HostFeatures:
    """This machine as seen from inside its container.

    Attributes:
        cpu: Model name of the processor.
        flags: Instruction sets that matter here, by the names of ``/proc/cpuinfo``.
        cores: Processors that this process may keep busy, from affinity and quota, at least 1.
        quota: Processors granted by the control group, ``None`` without a limit.
        memory_bytes: Memory that this process may use.
    """

    cpu: str
    flags: frozenset[str]
    cores: int
    quota: float | None
    memory_bytes: int

    @property
    def has_fast_int8(self) -> bool:
        """Whether one instruction does an INT8 dot product, without overflow in between."""
        return not self.flags.isdisjoint(_INT8_SETS)

    @property
    def has_fast_bf16(self) -> bool:
        """Whether bf16 is computed natively."""
        return not self.flags.isdisjoint(_BF16_SETS)

    @property
    def words(self) -> str:
        """One line for people."""
        sets = {**_INT8_SETS, **_BF16_SETS, **_PLAIN_SETS}
        names = [name for flag, name in sets.items() if flag in self.flags]
        limit = "" if self.quota is None else f", quota {self.quota:g} processors"
        return (
            f"{self.cpu} with {', '.join(names) or 'no vector instructions known'}; "
            f"{self.cores} usable{limit}, {self.memory_bytes / 2**30:.1f} GiB"
        )


@dataclass(frozen=True, slots=True)
class HostPlan:
    """How networks run here.

    Attributes:
        precision: ``int8`` takes the quantized network, ``bf16`` and ``f32`` the other one.
        streams: Requests that are computed at the same time.
        threads: Threads of all streams together.
        batch: Frames in one request.
        unrolls_upsampling: Run transposed convolutions as plain ones.
        why: The reasons, as sentences for ``doctor``.
    """

    precision: Precision = "f32"
    streams: int = 1
    threads: int = 2
    batch: int = BATCH
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
            # Pinned threads collide when several containers share processors under quotas.
            "ENABLE_CPU_PINNING": False,
        }


def probe_host(root: Path = Path("/")) -> HostFeatures:
    """Look at the processor, the control group and the memory.

    Args:
        root: Where ``proc`` and ``sys`` are; another folder in tests.
    """
    cpu, flags = _read_cpuinfo(root / "proc/cpuinfo")
    quota = _read_quota(root / "sys/fs/cgroup")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = max(1, min(cores or 1, cores or 1 if quota is None else floor(quota + 0.5)))
    return HostFeatures(cpu, flags, cores, quota, _read_memory(root))


def plan_by_rules(
    host: HostFeatures,
    installed: Collection[Precision],
    *,
    wanted: Precision | Literal["auto"] = "auto",
    is_deterministic: bool = False,
    threads: int | None = None,
    is_live: bool = False,
) -> HostPlan:
    """Choose without measuring.

    Args:
        host: This machine.
        installed: Precisions that the network's files allow.
        wanted: What the user asked for.
        is_deterministic: Pin the arithmetic: the same input gives the same bytes, whatever the
            number of threads.
        threads: At most so many; ``None`` for all usable ones.
        is_live: Prefer the shortest wait for one frame to frames per second.

    Raises:
        OptionError: ``wanted`` is not possible here.
    """
    precision, why = _choose_precision(host, installed, wanted, is_deterministic)
    count = min(threads or host.cores, host.cores)
    unrolls = precision == "int8" and "avx512f" not in host.flags and "avx2" in host.flags
    reasons = [why, f"{count} threads: {host.words}"]
    if unrolls:
        reasons.append("upsampling runs as plain convolutions: without AVX-512 only those are INT8")
    if is_live:
        reasons.append("live: one frame at a time, all threads on it")
    return HostPlan(
        precision=precision,
        streams=1 if is_live else count,
        threads=count,
        batch=1 if is_live else BATCH,
        unrolls_upsampling=unrolls,
        why=tuple(reasons),
    )


def _choose_precision(
    host: HostFeatures,
    installed: Collection[Precision],
    wanted: Precision | Literal["auto"],
    is_deterministic: bool,
) -> tuple[Precision, str]:
    if is_deterministic and wanted in ("auto", "f32"):
        return "f32", "f32: a deterministic run pins the arithmetic"
    if wanted == "bf16" and not host.has_fast_bf16:
        raise OptionError(f"bf16 needs AVX-512 bf16 or AMX; this is {host.words}")
    if wanted == "int8" and "int8" not in installed:
        raise OptionError("int8 needs the quantized network; convert the checkpoint to int8 first")
    if wanted != "auto":
        return wanted, f"{wanted}: asked for"
    if "int8" in installed and (host.has_fast_int8 or "avx2" in host.flags):
        how = "dot products are native" if host.has_fast_int8 else "AVX2 is 1.7 times as fast in it"
        return "int8", f"int8: {how}"
    missing = "" if "int8" in installed else "; no quantized network is installed"
    if host.has_fast_bf16:
        return "bf16", f"bf16: native here{missing}"
    return "f32", f"f32: neither fast INT8 nor bf16 here{missing}"


def _read_cpuinfo(path: Path) -> tuple[str, frozenset[str]]:
    known = {*_INT8_SETS, *_BF16_SETS, *_PLAIN_SETS}
    facts: dict[str, str] = {}
    try:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip().lower(), value.strip())
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    flags = frozenset(facts.get("flags", facts.get("features", "")).split())
    return facts.get("model name", platform.machine()), flags & known


def _read_quota(cgroup: Path) -> float | None:
    """Read the processor quota of control groups version 2, then 1."""
    try:
        limit, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        limit = _read_word(cgroup / "cpu/cpu.cfs_quota_us", "-1")
        period = _read_word(cgroup / "cpu/cpu.cfs_period_us", "100000")
    return int(limit) / int(period) if limit.isdecimal() else None


def _read_memory(root: Path) -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _read_word(root / "sys/fs/cgroup" / name, "max")
        if limit.isdecimal():
            return min(total, int(limit))
    return total


def _read_word(path: Path, default: str) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return default
