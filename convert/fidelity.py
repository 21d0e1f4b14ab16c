"""How far a quantized generator is from full precision, where it counts: on the mouth."""

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from convert.calibration import Pairs, silent_chunks
from convert.inference import frames_per_second, run_generator
from convert.ir import size_bytes
from runtime.errors import FidelityError

#: Rows and columns of the 96 x 96 crop that hold the mouth and the chin in the trained framing.
MOUTH_ROWS = slice(48, 92)
MOUTH_COLUMNS = slice(16, 80)
#: Two pictures of uint8 that are equal; the formula would say infinity.
_EQUAL_DB = 99.0
_SSIM_WINDOW = (11, 11)
_SSIM_SIGMA = 1.5
_SILENT_FACES = 4
#: Faces, and sounds each of them says, on which movement is measured.
_MOVING_FACES, _SOUNDS = 8, 32
#: A pixel moves when it deviates by so many levels; rounding makes the rest.
_MOVING_LEVELS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The least fidelity that is accepted, PSNR of the mouth against full precision.

    Attributes:
        median_db: On the median pair.
        worst_db: On the worst pair.
    """

    median_db: float = 35.0
    worst_db: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was measured of a quantized generator against its source.

    Attributes:
        name: Of the generator.
        checkpoint_sha256: Of the checkpoint both come from.
        pairs: Number of face and speech pairs measured, none of them used in calibration.
        psnr_median_db: Mouth region.
        psnr_worst_db: Mouth region.
        ssim_median: Mouth region, grey.
        ssim_worst: Mouth region, grey.
        max_error: Largest difference of a mouth pixel, levels of 255.
        max_error_p99: The same, exceeded by one pixel in a hundred.
        motion_gain: How far mouths move when sounds change, relative to full precision.
        motion_correlation: Of these movements with those in full precision.
        silence_motion_f32: Mean change of the mouth between frames of silence, levels of 255.
        silence_motion_int8: The same of the quantized network.
        size_f32_bytes: Both files.
        size_int8_bytes: Both files.
        fps_f32: Frames per second on ``host``, batches of eight.
        fps_int8: The same.
        float_layers: Convolutions kept in floating point.
        floor_median_db: The floor in force.
        floor_worst_db: The floor in force.
        host: Processor the speed was measured on.
        openvino: Version.
    """

    name: str
    checkpoint_sha256: str
    pairs: int
    psnr_median_db: float
    psnr_worst_db: float
    ssim_median: float
    ssim_worst: float
    max_error: int
    max_error_p99: float
    motion_gain: float
    motion_correlation: float
    silence_motion_f32: float
    silence_motion_int8: float
    size_f32_bytes: int
    size_int8_bytes: int
    fps_f32: float
    fps_int8: float
    float_layers: tuple[str, ...]
    floor_median_db: float
    floor_worst_db: float
    host: str
    openvino: str

    @property
    def is_faithful(self) -> bool:
        """Whether the floor is met."""
        return (
            self.psnr_median_db >= self.floor_median_db
            and self.psnr_worst_db >= self.floor_worst_db
        )

    def check(self) -> None:
        """Raise ``FidelityError`` when the floor is not met."""
        if not self.is_faithful:
            raise FidelityError(
                f"{self.name} in INT8 is too far from full precision: mouth PSNR median "
                f"{self.psnr_median_db:.1f} dB, worst {self.psnr_worst_db:.1f} dB; needed "
                f"{self.floor_median_db:.1f} and {self.floor_worst_db:.1f} dB"
            )

    def as_dict(self) -> dict[str, object]:
        """Give every field, for JSON."""
        return asdict(self)

    def table(self) -> str:
        """Give the certificate as a table for people."""
        kept = ", ".join(self.float_layers) or "none"
        rows = [
            ("", "FP32", "INT8"),
            ("frames/s", f"{self.fps_f32:.0f}", f"{self.fps_int8:.0f}"),
            ("size, MB", f"{self.size_f32_bytes / 1e6:.1f}", f"{self.size_int8_bytes / 1e6:.1f}"),
            (
                "motion in silence, levels",
                f"{self.silence_motion_f32:.3f}",
                f"{self.silence_motion_int8:.3f}",
            ),
        ]
        lines = [f"{label:<28}{f32:>10}{int8:>10}" for label, f32, int8 in rows]
        lines += [
            f"mouth PSNR       median {self.psnr_median_db:.1f} dB, worst {self.psnr_worst_db:.1f}"
            f" dB (floor {self.floor_median_db:g} and {self.floor_worst_db:g})",
            f"mouth SSIM       median {self.ssim_median:.4f}, worst {self.ssim_worst:.4f}",
            f"largest error    {self.max_error} levels; 99 % of pixels within"
            f" {self.max_error_p99:.0f}",
            f"movement kept    {self.motion_gain:.2f} of its size, correlation"
            f" {self.motion_correlation:.3f}",
            f"kept in float    {kept}",
            f"measured on      {self.pairs} pairs, {self.host}, OpenVINO {self.openvino}",
        ]
        return "\n".join(lines)


def certify(
    reference: Path, quantized: Path, pairs: Pairs, *, floor: Floor, float_layers: tuple[str, ...]
) -> Certificate:
    """Measure a quantized generator against full precision, from the files as they are.

    Args:
        reference: IR in full precision.
        quantized: IR in INT8.
        pairs: Inputs that were not used in calibration.
        floor: Recorded; ``Certificate.check`` enforces it.
        float_layers: Recorded.
    """
    core = ov.Core()
    exact, small = core.read_model(reference), core.read_model(quantized)
    truth, found = run_generator(exact, pairs), run_generator(small, pairs)
    psnr, ssim = mouth_psnr(truth, found), mouth_ssim(truth, found)
    error = np.abs(_mouth(truth).astype(np.int16) - _mouth(found))
    gain, correlation = motion_kept(exact, small, pairs)
    speed = frames_per_second({"f32": exact, "int8": small}, pairs)
    return Certificate(
        name=_text(exact, "name"),
        checkpoint_sha256=_text(exact, "checkpoint_sha256"),
        pairs=len(pairs.faces),
        psnr_median_db=round(float(np.median(psnr)), 2),
        psnr_worst_db=round(float(psnr.min()), 2),
        ssim_median=round(float(np.median(ssim)), 5),
        ssim_worst=round(float(ssim.min()), 5),
        max_error=int(error.max()),
        max_error_p99=float(np.percentile(error, 99)),
        motion_gain=round(gain, 4),
        motion_correlation=round(correlation, 4),
        silence_motion_f32=round(silence_motion(exact, pairs), 4),
        silence_motion_int8=round(silence_motion(small, pairs), 4),
        size_f32_bytes=size_bytes(reference),
        size_int8_bytes=size_bytes(quantized),
        fps_f32=round(speed["f32"], 1),
        fps_int8=round(speed["int8"], 1),
        float_layers=float_layers,
        floor_median_db=floor.median_db,
        floor_worst_db=floor.worst_db,
        host=host_name(),
        openvino=ov.get_version().split("-")[0],
    )


def mouth_psnr(truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give the peak signal-to-noise ratio of each pair's mouth region, in dB, at most 99.

    Args:
        truth: uint8 ``(n, 96, 96, 3)``.
        found: The same shape.
    """
    difference = _mouth(truth).astype(np.float64) - _mouth(found)
    error = np.square(difference).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        decibels = 20 * np.log10(255 / np.sqrt(error))
    return np.asarray(np.minimum(_EQUAL_DB, decibels), np.float64)


def mouth_ssim(truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give the structural similarity of each pair's mouth region, grey, 1 for equal ones.

    Formula and window: Wang, Bovik, Sheikh, Simoncelli 2004.
    """
    pairs = zip(_mouth(truth), _mouth(found), strict=True)
    return np.array([_ssim(_grey(first), _grey(second)) for first, second in pairs])


def motion_kept(exact: ov.Model, quantized: ov.Model, pairs: Pairs) -> tuple[float, float]:
    """Give how much of the mouths' movement a quantized generator keeps.

    A face's mouths differ from each other in few pixels, so that a picture may be alike to 46 dB
    and yet open a tenth less: movement is measured apart, as each mouth's deviation from the mean
    of all mouths of its face.

    Returns:
        Slope and correlation of the deviations, medians over faces; 1 and 1 for equal networks.
    """
    sounds = pairs.mels[~pairs.is_silent][:_SOUNDS]
    found = []
    for said in _each_saying(sounds, pairs, faces=_MOVING_FACES):
        true, own = (_deviations(run_generator(model, said)) for model in (exact, quantized))
        moves = true.std(axis=0) > _MOVING_LEVELS
        true, own = true[:, moves], own[:, moves]
        spread, shared = (true * true).sum(), (true * own).sum()
        if spread > 0:
            found.append((shared / spread, shared / max(np.sqrt(spread * (own * own).sum()), 1e-9)))
    if not found:
        return 1.0, 1.0  # nothing moves in full precision either
    gain, correlation = np.median(found, axis=0)
    return float(gain), float(correlation)


def silence_motion(model: ov.Model, pairs: Pairs) -> float:
    """Give how much the mouth moves in silence: mean change between frames, levels of 255."""
    chunks = np.stack(silent_chunks())
    motion = []
    for still in _each_saying(chunks, pairs, faces=_SILENT_FACES):
        mouths = _mouth(run_generator(model, still)).astype(np.float64)
        motion.append(np.abs(np.diff(mouths, axis=0)).mean())
    return float(np.mean(motion))


def host_name() -> str:
    """Give the processor's name as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _each_saying(mels: NDArray[np.float32], pairs: Pairs, *, faces: int) -> Iterator[Pairs]:
    """Yield all the sounds on one face at a time, for faces spread evenly over the pairs."""
    for face in pairs.faces[:: max(1, len(pairs.faces) // faces)][:faces]:
        same = np.repeat(face[None], len(mels), axis=0)
        yield Pairs(same, mels, np.zeros(len(mels), np.bool_))


def _deviations(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    mouths = _mouth(pictures).astype(np.float64)
    return np.asarray(mouths - mouths.mean(axis=0))


def _mouth(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pictures[:, MOUTH_ROWS, MOUTH_COLUMNS]


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.float64)


def _ssim(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    def blur(picture: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(picture, _SSIM_WINDOW, _SSIM_SIGMA), np.float64)

    mean_1, mean_2 = blur(first), blur(second)
    variance_1 = blur(first * first) - mean_1**2
    variance_2 = blur(second * second) - mean_2**2
    covariance = blur(first * second) - mean_1 * mean_2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_1 * mean_2 + c1) * (2 * covariance + c2)
    scale = (mean_1**2 + mean_2**2 + c1) * (variance_1 + variance_2 + c2)
    return float((likeness / scale).mean())


def _text(model: ov.Model, key: str) -> str:
    return str(model.get_rt_info(["mouthpiece", key]).astype(str))
