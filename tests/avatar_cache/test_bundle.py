"""An avatar file from a stranger: refused unless every byte is as its manifest says."""

import hashlib
import io
import json
import shutil
import zipfile

import numpy as np
import pytest

from avatar_cache import AvatarStore
from runtime.errors import AvatarCorruptError, AvatarError, AvatarNotFoundError


@pytest.fixture
def bundle(store, detector, portrait, tmp_path):
    path = tmp_path / "good.avatar"
    store.export(store.add(portrait, detector=detector).avatar_id, path)
    return path


@pytest.fixture
def importer(tmp_path):
    return AvatarStore(tmp_path / "importer")


def rewrite(bundle, change=None, *, drop=(), compression=zipfile.ZIP_STORED, more=()):
    """Write a bundle again with members changed, dropped or added."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name not in drop}
    if change:
        change(members)
    with zipfile.ZipFile(bundle, "w", compression) as archive:
        for name, content in [*members.items(), *more]:
            archive.writestr(name, content)


def in_manifest(**values):
    def change(members):
        manifest = json.loads(members["manifest.json"])
        manifest.update(values)
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


def refuse(importer, bundle):
    with pytest.raises(AvatarCorruptError):
        importer.import_(bundle)
    assert importer.check_all() == ()


def test_a_good_bundle_is_taken(importer, bundle):
    assert importer.import_(bundle).frames == 1


def test_a_bundle_that_is_not_there_is_not_found(importer, tmp_path):
    with pytest.raises(AvatarNotFoundError):
        importer.import_(tmp_path / "none.avatar")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "frames/../../x", "a.txt", "features/../x.npy", "C:\\x"]
)
def test_members_with_other_names_are_refused(importer, bundle, name):
    rewrite(bundle, more=[(name, b"x")])
    refuse(importer, bundle)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(importer, bundle):
    rewrite(bundle, more=[("faces.npy", b"x")])
    refuse(importer, bundle)


def test_compressed_members_are_refused(importer, bundle):
    rewrite(bundle, compression=zipfile.ZIP_DEFLATED)
    refuse(importer, bundle)


def test_links_are_refused(importer, bundle):
    link = zipfile.ZipInfo("frames/00000.mp4")
    link.external_attr = 0o120777 << 16
    rewrite(bundle, more=[(link, b"/etc/passwd")])
    refuse(importer, bundle)


def test_members_that_the_manifest_does_not_list_are_refused(importer, bundle):
    rewrite(bundle, more=[("frames/00000.mp4", b"x")])
    refuse(importer, bundle)


@pytest.mark.parametrize("name", ["image.png", "faces.npy", "landmarks.npy", "manifest.json"])
def test_a_missing_member_is_refused(importer, bundle, name):
    rewrite(bundle, drop=[name])
    refuse(importer, bundle)


@pytest.mark.parametrize("name", ["image.png", "faces.npy", "landmarks.npy", "thumbnail.jpg"])
def test_a_changed_member_is_refused(importer, bundle, name):
    def change(members):
        content = bytearray(members[name])
        content[-1] ^= 1
        members[name] = bytes(content)

    rewrite(bundle, change)
    refuse(importer, bundle)


@pytest.mark.parametrize(
    "values",
    [
        {"schema": 99},
        {"fps": 0},
        {"fps": "fast"},
        {"frame_count": 2},
        {"frame_count": 10**12},
        {"height": 10**9},
        {"width": 193},
        {"rest_index": 5},
        {"teeth_index": 5},
        {"teeth_index": "first"},
        {"segment_frames": 0},
        {"faces": 3},
        {"members": []},
        {"features": {"../x": 1}},
        {"extra": 1},
    ],
)
def test_impossible_manifests_are_refused(importer, bundle, values):
    rewrite(bundle, in_manifest(**values))
    refuse(importer, bundle)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff"])
def test_a_manifest_that_is_no_object_is_refused(importer, bundle, content):
    rewrite(bundle, lambda members: members.update({"manifest.json": content}))
    refuse(importer, bundle)


def test_an_array_of_objects_is_never_unpickled(importer, bundle):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    file = io.BytesIO()
    np.save(file, np.array([Trap()], object), allow_pickle=True)

    def change(members):
        members["faces.npy"] = file.getvalue()
        manifest = json.loads(members["manifest.json"])
        manifest["members"]["faces.npy"] = {
            "sha256": hashlib.sha256(file.getvalue()).hexdigest(),
            "size_bytes": len(file.getvalue()),
        }
        members["manifest.json"] = json.dumps(manifest).encode()

    rewrite(bundle, change)
    refuse(importer, bundle)


def test_random_damage_never_gets_in_nor_crashes(importer, bundle, tmp_path):
    rng = np.random.default_rng(0)
    good = bundle.read_bytes()
    hurt = tmp_path / "hurt.avatar"
    for _ in range(150):
        content = bytearray(good)
        for place in rng.integers(0, len(good), rng.integers(1, 8)):
            content[place] = rng.integers(0, 256)
        hurt.write_bytes(
            content[: rng.integers(1, len(good) + 1)] if rng.random() < 0.3 else content
        )
        try:
            importer.import_(hurt, avatar_id="hurt")
        except AvatarError:
            continue
        with importer.open("hurt") as avatar:
            assert avatar.frame(0).planes.shape == (216, 192)


def test_a_png_that_promises_other_dimensions_is_not_decoded(importer, bundle, as_png):
    bomb = as_png(np.zeros((4000, 4000), np.uint8))

    def change(members):
        members["image.png"] = bomb
        manifest = json.loads(members["manifest.json"])
        member = {"sha256": hashlib.sha256(bomb).hexdigest(), "size_bytes": len(bomb)}
        manifest["members"]["image.png"] = member
        members["manifest.json"] = json.dumps(manifest).encode()

    rewrite(bundle, change)
    refuse(importer, bundle)


def test_a_folder_or_text_is_no_bundle(importer, tmp_path):
    text = tmp_path / "a.avatar"
    text.write_text("hello")
    refuse(importer, text)
    shutil.copy(text, tmp_path / "b.avatar")
