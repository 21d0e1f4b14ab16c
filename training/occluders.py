"""Draw things in front of faces: what the occlusion network learns from.

Hands, microphones, straws, cups, cloths and shapless things with any texture, composed over real
pictures of faces with a soft shadow. What only looks like a thing in front (beards, shadows, odd
light) is drawn too and is no occlusion.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.types import Frame, Mask

Random = np.random.Generator
Colour = NDArray[np.float32]
Place = NDArray[np.float64]

#: Side of the pictures drawn on; the face box is the middle ``1 / 1.35``, the mouth here.
SIDE = 128
MOUTH = np.array([64.0, 88.0])
_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
#: Shapes are filled this much larger, then averaged, for soft edges.
_FINE = 2


def occlude(face: Frame, others: Frame, rng: Random) -> tuple[Frame, Mask]:
    """Put one thing in front of a face.

    Args:
        face: uint8 ``(128, 128, 3)`` BGR.
        others: uint8 ``(n, 128, 128, 3)``: other faces, whose skin and surroundings give textures.
        rng: Chooses everything.

    Returns:
        The picture, and the share of every pixel that the thing covers.
    """
    kind = rng.choice(list(_THINGS))
    cover, shade = _THINGS[kind](rng)
    texture = _texture(str(kind), face, others, rng)
    thing = texture * shade[..., None]
    shadow = cv2.GaussianBlur(cover, (0, 0), rng.uniform(1.5, 6))
    shadow = np.roll(shadow, rng.integers(-5, 6, 2), (0, 1)) * rng.uniform(0, 0.45)
    below = face.astype(np.float32) * (1 - shadow * (1 - cover))[..., None]
    mixed = below + cover[..., None] * (thing - below)
    return np.clip(mixed, 0, 255).astype(np.uint8), cover


def disguise(face: Frame, rng: Random) -> Frame:
    """Give a face a beard, a moustache or a shadow, none of which is in front of it."""
    changed = face.astype(np.float32)
    if rng.random() < 0.5:
        changed = _bearded(changed, rng)
    if rng.random() < 0.6:
        changed = changed * _shadow(rng)[..., None]
    return np.clip(changed, 0, 255).astype(np.uint8)


def _hand(rng: Random) -> tuple[Mask, Mask]:
    """Draw some fingers side by side, with a palm where they come from."""
    towards = MOUTH + rng.normal(0, (16, 13))
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    width, count = rng.uniform(6, 13), int(rng.integers(1, 6))
    cover, shade = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    root = towards + along * rng.uniform(35, 80)
    for finger in range(count):
        offset = across * (finger - (count - 1) / 2) * width * rng.uniform(0.9, 1.15)
        tip = towards + offset + along * rng.uniform(-8, 14)
        _capsule(cover, shade, tip, root + offset, width / 2 * rng.uniform(0.85, 1.1), rng)
    if rng.random() < 0.7:
        _capsule(cover, shade, root, root + along * 40, width * count * 0.6, rng)
    return cover, shade


def _microphone(rng: Random) -> tuple[Mask, Mask]:
    """Draw a head and a handle."""
    head = MOUTH + rng.normal(0, (20, 14))
    radius = rng.uniform(9, 26)
    angle = rng.uniform(0.1 * np.pi, 0.9 * np.pi) if rng.random() < 0.8 else rng.uniform(-3.1, 3.1)
    end = head + 120 * np.array([np.cos(angle), np.sin(angle)])
    cover, shade = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    _capsule(cover, shade, head, end, radius * rng.uniform(0.3, 0.75), rng)
    _capsule(cover, shade, head, head + rng.normal(0, 4, 2), radius, rng)
    return cover, shade


def _stick(rng: Random) -> tuple[Mask, Mask]:
    tip = MOUTH + rng.normal(0, (20, 12))
    angle = rng.uniform(0, 2 * np.pi)
    cover, shade = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    end = tip + rng.uniform(40, 120) * np.array([np.cos(angle), np.sin(angle)])
    _capsule(cover, shade, tip, end, rng.uniform(1.6, 5), rng)
    return cover, shade


def _cup(rng: Random) -> tuple[Mask, Mask]:
    """Draw a four-sided thing with rounded edges, lighter on one side."""
    centre = MOUTH + rng.normal(0, (18, 18)) + (0, 12)
    size = rng.uniform(12, 38, 2)
    corners = np.array([(-1, -1), (1, -1), (rng.uniform(0.5, 1), 1), (-rng.uniform(0.5, 1), 1)])
    angle = rng.normal(0, 0.5)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cover = _filled(corners * size @ turn.T + centre)
    columns = np.linspace(-1, 1, SIDE, dtype=np.float32)
    slope = columns * np.cos(angle) + columns[:, None] * np.sin(angle)
    return cover, 1 + np.float32(rng.uniform(-0.5, 0.5)) * slope


def _blob(rng: Random) -> tuple[Mask, Mask]:
    """Draw an outline that wanders round a centre."""
    turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = rng.uniform(8, 36) * np.ones(40)
    for wave in range(1, 6):
        share = rng.normal(0, 0.35 / wave)
        radius = radius * (1 + share * np.cos(wave * turns + rng.uniform(0, 6.3)))
    outline = np.stack([np.cos(turns), np.sin(turns) * rng.uniform(0.6, 1.4)], 1)
    cover = _filled(outline * np.abs(radius)[:, None] + MOUTH + rng.normal(0, (22, 16)))
    return cover, 1 + rng.uniform(0, 0.3) * _waves(rng)


def _cloth(rng: Random) -> tuple[Mask, Mask]:
    """Cover the face from the nose or the lips down, as a mask or scarf does."""
    top = rng.uniform(70, 100)
    rise = rng.uniform(-10, 10)
    sag = rng.uniform(-10, 10)
    edge = [(x, top + rise * (x - 64) / 64 + sag * (1 - ((x - 64) / 64) ** 2)) for x in (0, 32, 64)]
    edge += [(128 - x, y) for x, y in reversed(edge[:2])]
    cover = _filled(np.array([*edge, (128, 128), (0, 128)]))
    return cover, 1 + rng.uniform(0, 0.3) * _waves(rng)


_THINGS: dict[str, Callable[[Random], tuple[Mask, Mask]]] = {
    "hand": _hand,
    "second hand": _hand,
    "microphone": _microphone,
    "stick": _stick,
    "second stick": _stick,
    "cup": _cup,
    "blob": _blob,
    "cloth": _cloth,
}


def _capsule(
    cover: Mask, shade: Mask, start: Place, end: Place, radius: float, rng: Random
) -> None:
    """Add a round-ended bar that is darker towards its sides; later ones lie on top."""
    x, y = (_COLUMNS - np.float32(start[0]), _ROWS - np.float32(start[1]))
    along_x, along_y = (end - start).astype(np.float32)
    share = (x * along_x + y * along_y) / max(along_x**2 + along_y**2, np.float32(1e-6))
    share = np.clip(share, 0, 1)
    away = np.hypot(x - share * along_x, y - share * along_y) / np.float32(radius)
    inside = np.clip((1 - away) * np.float32(radius) + 0.5, 0, 1)
    light = np.float32(1.08) - np.float32(rng.uniform(0.1, 0.5)) * np.minimum(away, 1) ** 2
    shade[:] = shade * (1 - inside) + light * inside
    cover[:] = np.maximum(cover, inside)


def _filled(corners: NDArray[np.float64]) -> Mask:
    fine = np.zeros((SIDE * _FINE, SIDE * _FINE), np.uint8)
    cv2.fillPoly(fine, [np.round(corners * _FINE * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    small = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255)


def _texture(kind: str, face: Frame, others: Frame, rng: Random) -> NDArray[np.float32]:
    """Choose what a thing is made of; hands are mostly skin, of this face or of another."""
    if ("hand" in kind and rng.random() < 0.85) or rng.random() < 0.12:
        source = face if rng.random() < 0.6 else others[rng.integers(len(others))]
        return _skin(source, rng)
    if rng.random() < 0.25:
        return _cut_out(others, rng)
    return (_plain, _striped, _grained)[rng.integers(3)](rng)


def _skin(face: Frame, rng: Random) -> NDArray[np.float32]:
    """Spread a cheek over the picture, somewhat lighter, darker or redder than it is."""
    x = int(rng.choice([34, 82]))
    cheek = face[64:78, x : x + 12].astype(np.float32)
    tone = cheek.mean((0, 1)) * rng.normal(1, 0.1) * rng.normal(1, 0.04, 3)
    folds = _waves(rng) * rng.uniform(0.02, 0.15) + _noise(rng, rng.uniform(0.8, 3)) * 0.03
    return np.asarray(tone * (1 + folds[..., None]), np.float32)


def _plain(rng: Random) -> NDArray[np.float32]:
    colour = _colour(rng)
    return np.asarray(colour * (1 + 0.15 * rng.random() * _waves(rng)[..., None]), np.float32)


def _striped(rng: Random) -> NDArray[np.float32]:
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 20)
    phase = (_COLUMNS * np.cos(angle) + _ROWS * np.sin(angle)) * 2 * np.pi / period
    share = (1 / (1 + np.exp(-6 * np.sin(phase))))[..., None]
    return np.asarray(share * _colour(rng) + (1 - share) * _colour(rng), np.float32)


def _grained(rng: Random) -> NDArray[np.float32]:
    grain = _noise(rng, rng.uniform(0.3, 2)) * rng.uniform(0.1, 0.6)
    return np.asarray(_colour(rng) * (1 + grain[..., None]), np.float32)


def _cut_out(others: Frame, rng: Random) -> NDArray[np.float32]:
    """Enlarge some part of another picture: hair, clothes, walls."""
    other = others[rng.integers(len(others))]
    side = int(rng.integers(24, 90))
    x, y = rng.integers(0, SIDE - side, 2)
    part = cv2.resize(other[y : y + side, x : x + side], (SIDE, SIDE))
    return np.asarray(np.rot90(part, int(rng.integers(4))), np.float32)


def _colour(rng: Random) -> Colour:
    """Choose a colour; black, grey and white as often as all others together."""
    if rng.random() < 0.5:
        level = rng.choice([rng.uniform(8, 60), rng.uniform(0, 255)])
        return np.asarray(level * (1 + rng.normal(0, 0.03, 3)), np.float32)
    return rng.uniform(0, 255, 3).astype(np.float32)


def _bearded(face: NDArray[np.float32], rng: Random) -> NDArray[np.float32]:
    middle = MOUTH + rng.normal(0, 2, 2)
    wide = np.hypot((_COLUMNS - middle[0]) / 40, (_ROWS - middle[1] - 4) / 28)
    lips = np.hypot((_COLUMNS - middle[0]) / 17, (_ROWS - middle[1]) / 7)
    where = np.clip((1.05 - wide) * 4, 0, 1) * np.clip((lips - 0.9) * 4, 0, 1)
    if rng.random() < 0.3:
        where *= middle[1] > _ROWS
    where *= np.clip((_ROWS - middle[1] + 15) / 4, 0, 1)
    hair = _noise(rng, rng.uniform(0.4, 1.2))[..., None]
    tone = _HAIR[rng.integers(len(_HAIR))] * (1 + 0.15 * hair)
    share = where[..., None] * np.clip(rng.uniform(0.3, 1.1) + 0.3 * hair, 0, 1)
    return np.asarray(face + share * (tone - face), np.float32)


#: Hair colours, BGR: black, brown, reddish, blond, grey, white.
_HAIR = np.array(
    [(22, 22, 26), (32, 45, 66), (40, 70, 120), (95, 135, 170), (125, 128, 132), (205, 208, 212)],
    np.float32,
)


def _shadow(rng: Random) -> Mask:
    """Give a soft-edged darkness over half a face."""
    angle, soft = rng.uniform(0, 2 * np.pi), rng.uniform(2, 20)
    edge = (_COLUMNS - 64) * np.cos(angle) + (_ROWS - 64) * np.sin(angle) + rng.uniform(-30, 30)
    dark = 1 / (1 + np.exp(-np.clip(edge / soft, -30, 30)))
    return np.asarray(1 - rng.uniform(0.1, 0.65) * dark, np.float32)


def _waves(rng: Random) -> Mask:
    return _noise(rng, rng.uniform(8, 25))


def _noise(rng: Random, scale: float) -> Mask:
    """Give smooth noise of deviation about 1."""
    side = max(4, round(SIDE / max(scale, 1)))
    noise = rng.standard_normal((side, side), np.float32)
    if scale < 1:
        noise = cv2.GaussianBlur(noise, (3, 3), scale) / np.float32(1 - 0.5 * scale)
    return np.asarray(cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)
