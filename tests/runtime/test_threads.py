"""Small computations do not take the cores that networks draw on."""

import json
import subprocess
import sys

from runtime.threads import take_short_turns

PROGRAM = """
import json
import cv2
import numpy
from threadpoolctl import threadpool_info
from runtime.threads import keep_to_one_thread
keep_to_one_thread()
print(json.dumps([cv2.getNumThreads()] + [found["num_threads"] for found in threadpool_info()]))
"""


def test_opencv_numpy_and_the_algebra_of_both_have_one_thread():
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert set(json.loads(answer.stdout)) == {1}


def test_turns_are_shorter_than_a_frame_takes():
    before = sys.getswitchinterval()
    try:
        take_short_turns()
        assert sys.getswitchinterval() < 0.001
    finally:
        sys.setswitchinterval(before)
