"""Groups of face-mesh points, and how the lips' rings are joined to triangles.

Point numbers: canonical face model of MediaPipe Face Mesh (Kartynnik et al. 2019).
"""

import numpy as np

from runtime.blending import lips
from runtime.faces import mesh_points

POINT_COUNT = mesh_points.POINT_COUNT
#: Four rings of each lip, outermost first; corners are shared.
UPPER_RINGS, LOWER_RINGS = lips.UPPER_ROWS, lips.LOWER_ROWS
INNER_UPPER, INNER_LOWER = lips.INNER_UPPER, lips.INNER_LOWER
LIPS = lips.LIPS
#: The lips' outline, once around.
OUTLINE = lips.OUTER_LIPS
RING_LENGTH = UPPER_RINGS.shape[1]
#: The line where the lips meet the mouth's inside, once around.
INSIDE = np.concatenate([INNER_UPPER, INNER_LOWER[-2:0:-1]])
MOUTH_CORNERS = [61, 291]
EYE_CORNERS = [33, 263]
#: Points that speech does not move.
STABLE = [33, 133, 362, 263, 168, 6, 197, 8, 9, 151, 127, 356, 162, 389, 21, 251, 71, 301, 130]
STABLE += [359, 246, 466]
#: The face's outline, once around.
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
OVAL += [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
NOSE = [1, 2, 4, 5, 6, 19, 20, 44, 45, 48, 49, 51, 59, 60, 64, 75, 79, 94, 97, 98, 99, 102, 115]
NOSE += [125, 131, 141, 166, 168, 195, 197, 218, 219, 220, 235, 237, 238, 239, 240, 241, 242, 250]
NOSE += [274, 275, 278, 279, 281, 289, 290, 294, 305, 309, 326, 327, 328, 331, 344, 354, 360, 370]
NOSE += [392, 438, 439, 440, 455, 457, 458, 459, 460, 461, 462]
NOSTRILS = [2, 97, 326]
CHEEKS = [205, 425, 50, 280, 206, 426, 207, 427]
NOSE_TIP, CHIN, SELLION = 1, 152, 6
FACE_SIDES = [234, 454]

Triangle = tuple[int, int, int]


def strip(first: np.ndarray, second: np.ndarray) -> list[Triangle]:
    """Join two rings of the same length to triangles."""
    triangles: list[Triangle] = []
    for place in range(len(first) - 1):
        a, b = int(first[place]), int(first[place + 1])
        c, d = int(second[place + 1]), int(second[place])
        triangles += [(a, b, c), (a, c, d)]
    return triangles


def lip_triangles() -> list[Triangle]:
    """Give the triangles of both lips, and last those that close the mouth."""
    triangles: list[Triangle] = []
    for ring in range(3):
        triangles += strip(UPPER_RINGS[ring], UPPER_RINGS[ring + 1])
        triangles += strip(LOWER_RINGS[ring], LOWER_RINGS[ring + 1])
    return triangles + strip(INNER_UPPER, INNER_LOWER)
