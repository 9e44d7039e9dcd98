"""Lab without a browser: what it makes, what it leaves behind, whose session it ends."""

import gc
import subprocess
import sys
import weakref

import plotly.graph_objects as go
import pytest
from ipywidgets.widgets import widget

import hebblab as hl
from hebblab.dashboard import lab as labs
from hebblab.live import Session

CHARTS = ("convergence", "histogram", "activations", "accuracy")


def widgets():
    return set(widget._instances)


@pytest.fixture
def made():
    """Make Labs; none of them outlives its test."""
    kept = []

    def make(*given):
        kept.append(hl.Lab(*given))
        return kept[-1]

    yield make
    for one in kept:
        one.close()


def hello(lab):
    """A page opens: the desk begins to work."""
    data = {"method": "custom", "content": {"do": "hello", "hidden": False}}
    lab._desk.parts.bar._handle_msg({"content": {"data": data}, "buffers": []})


def test_a_preset_runs_without_end_at_its_own_speed(made):
    lab = made("mnist-krotov")
    assert (lab.session.state, lab.session.speed) == ("ready", 60.0)
    assert lab.session.total_steps is None
    assert "mnist-krotov" in repr(lab)


def test_a_recipe_and_the_environment_name_the_run(made, monkeypatch):
    assert made(hl.presets.get("mnist-soft-wta")).session.recipe.name == "mnist-soft-wta"
    monkeypatch.setenv("HEBBLAB_PRESET", "mnist-oja-collapse")
    assert made().session.recipe.name == "mnist-oja-collapse"
    assert made("mnist-krotov").session.recipe.name == "mnist-krotov"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("mnist-krotof", hl.UnknownName, "mnist-krotov"),
        (3, hl.InvalidValue, "hl.Session"),
        (object, hl.InvalidValue, "hl.Session"),
    ],
)
def test_what_is_no_run_is_refused_and_leaves_nothing(given, error, words, threads):
    before = widgets()
    with pytest.raises(error, match=words):
        hl.Lab(given)
    assert widgets() == before
    assert threads() == []


def test_a_lab_shows_itself(made):
    lab = made("mnist-krotov")
    shown = lab._repr_mimebundle_()
    shown = shown[0] if isinstance(shown, tuple) else shown
    assert shown["application/vnd.jupyter.widget-view+json"]["model_id"] in widget._instances
    assert "text/plain" in shown


def test_twenty_labs_in_turn_leave_no_thread_and_no_widget(threads, until):
    before = widgets()
    for _ in range(20):
        lab = hl.Lab("mnist-krotov")
        assert len(widgets()) > len(before) + 8
        hello(lab)
        lab.session.start()
        until(lambda lab=lab: lab.session.steps > 0, "a step")
        session = lab.session
        lab.close()
        assert session.state == "stopped"
    until(lambda: threads() == [], "the end of all threads")
    assert widgets() == before


def test_closing_twice_is_closing():
    lab = hl.Lab("mnist-krotov")
    lab.close()
    lab.close()
    assert lab.session.state == "stopped"


def test_a_session_of_ones_own_is_never_stopped(threads, until):
    before = widgets()
    with Session("mnist-krotov", speed=100.0) as session:
        lab = hl.Lab(session)
        assert lab.session is session
        assert session.total_steps is not None
        hello(lab)
        session.start()
        until(lambda: session.steps > 3, "steps")
        lab.close()
        assert session.state == "running"
        assert widgets() == before
        held = session.steps
        until(lambda: session.steps > held, "that it goes on")
        assert "hebblab-lab" not in threads()
        # It can be looked at again.
        again = hl.Lab(session)
        assert again.session is session
        again.close()
    assert session.state == "stopped"


def test_nothing_holds_a_closed_lab_or_its_session(until):
    lab = hl.Lab("mnist-krotov")
    hello(lab)
    watched = [weakref.ref(one) for one in (lab, lab.session, lab._desk, lab._desk.parts.bar)]
    lab.session.start()
    until(lambda: watched[1]().steps > 3 and watched[1]().reading(), "a reading")
    lab.close()
    del lab

    def gone():
        gc.collect()
        return all(ref() is None for ref in watched)

    until(gone, "that nothing holds them")


def test_a_session_is_not_held_by_its_closed_lab(until):
    session = Session("mnist-krotov")
    lab = hl.Lab(session)
    hello(lab)
    lab.close()
    watched = weakref.ref(session)
    session.stop()
    del session, lab

    def gone():
        gc.collect()
        return watched() is None

    until(gone, "that nothing holds it")


def test_a_cell_that_is_run_again_replaces_its_labs(made, monkeypatch):
    now = ["cell-1", "first"]
    monkeypatch.setattr(labs, "_cells", {})
    monkeypatch.setattr(labs, "_cell", lambda: tuple(now))
    first, beside = made("mnist-krotov"), made("mnist-krotov")
    now[:] = "cell-2", "second"
    other = made("mnist-krotov")
    with Session("mnist-krotov") as session:
        given = made(session)
        now[:] = "cell-1", "third"
        again = made("mnist-krotov")
        assert first.session.state == beside.session.state == "stopped"
        assert (other.session.state, again.session.state) == ("ready", "ready")
        now[:] = "cell-2", "fourth"
        made("mnist-krotov")
        assert other.session.state == "stopped"
        assert given.session.state == "ready"


def test_a_chart_is_a_figure_for_papers(made, until):
    lab = made("mnist-krotov")
    for name in CHARTS:
        assert isinstance(lab.figure(name), go.Figure)
    lab.session.step(60)
    until(lambda: lab.session.history["step"][-1:] == [60], "a reading")
    lab.session.edit(delta=0.8).wait(10)
    lab.session.step(1)
    converged = next(t for t in lab.figure("convergence").data if t.name == "converged")
    assert converged.x[-1] >= 60
    assert len(converged.x) == len(converged.y)
    texts = [note.text for note in lab.figure("convergence").layout.annotations]
    assert "Δ 0.80" in texts
    assert len(lab.figure("histogram").data[0].y) > 10
    assert sum(lab.figure("activations").data[0].y) == 1000
    assert "@" not in lab.figure("histogram").to_json().replace("@media", "")
    with pytest.raises(hl.UnknownName, match="convergence"):
        lab.figure("convergense")


def test_the_dashboard_asks_for_no_plotly_in_python():
    code = (
        "import sys, hebblab; hebblab.Lab('mnist-krotov').close(); print('plotly' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "False", done.stderr
