"""Cut a face out of a picture, converting only the pixels around it."""

from runtime import boxes, crops
from runtime.types import FaceBox, FaceCrop, Frame, Planes
from runtime.video import to_bgr


def cut_face(picture: Frame | Planes, box: FaceBox, angle: float) -> FaceCrop:
    """Cut a face as the generator wants it, see ``runtime.crops.cut_crop``.

    Args:
        picture: BGR, uint8 ``(h, w, 3)``; or I420 planes, uint8 ``(h * 3 // 2, w)``.
        box: Face box.
        angle: Roll in degrees.
    """
    if picture.ndim == 3:
        return crops.cut_crop(picture, box, angle)
    region = crops.upright_region(box, angle, (picture.shape[0] * 2 // 3, picture.shape[1]))
    inside = FaceBox(box.x1 - region.x1, box.y1 - region.y1, box.x2 - region.x1, box.y2 - region.y1)
    if angle == 0.0:
        inside = boxes.clip(inside, (region.height, region.width))
    return crops.cut_crop(to_bgr(picture, region), inside, angle)
