"""Bodies in any pieces: the parsers give the same whatever the network cuts."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings as hypothesis, strategies as st

from api.json_body import JsonBody
from api.multipart import MultipartBody
from api.problems import Problem
from api.uploads import Base64Sink, Budget, Inbox, UploadedFile

PIECES = st.lists(st.integers(1, 5000), min_size=1, max_size=8)


def cut(body, sizes):
    """Cut ``body`` into pieces of the given sizes, repeated."""
    at = index = 0
    while at < len(body):
        size = sizes[index % len(sizes)]
        yield body[at : at + size]
        at, index = at + size, index + 1


class Box:
    """An inbox that is emptied."""

    def __init__(self, root):
        self.inbox = Inbox(root, max_file_bytes=1 << 20, budget=Budget(1 << 30))

    def __enter__(self):
        self.inbox.in_use.__enter__()
        return self.inbox

    def __exit__(self, *error):
        self.inbox.in_use.__exit__(*error)


def read_json(inbox, pieces):
    body = JsonBody(lambda: Base64Sink(inbox.new_file("blob"), "blob"))
    for piece in pieces:
        body.push(piece)
    return {
        key: value.close() if isinstance(value, Base64Sink) else value
        for key, value in body.finish().items()
    }


@given(size=st.integers(50_000, 100_000), sizes=PIECES, slash=st.booleans())
@hypothesis(max_examples=25, deadline=None)
def test_long_strings_become_files_however_the_body_is_cut(tmp_path_factory, size, sizes, slash):
    content = np.random.default_rng(size).bytes(size)
    coded = base64.b64encode(content).decode()
    text = json.dumps({"a": {"b": [1, 'q"\\']}, "byte_str": coded, "n": None})
    if slash:
        text = text.replace("/", "\\/")
    with Box(tmp_path_factory.getbasetemp() / "json") as inbox:
        found = read_json(inbox, cut(text.encode(), sizes))
        assert isinstance(found["byte_str"], UploadedFile)
        assert found["byte_str"].path.read_bytes() == content
        assert (found["a"], found["n"]) == ({"b": [1, 'q"\\']}, None)


@given(
    value=st.dictionaries(
        st.text(max_size=20), st.text(max_size=50) | st.integers() | st.lists(st.none(), max_size=3)
    ),
    sizes=PIECES,
)
@hypothesis(max_examples=50, deadline=None)
def test_short_json_is_what_the_standard_parser_says(value, sizes):
    body = JsonBody(lambda: pytest.fail("no blob expected"))
    for piece in cut(json.dumps(value).encode(), sizes):
        body.push(piece)
    assert body.finish() == value


@given(
    content=st.binary(min_size=1, max_size=5000),
    sizes=PIECES,
    wrap=st.booleans(),
    padded=st.booleans(),
    url=st.booleans(),
    prefix=st.sampled_from(["", "data:audio/wav;base64,", "data:;base64,"]),
)
@hypothesis(max_examples=100, deadline=None)
def test_base64_of_every_dialect_is_decoded(
    tmp_path_factory, content, sizes, wrap, padded, url, prefix
):
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    text = encode(content)
    if not padded:
        text = text.rstrip(b"=")
    if wrap:
        text = b"\r\n".join(cut(text, [76]))
    with Box(tmp_path_factory.getbasetemp() / "base64") as inbox:
        sink = Base64Sink(inbox.new_file("f"), "f")
        for piece in cut(prefix.encode() + text, sizes):
            sink.write(piece)
        assert sink.close().path.read_bytes() == content


@given(
    files=st.dictionaries(
        st.sampled_from(["audio", "avatar", "x"]), st.binary(max_size=3000), max_size=3
    ),
    fields=st.dictionaries(
        st.sampled_from(["fps", "blend", "note"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    ),
    sizes=PIECES,
)
@hypothesis(max_examples=100, deadline=None)
def test_forms_are_read_however_they_are_cut(tmp_path_factory, files, fields, sizes):
    parts = [
        f'--cut-me\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ] + [
        f'--cut-me\r\nContent-Disposition: form-data; name="{name}"; filename="../{name}"\r\n'
        "Content-Type: audio/wav\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files.items()
        if b"--cut-me" not in content
    ]
    with Box(tmp_path_factory.getbasetemp() / "form") as inbox:
        body = MultipartBody("multipart/form-data; boundary=cut-me", inbox)
        for piece in cut(b"".join(parts) + b"--cut-me--\r\n", sizes):
            body.push(piece)
        body.finish()
        assert body.fields == fields
        assert {name: file.path.read_bytes() for name, file in body.files.items()} == files


def test_a_form_of_many_parts_or_long_fields_is_refused(tmp_path):
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    many, long, headers = (part + b"\r\n") * 100, part + b"a" * 100_000, b"--x\r\n" + b"h: " * 5000
    for content in (many, long, headers):
        with Box(tmp_path) as inbox, pytest.raises(Problem) as refusal:
            MultipartBody("multipart/form-data; boundary=x", inbox).push(content)
        assert refusal.value.status in {400, 413}


def test_json_beside_files_stays_small(tmp_path):
    with Box(tmp_path) as inbox:
        body = JsonBody(lambda: Base64Sink(inbox.new_file("f"), "f"))
        with pytest.raises(Problem) as refusal:
            body.push((b'["' + b"a" * 10_000 + b'"],') * 200)
    assert refusal.value.code == "INPUT_TOO_LARGE"


def test_bytes_are_given_back_to_the_budget(tmp_path):
    budget = Budget(100)
    inbox = Inbox(tmp_path, max_file_bytes=80, budget=budget)
    with inbox.in_use:
        inbox.new_file("a").write(b"x" * 60)
        with pytest.raises(Problem) as refusal:
            inbox.new_file("b").write(b"x" * 60)
        assert refusal.value.code == "BUFFER_OVERFLOW"
    assert budget.used == 0
    assert not list(tmp_path.iterdir())
