"""Make the one voice and the few faces of a data set look and sound like many."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.types import CROP_SIZE, MelSpectrogram
from training.corpus import Affine

Floats = NDArray[np.float32]

_BANDS = 80
_LOWEST, _HIGHEST = -4.0, 4.0
#: Bands are read at these multiples of their own: vocal tracts from a child's to a large man's.
_TRACT = (0.8, 1.3)
#: Shares of chunks with hidden bands and with a hidden moment, and how many bands and columns.
_BAND_MASKS, _TIME_MASKS = 0.35, 0.25
_WIDEST_MASK, _LONGEST_MASK = 10, 2


def sampled(rows: Floats, places: NDArray[np.floating]) -> Floats:
    """Read rows ``(k, t)`` at any places, ``(k, n)``; beyond the ends the end repeats."""
    places = np.clip(places, 0, rows.shape[1] - 1)
    below = places.astype(int)
    above = np.minimum(below + 1, rows.shape[1] - 1)
    share = places - below
    return np.asarray(rows[:, below] * (1 - share) + rows[:, above] * share, np.float32)


def warp_bands(mel: Floats, factor: float) -> Floats:
    """Move formants: band i is read at ``factor * i``, as by a longer or shorter vocal tract."""
    return np.ascontiguousarray(sampled(mel.T, np.arange(_BANDS) * factor).T)


def another_voice(mel: MelSpectrogram, rng: np.random.Generator) -> MelSpectrogram:
    """Make a mel chunk sound as from another speaker, microphone or room.

    Args:
        mel: ``(80, t)``, [-4, 4].
        rng: Source of chance.

    Returns:
        float32 ``(80, t)``, [-4, 4]: formants moved, noise floor, narrow band, loudness, tilt.
    """
    if rng.random() < 0.75:
        mel = warp_bands(mel, rng.uniform(*_TRACT))
    if rng.random() < 0.3:
        noise = rng.uniform(-4, -1.5) + rng.normal(0, 0.15, mel.shape)
        mel = np.asarray(
            np.logaddexp(3 * mel, 3 * noise) / 3, np.float32
        )  # levels are logarithms: sounds add up
    if rng.random() < 0.2:
        cut = rng.integers(45, _BANDS)
        mel = mel.copy()
        mel[cut:] = np.minimum(mel[cut:], rng.uniform(-4, -2))
    tilt = np.linspace(-1, 1, _BANDS)[:, None] * rng.uniform(-0.5, 0.5)
    grain = rng.normal(0, rng.uniform(0, 0.15), mel.shape)
    return np.clip(mel + rng.uniform(-0.7, 0.5) + tilt + grain, _LOWEST, _HIGHEST).astype(
        np.float32
    )


def mask_spans(mel: MelSpectrogram, rng: np.random.Generator) -> MelSpectrogram:
    """Hide some bands and a moment of some chunks, after SpecAugment (Park et al. 2019).

    Args:
        mel: ``(80, t)``, [-4, 4].
        rng: Source of chance.

    Returns:
        float32 ``(80, t)``: up to ten bands silent or at the mean, up to two columns at the mean.
    """
    masked, mean = mel.copy(), float(mel.mean())
    if rng.random() < _BAND_MASKS:
        band = rng.integers(_BANDS - _WIDEST_MASK)
        hidden = _LOWEST if rng.random() < 0.5 else mean
        masked[band : band + rng.integers(2, _WIDEST_MASK + 1)] = hidden
    if rng.random() < _TIME_MASKS:
        column = rng.integers(mel.shape[1] - 1)
        masked[:, column : column + rng.integers(1, _LONGEST_MASK + 1)] = mean
    return masked


@dataclass(frozen=True, slots=True)
class View:
    """How one sample is looked at; target and reference share it.

    Attributes:
        to_crop: From pixels of a data set's frame to the crop.
        reference_to_crop: The same for the reference, a pixel off at times.
        is_mirrored: Left and right are exchanged.
        gain: Factor on all colours.
        lift: Added to all colours, 0 to 255.
        tint: Factor on each colour.
        is_grey: Colours are dropped.
    """

    to_crop: Affine
    reference_to_crop: Affine
    is_mirrored: bool
    gain: float
    lift: float
    tint: Floats
    is_grey: bool

    def develop(self, picture: Floats) -> Floats:
        """Apply the colours of this view to a picture, 0 to 255."""
        if self.is_grey:
            picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
        lit = (picture * self.gain + self.lift) * self.tint
        return np.asarray(np.clip(lit, 0, 255), np.float32)


def random_view(to_crop: Affine, rng: np.random.Generator) -> View:
    """Choose a view: scale, shift, mirror, light and colour."""
    mirrored = bool(rng.random() < 0.5)
    centre = CROP_SIZE / 2
    scale = rng.uniform(0.92, 1.09, 2)
    shift = rng.uniform(-5, 5, 2)
    moved = np.array(
        [[scale[0], 0, centre * (1 - scale[0]) + shift[0]],
         [0, scale[1], centre * (1 - scale[1]) + shift[1]],
         [0, 0, 1]]
    )  # fmt: skip
    if mirrored:
        moved = np.array([[-1, 0, CROP_SIZE - 1], [0, 1, 0], [0, 0, 1]]) @ moved
    whole = (moved @ np.vstack([to_crop, [0, 0, 1]]))[:2].astype(np.float32)
    reference = whole.copy()
    if rng.random() < 0.4:
        reference[:, 2] += rng.uniform(-1.2, 1.2, 2)
    return View(
        to_crop=whole,
        reference_to_crop=reference,
        is_mirrored=mirrored,
        gain=float(rng.uniform(0.65, 1.3)),
        lift=float(rng.uniform(-25, 25)),
        tint=rng.uniform(0.85, 1.15, 3).astype(np.float32),
        is_grey=bool(rng.random() < 0.08),
    )
