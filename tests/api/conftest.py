"""A service on the toy engine, and small files to send to it."""

import threading
import time

import cv2
import httpx
import numpy as np
import pytest

from api.app import Server, bind, create_app, server_config
from api.settings import Settings
from tests.api.toy import ToyEngine, wav_bytes


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch):
    for name in ("FACE", "AUDIO", "OUTFILE", "FPS", "DEVICE", "INFERENCE_MODE", "CHECKPOINT_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settings(tmp_path):
    """Returns settings whose folders are the test's own."""

    def make(**changes):
        return Settings(**{"data_dir": tmp_path / "data", "sample_avatar": False, **changes})

    return make


class Running:
    """A service behind a real server on loopback; on the toy engine unless told otherwise."""

    def __init__(self, settings, *, wait=True, prepare=None, open_engine=ToyEngine, seconds=10):
        self.engine = None

        def opened(chosen):
            engine = open_engine(chosen)
            if prepare:
                prepare(engine)
            self.engine = engine
            return engine

        self.app = create_app(settings, open_engine=opened)
        self.service = self.app.state.service
        self.server = Server(server_config(self.app, settings))
        self.server.service = self.service
        self.socket = bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True
        )
        self.thread.start()
        self.client = httpx.Client(base_url=self.url, timeout=20)
        until(lambda: self.server.started)
        if wait:
            readiness = self.service.readiness
            until(lambda: readiness.failure or not readiness.waiting_for, seconds=seconds)
            assert readiness.failure is None, readiness.failure

    def stop(self):
        self.client.close()
        self.server.should_exit = True
        self.thread.join(20)


@pytest.fixture
def running(settings):
    """Starts services; all stop when the test ends."""
    started = []

    def start(*, wait=True, prepare=None, **changes):
        started.append(Running(settings(**changes), wait=wait, prepare=prepare))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def service(running):
    """Starts services and returns ``(client, engine)``."""

    def start(**changes):
        one = running(**changes)
        return one.client, one.engine

    return start


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client of one service for a whole module, for tests that leave nothing behind."""
    shared = Running(Settings(data_dir=tmp_path_factory.mktemp("shared"), sample_avatar=False))
    yield shared.client
    shared.stop()


def until(condition, *, seconds=10.0):
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.002)


@pytest.fixture(scope="session")
def sound():
    """A quarter of a second of tone, 16 kHz mono."""
    return wav_bytes(8000 * np.sin(np.arange(4000) / 8))


@pytest.fixture(scope="session")
def picture():
    """A small PNG."""
    return cv2.imencode(".png", np.full((32, 32, 3), 90, np.uint8))[1].tobytes()


@pytest.fixture(scope="session")
def faceless(picture):
    """A PNG without a face."""
    return picture + b"no face"
