"""Figures of merit of generated mouths; pure arithmetic on arrays."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from training.lips import LipPoints, Openings
from training.phones import Phone

Pictures = NDArray[np.float32]
Boxes = NDArray[np.intp]

#: Room around the lips that counts as the mouth, in parts of their width and height.
_MOUTH_ROOM = (0.25, 0.45)
#: A sound may lead or trail its lips by a frame; the lexicon's times are rough as well.
_SLACK_FRAMES = 1


def mouth_boxes(lips: LipPoints, size: int) -> Boxes:
    """Frame the mouth of every picture.

    Args:
        lips: ``(n, 40, 2)``, pixels.
        size: Side of the pictures.

    Returns:
        ``(n, 4)`` x1, y1, x2, y2, half-open, inside the picture.
    """
    low, high = lips.min(axis=1), lips.max(axis=1)
    room = (high - low) * np.array(_MOUTH_ROOM, np.float32)
    corners = np.concatenate([np.floor(low - room), np.ceil(high + room) + 1], axis=1)
    return np.asarray(np.clip(corners, 0, size), np.intp)


def mouth_l1(pictures: Pictures, truth: Pictures, boxes: Boxes) -> float:
    """Give the mean absolute difference inside the mouth boxes, pictures 0 to 255."""
    cuts = _cuts(pictures, boxes), _cuts(truth, boxes)
    return float(np.mean([np.abs(a - b).mean() for a, b in zip(*cuts, strict=True)]))


def mouth_psnr(pictures: Pictures, truth: Pictures, boxes: Boxes) -> float:
    """Give the peak signal-to-noise ratio inside the mouth boxes, in dB."""
    cuts = _cuts(pictures, boxes), _cuts(truth, boxes)
    error = np.mean([((a - b) ** 2).mean() for a, b in zip(*cuts, strict=True)])
    return float(10 * np.log10(255.0**2 / max(float(error), 1e-9)))


def gradient_energy(pictures: Pictures, boxes: Boxes) -> float:
    """Give the mean squared difference of neighbouring pixels inside the mouth boxes."""
    energies = [
        (np.diff(cut, axis=0) ** 2).mean() + (np.diff(cut, axis=1) ** 2).mean()
        for cut in _cuts(pictures, boxes)
    ]
    return float(np.mean(energies))


def landmark_distance(lips: LipPoints, truth: LipPoints) -> float:
    """Give the mean distance of lip points in parts of the true mouth's mean width (LMD).

    The mean shift between both is taken off first: it is the reader's, not the generator's.
    """
    shift = (lips - truth).mean(axis=(0, 1), keepdims=True)
    width = np.linalg.norm(truth[:, 10] - truth[:, 0], axis=-1).mean()
    return float(np.linalg.norm(lips - truth - shift, axis=-1).mean() / width)


def correlation(openings: Openings, truth: Openings) -> float:
    """Give Pearson's correlation; 0 when either does not move."""
    if openings.std() < 1e-6 or truth.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(openings, truth)[0, 1])


def slope(openings: Openings, truth: Openings) -> float:
    """Give how much the opening grows where the true one grows by one."""
    spread = float(truth.var())
    covariance = float(((openings - openings.mean()) * (truth - truth.mean())).mean())
    return covariance / spread if spread > 1e-9 else 0.0


def frames_of(start_s: float, end_s: float, fps: float, count: int, slack: int = 0) -> slice:
    """Give the frames shown between two times, ``slack`` more on both sides."""
    first = max(0, int(np.floor(start_s * fps)) - slack)
    return slice(first, min(count, max(first + 1, int(np.ceil(end_s * fps)) + slack)))


def frames_around(phone: Phone, fps: float, count: int) -> slice:
    """Give the frames shown during a phone, one more on both sides."""
    return frames_of(phone.start_s, phone.end_s, fps, count, _SLACK_FRAMES)


def motion(openings: Openings, spans: Iterable[tuple[float, float]], fps: float) -> float:
    """Give the mean change of opening from frame to frame within spans of time; NaN without any."""
    changes = [
        np.abs(np.diff(openings[frames_of(start, end - 1 / fps, fps, len(openings))]))
        for start, end in spans
    ]
    joined = np.concatenate(changes) if changes else np.empty(0)
    return float(joined.mean()) if joined.size else float("nan")


def _cuts(pictures: Pictures, boxes: Boxes) -> list[Pictures]:
    return [
        picture[y1:y2, x1:x2] for picture, (x1, y1, x2, y2) in zip(pictures, boxes, strict=True)
    ]
