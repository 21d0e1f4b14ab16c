"""Put generated mouths into their frames: one file per method, one call to choose."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runtime.blending.box import Box
from runtime.blending.edge_aware import EdgeAware
from runtime.blending.ellipse import Ellipse
from runtime.blending.guided import Guided
from runtime.blending.hd import Hd
from runtime.blending.measures import opening, seam_step, sharpness, silence_motion
from runtime.blending.mesh import Mesh
from runtime.blending.multiscale import Multiscale
from runtime.blending.options import METHODS, PRESETS, BlendOptions
from runtime.blending.stage import BlendStage, Method, PasteStage, Rest
from runtime.blending.warp import WarpStage

if TYPE_CHECKING:
    from runtime.faces import FaceMesh

__all__ = [
    "METHODS",
    "PRESETS",
    "BlendOptions",
    "BlendStage",
    "make_blender",
    "opening",
    "seam_step",
    "sharpness",
    "silence_motion",
]

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
    options: BlendOptions, *, mesh: "FaceMesh | None" = None, rest: Rest | None = None
) -> BlendStage:
    """Make the blend stage of one utterance.

    Args:
        options: Method and its numbers.
        mesh: Reads lips on generated mouths; only ``warp`` needs it.
        rest: Gives a frame's mouth in silence, as ``Generator.rest`` does; without it the first
            mouth seen for a frame stands for it.
    """
    del mesh
    if options.method == "warp":
        return WarpStage(options, rest=rest)
    method = "mesh" if options.method == "auto" else options.method
    return PasteStage(_PASTES[method](options), rest=rest)
