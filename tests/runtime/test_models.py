"""Laws of the model store: what is found where, and that a changed file is noticed."""

import json
import tomllib
from pathlib import Path

import pytest

from runtime.errors import ModelNotFoundError
from runtime.manifest import read_manifest
from runtime.models import BUNDLED_DIR, MANIFEST, ModelStore, file_sha256, model_dirs

MANIFEST_TEXT = """
schema = 1
default_generator = "first"

[[network]]
name = "first"
role = "generator"
layout = "wav2lip"
origin = "bundled"

[[network]]
name = "finder"
role = "detector"
layout = "blazeface"
origin = "wheel"
"""


def install(folder: Path, stem: str, content: str = "graph") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.xml").write_text(content)
    (folder / f"{stem}.bin").write_bytes(b"weights")
    return folder / f"{stem}.xml"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.toml"
    path.write_text(MANIFEST_TEXT)
    return path


@pytest.fixture
def store(tmp_path: Path, manifest: Path) -> ModelStore:
    return ModelStore([tmp_path / "own", tmp_path / "shipped"], manifest=manifest)


def test_the_first_folder_wins(store, tmp_path):
    install(tmp_path / "shipped", "first")
    own = install(tmp_path / "own", "first", "mine")

    assert store.find("first").path == own


def test_a_network_may_lie_in_a_folder_of_its_name(store, tmp_path):
    path = install(tmp_path / "shipped" / "first", "first")

    assert store.find("first").path == path


@pytest.mark.parametrize(("precision", "stem"), [("f32", ""), ("bf16", ""), ("int8", "-int8")])
def test_a_precision_selects_its_file(precision, stem, store, tmp_path):
    install(tmp_path / "own", "first")
    install(tmp_path / "own", "first-int8")

    assert store.find("first", precision).path.name == f"first{stem}.xml"


def test_the_digest_changes_with_graph_and_weights(store, tmp_path):
    path = install(tmp_path / "own", "first")
    before = store.find("first").sha256

    path.write_text("other")
    with_other_graph = store.find("first").sha256
    path.with_suffix(".bin").write_bytes(b"other")

    assert len({before, with_other_graph, store.find("first").sha256}) == 3


@pytest.mark.parametrize(
    ("name", "precision", "words"),
    [
        ("nobody", "f32", "no network is called 'nobody'; known: first, finder"),
        ("first", "f16", "no precision 'f16'; choose f32, bf16, int8"),
        ("first", "int8", "convert it with `mouthpiece convert`"),
        ("finder", "f32", "run `mouthpiece models fetch finder`"),
    ],
)
def test_what_is_not_there_says_how_to_get_it(name, precision, words, store):
    with pytest.raises(ModelNotFoundError) as caught:
        store.find(name, precision)
    assert words in str(caught.value)


def test_weights_without_a_graph_are_not_installed(store, tmp_path):
    install(tmp_path / "own", "first").unlink()

    assert store.precisions("first") == ()


def test_a_converted_network_is_known_by_its_card(store, tmp_path):
    install(tmp_path / "own", "mine")
    card = {"name": "mine", "role": "generator", "layout": "nota", "licence": "mine"}
    (tmp_path / "own" / "mine.card.json").write_text(json.dumps(card))

    assert store.find("mine").entry.layout == "nota"
    assert [entry.name for entry in store.generators()] == ["mine"]


def test_a_torn_card_is_named(store, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.card.json").write_text("{")

    with pytest.raises(ModelNotFoundError, match=r"mine\.card\.json does not describe"):
        store.entries()


def test_only_installed_generators_are_listed(store, tmp_path):
    install(tmp_path / "own", "finder")

    assert store.generators() == []


def test_the_chosen_generator_is_the_default_from_then_on(store, tmp_path, manifest):
    assert store.default() == "first"
    install(tmp_path / "own", "mine")
    card = {"name": "mine", "role": "generator", "layout": "nota"}
    (tmp_path / "own" / "mine.card.json").write_text(json.dumps(card))

    store.use("mine", folder=tmp_path / "own")

    assert store.default() == "mine"
    assert ModelStore(store.dirs, manifest=manifest).default() == "mine"


@pytest.mark.parametrize("name", ["first", "finder", "nobody"])
def test_only_an_installed_generator_can_be_chosen(name, store, tmp_path):
    with pytest.raises(ModelNotFoundError):
        store.use(name, folder=tmp_path / "own")
    assert store.default() == "first"


def test_a_changed_file_is_noticed(store, tmp_path):
    path = install(tmp_path / "own", "first")
    digests = {file.name: file_sha256(file) for file in (path, path.with_suffix(".bin"))}
    card = {"name": "first", "role": "generator", "layout": "wav2lip", "sha256": digests}
    (tmp_path / "own" / "first.card.json").write_text(json.dumps(card))
    assert [check.state for check in store.verify()] == ["ok", "ok"]

    path.write_text("tampered")

    assert [check.state for check in store.verify()] == ["changed", "ok"]


def test_a_file_without_a_known_digest_is_told_apart(store, tmp_path):
    install(tmp_path / "own", "first")

    assert {check.state for check in store.verify()} == {"unlisted"}


def test_no_manifest_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ModelNotFoundError, match="no readable manifest"):
        ModelStore([], manifest=tmp_path / "none.toml")


def test_the_users_folder_is_searched_first():
    assert model_dirs(Path("own"))[0] == Path("own")
    assert model_dirs() == (BUNDLED_DIR, BUNDLED_DIR / "local")


def test_every_network_of_the_manifest_states_its_licence_and_source():
    for entry in read_manifest(MANIFEST).networks.values():
        assert entry.licence not in {"", "unknown"}
        assert entry.licence_text
        assert entry.origin == "bundled" or entry.page
        assert entry.origin != "checkpoint" or (entry.file and entry.sources)
        assert entry.origin != "wheel" or (entry.wheel and entry.member and entry.sha256)


def test_every_digest_of_the_manifest_is_a_sha256():
    tables = tomllib.loads(MANIFEST.read_text())["network"]
    for table in tables:
        for digests in table["sha256"].values():
            for digest in [digests] if isinstance(digests, str) else digests:
                assert len(bytes.fromhex(digest)) == 32


def test_the_bundled_generator_is_complete_and_unchanged():
    store = ModelStore([BUNDLED_DIR])

    assert store.precisions("mouthpiece") == ("f32", "int8")
    checks = [check for check in store.verify() if check.name == "mouthpiece"]
    assert {check.state for check in checks} == {"ok"}
