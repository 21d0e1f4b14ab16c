"""What generators are measured on: held-out clips, any portraits, and any other speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from runtime.audio import read_audio
from runtime.mel import melspectrogram
from runtime.types import SAMPLE_RATE, FaceCrop, Frame, MelSpectrogram, Waveform
from runtime.video import read_frames, read_image
from training.corpus import (
    FPS,
    MARGIN,
    VIDEO_SIZE,
    Clip,
    ClipEntry,
    Corpus,
    crop_from_video,
    cut_face,
    map_points,
)
from training.dataset import FILMS, picture_files
from training.errors import RejectedError
from training.lips import Openings, from_mesh, openings
from training.mesh_tracking import FaceTracker
from training.retarget.framing import cover, cut_picture, face_frame

#: Sounds that every portrait says, and faces that every recording is put on.
SOUNDS_PER_FACE, FACES_PER_SOUND = 2, 4
#: Of a long recording the beginning is enough.
_MOST_SECONDS = 12
_LEAST_FRAMES = 25
_QUIETEST_DB = -60.0
#: Chardon, Cretois and Hourseau 1991: skin above 28 degrees is light, below 10 brown or dark.
_LIGHT_DEGREES, _DARK_DEGREES = 28.0, 10.0
#: Centre and half side of the patches of cheek, parts of the crop.
_CHEEKS, _CHEEK_HALF = ((0.25, 0.52), (0.75, 0.52)), 0.05

Words = Sequence[tuple[float, float, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One face that says one sound.

    Attributes:
        name: Of the clip, or of the face and the sound.
        groups: What kinds of face or voice, for reports.
        face: uint8 ``(128, 128, 3)``: the picture to animate, framed as a data set's.
        mel: Spectrogram of the sound.
        wrong_mel: That of another sound.
        goal: What the lips should do, one a frame: their true opening, or where nobody knows it
            the loudness in dB.
        knows_lips: Whether ``goal`` is the true opening.
        words: Times of the words, empty where unknown.
        clip: True pictures and lips, or ``None``.
    """

    name: str
    groups: tuple[str, ...]
    face: Frame
    mel: MelSpectrogram
    wrong_mel: MelSpectrogram
    goal: Openings
    knows_lips: bool = True
    words: Words = ()
    clip: Clip | None = None

    @property
    def crop(self) -> FaceCrop:
        """What the network sees of the face."""
        return cut_face(self.face, crop_from_video())


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """A sound and what lips do meanwhile; see ``Case``."""

    name: str
    mel: MelSpectrogram
    goal: Openings
    knows_lips: bool = True
    words: Words = ()

    def on(self, face: Frame, name: str, group: str, wrong: Sentence) -> Case:
        """Give the case of a face that says this."""
        return Case(
            name=f"{name}: {self.name}",
            groups=(group,),
            face=face,
            mel=self.mel,
            wrong_mel=wrong.mel,
            goal=self.goal,
            knows_lips=self.knows_lips,
            words=self.words,
        )


def clip_cases(
    data: Corpus,
    entries: Sequence[ClipEntry],
    *,
    limit: int | None = None,
    mels: dict[str, MelSpectrogram] | None = None,
) -> list[Case]:
    """Measure on clips of a data set.

    Args:
        data: The data set.
        entries: Its clips to use.
        limit: Clips at most, spread over all; ``None`` for all.
        mels: Spectrograms to use instead of the clips' own, by sound (other voices saying the same
            at the same time); clips without one are left out.
    """
    known = [entry for entry in entries if mels is None or entry.sound in mels]
    step = 1 if limit is None else max(1, len(known) // limit)
    chosen = known[::step][:limit]

    def mel_of(entry: ClipEntry) -> MelSpectrogram:
        return data.mel(entry.sound) if mels is None else mels[entry.sound]

    cases = []
    for index, entry in enumerate(chosen):
        clip = data.read(entry)
        case = Case(
            name=entry.clip_id,
            groups=(*filter(None, [entry.group]), skin_tone(clip.frames[0])),
            face=clip.frames[0],
            mel=mel_of(entry),
            wrong_mel=mel_of(_other(chosen, index)),
            goal=openings(clip.lips),
            words=data.alignments.get(entry.sound, []),
            clip=clip,
        )
        cases.append(case)
    return cases


def portrait_cases(folder: Path, tracker: FaceTracker, sentences: Sequence[Sentence]) -> list[Case]:
    """Let every portrait of a folder say some sentences; its group is its folder, or itself.

    Raises:
        RejectedError: A portrait has no face, or too much of it lies outside the picture.
    """
    paths = picture_files(folder)
    faces = [framed_face(read_image(path), tracker, path.name) for path in paths]
    cases = []
    for turn in range(SOUNDS_PER_FACE):
        for number, (path, face) in enumerate(zip(paths, faces, strict=True)):
            group = path.parent.name if path.parent != folder else path.stem
            place = number + turn * len(sentences) // SOUNDS_PER_FACE
            said = sentences[place % len(sentences)]
            wrong = sentences[(place + 1) % len(sentences)]
            cases.append(said.on(face, path.stem, group, wrong))
    return cases


def speech_cases(
    paths: Sequence[Path], tracker: FaceTracker, faces: Sequence[Case], wrong: Sentence
) -> list[Case]:
    """Put recordings of any speakers on some faces; films with a face are also compared with it.

    Args:
        paths: Sounds, or films of one face with its own sound at 25 frames/s.
        tracker: Reads lips of the films.
        faces: Whose faces are used.
        wrong: Sound that the mouths should not fit.
    """
    cases = []
    for path in paths:
        own = _own_clip(path, tracker) if path.suffix.lower() in FILMS else None
        said = _sentence(path, own)
        if own is not None:
            case = said.on(own.frames[0], "own face", f"{path.stem}, own face", wrong)
            cases.append(replace(case, clip=own))
        group = f"{path.stem}, other faces"
        cases += [said.on(face.face, face.name, group, wrong) for face in faces]
    return cases


def sentences_of(cases: Sequence[Case]) -> list[Sentence]:
    """Give the different sounds of some cases."""
    found = {}
    for case in cases:
        sound = case.clip.entry.sound if case.clip else case.name
        found[sound] = Sentence(sound, case.mel, case.goal, case.knows_lips, case.words)
    return list(found.values())


def framed_face(image: Frame, tracker: FaceTracker, name: str) -> Frame:
    """Cut a face out of a picture as data sets keep it, uint8 ``(128, 128, 3)``.

    Raises:
        RejectedError: There is no face, or too much of it lies outside the picture.
    """
    mesh = tracker.settle(image)
    if mesh is None:
        raise RejectedError(f"{name}: no face")
    return cut_picture(image, cover(face_frame(image, mesh, MARGIN), VIDEO_SIZE), VIDEO_SIZE)


def skin_tone(face: Frame) -> str:
    """Tell light, medium or dark skin by the individual typology angle of the cheeks.

    The angle is atan((L - 50) / b) in CIELAB (Chardon, Cretois and Hourseau 1991). The light of the
    picture counts as well: it is a rough sorting for reports.
    """
    crop = cut_face(face, crop_from_video())
    side = len(crop)
    patches = [
        crop[int((y - _CHEEK_HALF) * side) : int((y + _CHEEK_HALF) * side),
             int((x - _CHEEK_HALF) * side) : int((x + _CHEEK_HALF) * side)].reshape(-1, 3)
        for x, y in _CHEEKS
    ]  # fmt: skip
    pixels = np.concatenate(patches)[None].astype(np.float32) / 255
    lightness, _, blueness = np.median(cv2.cvtColor(pixels, cv2.COLOR_BGR2LAB)[0], axis=0)
    angle = np.degrees(np.arctan2(lightness - 50, blueness))
    if angle > _LIGHT_DEGREES:
        return "light skin"
    return "dark skin" if angle < _DARK_DEGREES else "medium skin"


def loudness_db(waveform: Waveform, count: int) -> Openings:
    """Give the loudness during each of ``count`` frames, dB below the loudest, at least -60."""
    samples = SAMPLE_RATE // FPS
    padded = np.zeros(count * samples, np.float32)
    padded[: min(len(waveform), len(padded))] = waveform[: len(padded)]
    energy = np.square(padded.reshape(count, samples)).mean(axis=1)
    level = 10 * np.log10(energy / max(float(energy.max()), 1e-12) + 1e-12)
    return np.asarray(np.maximum(level, _QUIETEST_DB), np.float32)


def _other(entries: Sequence[ClipEntry], index: int) -> ClipEntry:
    """Give an entry that says something else, half the list away."""
    half = max(1, len(entries) // 2)
    turned = [entries[(index + half + turn) % len(entries)] for turn in range(len(entries))]
    own = entries[index]
    return next((entry for entry in turned if entry.sound != own.sound), own)


def _sentence(path: Path, own: Clip | None) -> Sentence:
    waveform = read_audio(path)[: _MOST_SECONDS * SAMPLE_RATE]
    mel = melspectrogram(waveform)
    if own is not None:
        return Sentence(path.stem, mel, openings(own.lips))
    count = len(waveform) * FPS // SAMPLE_RATE
    return Sentence(path.stem, mel, loudness_db(waveform, count), knows_lips=False)


def _own_clip(path: Path, tracker: FaceTracker) -> Clip:
    """Read a film as a clip of a data set: one place for all frames, lips tracked."""
    frames = np.stack(list(read_frames(path))[: _MOST_SECONDS * FPS])
    found = tracker.track(list(frames))
    meshes = [mesh for mesh in found if mesh is not None]
    if len(meshes) < len(found) or len(found) < _LEAST_FRAMES:
        raise RejectedError(f"{path.name}: a face in {len(meshes)} of {len(found)} frames")
    typical = np.median(meshes, axis=0).astype(np.float64)
    to_video = cover(face_frame(frames[0], typical, MARGIN), VIDEO_SIZE)
    lips = map_points(from_mesh(np.stack(meshes)), to_video.astype(np.float32))
    entry = ClipEntry(path.stem, "heldout", path.stem, len(frames))
    return Clip(
        entry, np.stack([cut_picture(frame, to_video, VIDEO_SIZE) for frame in frames]), lips
    )
