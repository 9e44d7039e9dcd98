"""`hl.rules.check`: good rules pass, and each wrong one is caught by name."""

import re

import pytest
import torch

import hebblab as hl
from hebblab import InvalidValue, UnknownName, rules
from hebblab.rules.checks import Line, Report


class Leaky(hl.Rule):
    """The winner learns; everybody else unlearns a little."""

    name = "leaky-check"
    equation = r"\Delta w_i = (r_i - \gamma)(x - u_i w_i)"
    gamma: float = hl.knob(0.001, symbol="γ", low=0, high=0.01, help="How strongly losers unlearn.")

    def update(self, inputs, weights):
        u = inputs @ weights.T
        r = hl.rules.winners(u) - self.gamma
        change = r.T @ inputs - (r * u).sum(0)[:, None] * weights
        return change / change.abs().max().clamp_min(1e-30)


def failures(rule):
    return {line.name: line.text for line in rules.check(rule).failures}


def broken(update, **body):
    """A rule with a name, a docstring and this update."""
    return type(
        "Broken",
        (hl.Rule,),
        {"__module__": __name__, "__doc__": "Wrong.", "name": "broken", "update": update, **body},
    )


def good(self, inputs, weights):
    return hl.rules.winners(inputs @ weights.T).T @ inputs


def test_a_good_rule_of_ones_own_passes_and_need_not_be_registered():
    before = rules.available()
    report = rules.check(Leaky)
    assert report.passed, str(report)
    assert report.failures == ()
    report.raise_for_failures()
    assert rules.available() == before
    assert report["declared"] == Line(
        "declared", "advice", "It can be registered; it would gain from: title, source."
    )
    assert "in pieces" in report["halves"].text


def test_it_takes_a_class_a_rule_or_a_name_and_changes_none_of_them():
    rule = Leaky(gamma=0.01)
    assert rules.check(rule).passed
    assert rule.gamma == 0.01
    assert rules.check("oja").rule == "oja"
    assert rules.check(rules.create("oja", competition="hard")).passed
    state = torch.random.get_rng_state()
    rules.check("hard-wta")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_a_rule_has_learnt_stays_with_it():
    rule = rules.create("hebbian-anti-hebbian")
    inputs, weights = torch.rand(5, 3), torch.rand(2, 3)
    rule.advance(rule.statistics(inputs, weights), 0.1)
    held = rule.buffers["lateral"].clone()
    assert rules.check(rule).passed
    assert torch.equal(rule.buffers["lateral"], held)


@pytest.mark.parametrize("thing", [None, 3, dict, object(), lambda x: x])
def test_what_is_no_rule_is_refused(thing):
    with pytest.raises(InvalidValue, match=r"check\(\) takes a class derived from hl\.Rule"):
        rules.check(thing)


def test_a_name_that_nothing_answers_to_comes_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'oja'"):
        rules.check("ojja")


def changes_weights(self, inputs, weights):
    return weights.mul_(0.5)


def changes_inputs(self, inputs, weights):
    return good(self, inputs.clamp_(min=0), weights)


def returns_weights(self, inputs, weights):
    return weights


def wrong_shape(self, inputs, weights):
    return good(self, inputs, weights).T


def no_tensor(self, inputs, weights):
    return 0.0


def single(self, inputs, weights):
    return good(self, inputs, weights).float()


def at_random(self, inputs, weights):
    return good(self, inputs, weights) + torch.rand(weights.shape, dtype=weights.dtype)


def divides(self, inputs, weights):
    change = good(self, inputs, weights)
    return change / change.abs().max()


def first_of_zeros(self, inputs, weights):
    won = torch.nn.functional.one_hot((inputs @ weights.T).argmax(1), len(weights)).to(inputs)
    return won.T @ inputs - won.sum(0)[:, None] * weights


def last_of_ties(self, inputs, weights):
    return good(self, inputs, weights.flip(0)).flip(0)


def in_order(self, inputs, weights):
    fade = torch.arange(1.0, len(inputs) + 1).to(inputs)[:, None]
    return good(self, inputs * fade, weights)


def overflows(self, inputs, weights):
    return good(self, inputs, weights) * torch.exp((inputs @ weights.T).abs().max())


def cancels(self, inputs, weights):
    return good(self, inputs, weights) * 1e-7 + inputs.sum() + 1e6 - 1e6 - inputs.sum()


def overflows_at_once(self, inputs, weights):
    powers = torch.exp((inputs @ weights.T) * 50)
    return (powers / powers.sum(1, keepdim=True)).T @ inputs


def raises(self, inputs, weights):
    raise RuntimeError("the lake\nis frozen")


@pytest.mark.parametrize(
    ("update", "name", "words"),
    [
        (changes_weights, "arguments", "changed its weights in place"),
        (changes_inputs, "arguments", "changed its inputs in place"),
        (returns_weights, "arguments", "returned one of its arguments"),
        (wrong_shape, "shape", r"shape of the weights, \(8, 6\), not \(6, 8\)"),
        (no_tensor, "shape", "returned float, not a tensor"),
        (single, "dtype", "Weights of torch.float64 on cpu got a change of torch.float32"),
        (at_random, "repeatable", "gave two changes"),
        (divides, "zeros", "All-zero inputs give a change that is not finite.*NaN"),
        (first_of_zeros, "silence", "all zero move 1 of 8 units.*must have no winner"),
        (in_order, "order", "Another order of the samples gives another change"),
        (overflows, "sizes", "1e6 times as large give a change that is not finite"),
        (cancels, "precision", "float32 and float64 differ"),
        (raises, "shape", "It raised RuntimeError: the lake$"),
        (overflows_at_once, "convolution", "patches of a convolution give a change"),
    ],
)
def test_a_wrong_rule_is_caught_by_name(update, name, words):
    found = failures(broken(update))
    assert name in found
    with pytest.raises(InvalidValue, match=rf"(?s)'broken' fails {len(found)} of \d+ .*{name}: "):
        rules.check(broken(update)).raise_for_failures()
    assert re.search(words, found[name]), found[name]


@pytest.mark.parametrize("update", [wrong_shape, no_tensor, raises])
def test_what_comes_of_one_fault_is_told_once(update):
    report = rules.check(broken(update))
    assert [line.name for line in report.failures] == ["shape"]
    assert report["the rest"].text == "17 more checks wait for a change of the weights' shape."
    assert "fails 1 of " in str(report)


def test_another_precision_is_no_fault_of_the_order():
    assert list(failures(broken(single))) == ["dtype"]


def test_a_rule_that_prefers_the_last_of_equal_units_is_told_so():
    line = rules.check(broken(last_of_ties))["ties"]
    assert line.verdict == "advice"
    assert "the second is preferred" in line.text


class Averaging(hl.Rule):
    """Statistics that are means do not add up."""

    name = "averaging"

    def statistics(self, inputs, weights, targets=None):
        return (good(self, inputs, weights) / len(inputs),)

    def change(self, statistics, weights):
        return statistics[0]


class Forgetting(Averaging):
    """Statistics add up, but update does something else."""

    name = "forgetting"

    def statistics(self, inputs, weights, targets=None):
        return (good(self, inputs, weights),)

    def change(self, statistics, weights):
        self._buffers["calls"] = self._buffers.get("calls", torch.zeros(())) + 1
        return statistics[0] * self._buffers["calls"]


class Halfway(Averaging):
    """Statistics and change, and an update that has a term more."""

    name = "halfway"

    def update(self, inputs, weights):
        return good(self, inputs, weights) / len(inputs) - 0.1 * weights


class Doubled(Averaging):
    """Says the same thing twice."""

    name = "doubled"

    def statistics(self, inputs, weights, targets=None):
        return (good(self, inputs, weights),)

    def change(self, statistics, weights):
        return statistics[0]

    def update(self, inputs, weights):
        return good(self, inputs, weights)


def test_halves_that_say_otherwise_than_update_are_caught():
    own = dict(vars(Averaging)) | {"update": Halfway.update, "__doc__": "One term more."}
    names = ("statistics", "change", "update", "name", "__doc__", "__module__")
    forgetful = type("Forgetful", (hl.Rule,), {key: own[key] for key in names})
    assert "One of them lacks a term" in failures(forgetful)["halves"]
    # What a rule inherits, and its own update does without, is no fault.
    report = rules.check(Halfway)
    assert "defines update alone" in report["halves"].text
    line = rules.check(Doubled)["halves"]
    assert line.verdict == "advice"
    assert "beside statistics and change" in line.text


def test_what_is_not_finite_is_not_called_a_decay():
    line = rules.check(broken(divides))["silence"]
    assert (line.verdict, "see zeros" in line.text) == ("advice", True)


def test_statistics_that_do_not_add_up_are_caught():
    assert "Statistic 0 of seven pieces" in failures(Averaging)["halves"]
    assert "convolution" in failures(Averaging)


def test_a_rule_that_moves_by_itself_is_caught():
    assert "gave two changes" in failures(Forgetting)["repeatable"]


class Idle(hl.Rule):
    """Declares more than it uses."""

    name = "idle"
    used: float = hl.knob(0.5, low=0, high=1)
    force: float = hl.knob(0.5, low=0, high=1)
    manner: str = hl.knob("soft", choices=("soft", "hard"))
    sharpness: float = hl.knob(1.0, low=0.5, high=2)

    def update(self, inputs, weights):
        power = self.sharpness if self.manner == "hard" else 1.0
        return (self.used + 1) * good(self, inputs, weights) * power


def test_a_knob_that_nothing_heeds_is_caught_and_one_that_only_one_setting_heeds_is_not():
    found = failures(Idle)
    assert set(found) == {"knobs"}
    assert found["knobs"].startswith("force changes nothing at any setting")


class Explosive(hl.Rule):
    """Divides by its knob, which may be zero."""

    name = "explosive"
    force: float = hl.knob(0.5, low=0, high=1)

    def update(self, inputs, weights):
        return good(self, inputs, weights) / self.force


def test_a_knob_whose_bound_breaks_the_rule_is_caught():
    assert failures(Explosive)["bounds"].startswith("force = 0.0 gives a change that is not finite")


class Loose(Leaky):
    """Takes whatever it is given."""

    name = "loose"

    def __setattr__(self, name, value):
        if name == "gamma":
            self.__dict__["gamma"] = value
        else:
            super().__setattr__(name, value)


def test_a_rule_that_takes_values_out_of_bounds_is_caught():
    assert "gamma = None is out of its bounds and was taken" in failures(Loose)["refusals"]


class Hasty(Leaky):
    """A fast path that is wrong."""

    name = "hasty"

    def fused(self, inputs, weights, scratch):
        return weights * 0 + 1


def test_a_fast_path_that_differs_is_caught():
    assert "another change than update" in failures(Hasty)["fast path"]


def test_what_could_not_be_registered_is_said_and_the_rest_is_checked_all_the_same():
    nameless = type("Nameless", (hl.Rule,), {"__module__": __name__, "update": good})
    report = rules.check(nameless)
    assert report.rule == "Nameless"
    assert "needs a name" in report["declared"].text
    assert [line.name for line in report.failures] == ["declared"]
    assert len(report) > 15

    class Boundless(hl.Rule):
        name = "boundless"
        gain: float = 0.5
        update = good

    assert "has no bounds" in failures(Boundless)["declared"]


def test_a_rule_that_cannot_even_be_made_is_two_failed_lines():
    class Needy(hl.Rule):
        name = "needy"
        update = good

        def __init__(self, **values):
            raise RuntimeError("not today")

    found = failures(Needy)
    assert found["made"] == "It raised RuntimeError: not today"
    assert len(rules.check(Needy)) == 2


def test_a_rule_that_wants_many_units_gets_them():
    assert rules.check(rules.create("krotov-hopfield", k=30)).passed


class TestReport:
    report = Report(
        "<mine>",
        (
            Line("shape", "passed", "Fine."),
            Line("zeros", "failed", "Not fine: <b>NaN</b> " + "and so on " * 30),
            Line("declared", "advice", "Could be finer."),
        ),
    )

    def test_prints_as_a_table_of_narrow_lines(self):
        lines = str(self.report).splitlines()
        assert lines[0] == "The rule '<mine>' fails 1 of 2 checks."
        assert lines[1] == "  ✓ shape     Fine."
        assert lines[2].startswith("  ✗ zeros     Not fine")
        assert lines[3].startswith("              ")
        assert lines[-1] == "  · declared  Could be finer."
        assert max(map(len, lines)) <= 100

    def test_shows_in_a_notebook_with_its_text_escaped(self):
        html = self.report._repr_html_()
        assert "<b>" not in html
        assert "&lt;b&gt;NaN&lt;/b&gt;" in html
        assert "&lt;mine&gt;" in html
        assert html.count("<tr>") == 3
        assert html.startswith("<table")

    def test_answers_by_name_and_in_order(self):
        assert not self.report.passed
        assert self.report["zeros"].sign == "✗"
        assert [line.name for line in self.report] == ["shape", "zeros", "declared"]
        with pytest.raises(KeyError):
            self.report["nothing"]
        with pytest.raises(InvalidValue, match=r"fails 1 of 2 checks\. zeros: Not fine"):
            self.report.raise_for_failures()

    def test_advice_is_no_failure(self):
        report = Report("mine", self.report.lines[::2])
        assert report.passed
        report.raise_for_failures()
        assert str(report).startswith("The rule 'mine' passes all 1 checks.")
