"""Freed memory comes back without new pages."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from runtime.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def pictures():
    kept = [np.ones(3 << 20, np.uint8) for _ in range(4)]
pictures()
before = pages()
for _ in range(8):
    pictures()
print(pages() - before)
"""


def new_pages(mode: str) -> int:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True
    )
    return int(answer.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has the setting")
def test_pictures_take_up_the_memory_of_the_ones_before():
    assert new_pages("kept") < new_pages("default") / 4
