import gzip
import importlib.util
import subprocess
import sys

import pytest

from hebblab.dashboard import plotlyjs
from hebblab.errors import DataUnavailable


def test_the_packed_script_is_the_installed_one():
    packed = plotlyjs.packed()
    source = plotlyjs.path().read_bytes()
    assert gzip.decompress(packed) == source
    assert b"window.Plotly" in source
    assert len(packed) < 2_000_000


def test_packing_again_gives_the_same_bytes():
    first = plotlyjs.packed()
    plotlyjs.packed.cache_clear()
    assert plotlyjs.packed() == first


def test_the_version_is_the_one_in_the_script():
    assert plotlyjs.version()[0].isdigit()
    assert f"plotly.js v{plotlyjs.version()}".encode() in plotlyjs.path().read_bytes()[:400]


def test_finding_the_script_does_not_import_plotly():
    code = (
        "import sys\n"
        "from hebblab.dashboard import plotlyjs, chart, panels\n"
        "plotlyjs.packed()\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'plotly'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_plotly_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataUnavailable, match="pip install"):
        plotlyjs.path()


def test_a_plotly_without_its_script_says_where_it_looked(monkeypatch, tmp_path):
    (tmp_path / "__init__.py").touch()
    spec = importlib.util.spec_from_file_location("plotly", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(DataUnavailable, match=r"has no plotly\.min\.js.*pip install"):
        plotlyjs.path()
