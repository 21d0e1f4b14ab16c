"""Show every blend method and preset, and faces that speak, on the sample avatars or your own.

    python examples/quality_sheet.py --output sheet.jpg --strips strips.jpg [face1.jpg face2.mp4]

The sheet has one block per avatar: the face, silent and speaking, and for every method and preset
the mouth half and wide open, in the same two moments for all. The strips show one face per line,
from closed to open. Sharpness against the picture's own is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from api.options import AnimateOptions, Blend, Preset
from api.service import Mouthpiece
from api.settings import Settings
from api.speech import sample_avatar, synthesize
from runtime.blending import METHODS, PRESETS, opening, sharpness
from runtime.blending.lips import LIPS
from runtime.types import Frame, Landmarks
from runtime.video import read_frames

TEXT = "Papa, may I buy my own boat?"
FACE_WH, MOUTH_WH, STRIP_WH = (340, 476), (208, 140), (200, 240)
FACE_REACH, MOUTH_REACH = 1.4, 1.7
GAP = 4
CAPTION_HEIGHT, TITLE_HEIGHT = 24, 48
STRIP_FRAMES = 6


class Avatar(NamedTuple):
    """A face and its speech by the method ``auto``.

    Attributes:
        path: Its picture or video.
        frame: The first frame, uint8 ``(h, w, 3)`` BGR.
        landmarks: The face in it, float32 ``(468, 2)``, pixels.
        speaking: The frames of the speech.
        openings: How far open the mouth is in each of them, float32 ``(n,)``, in mouth widths.
    """

    path: Path
    frame: Frame
    landmarks: Landmarks
    speaking: list[Frame]
    openings: NDArray[np.float32]

    def moment(self, share: float) -> int:
        """Give the number of the frame whose mouth is open by that share of its widest opening."""
        low, high = self.openings.min(), self.openings.max()
        return int(np.abs(self.openings - low - share * (high - low)).argmin())


def open_avatar(mouthpiece: Mouthpiece, path: Path, speech: Path, folder: Path) -> Avatar:
    """Let a face speak, and look where its mouth is how far open."""
    film = folder / f"{path.stem}.mp4"
    mouthpiece.animate(path, speech, film)
    (frame,), (landmarks,) = look_at(mouthpiece, path, at_most=1)
    speaking, lips = look_at(mouthpiece, film)
    return Avatar(path, frame, landmarks, speaking, opening(np.stack(lips)))


def look_at(
    mouthpiece: Mouthpiece, path: Path, at_most: int | None = None
) -> tuple[list[Frame], list[Landmarks]]:
    """Give the frames of a picture or video, and the landmarks of its face in each."""
    known = mouthpiece.add_avatar(path)
    with mouthpiece.avatars.open(known.avatar_id) as opened:
        references = list(opened.frames(iter(range(known.frames)[:at_most])))
    frames = [cv2.cvtColor(reference.planes, cv2.COLOR_YUV2BGR_I420) for reference in references]
    return cast(list[Frame], frames), [reference.landmarks for reference in references]


def block(mouthpiece: Mouthpiece, avatar: Avatar, speech: Path, folder: Path) -> Frame:
    """Picture an avatar and its mouth by every method and preset."""
    ways = {name: AnimateOptions(blend=cast(Blend, name)) for name in METHODS if name != "auto"}
    ways |= {f"preset {name}": AnimateOptions(preset=cast(Preset, name)) for name in PRESETS}
    cells = []
    for name, options in ways.items():
        film = folder / "way.mp4"
        mouthpiece.animate(avatar.path, speech, film, options)
        frames = list(read_frames(film))
        shown = [frames[avatar.moment(share)] for share in (0.5, 1.0)]
        kept = sharpness(shown[0], avatar.landmarks) / sharpness(avatar.frame, avatar.landmarks)
        sys.stdout.write(f"{avatar.path.name:24} {name:16} sharpness {kept:.2f} of the source's\n")
        mouths = [cut(frame, avatar.landmarks[LIPS], MOUTH_REACH, MOUTH_WH) for frame in shown]
        cells.append(captioned(name, beside(mouths)))
    grid = below([beside(cells[first : first + 2]) for first in range(0, len(cells), 2)])
    faces = below(
        [
            captioned(name, cut(frame, avatar.landmarks, FACE_REACH, FACE_WH))
            for name, frame in (
                ("the picture", avatar.frame),
                ("speaking (auto)", avatar.speaking[avatar.moment(1.0)]),
            )
        ]
    )
    title = band(TITLE_HEIGHT, grid.shape[1] + GAP + faces.shape[1], avatar.path.stem, 0.9, 2)
    return below([title, beside([faces, grid])])


def strip(avatar: Avatar) -> Frame:
    """Lay the face side by side in moments from closed to open."""
    moments = [avatar.moment(share) for share in np.linspace(0, 1, STRIP_FRAMES)]
    frames = [avatar.speaking[moment] for moment in moments]
    return beside([cut(frame, avatar.landmarks, FACE_REACH, STRIP_WH) for frame in frames])


def cut(frame: Frame, points: Landmarks, reach: float, size_wh: tuple[int, int]) -> Frame:
    """Cut the surroundings of points, ``reach`` times as wide as they are, to a size."""
    low, high = points.min(0), points.max(0)
    scale = size_wh[0] / (float(high[0] - low[0]) * reach)
    # Where the picture ends, its edge is shown rather than a smear beyond it.
    reach_wh, size = np.array(size_wh) / scale / 2, np.array(frame.shape[1::-1])
    middle = np.clip((low + high) / 2, reach_wh, np.maximum(size - reach_wh, reach_wh))
    to_cut = np.array([[scale, 0, 0], [0, scale, 0]])
    to_cut[:, 2] = np.array(size_wh) / 2 - scale * middle
    # Area averaging when it shrinks: a cubic alone would alias.
    blur = max(0.5 / scale - 0.5, 0.0)
    soft = cv2.GaussianBlur(frame, (0, 0), blur) if blur else frame
    warped = cv2.warpAffine(soft, to_cut, size_wh, flags=cv2.INTER_CUBIC, borderMode=1)
    return np.asarray(warped, np.uint8)


def captioned(name: str, picture: Frame) -> Frame:
    """Write a name above a picture."""
    return np.vstack([band(CAPTION_HEIGHT, picture.shape[1], name, 0.5, 1), picture])


def band(height: int, width: int, words: str, size: float, thickness: int) -> Frame:
    """Write words on a white band."""
    white = np.full((height, width, 3), 255, np.uint8)
    cv2.putText(white, words, (2, height - 8), 0, size, (40, 40, 40), thickness, cv2.LINE_AA)
    return white


def beside(pictures: list[Frame]) -> Frame:
    """Set pictures side by side, gaps between them, white where one is lower."""
    height = max(picture.shape[0] for picture in pictures)
    cells = [
        cv2.copyMakeBorder(
            picture, 0, height - picture.shape[0], 0, GAP, cv2.BORDER_CONSTANT, value=(255,) * 3
        )
        for picture in pictures
    ]
    return np.asarray(np.hstack(cells)[:, :-GAP], np.uint8)


def below(pictures: list[Frame]) -> Frame:
    """Set pictures one below the other, gaps between them; the first one's width counts."""
    gap = np.full((GAP, pictures[0].shape[1], 3), 255, np.uint8)
    return np.vstack([part for picture in pictures for part in (picture, gap)][:-1])


def sample_avatars(settings: Settings) -> list[Path]:
    """Give the photograph that set-up installed, and the drawn faces beside this script."""
    return [sample_avatar(settings), *sorted(Path(__file__).with_name("avatars").glob("*.jpg"))]


def main() -> None:
    """Make the sheet, the strips or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("avatars", nargs="*", type=Path, help="pictures or videos of a face")
    parser.add_argument("--audio", type=Path, help="some speech [default: the built-in voice]")
    parser.add_argument("--output", type=Path, help="sheet of methods and presets to write")
    parser.add_argument("--strips", type=Path, help="strips of speaking faces to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(cache_dir=folder / "cache")
        speech = arguments.audio or folder / "speech.wav"
        if not arguments.audio:
            speech.write_bytes(synthesize(TEXT))
        with Mouthpiece(settings) as mouthpiece:
            avatars = [
                open_avatar(mouthpiece, path, speech, folder)
                for path in arguments.avatars or sample_avatars(settings)
            ]
            if arguments.output:
                blocks = [block(mouthpiece, avatar, speech, folder) for avatar in avatars]
                write(arguments.output, below(blocks))
        if arguments.strips:
            write(arguments.strips, below([strip(avatar) for avatar in avatars]))


def write(path: Path, picture: Frame) -> None:
    """Write a picture; JPEG in a quality that documents can afford."""
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
