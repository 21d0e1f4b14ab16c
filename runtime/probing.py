"""Measure for two seconds how a generator runs best here, once, and remember it on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from runtime.generator import Generator
from runtime.host import HostFeatures, HostPlan, Precision, plan_by_rules, probe_host
from runtime.models import ModelSource
from runtime.types import CROP_SIZE, FaceBox, MelChunk, ReferenceFrame

logger = logging.getLogger(__name__)

#: Seconds of measuring, compiling not counted.
BUDGET_S = 2.0
#: INT8 may differ from f32 by so many levels on average; garbage from overflow differs by tens.
#: Not a test of quality, which is the certificate's: the probe picture is no face.
MOST_DIFFERENCE = 12.0
# A rival must win by more than the noise of a busy machine.
_MARGIN = 1.03
_FIRST_ROW = CROP_SIZE // 2


@dataclass(frozen=True, slots=True)
class Trial:
    """One way of running a generator, measured.

    Attributes:
        precision: As in ``HostPlan``.
        unrolls_upsampling: As in ``HostPlan``.
        frames_per_s: Median over the rounds.
        difference: Mean absolute difference of its mouths to the first f32 trial's, in levels.
    """

    precision: Precision
    unrolls_upsampling: bool
    frames_per_s: float
    difference: float

    @property
    def words(self) -> str:
        """One clause for people."""
        how = " with unrolled upsampling" if self.unrolls_upsampling else ""
        return (
            f"{self.precision}{how} {self.frames_per_s:.0f} frames/s, "
            f"{self.difference:.1f} levels from f32"
        )


def choose_plan(
    files: Mapping[Precision, ModelSource],
    *,
    wanted: Precision | Literal["auto"] = "auto",
    is_deterministic: bool = False,
    threads: int | None = None,
    is_live: bool = False,
    folder: Path | None = None,
    probes: bool = False,
) -> HostPlan:
    """Choose how a generator runs here: by rules, corrected by what was measured here before.

    Args:
        files: The network's files by precision; bf16 is computed from those of f32.
        wanted: What the user asked for.
        is_deterministic: See ``plan_by_rules``; nothing measured has a say then.
        threads: At most so many; ``None`` for all usable ones.
        is_live: Prefer the shortest wait for one frame to frames per second.
        folder: Where measurements are kept, made when missing; ``None`` keeps to the rules.
        probes: Measure now, for some seconds, when there is no record yet.

    Raises:
        OptionError: ``wanted`` is not possible here.
    """
    host = probe_host()
    plan = plan_by_rules(
        host,
        files,
        wanted=wanted,
        is_deterministic=is_deterministic,
        threads=threads,
        is_live=is_live,
    )
    if folder is None or is_deterministic:
        return plan
    path = folder / f"{_key(files, host, plan.threads)}.json"
    trials = _read(path)
    if probes and not trials:
        trials = measure(_rivals(plan, files, host), files)
        _write(path, trials, host)
    return _best(plan, trials, may_change_precision=wanted == "auto")


def measure(plans: list[HostPlan], files: Mapping[Precision, ModelSource]) -> list[Trial]:
    """Run plans in turns and give their speeds; the first f32 plan is the reference."""
    generators = [Generator(files[plan.precision], plan, first_row=_FIRST_ROW) for plan in plans]
    pairs = _pairs(4 * plans[0].batch * plans[0].streams)
    mouths = [np.stack(list(generator.generate(pairs))) for generator in generators]
    reference = mouths[[plan.precision for plan in plans].index("f32")]
    rates: list[list[float]] = [[] for _ in plans]
    end = perf_counter() + BUDGET_S
    while perf_counter() < end or not rates[-1]:
        for generator, rate in zip(generators, rates, strict=True):
            rate.append(_frames_per_s(generator, pairs))
    return [
        Trial(plan.precision, plan.unrolls_upsampling, median(rate), _difference(mouth, reference))
        for plan, rate, mouth in zip(plans, rates, mouths, strict=True)
    ]


def _rivals(
    plan: HostPlan, files: Mapping[Precision, ModelSource], host: HostFeatures
) -> list[HostPlan]:
    precisions: list[Precision] = ["f32"]
    if host.has_fast_bf16:
        precisions.append("bf16")
    rivals = [replace(plan, precision=p, unrolls_upsampling=False) for p in precisions]
    if "int8" in files:
        quantized = replace(plan, precision="int8", unrolls_upsampling=False)
        rivals += [quantized, replace(quantized, unrolls_upsampling=True)]
    return rivals


def _best(plan: HostPlan, trials: list[Trial], *, may_change_precision: bool) -> HostPlan:
    allowed = [
        trial
        for trial in trials
        if trial.difference <= MOST_DIFFERENCE
        and (may_change_precision or trial.precision == plan.precision)
    ]
    if not allowed:
        return plan
    chosen = max(allowed, key=lambda trial: trial.frames_per_s)
    for trial in allowed:
        is_planned = trial.precision == plan.precision
        is_planned &= trial.unrolls_upsampling == plan.unrolls_upsampling
        if is_planned and trial.frames_per_s * _MARGIN >= chosen.frames_per_s:
            chosen = trial
    figures = "; ".join(trial.words for trial in trials)
    return replace(
        plan,
        precision=chosen.precision,
        unrolls_upsampling=chosen.unrolls_upsampling,
        why=(*plan.why, f"measured here: {figures}; taken: {chosen.words}"),
    )


def _key(files: Mapping[Precision, ModelSource], host: HostFeatures, threads: int) -> str:
    facts = [host.cpu, *sorted(host.flags), str(threads), str(host.quota), ov.get_version()]
    digests = [f"{precision}:{file.sha256}" for precision, file in sorted(files.items())]
    return hashlib.sha256("\n".join([*facts, *digests]).encode()).hexdigest()[:32]


def _read(path: Path) -> list[Trial]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return [Trial(**trial) for trial in record["trials"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.debug("measuring again, %s is unreadable: %s", path, error)
        return []


def _write(path: Path, trials: list[Trial], host: HostFeatures) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"host": host.words, "openvino": ov.get_version(), "trials": [*map(asdict, trials)]}
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    temporary.replace(path)


def _frames_per_s(generator: Generator, pairs: list[tuple[ReferenceFrame, MelChunk]]) -> float:
    start = perf_counter()
    count = sum(1 for _ in generator.generate(pairs))
    return count / (perf_counter() - start)


def _difference(mouths: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    return float(np.abs(mouths.astype(np.int16) - reference)[:, _FIRST_ROW:].mean())


def _pairs(count: int) -> list[tuple[ReferenceFrame, MelChunk]]:
    """Make a soft picture and babble, the same ones every time."""
    y, x = np.mgrid[0:CROP_SIZE, 0:CROP_SIZE] / CROP_SIZE
    waves = [128 + 50 * np.sin(3 * x + i) + 40 * np.cos(4 * y * (i + 1)) for i in range(3)]
    crop = np.stack(waves, -1).clip(0, 255).astype(np.uint8)
    reference = ReferenceFrame(
        index=0,
        planes=np.zeros((CROP_SIZE * 3 // 2, CROP_SIZE), np.uint8),
        box=FaceBox(0, 0, CROP_SIZE, CROP_SIZE),
        angle=0.0,
        crop=crop,
        landmarks=np.zeros((468, 2), np.float32),
    )
    rng = np.random.default_rng(0)
    return [(reference, chunk) for chunk in rng.uniform(-4, 2, (count, 80, 16)).astype(np.float32)]
