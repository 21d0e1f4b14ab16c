"""Laws of the avatar store: content-addressed, complete or absent, never half."""

import multiprocessing
import os
import signal
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from avatar_cache import AvatarStore, FileStore, PrepareOptions
from runtime.errors import (
    AvatarCorruptError,
    AvatarNotFoundError,
    OptionError,
    OutputError,
    VideoDecodeError,
)
from runtime.faces import counters
from runtime.types import FaceBox


def test_adding_the_same_source_again_asks_no_detector(store, detector, clip):
    first = store.add(clip, detector=detector)
    before = counters.snapshot()
    second = store.add(clip, detector=detector)
    assert counters.snapshot() == before
    assert (first.cached, second.cached) == (False, True)
    assert first.avatar_id == second.avatar_id == first.fingerprint[:32]


def test_a_path_and_its_bytes_are_the_same_source(store, detector, portrait, tmp_path):
    path = tmp_path / "face with späces.png"
    path.write_bytes(portrait)
    assert store.add(path, detector=detector).avatar_id == (
        store.add(portrait, detector=detector).avatar_id
    )


def test_the_same_content_under_another_id_asks_no_detector(store, detector, portrait):
    store.add(portrait, avatar_id="anna", detector=detector)
    seen = detector.frames_seen
    assert store.add(portrait, avatar_id="berta", detector=detector).cached
    assert detector.frames_seen == seen
    store.remove("anna")
    with store.open("berta") as avatar:
        assert avatar.avatar_id == "berta"


def test_other_options_make_another_avatar(store, detector, portrait):
    first = store.add(portrait, detector=detector)
    second = store.add(portrait, options=PrepareOptions(fps=10), detector=detector)
    assert first.avatar_id != second.avatar_id
    assert second.manifest.fps == 10


def test_limits_do_not_change_the_id(store, detector, portrait):
    first = store.add(portrait, detector=detector)
    limited = PrepareOptions(max_pixels=10**6, max_duration_s=9)
    assert store.add(portrait, options=limited, detector=detector).avatar_id == first.avatar_id


def test_other_content_replaces_an_avatar_of_the_same_id(store, detector, portrait, clip):
    store.add(portrait, avatar_id="default", detector=detector)
    assert store.add(clip, avatar_id="default", detector=detector).frames == 30
    assert [summary.avatar_id for summary in store.list()] == ["default"]


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "a" * 65, "ä", "a b", "a\0b"])
def test_ids_that_are_no_plain_file_names_are_refused(store, detector, portrait, name):
    with pytest.raises(OptionError):
        store.add(portrait, avatar_id=name, detector=detector)
    with pytest.raises(OptionError):
        store.open(name)


def test_an_unknown_id_is_not_found(store):
    for act in (store.open, store.show, store.remove, store.check):
        with pytest.raises(AvatarNotFoundError):
            act("nobody")


def test_a_missing_source_is_an_unreadable_one(store, detector, tmp_path):
    with pytest.raises(VideoDecodeError):
        store.add(tmp_path / "nothing.png", detector=detector)


def test_a_failed_preparation_leaves_nothing_behind(store, detector, draw, as_png):
    with pytest.raises(Exception, match="no face"):
        store.add(as_png(draw([])), detector=detector)
    assert store.list() == []
    assert not list(store.root.rglob("new*"))


def test_avatars_used_longest_ago_leave_first(tmp_path, detector, draw, as_png):
    store = AvatarStore(tmp_path, budget_bytes=10**9)
    for index in range(4):
        frame = draw([FaceBox(40, 30, 120, 120 + index)])
        store.add(as_png(frame), avatar_id=f"a{index}", detector=detector)
        os.utime(tmp_path / f"a{index}.avatar", (index, index))
    store.open("a0").close()
    size = max(summary.size_bytes for summary in store.list())
    small = AvatarStore(tmp_path, budget_bytes=int(3.5 * size))
    small.add(as_png(draw([FaceBox(10, 10, 80, 99)])), avatar_id="new", detector=detector)
    assert {summary.avatar_id for summary in small.list()} == {"new", "a0", "a3"}


def test_a_changed_byte_is_noticed_and_the_message_says_how_to_repair(store, detector, clip):
    key = store.add(clip, detector=detector).avatar_id
    path = store.root / f"{key}.avatar"
    content = bytearray(path.read_bytes())
    place = content.find(b"mdat") + 200
    content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(AvatarCorruptError, match=rf"{key}.*frames/00000.mp4.*avatar add"):
        store.check(key)
    with store.open(key) as avatar, pytest.raises(AvatarCorruptError, match="frames/00000"):
        next(avatar.frames(iter([0])))
    assert [check.avatar_id for check in store.check_all() if check.problem] == [key]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_corrupt_and_can_be_added_again(store, detector, portrait, share):
    key = store.add(portrait, detector=detector).avatar_id
    path = store.root / f"{key}.avatar"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(AvatarCorruptError):
        store.open(key)
    assert store.list() == []
    assert not store.add(portrait, detector=detector).cached
    store.check(key)


def test_an_exported_avatar_is_imported_bit_for_bit(store, detector, clip, tmp_path):
    key = store.add(clip, avatar_id="anna", detector=detector).avatar_id
    target = tmp_path / "anna.avatar"
    store.export(key, target)
    other = AvatarStore(tmp_path / "other")
    summary = other.import_(target, avatar_id="bea")
    assert summary.fingerprint == store.show("anna").fingerprint
    with store.open("anna") as one, other.open("bea") as two:
        pairs = zip(one.frames(iter(range(30))), two.frames(iter(range(30))), strict=True)
        assert all(np.array_equal(a.planes, b.planes) and a.box == b.box for a, b in pairs)


def test_an_import_without_an_id_is_found_by_its_content(store, detector, clip, tmp_path):
    key = store.add(clip, avatar_id="anna", detector=detector)
    store.export("anna", tmp_path / "x.avatar")
    other = AvatarStore(tmp_path / "other")
    assert other.import_(tmp_path / "x.avatar").avatar_id == key.fingerprint[:32]
    assert other.add(clip, detector=detector).cached


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        AvatarStore(tmp_path / "file" / "store")


def _add_slowly(root: Path, source: bytes, barrier: Event) -> None:
    from tests.avatar_cache.conftest import SquareDetector

    class Slow(SquareDetector):
        def _faces(self, frame):
            if self.frames_seen == 15:
                barrier.set()
                time.sleep(60)
            return super()._faces(frame)

    AvatarStore(root).add(source, avatar_id="victim", detector=Slow())


def test_a_killed_preparation_leaves_the_old_avatar_and_no_litter(store, detector, portrait, clip):
    store.add(portrait, avatar_id="victim", detector=detector)
    context = multiprocessing.get_context("fork")
    reached = context.Event()
    child = context.Process(target=_add_slowly, args=(store.root, clip, reached))
    child.start()
    assert reached.wait(30)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    reopened = AvatarStore(store.root)
    assert reopened.show("victim").frames == 1
    reopened.check("victim")
    assert [path.name for path in (store.root / ".drafts").iterdir()] == [".guard"]
    assert reopened.add(clip, avatar_id="victim", detector=detector).frames == 30


def _add_and_count(root: Path, source: bytes, results: "Queue[int]") -> None:
    from tests.avatar_cache.conftest import SquareDetector

    detector = SquareDetector()
    AvatarStore(root).add(source, detector=detector)
    results.put(detector.frames_seen)


def test_processes_that_add_the_same_source_prepare_it_once(store, clip):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [
        context.Process(target=_add_and_count, args=(store.root, clip, results)) for _ in range(4)
    ]
    for child in children:
        child.start()
    seen = sorted(results.get(timeout=60) for _ in children)
    for child in children:
        child.join()
    assert seen == [0, 0, 0, 30]


def test_features_are_stored_once_and_carried_by_the_frames(store, detector, encoder, clip):
    key = store.add(clip, detector=detector).avatar_id
    store.attach(key, encoder)
    encoded = encoder.crops
    assert encoded in (30, 31)
    store.attach(store.add(clip, detector=detector).avatar_id, encoder)
    assert encoder.crops == encoded
    with store.open(key, features=encoder.digest) as avatar:
        frame = avatar.frame(17)
        assert avatar.has_features
        assert np.array_equal(frame.features[0], frame.crop[::8, ::8])
        assert frame.features[1].dtype == np.float16
    with store.open(key) as avatar:
        assert avatar.frame(17).features is None


def test_features_can_be_attached_later(store, detector, encoder, portrait):
    key = store.add(portrait, detector=detector).avatar_id
    assert store.attach(key, encoder)
    store.check(key)
    assert store.show(key).manifest.features == {encoder.digest: 2}


def test_features_beyond_the_budget_are_left_out(store, detector, encoder, clip):
    key = store.add(clip, detector=detector).avatar_id
    assert not store.attach(key, encoder, budget_bytes=1000)
    assert store.show(key).manifest.features == {}


def _add_on_a_full_disk(root: Path, source: bytes, results: "Queue[str]") -> None:
    import resource

    from tests.avatar_cache.conftest import SquareDetector

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = AvatarStore(root)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        store.add(source, detector=SquareDetector())
    except OutputError as error:
        results.put(f"{error} {len(list(root.glob('.drafts/*/*')))}")
    else:
        results.put("no error")


def test_a_full_disk_is_an_output_error_and_leaves_no_litter(store, clip):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_add_on_a_full_disk, args=(store.root, clip, results))
    child.start()
    message = results.get(timeout=60)
    child.join()
    assert "cannot write the avatar store" in message
    assert message.endswith(" 0")
    assert store.list() == []


def test_a_second_name_for_the_same_file_costs_nothing(store, detector, portrait):
    first = store.add(portrait, avatar_id="a", detector=detector)
    store.add(portrait, avatar_id="b", detector=detector)
    files = FileStore(store.root, suffix=".avatar", budget_bytes=first.size_bytes)
    assert files.size_bytes() == first.size_bytes
    assert files.evict() == []
