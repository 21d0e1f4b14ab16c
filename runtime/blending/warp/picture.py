"""One reference frame ready to be warped, and the warp itself."""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import apply_affine, invert_affine
from runtime.blending.paste import crop_points
from runtime.blending.region import crop_to_frame, even_region, region_pixels
from runtime.blending.warp.contour import Contour
from runtime.blending.warp.field import NO_MAP, WarpField
from runtime.blending.warp.interior import Interior
from runtime.blending.warp.reader import LipReader
from runtime.blending.warp.shape import LipPose, MouthShape
from runtime.types import CROP_SIZE, FaceBox, MouthCrop, Patch, ReferenceFrame

#: Reach of the moving window in eye distances: beside the mouth, above the nose's foot, below the
#: chin.
_BESIDE, _ABOVE, _BELOW = 0.62, 0.10, 0.22
#: Movements smaller than this many pixels leave a pixel as it is.
_COARSE = 8
#: Sharpening per stretch, at most, and for resampling alone: chosen so that the variance of the
#: Laplacian round the lips stays that of the source (``docs/quality.md``).
_STRETCH_GAIN, _MOST_SHARPENING, _RESAMPLING_GAIN = 1.3, 1.2, 0.08
_NO_MOVE = np.array([[-0.02, -0.02], [0.02, 0.02]])


class WarpPicture:
    """Warps the lower face of one reference frame to any lip pose."""

    def __init__(self, reference: ReferenceFrame, rest: MouthCrop, reader: LipReader) -> None:
        """Prepare everything that does not depend on the sound.

        Args:
            reference: An upright frame with a face.
            rest: Its mouth in silence.
            reader: Reads its mouths.
        """
        self._reference = reference
        self.shape = MouthShape(reference.landmarks)
        self.rest = reader.learn(rest, crop_points(reference))
        self._window = _window(self.shape, reference)
        self._pixels = region_pixels(reference.planes, self._window)
        self._field = WarpField(self.shape, self._window)
        around = even_region(
            np.array(reference.box[:2], np.float32), np.array(reference.box[2:]), reference
        )
        self._interior = Interior(
            self.shape, reference.landmarks, region_pixels(reference.planes, around), around
        )
        columns, rows = np.arange(self._window.width), np.arange(self._window.height)
        self._identity = np.dstack(np.meshgrid(columns, rows)).astype(np.float32)
        self._rows = np.arange(self._window.y1, self._window.y2, dtype=np.float32)[:, None]
        self._to_crop = invert_affine(crop_to_frame(reference.box, reference.angle))

    @cached_property
    def at_rest(self) -> Patch:
        """The picture with its mouth closed, made once."""
        return self.render(self.shape.closed, 0.0)

    def light_of(self, mouth: MouthCrop, pose: LipPose) -> float | None:
        """Measure the brightness inside a generated mouth in units of the skin's.

        Returns:
            ``None`` when the mouth is too little open to see inside.
        """
        contour = np.concatenate([pose.upper[3], pose.lower[3][-2:0:-1]])
        in_frame = apply_affine(self.shape.to_frame, contour)
        inside = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
        corners = np.round(apply_affine(self._to_crop, in_frame) * 16).astype(np.int32)
        cv2.fillPoly(inside, [corners], 255, cv2.LINE_8, 4)
        if cv2.countNonZero(inside) < CROP_SIZE // 3:
            return None
        return float(np.mean(cv2.mean(mouth, inside)[:3])) / self._interior.palette.skin_level

    def render(self, pose: LipPose, light: float) -> Patch:
        """Warp to a pose and paint the mouth's inside.

        Args:
            pose: Where the lips are to be.
            light: Brightness inside the mouth, see ``light_of``.
        """
        window = self._window
        contour = Contour.of_pose(self.shape, pose, window)
        move = self._moves(pose, contour)
        pixels = cv2.remap(
            self._pixels,
            cv2.add(self._identity, move),
            NO_MAP,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        pixels = _sharpened(pixels, move)
        touched = np.asarray(cv2.inRange(move, _NO_MOVE[0], _NO_MOVE[1]) == 0)
        at = self._opening(contour)
        if at.width > 3 and at.height > 2:
            rows = slice(at.y1 - window.y1, at.y2 - window.y1)
            columns = slice(at.x1 - window.x1, at.x2 - window.x1)
            under = np.asarray(pixels[rows, columns], np.uint8)
            local = Contour.of_pose(self.shape, pose, at)
            painted = self._interior.paint(under, at, local, light)
            pixels[rows, columns] = np.clip(painted + 0.5, 0, 255).astype(np.uint8)
            touched[rows, columns] = True
        return Patch(self._reference, window, np.asarray(pixels, np.uint8), touched)

    def _moves(self, pose: LipPose, contour: Contour) -> NDArray[np.float32]:
        """Give source minus target per pixel of the window, ``(h, w, 2)``."""
        size_wh = (self._window.width, self._window.height)
        above, below = (
            cv2.resize(grid, size_wh, interpolation=cv2.INTER_CUBIC)
            for grid in self._field.displacements(pose)
        )
        # Between the lips the change is sharp; beyond the corners it must not tear the cheek.
        soft = 0.8 + 0.6 * contour.distance_outside(self._window)
        share = np.clip(self._rows * (1 / soft) + (0.5 - contour.line / soft), 0, 1)
        step = cv2.multiply(cv2.subtract(below, above), cv2.merge([share, share]))
        return np.asarray(cv2.add(above, step), np.float32)

    def _opening(self, contour: Contour) -> FaceBox:
        """Give the part of the window that the mouth's inside can touch."""
        window, margin = self._window, 4 * self.shape.eye_distance / 100
        x1, x2 = max(int(contour.left) - 1, window.x1), min(int(contour.right) + 3, window.x2)
        inside = slice(max(x1 - window.x1, 0), max(x2 - window.x1, 1))
        top, bottom = float(contour.upper[inside].min()), float(contour.lower[inside].max())
        y1 = max(int(top - margin - 2), window.y1)
        return FaceBox(x1, y1, x2, min(int(bottom + margin + 3), window.y2))


def _sharpened(pixels: cv2.typing.MatLike, move: NDArray[np.float32]) -> cv2.typing.MatLike:
    """Give back the sharpness that stretching and interpolating took, and only where they did."""
    height, width = move.shape[:2]
    # A slope needs two points, however small the face.
    coarse_wh = (max(2, width // _COARSE), max(2, height // _COARSE))
    coarse = cv2.resize(move, coarse_wh, interpolation=cv2.INTER_AREA)
    along_x = 1 + np.gradient(coarse[..., 0], _COARSE, axis=1)
    along_y = 1 + np.gradient(coarse[..., 1], _COARSE, axis=0)
    stretch = 1 / np.sqrt(np.clip(along_x * along_y, 0.1, 1)) - 1
    moved = np.minimum(np.abs(coarse).max(-1) * 2, 1)
    amount = np.minimum(_STRETCH_GAIN * stretch, _MOST_SHARPENING) + _RESAMPLING_GAIN * moved
    weight = cv2.resize(amount.astype(np.float32), (width, height))
    detail = cv2.subtract(pixels, cv2.GaussianBlur(pixels, (0, 0), 1.0), dtype=cv2.CV_32F)
    gain = cv2.multiply(detail, cv2.merge([weight, weight, weight]))
    return cv2.add(pixels, gain, dtype=cv2.CV_8U)


def _window(shape: MouthShape, reference: ReferenceFrame) -> FaceBox:
    """Give the part of the frame that may move: from the nose's foot to below the chin."""
    points = shape.points
    middle, top, bottom = points[[61, 291], 0].mean(), points[2, 1], points[152, 1]
    corners = np.array(
        [(middle + x, y) for x in (-_BESIDE, _BESIDE) for y in (top - _ABOVE, bottom + _BELOW)],
        np.float32,
    )
    in_frame = apply_affine(shape.to_frame, corners)
    return even_region(in_frame.min(0), in_frame.max(0), reference)
