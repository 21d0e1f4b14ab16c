"""Picture sheets: one row a face, from closed to wide open."""

from pathlib import Path

import cv2
import numpy as np

from runtime.types import Frame
from training.corpus import crop_from_video, cut_face
from training.evaluation import Drawn

_COLUMNS = 6
_ENLARGED = 2
_ROWS = 12


class Sheet:
    """Collects rows: reference, then what was drawn, below the truth where it is known."""

    def __init__(self) -> None:
        self._rows: list[Frame] = []

    def add(self, drawn: Drawn) -> None:
        """Add one clip; more than twelve are dropped."""
        if len(self._rows) >= _ROWS:
            return
        order = np.argsort(drawn.openings)
        chosen = order[np.linspace(0, len(order) - 1, _COLUMNS).astype(int)]
        case = drawn.case
        rows = [np.hstack([case.crop, *(drawn.mouths[index] for index in chosen)])]
        if case.clip is not None:
            truth = [cut_face(case.clip.frames[index], crop_from_video()) for index in chosen]
            rows.insert(0, np.hstack([case.crop, *truth]))
        self._rows.append(np.asarray(np.vstack(rows), np.uint8))

    def write(self, path: Path) -> None:
        """Write the sheet as JPEG or PNG; nothing when there are no rows."""
        if not self._rows:
            return
        sheet = np.vstack(self._rows)
        large = cv2.resize(sheet, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), large)
