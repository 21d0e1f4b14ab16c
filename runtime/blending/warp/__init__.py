"""Sharp lips from the picture's own pixels: the generated mouth only says where they go."""

from runtime.blending.warp.stage import WarpStage, can_warp

__all__ = ["WarpStage", "can_warp"]
