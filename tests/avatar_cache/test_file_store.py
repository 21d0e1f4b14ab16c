"""Laws of the file store that holds avatars and results."""

import os
import threading

import pytest
from hypothesis import given, settings, strategies as st

from avatar_cache.file_store import FileStore, check_key
from runtime.errors import OptionError


@pytest.fixture
def files(tmp_path):
    return FileStore(tmp_path / "files", suffix=".x", budget_bytes=1000)


def put(files, key, size=100):
    with files.draft() as folder:
        draft = folder / "new"
        draft.write_bytes(b"x" * size)
        return files.publish(draft, key)


@given(st.text(max_size=80))
def test_a_key_that_is_taken_is_a_plain_file_name(key):
    try:
        check_key(key)
    except OptionError:
        return
    assert 1 <= len(key) <= 64
    assert key.isascii()
    assert not set(key) & set("/\\\0:* \n")
    assert not key.startswith(".")


def test_a_file_appears_whole_under_its_key_and_drafts_vanish(files):
    path = put(files, "a")
    assert path.read_bytes() == b"x" * 100
    assert files.get("a") == path
    assert [entry.name for entry in (files.root / ".drafts").iterdir()] == [".guard"]


def test_an_unknown_key_raises(files):
    for act in (files.get, files.remove):
        with pytest.raises(KeyError):
            act("a")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 600)), max_size=12))
def test_the_budget_is_kept_and_the_newest_stays(tmp_path_factory, puts):
    files = FileStore(tmp_path_factory.mktemp("s"), suffix=".x", budget_bytes=1000)
    for age, (key, size) in enumerate(puts):
        os.utime(put(files, key, size), ns=(age, age))
        assert files.size_bytes() <= 1000
        assert key in files.stored_keys()


def test_using_a_file_keeps_it_longer(files):
    for age, key in enumerate("abc"):
        os.utime(put(files, key, 300), ns=(age, age))
    files.get("a")
    put(files, "d", 300)
    assert set(files.stored_keys()) == {"a", "c", "d"}


def test_only_one_holds_a_key_and_others_go_on(files):
    order = []

    def hold(key):
        with files.lock(key):
            order.append(key)

    with files.lock("a"):
        blocked = threading.Thread(target=hold, args=("a",))
        free = threading.Thread(target=hold, args=("b",))
        blocked.start()
        free.start()
        free.join(10)
        assert order == ["b"]
    blocked.join(10)
    assert order == ["b", "a"]


def test_a_living_draft_survives_another_process_opening_the_store(files):
    with files.draft() as folder:
        (folder / "new").write_bytes(b"x")
        FileStore(files.root, suffix=".x", budget_bytes=1000)
        assert (folder / "new").exists()


def test_files_of_other_kinds_are_left_alone(files):
    other = files.root / "notes.txt"
    other.write_bytes(b"y" * 5000)
    put(files, "a", 900)
    assert files.stored_keys() == ["a"]
    assert other.exists()
