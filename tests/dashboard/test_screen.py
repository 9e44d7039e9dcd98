"""The screen lays the units of a map out as they lie on its sheet."""

from dataclasses import replace

import numpy as np
import pytest

from hebblab import Session
from hebblab.dashboard.screen import Screen


class Sent:
    def __init__(self):
        self.frames = []

    def frame(self, content, _buffers):
        self.frames.append(content)

    def show(self, _view):
        pass


@pytest.mark.parametrize(
    ("overrides", "columns"),
    [
        ({"rule": "som"}, 10),
        ({"rule": "som", "rows": 5}, 20),
        ({"rule": "som", "rows": 1}, 10),
        ({"rule": "softhebb"}, 10),
    ],
)
def test_a_sheet_is_shown_by_its_own_rows_unless_they_are_too_wide(overrides, columns):
    with Session("mnist-krotov", **overrides) as session:
        part = Sent()
        screen = Screen(part, clock=lambda: 0.0)
        screen.show(session, "hidden", None, whole=True)
        assert part.frames[-1]["columns"] == columns
        assert part.frames[-1]["units"] == list(range(100))


@pytest.mark.parametrize(
    ("painting", "wait"), [(0.01, 0.075), (0.08, 0.16), (0.5, 2.4), (3.0, 5.0)]
)
def test_a_page_that_paints_slowly_is_sent_fewer_frames(painting, wait):
    now = [100.0]
    with Session("mnist-krotov") as session:
        part = Sent()
        screen = Screen(part, clock=lambda: now[0])
        screen.show(session, "hidden", None, whole=True)
        now[0] += painting
        screen.hear({"do": "painted", "id": part.frames[-1]["id"]})
        assert screen.latency == pytest.approx(min(painting, 2.0))
        assert screen.due_in() == pytest.approx(wait - painting)


@pytest.mark.parametrize(("competition", "greyed"), [("none", []), ("hard", [3, 8])])
def test_units_that_never_win_are_grey_where_units_compete(until, competition, greyed):
    with Session("mnist-oja-collapse", competition=competition) as session:
        session.watch(0.0)
        session.step(1)
        until(lambda: session.reading() is not None, "a reading")
        winning = np.ones(100, bool)
        winning[[3, 8]] = False
        reading = replace(session.reading(), winning=winning)
        part = Sent()
        Screen(part, clock=lambda: 0.0).show(session, "hidden", reading, whole=True)
        assert part.frames[-1]["greyed"] == greyed
