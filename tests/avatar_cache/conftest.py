"""Toy detectors, faces and videos: no network, no media files."""

import io
import threading
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from avatar_cache import AvatarStore
from runtime import boxes
from runtime.boxes import Pads
from runtime.faces import MeshReader, Roi, counters, mesh_points
from runtime.pyramid import Pyramid
from runtime.types import Detection, FaceBox, Frame, Landmarks


class SquareMesh:
    """Reads a typical mesh wherever it is asked to look."""

    digest = "e" * 64

    def landmarks(self, image: Frame, roi: Roi | FaceBox) -> tuple[float, Landmarks]:
        return self.settle(image, Roi.of_box(roi, 1.25) if isinstance(roi, FaceBox) else roi)

    def settle(self, image: Frame, roi: Roi, *, passes: int = 3) -> tuple[float, Landmarks]:
        counters.add(meshes=passes if image.size else 0)
        box = FaceBox(round(roi.x), round(roi.y), round(roi.x) + 1, round(roi.y) + 1)
        return 1.0, mesh_points.typical_landmarks(boxes.square(box, roi.side / 1.25))


class SquareDetector:
    """Takes every red square for a face; counts its calls like the real ones."""

    digest = "d" * 64
    frames_mesh = True
    included_pads = Pads()

    def __init__(self) -> None:
        self.facemesh: MeshReader = SquareMesh()
        self.frames_seen = 0

    def best_score(self, frame: Frame) -> float:
        return 0.25 if frame.size else 0.0

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        return [self._faces(frame) for frame in frames]

    def track(self, pictures: Iterable[Pyramid]) -> Iterator[list[Detection]]:
        for picture in pictures:
            yield self._faces(picture.whole)

    def _faces(self, frame: Frame) -> list[Detection]:
        counters.add(detections=1)
        self.frames_seen += 1
        red = (frame[..., 2] > 150) & (frame[..., 1] < 100)
        count, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        found = [row[:4].tolist() for row in stats[1:count] if row[4] > 400]
        found.sort(key=lambda row: -row[2] * row[3])
        faces = []
        for number, (x, y, width, height) in enumerate(found):
            box = FaceBox(x, y, x + width, y + height)
            landmarks = mesh_points.typical_landmarks(box)
            faces.append(Detection(box, 0.9, landmarks, 0.0, number))
        return faces


def picture(squares: Sequence[FaceBox], size: tuple[int, int] = (144, 192)) -> Frame:
    """Draw red squares on grey."""
    frame = np.full((*size, 3), 128, np.uint8)
    for box in squares:
        frame[box.y1 : box.y2, box.x1 : box.x2] = (30, 40, 220)
    return frame


def png(frame: np.ndarray) -> bytes:
    return cv2.imencode(".png", frame)[1].tobytes()


def video(frames: Sequence[Frame], fps: int = 25) -> bytes:
    """Encode frames almost without loss."""
    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "4", "g": "10"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    return output.getvalue()


class CountingEncoder:
    """A generator's face encoder: two levels made from the crop."""

    digest = "ab" * 32

    def __init__(self) -> None:
        self.crops = 0
        self.lock = threading.Lock()

    def encode(self, crops):
        with self.lock:
            self.crops += len(crops)
        return [(crop[::8, ::8].copy(), crop[::16, ::16, :1].astype(np.float16)) for crop in crops]


@pytest.fixture
def detector():
    return SquareDetector()


@pytest.fixture
def encoder():
    return CountingEncoder()


@pytest.fixture
def store(tmp_path):
    return AvatarStore(tmp_path / "store")


@pytest.fixture
def portrait():
    return png(picture([FaceBox(40, 30, 120, 120)]))


@pytest.fixture
def clip():
    """Thirty frames of a square that moves two pixels a frame."""
    return video([picture([FaceBox(20 + 2 * i, 30, 90 + 2 * i, 110)]) for i in range(30)])


@pytest.fixture
def draw():
    return picture


@pytest.fixture
def as_png():
    return png


@pytest.fixture
def as_video():
    return video
