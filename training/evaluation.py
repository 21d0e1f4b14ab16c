"""Measure generators on faces and sentences that they never saw.

Every held-out clip is generated from its first frame alone and its sound, once with the right sound
and once with another clip's. The mouths are put back into the first frame and an independent
network reads the lips; the truth are the lip points that the data set was drawn with.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import cv2
import numpy as np

from runtime.types import CROP_SIZE, FaceBox, FaceCrop, Frame, MelSpectrogram, MouthCrop
from training import corpus, metrics, phones
from training.corpus import Clip, ClipEntry, Corpus
from training.lip_reading import LipReader
from training.lips import LipPoints, Openings, openings

#: First generated row that counts; above it the reference is shown.
FIRST_ROW = 48
#: A phone needs closed lips where the truth is below this opening (parts of the mouth's width) ...
TRULY_CLOSED = 0.03
#: ... and has them below this one; readers see 0.01 to 0.05 on lips that touch.
SEEN_CLOSED = 0.08


class MouthSource(Protocol):
    """Something that draws mouths: a network of any precision, or the truth itself."""

    @property
    def name(self) -> str:
        """Name in reports."""

    def draw(self, clip: Clip, mel: MelSpectrogram, crop: FaceCrop) -> MouthCrop:
        """Draw a clip's mouths, uint8 ``(n, 96, 96, 3)``, from its first frame's crop."""


class TrueMouths:
    """The held-out pictures themselves: shows how exact the reader is."""

    name = "truth"

    def draw(self, clip: Clip, mel: MelSpectrogram, crop: FaceCrop) -> MouthCrop:  # noqa: ARG002
        """Give the clip's own crops."""
        return np.stack([corpus.cut_face(frame, corpus.crop_from_video()) for frame in clip.frames])


@dataclass(frozen=True, slots=True)
class ClipFigures:
    """Figures of one clip.

    Attributes:
        clip_id: The clip.
        group: Kind of face.
        l1: Mean absolute difference at the mouth, 0 to 255.
        psnr_db: At the mouth.
        lmd: Mean distance of lip points, parts of the mouth's width.
        correlation: Of the inner-lip opening with the truth.
        swapped_correlation: The same with another clip's sound.
        slope: Growth of the opening against the truth.
        closed: Bilabials with closed lips.
        bilabials: Bilabials in all.
        silence_motion: Mean change of opening per frame in pauses, parts of the mouth's width.
        sharpness: Gradient energy at the mouth against the truth's.
        identity: Mean absolute difference from the reference outside the mouth, rows 48 to 95,
            0 to 255; the truth's is not 0, because jaw and head move.
    """

    clip_id: str
    group: str
    l1: float
    psnr_db: float
    lmd: float
    correlation: float
    swapped_correlation: float
    slope: float
    closed: int
    bilabials: int
    silence_motion: float
    sharpness: float
    identity: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a source drew for a clip, for picture sheets."""

    clip: Clip
    crop: FaceCrop
    mouths: MouthCrop
    openings: Openings


class Evaluator:
    """Measures sources of mouths on the held-out part of a data set."""

    def __init__(
        self,
        data: Corpus,
        reader: LipReader,
        *,
        limit: int | None = None,
        mels: dict[str, MelSpectrogram] | None = None,
    ) -> None:
        """Choose what to measure on.

        Args:
            data: The data set.
            reader: Reads lips.
            limit: Clips at most, spread over all; ``None`` for all.
            mels: Spectrograms to use instead of the clips' own, by sound (other voices saying the
                same at the same time); clips without one are left out.
        """
        self._data = data
        self._reader = reader
        self._mels = mels
        entries = [entry for entry in data.heldout if mels is None or entry.sound in mels]
        step = 1 if limit is None else max(1, len(entries) // limit)
        self.entries = entries[::step][:limit]

    def measure(
        self, source: MouthSource, *, show: Callable[[Drawn], None] | None = None
    ) -> list[ClipFigures]:
        """Measure one source on every clip; ``show`` sees what was drawn."""
        return list(self._measure(source, show))

    def _measure(
        self, source: MouthSource, show: Callable[[Drawn], None] | None
    ) -> Iterator[ClipFigures]:
        for entry, other in zip(self.entries, self._others(), strict=True):
            clip = self._data.read(entry)
            crop = corpus.cut_face(clip.frames[0], corpus.crop_from_video())
            mouths = source.draw(clip, self._mel(entry), crop)
            lips = self._reader.read(put_back(clip.frames[0], mouths))
            swapped = source.draw(clip, self._mel(other), crop)
            swapped_lips = self._reader.read(put_back(clip.frames[0], swapped))
            if show is not None:
                show(Drawn(clip, crop, mouths, openings(lips)))
            yield self._figures(clip, crop, mouths, lips, swapped_lips)

    def _others(self) -> list[ClipEntry]:
        """Pair every clip with one that says something else."""
        entries = self.entries
        shift = max(1, len(entries) // 2)
        return [
            next(
                (
                    entries[(index + shift + turn) % len(entries)]
                    for turn in range(len(entries))
                    if entries[(index + shift + turn) % len(entries)].sound != entry.sound
                ),
                entry,
            )
            for index, entry in enumerate(entries)
        ]

    def _mel(self, entry: ClipEntry) -> MelSpectrogram:
        return self._data.mel(entry.sound) if self._mels is None else self._mels[entry.sound]

    def _figures(
        self, clip: Clip, crop: FaceCrop, mouths: MouthCrop, lips: LipPoints, swapped: LipPoints
    ) -> ClipFigures:
        true_crops = TrueMouths().draw(clip, np.empty(0, np.float32), mouths[0])
        drawn, truth = mouths.astype(np.float32), true_crops.astype(np.float32)
        boxes = metrics.mouth_boxes(
            corpus.map_points(clip.lips, corpus.crop_from_video()), CROP_SIZE
        )
        true_openings, read = openings(clip.lips), openings(lips)
        words = self._data.alignments.get(clip.entry.sound, [])
        needed = [
            phone
            for phone in phones.bilabials(words)
            if metrics.closures(true_openings, [phone], corpus.FPS, TRULY_CLOSED) == [True]
        ]
        return ClipFigures(
            clip_id=clip.entry.clip_id,
            group=clip.entry.group,
            l1=metrics.mouth_l1(drawn, truth, boxes),
            psnr_db=metrics.mouth_psnr(drawn, truth, boxes),
            lmd=metrics.landmark_distance(lips, clip.lips),
            correlation=metrics.correlation(read, true_openings),
            swapped_correlation=metrics.correlation(openings(swapped), true_openings),
            slope=metrics.slope(read, true_openings),
            closed=sum(metrics.closures(read, needed, corpus.FPS, SEEN_CLOSED)),
            bilabials=len(needed),
            silence_motion=metrics.motion(read, phones.silences(words), corpus.FPS),
            sharpness=metrics.gradient_energy(drawn, boxes)
            / max(metrics.gradient_energy(truth, boxes), 1e-9),
            identity=_outside_difference(drawn, crop.astype(np.float32), boxes),
        )


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


def summarise(figures: Sequence[ClipFigures]) -> dict[str, float]:
    """Join the figures of clips: medians, but shares of all bilabials and the worst correlation."""
    rows = [asdict(row) for row in figures]
    names = ("l1", "psnr_db", "lmd", "correlation", "swapped_correlation", "slope")
    summary = {name: _median(row[name] for row in rows) for name in names}
    summary["lowest_correlation"] = min(row.correlation for row in figures)
    needed = sum(row.bilabials for row in figures)
    closed = sum(row.closed for row in figures)
    summary["closure"] = closed / needed if needed else float("nan")
    for name in ("silence_motion", "sharpness", "identity"):
        summary[name] = _median(row[name] for row in rows)
    return summary


def _median(values: Iterator[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else float("nan")


def _outside_difference(
    drawn: metrics.Pictures, crop: metrics.Pictures, boxes: metrics.Boxes
) -> float:
    outside = np.ones(drawn.shape[:3], bool)
    outside[:, :FIRST_ROW] = False
    for keep, box in zip(outside, boxes, strict=True):
        mouth = FaceBox(*(int(side) for side in box))
        keep[mouth.y1 : mouth.y2, mouth.x1 : mouth.x2] = False
    return float(np.abs(drawn - crop)[outside].mean())


def merit(figures: Sequence[ClipFigures]) -> float:
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
