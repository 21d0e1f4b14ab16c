"""``mesh``: a soft mask in the shape of this very face's lower half."""

from runtime.blending.masks import lower_face_mask
from runtime.blending.options import BlendOptions
from runtime.blending.paste import SoftPaste


class Mesh(SoftPaste):
    """Blends under the eroded and feathered hull of the lower face's landmarks."""

    def __init__(self, options: BlendOptions) -> None:
        """Take the lower face as the mask's shape."""
        super().__init__(lower_face_mask, options)
