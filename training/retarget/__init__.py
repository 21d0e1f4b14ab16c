"""Put the lip and jaw motion of a real talking clip on a still portrait.

All geometry happens in a canonical head frame: origin between the eyes, unit the distance of the
outer corners of the eyes, x along them.
"""

from training.retarget.drawing import DrawOptions, draw_talking
from training.retarget.portrait import Portrait
from training.retarget.speaker import Speaker

__all__ = ["DrawOptions", "Portrait", "Speaker", "draw_talking"]
