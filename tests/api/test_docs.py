"""The documents tell what the program does: settings, routes, codes, metrics."""

import re
from pathlib import Path

import pytest

from api.app import create_app
from api.problems import CATALOGUE
from api.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """The OpenAPI document."""
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("docs"))).openapi()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_and_documented(name):
    field = Settings.model_fields[name]
    rows = (DOCS / "settings.md").read_text().splitlines()
    (row,) = [row for row in rows if row.startswith(f"| `MOUTHPIECE_{name.upper()}`")]
    assert field.description
    if isinstance(field.default, int | float) and not isinstance(field.default, bool):
        assert f"`{field.default}`" in row


def test_every_route_is_documented(described):
    text = (DOCS / "http.md").read_text()
    documented = re.sub(r"\{\w+\}", "{}", text)
    for path in described["paths"]:
        assert re.sub(r"\{\w+\}", "{}", path) in documented


def test_every_code_is_documented():
    text = (DOCS / "http.md").read_text()
    assert set(re.findall(r"\| `([A-Z_]+)` \|", text)) == set(CATALOGUE)


def test_every_answer_of_every_route_is_described(described):
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert {"401", "500"} <= set(operation["responses"]), (method, path)
