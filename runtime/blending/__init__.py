"""Put generated mouths into their frames: one file per method, one call to choose."""

from collections.abc import Callable
from typing import Any

from runtime.blending.box import Box
from runtime.blending.edge_aware import EdgeAware
from runtime.blending.ellipse import Ellipse
from runtime.blending.guided import Guided
from runtime.blending.hd import Hd
from runtime.blending.measures import opening, seam_step, sharpness, silence_motion
from runtime.blending.mesh import Mesh
from runtime.blending.multiscale import Multiscale
from runtime.blending.options import METHODS, PRESETS, SHOWN_ROW, BlendOptions, first_row
from runtime.blending.stage import BlendStage, Draw, Method, PasteStage, Rest
from runtime.blending.warp import WarpStage, can_warp
from runtime.types import ReferenceFrame

__all__ = [
    "FALLBACK",
    "METHODS",
    "PRESETS",
    "SHOWN_ROW",
    "BlendOptions",
    "BlendStage",
    "can_warp",
    "chosen_method",
    "first_row",
    "make_blender",
    "opening",
    "seam_step",
    "sharpness",
    "silence_motion",
]

#: The method that shows what ``warp`` cannot.
FALLBACK = "mesh"
_PASTES: dict[str, Callable[[BlendOptions], Method[Any]]] = {
    "box": lambda _: Box(),
    "ellipse": Ellipse,
    "multiscale": Multiscale,
    "edge_aware": EdgeAware,
    "guided": Guided,
    "hd": Hd,
    "mesh": Mesh,
}


def make_blender(
    options: BlendOptions,
    *,
    rest: Rest | None = None,
    draw: Draw | None = None,
    teeth: ReferenceFrame | None = None,
) -> BlendStage:
    """Make the blend stage of one utterance.

    Args:
        options: Method and its numbers.
        rest: Gives a frame's mouth in silence, as ``Generator.rest`` does; without it the first
            mouth seen for a frame stands for it.
        draw: Draws a frame's mouths for given sounds, as ``Generator.draw`` does: ``warp`` learns
            from them how much of its movements a face shows.
        teeth: A frame that shows the avatar's own teeth, for ``warp``; without one it draws them.
    """
    method = chosen_method(options)
    if method == "warp":
        return WarpStage(options, rest=rest, draw=draw, teeth=teeth)
    return PasteStage(_PASTES[method](options), rest=rest)


def chosen_method(options: BlendOptions) -> str:
    """Give the method that is used: ``auto`` is ``warp``."""
    return "warp" if options.method == "auto" else options.method
