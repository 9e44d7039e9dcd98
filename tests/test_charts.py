import re
from pathlib import Path

import pytest

from hebblab import charts

STATIC = Path(charts.__file__).parent / "dashboard" / "static"


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_weights_have_the_colours_of_the_dashboard():
    stops = re.findall(
        r"\[(-?[\d.]+), 0x(\w\w), 0x(\w\w), 0x(\w\w)\]", (STATIC / "colours.js").read_text()
    )
    told = [((float(at) + 1) / 2, f"#{r}{g}{b}") for at, r, g, b in stops]
    assert list(charts.WEIGHTS) == told


@pytest.mark.parametrize("color", charts.SERIES)
def test_a_curve_can_be_seen_on_paper(color):
    assert 1.05 / (luminance(color) + 0.05) > 3
    assert charts.SERIES.count(color) == 1
