"""``ellipse``: the cheapest soft mask, an ellipse round the mouth and the upper chin."""

from runtime.blending.masks import ellipse_mask
from runtime.blending.options import BlendOptions
from runtime.blending.paste import SoftPaste


class Ellipse(SoftPaste):
    """Blends under a feathered ellipse."""

    def __init__(self, options: BlendOptions) -> None:
        """Take the ellipse as the mask's shape."""
        super().__init__(ellipse_mask, options)
