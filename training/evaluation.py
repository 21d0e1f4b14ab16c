"""Measure generators on faces and sentences that they never saw.

Every case is generated from one picture and its sound alone, once with the right sound and once
with another one. The mouths are put back into the picture and an independent network reads the
lips, so that any generator is measured alike, and the truth as well.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import cv2
import numpy as np

from runtime.types import CROP_SIZE, FaceBox, FaceCrop, Frame, MelSpectrogram, MouthCrop
from training import corpus, metrics, phones
from training.cases import Case
from training.errors import RejectedError
from training.lip_reading import LipReader
from training.lips import LipPoints, Openings, openings

#: First generated row that counts; above it the reference is shown.
FIRST_ROW = 48
#: A bilabial needs closed lips where the truth is below this opening (parts of the mouth's width).
TRULY_CLOSED = 0.03
#: Lips are closed that read at most this much above what the same reader reads on the true
#: pictures during the phone ...
CLOSED_TOLERANCE = 0.01
#: ... and, where there are no true pictures, below what 95 % of them read (22 bilabials).
SEEN_CLOSED = 0.03

NAN = float("nan")

logger = logging.getLogger(__name__)


class MouthSource(Protocol):
    """Something that draws mouths: a network of any precision, or the truth itself."""

    @property
    def name(self) -> str:
        """Name in reports."""

    def draw(self, case: Case, mel: MelSpectrogram) -> MouthCrop:
        """Draw a case's mouths, uint8 ``(n, 96, 96, 3)``, one for each frame of its goal."""


class SyncJudge(Protocol):
    """Says how far mouths and sound are apart; see ``expert.SyncJudge``."""

    def __call__(self, mouths: MouthCrop, mel: MelSpectrogram) -> tuple[int, float]:
        """Give the lag in frames, and the confidence."""


class TrueMouths:
    """The pictures of the clip itself: shows how exact the reader is."""

    name = "truth"

    def draw(self, case: Case, mel: MelSpectrogram) -> MouthCrop:  # noqa: ARG002
        """Give the clip's own crops."""
        if case.clip is None:
            raise ValueError(f"{case.name} has no true pictures")
        to_crop = corpus.crop_from_video()
        return np.stack([corpus.cut_face(frame, to_crop) for frame in case.clip.frames])


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFigures:
    """Figures of one case; NaN where the truth is not known.

    Attributes:
        name: The case.
        groups: Kinds of face or voice.
        l1: Mean absolute difference at the mouth, 0 to 255.
        psnr_db: At the mouth.
        lmd: Mean distance of lip points, parts of the mouth's width.
        correlation: Of the inner-lip opening with the truth, or with the loudness.
        swapped_correlation: The same with another sound.
        slope: Growth of the opening against the truth.
        closed: Bilabials with closed lips.
        swapped_closed: The same with another sound: what chance closes.
        bilabials: Bilabials in all.
        silence_motion: Mean change of opening per frame in pauses, parts of the mouth's width.
        sharpness: Gradient energy at the mouth against the truth's.
        identity: Mean absolute difference from the reference outside the mouth, rows 48 to 95,
            0 to 255; the truth's is not 0, because jaw and head move.
        lag: Frames by which a sync expert thinks that mouths and sound are apart.
        confidence: Of the expert: highest agreement above the median.
    """

    name: str
    groups: tuple[str, ...]
    l1: float = NAN
    psnr_db: float = NAN
    lmd: float = NAN
    correlation: float
    swapped_correlation: float
    slope: float = NAN
    closed: int = 0
    swapped_closed: int = 0
    bilabials: int = 0
    silence_motion: float = NAN
    sharpness: float = NAN
    identity: float
    lag: float = NAN
    confidence: float = NAN


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What a source drew for a case, for picture sheets."""

    case: Case
    mouths: MouthCrop
    openings: Openings


class Evaluator:
    """Measures sources of mouths on some cases."""

    def __init__(
        self, cases: Sequence[Case], reader: LipReader, *, judge: SyncJudge | None = None
    ) -> None:
        """Choose what to measure on, who reads lips, and who judges sync."""
        self.cases = cases
        self._reader = reader
        self._judge = judge
        self._true_readings: dict[int, Openings] = {}

    def measure(
        self, source: MouthSource, *, show: Callable[[Drawn], None] | None = None
    ) -> list[CaseFigures]:
        """Measure one source on every case; ``show`` sees what was drawn."""
        return list(self._measure(source, show))

    def _measure(
        self, source: MouthSource, show: Callable[[Drawn], None] | None
    ) -> Iterator[CaseFigures]:
        for number, case in enumerate(self.cases):
            try:
                mouths = source.draw(case, case.mel)
            except RejectedError as error:
                logger.warning("%s leaves out %s", source.name, error)
                continue
            lips = self._reader.read(put_back(case.face, mouths))
            swapped = source.draw(case, case.wrong_mel)
            wrong = openings(self._reader.read(put_back(case.face, swapped)))
            if show is not None:
                show(Drawn(case, mouths, openings(lips)))
            found: dict[str, float] = {}
            if case.knows_lips:
                found |= _motion_figures(case, openings(lips))
                found |= _closures(case, openings(lips), wrong, self._true_reading(number))
            if case.clip is not None:
                found |= _picture_figures(case, mouths, lips)
            if self._judge is not None:
                found["lag"], found["confidence"] = self._judge(mouths, case.mel)
            yield CaseFigures(
                name=case.name,
                groups=case.groups,
                correlation=metrics.correlation(openings(lips), case.goal),
                swapped_correlation=metrics.correlation(wrong, case.goal),
                identity=_outside_difference(mouths, case.crop, lips),
                **found,  # type: ignore[arg-type]  # counts among the figures are whole numbers
            )

    def _true_reading(self, number: int) -> Openings | None:
        """Give what the reader reads on a case's true pictures, once for all sources."""
        case = self.cases[number]
        if case.clip is None:
            return None
        if number not in self._true_readings:
            pictures = put_back(case.face, TrueMouths().draw(case, case.mel))
            self._true_readings[number] = openings(self._reader.read(pictures))
        return self._true_readings[number]


def put_back(frame: Frame, mouths: MouthCrop) -> list[Frame]:
    """Put generated lower halves into a data set's frame, uint8 ``(128, 128, 3)`` each."""
    to_video = np.asarray(cv2.invertAffineTransform(corpus.crop_from_video()), np.float32)
    corners = np.array([[2, FIRST_ROW + 2], [CROP_SIZE - 2, CROP_SIZE - 2]], np.float32)
    (x1, y1), (x2, y2) = np.rint(corpus.map_points(corners, to_video)).astype(int).tolist()
    size = (corpus.VIDEO_SIZE, corpus.VIDEO_SIZE)
    pasted = []
    for mouth in mouths:
        turned = cv2.warpAffine(mouth, to_video, size, flags=cv2.INTER_CUBIC)
        picture = frame.copy()
        picture[y1:y2, x1:x2] = turned[y1:y2, x1:x2]
        pasted.append(picture)
    return pasted


def summarise(figures: Sequence[CaseFigures]) -> dict[str, float]:
    """Join the figures of cases: medians, but shares of all bilabials and the worst correlation."""
    rows = [asdict(row) for row in figures]
    needed = sum(row.bilabials for row in figures)
    in_sync = [abs(row.lag) <= 1 for row in figures if not np.isnan(row.lag)]
    summary = {name: _median(row[name] for row in rows) for name in _MEDIANS}
    summary["lowest_correlation"] = min((row.correlation for row in figures), default=NAN)
    summary["closure"] = sum(row.closed for row in figures) / needed if needed else NAN
    summary["swapped_closure"] = (
        sum(row.swapped_closed for row in figures) / needed if needed else NAN
    )
    summary["in_sync"] = float(np.mean(in_sync)) if in_sync else NAN
    return {name: summary[name] for name in FIGURES}


_MEDIANS = ("l1", "psnr_db", "lmd", "correlation", "swapped_correlation", "slope", "silence_motion",
            "sharpness", "identity", "confidence")  # fmt: skip
#: Names of the figures of a summary, in the order of reports.
FIGURES = ("l1", "psnr_db", "lmd", "correlation", "lowest_correlation", "swapped_correlation",
           "slope", "closure", "swapped_closure", "silence_motion", "sharpness", "identity",
           "in_sync", "confidence")  # fmt: skip


def merit(figures: Sequence[CaseFigures]) -> float:
    """Join what matters into one number, higher is better: keeps the best checkpoint.

    Correlation counts most; then a slope near 1, sharpness up to the truth's, closed lips, and a
    mouth that looks like the truth (one for 10 dB).
    """
    summary = summarise(figures)
    closure = 1.0 if np.isnan(summary["closure"]) else summary["closure"]
    return (
        2 * summary["correlation"]
        - 0.5 * abs(summary["slope"] - 1)
        - 0.3 * max(0.0, 1 - summary["sharpness"])
        + 0.3 * closure
        + summary["psnr_db"] / 10
    )


def _motion_figures(case: Case, read: Openings) -> dict[str, float]:
    return {
        "slope": metrics.slope(read, case.goal),
        "silence_motion": metrics.motion(read, phones.silences(case.words), corpus.FPS),
    }


def _closures(
    case: Case, read: Openings, wrong: Openings, true_reading: Openings | None
) -> dict[str, float]:
    """Count bilabials during which the truth closes its lips, and those that are drawn closed."""
    count = len(case.goal)
    spans = [
        metrics.frames_around(phone, corpus.FPS, count) for phone in phones.bilabials(case.words)
    ]
    needed = [span for span in spans if span.start < count and case.goal[span].min() < TRULY_CLOSED]
    limits = [
        SEEN_CLOSED if true_reading is None else true_reading[span].min() + CLOSED_TOLERANCE
        for span in needed
    ]
    pairs = list(zip(needed, limits, strict=True))
    return {
        "bilabials": len(needed),
        "closed": sum(bool(read[span].min() <= limit) for span, limit in pairs),
        "swapped_closed": sum(bool(wrong[span].min() <= limit) for span, limit in pairs),
    }


def _picture_figures(case: Case, mouths: MouthCrop, lips: LipPoints) -> dict[str, float]:
    true_lips = case.clip.lips if case.clip else lips
    drawn = mouths.astype(np.float32)
    truth = TrueMouths().draw(case, case.mel).astype(np.float32)
    boxes = _mouth_boxes(true_lips)
    true_energy = max(metrics.gradient_energy(truth, boxes), 1e-9)
    return {
        "l1": metrics.mouth_l1(drawn, truth, boxes),
        "psnr_db": metrics.mouth_psnr(drawn, truth, boxes),
        "lmd": metrics.landmark_distance(lips, true_lips),
        "sharpness": metrics.gradient_energy(drawn, boxes) / true_energy,
    }


def _outside_difference(mouths: MouthCrop, crop: FaceCrop, lips: LipPoints) -> float:
    outside = np.ones(mouths.shape[:3], bool)
    outside[:, :FIRST_ROW] = False
    for keep, box in zip(outside, _mouth_boxes(lips), strict=True):
        mouth = FaceBox(*(int(side) for side in box))
        keep[mouth.y1 : mouth.y2, mouth.x1 : mouth.x2] = False
    difference = np.abs(mouths.astype(np.float32) - crop.astype(np.float32))
    return float(difference[outside].mean())


def _mouth_boxes(lips: LipPoints) -> metrics.Boxes:
    return metrics.mouth_boxes(corpus.map_points(lips, corpus.crop_from_video()), CROP_SIZE)


def _median(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else NAN
