"""High dynamic range and wide gamut pictures to sRGB, as a standard screen would show them."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from runtime.types import Frame

#: ISO 23091-2 codes: transfer PQ and HLG; primaries BT.2020, DCI-P3 and Display P3.
PQ, HLG = 16, 18
BT2020 = 9
WIDE_PRIMARIES = frozenset({BT2020, 11, 12})
#: Luminance of white, and of the brightest HLG signal (ITU-R BT.2408 and BT.2100).
WHITE_NITS = 203.0
HLG_PEAK_NITS = 1000.0
HLG_SYSTEM_GAMMA = 1.2
#: Linear light above this share of white is rolled off instead of clipped.
KNEE = 0.8
#: Linear RGB to linear BT.709 RGB (ITU-R BT.2087; SMPTE RP 431 with a D65 white).
FROM_BT2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
FROM_P3 = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
LEVELS = 4096


def needs_mapping(transfer: int, primaries: int) -> bool:
    """Tell whether a picture with these tags looks wrong when shown as it is."""
    return transfer in {PQ, HLG} or primaries in WIDE_PRIMARIES


def to_srgb(pixels: NDArray[np.uint16], transfer: int, primaries: int) -> Frame:
    """Map a picture to sRGB; highlights above white are rolled off.

    Args:
        pixels: uint16 ``(h, w, 3)`` BGR, full range.
        transfer: ISO 23091-2 code of the transfer characteristics.
        primaries: ISO 23091-2 code of the colour primaries.

    Returns:
        uint8 ``(h, w, 3)`` BGR.
    """
    light = _linear_light(transfer)[pixels >> 4]
    if primaries in WIDE_PRIMARIES:
        matrix = FROM_BT2020 if primaries == BT2020 else FROM_P3
        light = light @ matrix[::-1, ::-1].T.astype(np.float32)
    if transfer in {PQ, HLG}:
        room = np.float32(1 - KNEE)
        excess = np.maximum(light - np.float32(KNEE), 0)
        light = np.minimum(light, np.float32(KNEE)) + room * (1 - np.exp(-excess / room))
    codes = (np.clip(light, 0, 1) * 65535).astype(np.uint16)
    return np.asarray(_srgb_code()[codes], np.uint8)


@cache
def _linear_light(transfer: int) -> NDArray[np.float32]:
    """Table of linear light relative to white, over 12-bit signals (ITU-R BT.2100)."""
    signal = np.linspace(0, 1, LEVELS)
    if transfer == PQ:
        root = signal ** (32 / 2523)
        share = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
        return (10_000 / WHITE_NITS * share ** (16384 / 2610)).astype(np.float32)
    if transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        return (HLG_PEAK_NITS / WHITE_NITS * scene**HLG_SYSTEM_GAMMA).astype(np.float32)
    low = signal <= 0.04045
    return np.where(low, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _srgb_code() -> NDArray[np.uint8]:
    """Table of sRGB codes over 16-bit linear light (IEC 61966-2-1)."""
    light = np.linspace(0, 1, 65536)
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * signal), np.uint8)
