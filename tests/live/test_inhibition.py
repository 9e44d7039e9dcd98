"""Units that inhibit each other, in a session: what a model, a frame and a folder hold of them."""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn

from hebblab import InvalidValue, networks
from hebblab.live.reading import Reader
from hebblab.nn import PatchConv2d, RePU

RULE = "hebbian-anti-hebbian"


def _grouped(image_shape, classes):
    return nn.Sequential(
        OrderedDict(
            spread=nn.PixelUnshuffle(2),
            hidden=PatchConv2d(4, 6, 2, groups=2, bias=False),
            activation=RePU(),
            flatten=nn.Flatten(),
            readout=nn.Linear(6 * 4, classes),
        )
    )


@pytest.fixture(autouse=True)
def _grouped_network():
    networks.register("grouped", _grouped)
    yield
    networks.unregister("grouped")


def pixels(session):
    return session.dataset.validation.pixels.float() / 255


def by_the_rule(session):
    """What the rule says that units answer to the validation images."""
    learner = session._loop.run.trainer.learners["hidden"]
    given = session._loop.run.around["hidden"].before(pixels(session))
    parts = []
    for group in range(learner.view.groups):
        learner._enter(group)
        rows = learner.view.inputs(given, group)
        parts.append(learner.rule.ranking(rows, learner.view.weights(group)))
    return torch.cat(parts, dim=1)


def by_the_model(model, inputs):
    with torch.no_grad():
        found = nn.Sequential(*list(model.eval().children())[:-1])
        found = found[:-1] if isinstance(found[-1], nn.Flatten) else found
        answers = found(inputs)
    return answers if answers.ndim == 2 else answers.permute(0, 2, 3, 1).flatten(0, 2)


@pytest.mark.parametrize("variant", ["2018", "2015"])
@pytest.mark.parametrize("network", ["tiny", "grouped"])
@pytest.mark.parametrize("clamped", [False, True])
def test_a_model_a_frame_and_a_folder_answer_as_the_rule(make, tmp_path, variant, network, clamped):
    rule = {"rule": RULE, "variant": variant, "nonnegative": clamped}
    session = make(rule=rule, network=network, steps=6)
    for _ in range(2):
        session.step(3)
        expected = by_the_rule(session)
        answers = by_the_model(session.model(), pixels(session))
        assert torch.allclose(answers, expected.clamp_min(0), atol=1e-5)
        assert (expected.min() >= 0) == clamped and expected.max() > 0
        frame = session.frame("hidden")
        reading = Reader(copy.deepcopy(session.model()), session.dataset, None).read(frame)
        wins = torch.bincount(
            expected.argmax(1)[expected.ne(0).any(1)], minlength=len(frame.weights)
        )
        assert reading.activations.wins.tolist() == wins.tolist()
    loaded = networks.load(session.save(tmp_path / "run"))
    assert torch.equal(by_the_model(loaded, pixels(session)), answers)
    assert (loaded.activation.lateral is not None) == clamped


def test_another_variant_needs_a_fresh_start(make):
    session = make(rule=RULE, steps=20)
    session.step(2)
    with pytest.raises(InvalidValue, match=r"fresh start. Make hl.Session\(.*variant='2015'"):
        session.edit(variant="2015")
    assert session.edits == () and session.knobs()["variant"].live is False
    session.edit(tau=0.7)
    session.edit(gamma=0.9)
    assert session.edits[-1].note == "The network of 2018 remembers no activity."


@pytest.mark.parametrize("variant", ["2018", "2015"])
def test_answers_below_zero_are_switched_under_way_and_repeat(make, live, dataset, variant):
    session = make(rule={"rule": RULE, "variant": variant}, steps=30)
    session.step(4)
    assert session.model().activation.lateral is None
    session.edit(nonnegative=True)
    assert session.model().activation.lateral is not None, "without a step"
    session.step(4)
    assert torch.allclose(
        by_the_model(session.model(), pixels(session)), by_the_rule(session), atol=1e-5
    )
    with live.replay(session, dataset) as again:
        assert live.digest(again) == live.digest(session)
    session.edit(nonnegative=False)
    assert session.model().activation.lateral is None
    session.step(2)
    assert session.error is None
    session.restart()
    assert session.model().activation.lateral is None


def test_a_rate_is_judged_by_the_variant(make):
    with pytest.raises(InvalidValue, match="variant of 2015 must be at most 1"):
        make(rule={"rule": RULE, "variant": "2015", "learning_rate": 1.5})
    session = make(rule={"rule": RULE, "variant": "2015", "learning_rate": 1.0, "gamma": 1.0})
    session.step(5)
    assert session.error is None


def test_it_is_refused_where_the_answers_could_not_be_passed_on(make):
    with pytest.raises(
        InvalidValue, match=r"RePU straight after layer 'conv'.*a BatchNorm2d comes"
    ):
        make(rule={"rule": RULE, "nonnegative": True}, network="small-conv")


@pytest.mark.parametrize("rule", ["hard-wta", "soft-wta"])
def test_abstention_is_switched_under_way_and_repeats(make, live, dataset, rule):
    session = make(rule={"rule": rule, "abstention": True}, steps=40)
    session.step(5)
    session.edit(abstention=False)
    session.step(3)
    session.edit(abstention=True)
    session.edit(reduction="mean")
    session.step(5)
    with live.replay(session, dataset) as again:
        assert live.digest(again) == live.digest(session)
    plain = make(rule=rule, steps=40)
    plain.step(5)
    session.restart()
    session.step(5)
    assert not torch.equal(plain.weights(), session.weights())
    krotov = make(rule="krotov-hopfield")
    assert "abstention" not in krotov.knobs()
    with pytest.raises(InvalidValue, match="out of a competition"):
        krotov.edit(abstention=True)
