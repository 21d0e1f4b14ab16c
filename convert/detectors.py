"""Face detectors: S3FD checkpoints to IR, and INT8 with its boxes compared to full precision."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import openvino as ov

from convert.checkpoint import load_checkpoint
from convert.conversion import CERTIFICATE_SUFFIX, UNKNOWN_LICENCE, Report
from convert.export_detector import export_s3fd
from convert.fidelity import host_name
from convert.ir import save_model, size_bytes, write_json, write_metadata
from runtime.boxes import iou
from runtime.errors import CalibrationError, CheckpointError, FidelityError, InputError
from runtime.faces import FaceDetector, S3FDDetector
from runtime.models import ModelStore
from runtime.types import Detection, Frame
from runtime.video import read_frames

#: Frames used of one video, one a second.
_FRAMES_PER_VIDEO = 10
_MOST_FRAMES = 60
#: Two boxes are of the same face when they overlap at least this much.
_SAME_FACE_IOU = 0.5
#: The least fidelity accepted: boxes that differ by less than a pixel or two, no face lost.
LEAST_IOU = 0.9
MOST_MISSED = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorCertificate:
    """What was measured of a quantized detector against its source.

    Attributes:
        name: Of the detector.
        frames: Pictures measured on.
        faces: Faces that full precision finds in them.
        iou_median: Overlap of the boxes of the same face.
        iou_worst: The least of them.
        missed: Faces that only full precision finds.
        invented: Faces that only INT8 finds.
        size_f32_bytes: Both files.
        size_int8_bytes: Both files.
        host: Processor it was measured on.
    """

    name: str
    frames: int
    faces: int
    iou_median: float
    iou_worst: float
    missed: int
    invented: int
    size_f32_bytes: int
    size_int8_bytes: int
    host: str

    def check(self) -> None:
        """Raise ``FidelityError`` when boxes differ too much or faces are lost."""
        if self.iou_median < LEAST_IOU or self.missed > MOST_MISSED * self.faces:
            raise FidelityError(
                f"{self.name} in INT8 is too far from full precision: IoU median "
                f"{self.iou_median:.3f} (needed {LEAST_IOU}), {self.missed} of {self.faces} faces "
                f"missed (allowed {MOST_MISSED:.0%})"
            )

    def table(self) -> str:
        """Give the certificate as a table for people."""
        return "\n".join(
            (
                f"IoU against FP32     median {self.iou_median:.3f}, worst {self.iou_worst:.3f}",
                f"faces                {self.faces} in {self.frames} pictures; "
                f"{self.missed} missed, {self.invented} invented",
                f"size, MB             FP32 {self.size_f32_bytes / 1e6:.1f}, "
                f"INT8 {self.size_int8_bytes / 1e6:.1f}",
            )
        )


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """What a conversion made.

    Attributes:
        files: Every file written.
        certificate: Of the INT8 files, when there are any.
    """

    files: tuple[Path, ...]
    certificate: DetectorCertificate | None = None


def convert_detector(
    checkpoint: Path,
    output_dir: Path,
    *,
    name: str = "s3fd",
    int8: bool = False,
    media: Sequence[Path] = (),
    models: ModelStore | None = None,
    report: Report | None = None,
) -> DetectorReport:
    """Convert an S3FD checkpoint.

    Args:
        checkpoint: Any layout ``load_checkpoint`` reads.
        output_dir: Models folder to write to.
        name: Name of the network.
        int8: Quantize too.
        media: Pictures and videos with faces, for INT8; folders are searched.
        models: Where FaceMesh and the manifest are.
        report: Told what is being done.

    Raises:
        CheckpointError: The checkpoint is no S3FD.
        CalibrationError: INT8 without a picture to calibrate with.
        FidelityError: INT8 loses faces; the files in full precision stay.
    """
    models = models or ModelStore()
    loaded = load_checkpoint(checkpoint)
    if loaded.role != "detector":
        raise CheckpointError(
            f"{checkpoint} is a {loaded.role}; use `mouthpiece convert generator`"
        )
    known = {entry.name: entry.licence for entry in models.entries()}
    model = export_s3fd(
        loaded.network,
        name=name,
        checkpoint_sha256=loaded.sha256,
        licence=known.get(name, UNKNOWN_LICENCE),
    )
    exact = output_dir / f"{name}.xml"
    save_model(model, exact)
    files = [exact, exact.with_suffix(".bin")]
    if not int8:
        return DetectorReport(tuple(files))
    if report is not None:
        report("calibrating INT8")
    certificate = _quantize(exact, _pictures(media), models)
    small = output_dir / f"{name}-int8.xml"
    files += [small, small.with_suffix(".bin"), output_dir / f"{name}{CERTIFICATE_SUFFIX}"]
    write_json(files[-1], asdict(certificate))
    return DetectorReport(tuple(files), certificate)


def compare_detectors(
    name: str, exact: Path, small: Path, frames: Sequence[Frame], models: ModelStore
) -> DetectorCertificate:
    """Compare the boxes of two S3FD files on the same pictures.

    Args:
        name: Recorded.
        exact: IR in full precision.
        small: IR in INT8.
        frames: Pictures.
        models: Where FaceMesh is.
    """
    facemesh = models.find("facemesh").path
    truth = _detect(S3FDDetector(exact, facemesh), frames)
    found = _detect(S3FDDetector(small, facemesh), frames)
    overlaps, missed, invented = match_faces(truth, found)
    return DetectorCertificate(
        name=name,
        frames=len(frames),
        faces=sum(map(len, truth)),
        iou_median=round(float(np.median(overlaps)), 4) if overlaps else 0.0,
        iou_worst=round(min(overlaps), 4) if overlaps else 0.0,
        missed=missed,
        invented=invented,
        size_f32_bytes=size_bytes(exact),
        size_int8_bytes=size_bytes(small),
        host=host_name(),
    )


def match_faces(
    truth: Sequence[Sequence[Detection]], found: Sequence[Sequence[Detection]]
) -> tuple[list[float], int, int]:
    """Pair the faces of the same pictures, best overlap first.

    Args:
        truth: Faces of each picture.
        found: Faces of the same pictures by another detector.

    Returns:
        Overlap of every pair, number of faces missed, number of faces invented.
    """
    overlaps: list[float] = []
    missed = invented = 0
    for expected, actual in zip(truth, found, strict=True):
        left = list(actual)
        for face in expected:
            best = max(left, key=lambda other: iou(face.box, other.box), default=None)
            if best is None or iou(face.box, best.box) < _SAME_FACE_IOU:
                missed += 1
                continue
            overlaps.append(iou(face.box, best.box))
            left.remove(best)
        invented += len(left)
    return overlaps, missed, invented


def _detect(detector: FaceDetector, frames: Sequence[Frame]) -> list[list[Detection]]:
    return [detector.detect([frame])[0] for frame in frames]


def _pictures(media: Sequence[Path]) -> list[Frame]:
    frames: list[Frame] = []
    for path in media:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            try:
                frames += islice(read_frames(file, fps=1.0), _FRAMES_PER_VIDEO)
            except InputError:
                continue
    if not frames:
        raise CalibrationError("no picture to calibrate the detector with; give --media")
    return frames[:_MOST_FRAMES]


def _quantize(exact: Path, frames: Sequence[Frame], models: ModelStore) -> DetectorCertificate:
    import nncf

    nncf.set_log_level(40)
    model = ov.Core().read_model(exact)
    quantized = nncf.quantize(
        model,
        nncf.Dataset([frame[None] for frame in frames]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(frames),
    )
    write_metadata(quantized, {"precision": "int8"})
    target = exact.with_name(f"{exact.stem}-int8.xml")
    with tempfile.TemporaryDirectory(dir=exact.parent, prefix=".int8-") as folder:
        draft = Path(folder) / target.name
        save_model(quantized, draft)
        certificate = compare_detectors(exact.stem, exact, draft, frames, models)
        certificate.check()
        draft.with_suffix(".bin").replace(target.with_suffix(".bin"))
        draft.replace(target)
    return certificate
