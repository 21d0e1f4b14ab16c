r"""Choose the sounds by which the mouth reader gets to know a face, and what they should read as.

    python -m training.mouth_probes --data DATA --network N.safetensors --speech speech.wav \
        --reader reader.npz

Faces differ in how much of a movement they show. Many faces say the same speech; the median of
their readings is what a face that shows all would read as. Eight moments of that speech, from
nearly closed to wide open and as steady as possible, become the probes. Run it again, a matter of a
minute, when the generator changes: the reader itself stays.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.audio import read_audio
from runtime.blending.lips import LEFT_CORNER, RIGHT_CORNER
from runtime.blending.warp.reader import LipReader
from runtime.chunks import frame_count
from runtime.mel import melspectrogram
from runtime.types import MelSpectrogram
from training.corpus import FPS, Corpus, crop_from_video, cut_face, map_points, mel_chunks
from training.lip_motions import gap_of
from training.lips import LIP_POINTS
from training.network import TrainedNetwork

logger = logging.getLogger(__name__)

PROBES = 8
#: Probes are spread over the openings of a speech from this quantile to the widest.
_FIRST_QUANTILE = 0.1
#: A probe may be this many places from its own in the order of openings, to be steadier.
_PLACES = 12
_SILENT_MEL = -4.0
_POINTS = (LEFT_CORNER, RIGHT_CORNER, 13, 14)

Floats = NDArray[np.float32]


def readings(
    corpus: Corpus,
    network: TrainedNetwork,
    reader: LipReader,
    chunks: MelSpectrogram,
    *,
    faces: int,
    seed: int = 0,
) -> Iterator[Floats]:
    """Yield what is read off faces of the training split that all say the same.

    Args:
        corpus: The data set.
        network: Draws the mouths.
        reader: Reads them.
        chunks: What is said, ``(n, 80, 16)``.
        faces: How many faces.
        seed: Chooses them.

    Yields:
        float32 ``(n, k)`` for each face.
    """
    rng = np.random.default_rng(seed)
    entries = corpus.split("train")
    silence = np.full((1, 80, 16), _SILENT_MEL, np.float32)
    for place in rng.permutation(len(entries))[:faces]:
        clip = corpus.read(entries[place])
        crop = cut_face(clip.frames[0], crop_from_video())
        lips = map_points(clip.lips[:1], crop_from_video())[0]
        points = np.zeros((468, 2), np.float32)
        points[list(_POINTS)] = lips[[LIP_POINTS.index(point) for point in _POINTS]]
        rest = reader.learn(network.draw(crop, silence)[0], points)
        yield np.stack([reader.read(rest, mouth) for mouth in network.draw(crop, chunks)])


def choose(read: Floats, openings: Floats, *, count: int = PROBES) -> NDArray[np.intp]:
    """Choose moments from nearly closed to wide open, the steadiest near each opening.

    Args:
        read: Readings of consecutive frames, ``(n, k)``.
        openings: How far the lips are open, ``(n,)``.
        count: How many moments.

    Returns:
        Their numbers, different ones, by opening.
    """
    before, after = read[np.r_[0, : len(read) - 1]], read[np.r_[1 : len(read), len(read) - 1]]
    change = np.maximum(*(np.linalg.norm(read - other, axis=1) for other in (before, after)))
    order = np.argsort(openings)
    chosen: list[int] = []
    for place in np.linspace(_FIRST_QUANTILE, 1, count) * (len(order) - 1):
        near = order[max(0, int(place) - _PLACES) : int(place) + _PLACES + 1]
        free = [int(frame) for frame in near if int(frame) not in chosen]
        chosen.append(min(free, key=lambda frame: float(change[frame])))
    return np.array(sorted(chosen, key=lambda frame: float(openings[frame])))


def main() -> None:
    """Measure, choose, and write the probes into the reader's file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder of the data set")
    parser.add_argument("--network", required=True, type=Path, help="generator, safetensors")
    parser.add_argument("--speech", required=True, type=Path, help="what the faces say")
    parser.add_argument("--reader", required=True, type=Path, help="reader.npz to write into")
    parser.add_argument("--faces", type=int, default=24, help="faces to learn from")
    chosen = parser.parse_args()
    with np.load(chosen.reader, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    network, reader = TrainedNetwork.load(chosen.network), LipReader(arrays)
    sound = read_audio(chosen.speech)
    frames = range(frame_count(len(sound), FPS))
    chunks = mel_chunks(melspectrogram(sound), frames, network.mel_offset)
    corpus = Corpus(chosen.data)
    known = np.median(list(readings(corpus, network, reader, chunks, faces=chosen.faces)), 0)
    openings = gap_of(np.stack([reader.motion(read) for read in known]))
    places = choose(np.asarray(known, np.float32), openings)
    arrays["probe_chunks"] = chunks[places].astype(np.float16)
    arrays["probe_readings"] = known[places].astype(np.float16)
    np.savez_compressed(chosen.reader, **arrays)
    logger.info("probes at openings %s", np.round(openings[places], 3).tolist())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
