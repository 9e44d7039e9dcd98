"""What a person probed, and whether it still holds of the layer as it is read now."""

from concurrent.futures import Future

import pytest
import torch

import hebblab as hl
from hebblab.dashboard.probes import Probes
from hebblab.evaluation import Score
from hebblab.evaluation.features import Inlet
from hebblab.training import feature_path

# What a knob that is no number is turned to.
OTHERS = {
    "reduction": "mean",
    "precision": "bfloat16",
    "input_norm": "standardise",
    "zca": "none",
    "similarity": "dot",
    "competition": "hard",
}
WINNERS = {"rule": "hard-wta", "thresholds": True, "row_norm": True}
COMPETING = WINNERS | {"triangle": True, "similarity": "dot"}
IMAGES = {"rule": "instar", "zca": "images"}
PATCHES = {"rule": "hard-wta", "input_norm": "unit", "zca": "patches"}
RECIPES = {
    "krotov-hopfield": {"rules": {"hidden": {"rule": "krotov-hopfield"}}},
    "thresholds": {"rules": {"hidden": WINNERS}},
    "thresholds that are seen": {"rules": {"hidden": COMPETING}},
    "thresholds of another measure": {
        "rules": {"hidden": COMPETING | {"similarity": "cosine"}},
    },
    "whitened images": {"network": "conv-400", "rules": {"conv": IMAGES}, "batch_size": 2},
    "whitened patches": {"network": "conv-400", "rules": {"conv": PATCHES}, "batch_size": 2},
    "hebbian-anti-hebbian": {"rules": {"hidden": {"rule": "hebbian-anti-hebbian"}}},
}


@pytest.fixture(params=RECIPES)
def session(request):
    with hl.Session(hl.Recipe(data="mnist-5k", **RECIPES[request.param])) as session:
        session.step(40 if "conv" not in session.layers else 3)
        yield session


def features(session, layer):
    """What a probe would read of the first images, each feature over its largest.

    A readout brings features to one scale, so that longer weights alone mean nothing to it.
    """
    path = feature_path(session.model(), layer)
    images = Inlet(session.dataset.validation, None, None, False).spread(20)
    with torch.no_grad():
        found = path.modules.eval()(images)
    return found / found.abs().amax(dim=0).clamp_min(1e-30)


def other(knob, now):
    if knob.scale == "switch":
        return not now
    if knob.scale == "choice":
        return OTHERS[knob.name]
    if knob.scale == "integer":
        return now + 1
    return 2 * now if knob.scale == "log" else 0.7 * now + 0.3 * knob.high


class Probed:
    """A session whose probe has been taken by the time it is asked for."""

    def __init__(self, session):
        self.layers, self.values = session.layers, session.values

    def probe(self, layer):
        score = Score(0.9, 0.88, 0.92, 1000)
        taken = Future()
        taken.set_result(hl.ProbeResult(score, score, score, "validation", layer, 3, 0.1))
        return taken


def test_a_probe_is_overtaken_by_whatever_moves_the_features_without_a_step(session):
    (layer, *_), probes, probed = session.layers, Probes(), Probed(session)
    probes.start(probed, layer)
    assert probes.collect()
    told, moved = set(), set()
    for name, knob in session.knobs(layer).items():
        if not knob.live:
            continue
        before, old = features(session, layer), session.values(layer)[name]
        assert session.edit({name: other(knob, old)}, layer=layer).wait(30), name
        if not torch.allclose(features(session, layer), before, rtol=1e-3, atol=1e-5):
            moved.add(name)
        if probes.points(probed, layer)[0].stale:
            told.add(name)
        assert session.edit({name: old}, layer=layer).wait(30), name
    assert {"n", "triangle", "input_norm"} <= moved
    assert told == moved


def test_a_probe_is_overtaken_by_what_moves_the_layers_before_its_own():
    recipe = hl.Recipe(data="mnist-5k", network="miconi-cnn", rules={"*": {"rule": "hard-wta"}})
    with hl.Session(recipe) as session:
        first, second, *_ = session.layers
        probes, probed = Probes(), Probed(session)
        for layer in (first, second):
            probes.start(probed, layer)
            assert probes.collect()

        def stale():
            return [probes.points(probed, layer)[0].stale for layer in (first, second)]

        for layer, overtaken in ((second, [False, True]), (first, [True, True])):
            old = session.values(layer)["n"]
            assert session.edit({"n": old + 1}, layer=layer).wait(30)
            assert stale() == overtaken
            assert session.edit({"n": old}, layer=layer).wait(30)
            assert stale() == [False, False]
