"""How heard lips move on pictures and videos: ``python -m benchmarks.lips [FACE ...]``.

Every face speaks through ``warp``, and the face mesh that avatars are prepared with reads the lips
off the frames again. Prints, for the median face and the worst one: the correlation of the opening
with the one that was heard, the opening and its movement in silence (percent of the mouth's width),
and the sharpness of skin against the same frame of the source, for the median frame and the softest
ones. ``--each`` adds a line per face.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from api.service import Mouthpiece
from benchmarks.__main__ import SHARED
from benchmarks.quality import Mesh, skin_sharpness
from runtime.animator import Animator, StreamOptions
from runtime.audio import read_audio
from runtime.blending import BlendOptions, can_warp, opening
from runtime.chunks import frame_count
from runtime.faces import Roi
from runtime.mel import melspectrogram
from runtime.planes import render, to_bgr
from runtime.silence import SilenceGate
from runtime.types import Patch, Waveform
from training.attention_mesh import AttentionMesh
from training.audio_lips import MEL_OFFSET
from training.corpus import FPS, mel_chunks
from training.lip_motions import gap_of
from training.metrics import correlation

#: Skin is looked at in every fifth frame, and the softest frames are this share of them.
_SKIN_STEP, _SOFTEST = 5, 0.02

Floats = NDArray[np.float32]


class Lips(NamedTuple):
    """What one face's lips do; ``nan`` where there is nothing to measure."""

    follows: float
    open_in_silence: float
    moves_in_silence: float
    skin: float
    softest_skin: float


class Heard(NamedTuple):
    """What the sound asks for, per frame: openings, and whether somebody speaks."""

    openings: Floats
    speaking: Floats

    @classmethod
    def of(cls, mouthpiece: Mouthpiece, sound: Waveform) -> Heard:
        """Listen as the animator does."""
        lips = mouthpiece.generator().lips
        if lips is None:
            raise SystemExit("the generator hears no lips")
        frames = frame_count(len(sound), FPS)
        chunks = mel_chunks(melspectrogram(sound), range(frames), MEL_OFFSET, around=lips.around)
        motions = np.stack([movement.motion for movement in lips.movements(chunks)])
        gate = SilenceGate(FPS)
        weights = [*gate.push(sound), *gate.flush(frames)]
        return cls(gap_of(motions), np.array(weights[:frames], np.float32))


def measure(mouthpiece: Mouthpiece, mesh: Mesh, face: Path, sound: Waveform) -> Lips:
    """Let a face speak and look at every frame."""
    added = mouthpiece.add_avatar(face)
    heard = Heard.of(mouthpiece, sound)
    with mouthpiece.avatars.open(added.avatar_id) as avatar:
        animator = Animator(mouthpiece.generator())
        options = StreamOptions(blend=BlendOptions(method="warp"))
        patches = list(animator.stream(avatar, [sound], options))
    if not can_warp(patches[0].reference):
        return Lips(*[np.nan] * 5)
    seen = [_opening(mesh, patch) for patch in patches]
    shown = np.array(seen, np.float32)
    # A video's own rate may be another than that of what was heard.
    at = np.arange(len(shown)) * len(heard.openings) // len(shown)
    speaks, silent = heard.speaking[at] == 1, heard.speaking[at] == 0
    pairs = silent[1:] & silent[:-1]
    skins = [_skin(mesh, patch) for patch in patches[::_SKIN_STEP]]
    return Lips(
        correlation(shown[speaks], heard.openings[at][speaks]),
        100 * float(shown[silent].mean()),
        100 * float(np.abs(np.diff(shown))[pairs].mean()),
        float(np.median(skins)),
        float(np.quantile(skins, _SOFTEST)),
    )


def _opening(mesh: Mesh, patch: Patch) -> float:
    found = mesh.landmarks(render(patch), Roi.of_landmarks(patch.reference.landmarks))
    return float(opening(found[1]))


def _skin(mesh: Mesh, patch: Patch) -> float:
    """Give the sharpness of skin in parts of the source's."""
    pictures = render(patch), to_bgr(patch.reference.planes)
    points = patch.reference.landmarks
    now, before = (skin_sharpness(mesh, picture, points) for picture in pictures)
    return now / before


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.lips", description=__doc__)
    parser.add_argument(
        "faces", nargs="*", type=Path, help="images or videos; the shared portraits"
    )
    parser.add_argument("--audio", type=Path, default=SHARED / "speech/tts_with_silence_24k.wav")
    parser.add_argument("--each", action="store_true", help="a line for every face too")
    chosen = parser.parse_args()
    faces = chosen.faces or sorted((SHARED / "portraits").glob("*.jpg"))
    sound = read_audio(chosen.audio)
    with Mouthpiece() as mouthpiece:
        mesh = AttentionMesh.find(mouthpiece.models.find("facemesh").path.parent)
        found = {face.stem: measure(mouthpiece, mesh, face, sound) for face in faces}
    table = {name: lips for name, lips in found.items() if not np.isnan(lips.follows)}
    print(f"{len(table)} of {len(found)} faces are warped")
    if not table:
        return
    print("| figure | median | worst |")
    print("|---|---|---|")
    for number, figure in enumerate(Lips._fields):
        values = {name: lips[number] for name, lips in table.items()}
        name = (max if "silence" in figure else min)(values, key=lambda one: values[one])
        median = np.median(list(values.values()))
        print(f"| {figure} | {median:.2f} | {values[name]:.2f} ({name}) |")
    for name, lips in table.items() if chosen.each else ():
        print(f"    {name:34}", " ".join(f"{value:.2f}" for value in lips))


if __name__ == "__main__":
    main()
