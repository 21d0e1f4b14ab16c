"""How the threads of this process share its cores."""

import sys

import cv2
from threadpoolctl import threadpool_limits

#: Python's own 5 ms are longer than a frame takes: the encoder's thread waited for the drawing one.
#: A tenth of them makes an animation 5 % quicker.
_TURN_S = 0.0005


def take_short_turns() -> None:
    """Let Python's threads take turns sooner, in the whole process."""
    sys.setswitchinterval(_TURN_S)


def keep_to_one_thread() -> None:
    """Let OpenCV and NumPy compute without threads of their own, in the whole process.

    What frames need of them is small. Their threads would take the cores that networks draw
    mouths on, and linear algebra waits for its threads by spinning: solving the equations of one
    frame's warp cost 5 ms of a core that way instead of 0.2 ms.
    """
    cv2.setNumThreads(1)
    threadpool_limits(limits=1, user_api="blas")
