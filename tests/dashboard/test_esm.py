import re
from importlib.resources import files

import pytest

from hebblab.dashboard import esm as joining
from hebblab.dashboard.bar import SHEETS, Bar
from hebblab.dashboard.controls import Controls
from hebblab.dashboard.esm import css, esm
from hebblab.dashboard.weights import Weights


@pytest.fixture
def modules(monkeypatch):
    texts = {
        "a.js": "export const one = 1;\nexport function two() {}\n",
        "b.js": 'import { one } from "./a.js";\nexport class Three {}\n',
        "c.js": 'import {\n  one,\n} from "./a.js";\nexport default { render: one };\n',
    }
    monkeypatch.setattr(joining, "read", texts.__getitem__)


def test_imports_and_exports_go_and_the_default_export_stays(modules):
    joined = esm("a.js", "b.js", "c.js")
    assert "import" not in joined
    assert re.findall(r"^export.*", joined, re.MULTILINE) == ["export default { render: one };"]
    assert "const one = 1;\nfunction two() {}" in joined
    assert joined.index("one = 1") < joined.index("class Three") < joined.index("render")


def test_a_module_must_stand_after_what_it_imports(modules):
    with pytest.raises(ValueError, match=r"b\.js imports a\.js"):
        esm("b.js", "a.js")
    with pytest.raises(ValueError, match=r"c\.js imports a\.js"):
        esm("c.js")


def test_only_the_last_module_has_a_default_export(modules):
    with pytest.raises(ValueError, match=r"c\.js has a default export"):
        esm("a.js", "c.js", "b.js")


def test_a_missing_module_is_named():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.js"):
        esm("nowhere.js")


@pytest.mark.parametrize("part", [Bar, Controls, Weights])
def test_each_part_carries_one_small_module(part):
    source = part._esm
    assert not re.search(r"^import\b", source, re.MULTILINE)
    assert len(re.findall(r"^export\b", source, re.MULTILINE)) == 1
    # A module that takes two seconds to load is given up by anywidget.
    assert len(source) < 45_000


@pytest.mark.parametrize("part", [Bar, Controls, Weights])
def test_names_at_the_top_of_joined_modules_are_different(part):
    names = re.findall(r"^(?:function|const|let|class) (\w+)", part._esm, re.MULTILINE)
    assert len(names) == len(set(names))


def test_texts_reach_the_page_as_texts_only():
    folder = files("hebblab.dashboard") / "static"
    for file in folder.iterdir():
        if file.name.endswith(".js"):
            text = file.read_text("utf-8")
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), (
                file.name
            )


def test_styles_ask_nothing_from_elsewhere():
    joined = css(*SHEETS)
    assert "@import" not in joined
    assert "url(" not in joined
