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


THREADS = """
import random, threading
import numpy as np
from runtime.memory import keep_freed_memory
keep_freed_memory()
def pictures(seed):
    chance = random.Random(seed)
    small = []
    for _ in range(30):
        picture = np.ones(chance.randrange(1 << 20, 24 << 20), np.uint8)
        small.append(np.ones(5000, np.uint8))
for start in range(3):
    threads = [threading.Thread(target=pictures, args=(start * 8 + n,)) for n in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmRSS")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has the setting")
def test_what_threads_freed_is_taken_up_by_other_threads():
    answer = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=True
    )
    # Eight pictures of 24 MiB at once are the most ever in use.
    assert int(answer.stdout) < (8 * 24 + 200) << 10
