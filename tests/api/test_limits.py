"""Load: who is served, who is refused, and that nothing is left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api.limits import lower_priority
from tests.api.conftest import until


def test_livez_answers_while_every_worker_computes(running, sound, picture):
    one = running(concurrent_jobs=2, cache_enabled=False)
    answered = threading.Event()

    def burn(*args, **kwargs):
        while not answered.is_set():
            sum(range(1000))
        return animate(*args, **kwargs)

    animate, one.engine.animate = one.engine.animate, burn
    files = {"audio": sound, "avatar": picture}
    with ThreadPoolExecutor(2) as pool:
        heavy = [
            pool.submit(httpx.post, f"{one.url}/v1/animation", files=files, timeout=60)
            for _ in range(2)
        ]
        until(lambda: one.service.admission.running == 2)
        # Both workers compute until this has worked: a blocked loop would never answer.
        try:
            statuses = [one.client.get("/livez").status_code for _ in range(5)]
        finally:
            answered.set()
        assert statuses == [200] * 5
        assert all(work.result().status_code == 200 for work in heavy)


def test_workers_have_a_lower_priority_than_the_loop_that_started_them():
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    with ThreadPoolExecutor(1, initializer=lower_priority) as pool:
        assert pool.submit(niceness).result() == min(19, niceness() + 5)


def test_waiting_requests_are_served_in_turn(running, sound, picture):
    one = running(concurrent_jobs=1, queue_length=3, cache_enabled=False)
    one.engine.gate.clear()
    files = {"audio": sound, "avatar": picture}
    with ThreadPoolExecutor(5) as pool:
        sent = [
            pool.submit(httpx.post, f"{one.url}/v1/animation", files=files, timeout=30)
            for _ in range(4)
        ]
        until(lambda: one.service.admission.present == 4)
        refused = one.client.post("/v1/animation", files=files)
        one.engine.gate.set()
        statuses = [reply.result().status_code for reply in sent]
    assert (statuses, refused.status_code) == ([200] * 4, 429)


def test_a_client_that_leaves_stops_its_work(running, sound, picture):
    one = running()
    one.engine.gate.clear()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{one.url}/v1/animation", files={"audio": sound, "avatar": picture}, timeout=0.2
        )
    until(lambda: one.engine.cancelled == 1)
    until(lambda: one.service.admission.present == 0)
    until(lambda: one.service.budget.used == 0)
    assert not list(one.service.settings.uploads_dir.iterdir())
    assert not list(one.service.settings.output_dir.iterdir())


def test_a_client_that_leaves_while_waiting_gives_its_place_back(running, sound, picture):
    one = running(concurrent_jobs=1)
    one.engine.gate.clear()
    files = {"audio": sound, "avatar": picture}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{one.url}/v1/animation", files=files, timeout=30)
        one.engine.busy.acquire(timeout=5)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{one.url}/v1/animation", files=files, timeout=0.2)
        until(lambda: one.service.admission.present == 1)
        one.engine.gate.set()
        assert first.result().status_code == 200
    assert one.engine.cancelled == 0


def test_a_draining_service_finishes_what_runs_and_refuses_the_rest(running, sound, picture):
    one = running(concurrent_jobs=1)
    one.engine.gate.clear()
    files = {"audio": sound, "avatar": picture}
    one.client.get("/livez")
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(httpx.post, f"{one.url}/v1/animation", files=files, timeout=30)
        one.engine.busy.acquire(timeout=5)
        one.service.admission.draining = True
        assert one.client.get("/readyz").status_code == 503
        assert one.client.post("/v1/animation", files=files).status_code == 503
        one.server.should_exit = True
        time.sleep(0.2)
        one.engine.gate.set()
        assert work.result().status_code == 200


def test_many_mixed_requests_leave_nothing_behind(running, sound, picture, faceless):
    one = running(queue_length=64)
    one.client.post("/cache-avatar", files={"avatar": picture})
    before = held()

    def request(number):
        with httpx.Client(base_url=one.url, timeout=30) as client:
            kind = number % 5
            if kind == 0:
                files = {"audio": sound, "avatar": picture}
                return client.post("/v1/animation", files=files, params={"fps": 10 + number % 7})
            if kind == 1:
                return client.post("/v1/animation-with-cache", files={"audio": sound})
            if kind == 2:
                return client.get("/v1/avatars/default")
            if kind == 3:
                return client.post("/v1/animation", files={"audio": sound, "avatar": faceless})
            return client.post("/v1/animation", content=b"{")

    expected = {0: 200, 1: 200, 2: 200, 3: 422, 4: 400}
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: request(number).status_code, range(60)))
    assert statuses == [expected[number % 5] for number in range(60)]
    until(lambda: one.service.admission.present == 0)
    assert not list(one.service.settings.uploads_dir.iterdir())
    assert one.service.budget.used == 0
    threads, files = held()
    assert threads <= before[0] + 8
    assert files <= before[1] + 8


def held():
    """Threads and open files of this process."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


PROGRAM = """
import sys
from pathlib import Path
from api import app
from api.settings import Settings
from tests.api.toy import ToyEngine
def slow(settings):
    engine = ToyEngine(settings)
    engine.gate.clear()
    import threading
    threading.Timer(1.0, engine.gate.set).start()
    return engine
create = app.create_app
app.create_app = lambda settings: create(settings, open_engine=slow)
app.serve(
    Settings(
        data_dir=Path(sys.argv[1]), port=int(sys.argv[2]), log_level="warning", sample_avatar=False
    )
)
"""


@pytest.mark.slow
def test_sigterm_lets_running_work_finish(tmp_path, sound, picture):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path), str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: is_ready(url), seconds=20)
        with ThreadPoolExecutor(1) as pool:
            files = {"audio": sound, "avatar": picture}
            work = pool.submit(httpx.post, f"{url}/v1/animation", files=files, timeout=20)
            until(lambda: "jobs_running 1.0" in httpx.get(f"{url}/metrics").text)
            server.send_signal(signal.SIGTERM)
            assert work.result().status_code == 200
        assert server.wait(20) in {0, -signal.SIGTERM}
    finally:
        server.kill()
        server.wait()


def is_ready(url):
    """Say whether the service takes requests."""
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
