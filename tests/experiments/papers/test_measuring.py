"""What is sent to other processes: whole, the same for every paper, and given its own portion."""

import pickle

import pytest
import torch

import hebblab as hl
from hebblab import InvalidValue
from hebblab.experiments.papers import (
    coates,
    convergence,
    data,
    krotov,
    miconi,
    retrieval,
    softhebb,
    talloen,
    timing,
    tuning,
)
from hebblab.experiments.papers.measuring import Measuring
from hebblab.experiments.papers.paper import Measured
from hebblab.experiments.papers.pretraining import Pretraining

HERE = data.Source("mnist-5k", "MNIST, 5,000 digits")


def seen(dataset, settings, condition, layers, seed, report):
    """Tell what an experiment is given."""
    report(0.5, "half")
    first = dataset.train.pixels[0].double().mean().item()
    sizes = [float(len(one)) for one in (dataset.train, dataset.validation, dataset.test)]
    for layer in layers:
        about = {"condition": condition, "seed": seed, "first": first}
        yield Measured(layer, dict(zip("abc", sizes, strict=True)), about)


SETTINGS = krotov.Settings(1, 50, 20, 10, steps=1, until=None)


@pytest.mark.parametrize("name", hl.papers.available())
def test_every_paper_can_be_sent_to_another_process(name):
    paper = hl.papers.get(name)
    sent = pickle.loads(pickle.dumps(paper.measure))
    assert sent == paper.measure
    assert sent.settings == paper.settings
    assert sent.on is paper.measure.on


def test_an_experiment_is_given_its_portion_condition_layers_and_seed(nobody):
    heard = []
    measuring = Measuring(seen, SETTINGS)
    one, two = measuring("ours", ("L1", "L2"), 3, HERE, lambda *said: heard.append(said))
    assert [one.layer, two.layer] == ["L1", "L2"]
    assert one.numbers == {"a": 50, "b": 20, "c": 10}
    assert (one.about["condition"], one.about["seed"]) == ("ours", 3)
    assert heard == [(0.5, "half")]
    (other,) = measuring("ours", ("L1",), 4, HERE, nobody)
    assert other.about["first"] != one.about["first"], "another seed draws other images"


def test_more_images_than_there_are_is_one_sentence(nobody):
    many = krotov.Settings(1, 60_000, None, None, steps=1, until=None)
    with pytest.raises(InvalidValue, match="60,000 training images"):
        list(Measuring(seen, many)("ours", ("L1",), 1, HERE, nobody))


TUNING = tuning.Settings(50, 20, 10)


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (coates.Settings(1, 50, 20, 10, patches=1), (50, 20, 10)),
        (talloen.Settings(1, 50, None, 10, updates=1, pictures=None, epochs=1), (50, 1000, 10)),
        (miconi.Settings(1, None, 10, epochs=1, settle=1), (4000, 1000, 10)),
        (softhebb.Settings("any", 3500, None, epochs=1), (3500, 1000, 1000)),
        (TUNING, (50, 20, 10)),
        (retrieval.Settings(TUNING, (1,)), (50, 20, 10)),
        (convergence.Settings(3900, 100, Pretraining()), (3900, 100, 1000)),
        (timing.Settings(1), (4000, 1000, 1000)),
    ],
)
def test_settings_take_their_portion(digits, settings, sizes):
    """Where nothing is chosen by them, validation images are learnt from."""
    found = settings.portion(digits, 1)
    assert tuple(len(one) for one in (found.train, found.validation, found.test)) == sizes
    again = settings.portion(digits, 1)
    assert torch.equal(again.train.pixels, found.train.pixels)
