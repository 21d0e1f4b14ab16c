"""How pictures look after every blend method: ``python -m benchmarks.quality [FACE ...]``.

Prints one line per method: the edge at the mask's border (1 is none), the sharpness round the lips
in parts of the source's, the same of skin and lips alone, and how far the mean colour of the mask's
border wanders, in grey levels. A smile's teeth hold up to four fifths of the source's detail, and a
mouth that closes over them must lose it; so skin and lips alone tell what a method keeps.
Everything is measured on the pictures before they are encoded. ``--each`` adds a line per face.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from api.service import Mouthpiece
from benchmarks.__main__ import SHARED
from runtime.animator import Animator, StreamOptions
from runtime.audio import read_audio
from runtime.blending import METHODS, BlendOptions, seam_step, sharpness
from runtime.faces import FaceMesh, Roi
from runtime.planes import render, to_bgr
from runtime.types import SAMPLE_RATE, Frame, Landmarks, Mask, Patch, Waveform
from training.attention_mesh import AttentionMesh

Mesh = AttentionMesh | FaceMesh
#: Width in pixels of the rim whose mean colour must stand still.
BORDER = 9


class Quality(NamedTuple):
    """What one method makes of one face."""

    seam: float
    worst_seam: float
    sharpness: float
    skin: float
    wander: float


def measure(mouthpiece: Mouthpiece, face: Path, sound: Waveform, method: str) -> Quality:
    """Animate a face and look at every frame."""
    added = mouthpiece.add_avatar(face)
    options = StreamOptions(blend=BlendOptions(method=method), silence_gating=False)
    with mouthpiece.avatars.open(added.avatar_id) as avatar:
        animator = Animator(mouthpiece.generator())
        patches = [patch for patch in animator.stream(avatar, [sound], options) if patch.region[2]]
    border = _border(patches)
    mesh = FaceMesh(mouthpiece.models.find("facemesh").path)
    seams, shares, skins, colours = [], [], [], []
    for patch, result, source, mask in _pictures(patches):
        points = patch.reference.landmarks
        seams.append(seam_step(result, source, mask))
        shares.append(sharpness(result, points) / sharpness(source, points))
        skins.append(skin_sharpness(mesh, result, points) / skin_sharpness(mesh, source, points))
        colours.append(result[border].mean(0))
    wander = float(np.ptp(colours, axis=0).max()) if added.frames == 1 else 0.0
    sharp, skin = float(np.median(shares)), float(np.median(skins))
    return Quality(float(np.mean(seams)), max(seams), sharp, skin, wander)


def skin_sharpness(mesh: Mesh, picture: Frame, points: Landmarks) -> float:
    """Measure the sharpness round the lips without what is seen between them."""
    lips = mesh.landmarks(picture, Roi.of_landmarks(points))[1]
    return sharpness(picture, points, interior=lips)


def _border(patches: list[Patch]) -> NDArray[np.bool_]:
    """Mark the rim of all that any frame touches, in the frame.

    What ``warp`` touches follows what moves, so one frame's rim says nothing of the next one's.
    """
    touched = np.zeros(patches[0].reference.size, np.uint8)
    for patch in patches:
        x1, y1, x2, y2 = patch.region
        touched[y1:y2, x1:x2] |= patch.touched
    return np.asarray(touched > cv2.erode(touched, np.ones((BORDER, BORDER))))


def _pictures(patches: list[Patch]) -> Iterator[tuple[Patch, Frame, Frame, Mask]]:
    """Yield every patch with the picture it makes, the one below and where it was written."""
    for patch in patches:
        x1, y1, x2, y2 = patch.region
        mask = np.zeros(patch.reference.size, np.float32)
        mask[y1:y2, x1:x2] = patch.touched
        yield patch, render(patch), to_bgr(patch.reference.planes), mask


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.quality", description=__doc__)
    parser.add_argument(
        "faces", nargs="*", type=Path, help="images or videos; the shared portraits"
    )
    parser.add_argument("--audio", type=Path, default=SHARED / "speech/tts_10s_24k.wav")
    parser.add_argument("--seconds", type=float, default=4.0, help="of the sound")
    parser.add_argument("--methods", nargs="+", default=[m for m in METHODS if m != "auto"])
    parser.add_argument("--each", action="store_true", help="a line for every face too")
    chosen = parser.parse_args()
    faces = chosen.faces or sorted((SHARED / "portraits").glob("*.jpg"))
    sound = read_audio(chosen.audio)[: int(chosen.seconds * SAMPLE_RATE)]
    print("| method | seam, mean | worst | sharpness, median | of skin, median | worst | border |")
    print("|---|---|---|---|---|---|---|")
    with Mouthpiece() as mouthpiece:
        for method in chosen.methods:
            found = {face: measure(mouthpiece, face, sound, method) for face in faces}
            seam, worst_seam, sharp, skin, wander = np.array(list(found.values())).T
            shown = (seam.mean(), worst_seam.max(), np.median(sharp), np.median(skin), skin.min())
            cells = " | ".join(f"{cell:.2f}" for cell in (*shown, wander.max()))
            print(f"| `{method}` | {cells} |")
            for face, row in found.items() if chosen.each else ():
                print(f"    {face.stem:34}", " ".join(f"{value:.2f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
