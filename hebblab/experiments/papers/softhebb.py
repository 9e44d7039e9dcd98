"""Journé et al. 2023: SoftHebb layer by layer, beside hard winners and untrained weights."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from hebblab import presets
from hebblab.data import Dataset
from hebblab.experiments.papers import claims, data
from hebblab.experiments.papers.fixed import Fixed, departures
from hebblab.experiments.papers.learning import generator, learn, part, untrained
from hebblab.experiments.papers.measuring import Measuring
from hebblab.experiments.papers.paper import Claim, Measured, Paper, Published, Report
from hebblab.experiments.papers.reading import HALVINGS, features, minibatch_softmax, scored
from hebblab.recipes import Recipe

LAYERS = ("L1", "L2", "L3")
SOFT, HARD, RANDOM = "softhebb", "hard winners", "untrained"
TEST = "test accuracy, %"

_CONVS = dict(zip(LAYERS, ("conv1", "conv2", "conv3"), strict=True))
_COLD = 0.01
_BATCH, _RATE = 64, 1e-3  # of the readout


@dataclass(frozen=True)
class Settings:
    """What decides a result.

    Attributes:
        network: A name.
        train: Images to learn from and to fit on; None is all 50,000.
        test: Images to score; None is all.
        epochs: Of the readout.
    """

    network: str
    train: int | None
    test: int | None
    epochs: int

    def portion(self, whole: Dataset, seed: int) -> Dataset:
        """Return the images of one run."""
        return data.portion(data.merged(whole), seed, self.train, None, self.test)


def on(
    dataset: Dataset,
    settings: Settings,
    condition: str,
    layers: tuple[str, ...],
    seed: int,
    report: Report,
) -> Iterator[Measured]:
    """Measure one condition on images at hand, layer by layer."""
    chosen = recipe(settings, condition, seed)
    if condition == RANDOM:
        model = untrained(chosen, dataset)
    else:
        model = learn(chosen, dataset, part(report, 0, 0.5)).model
    for place, layer in enumerate(layers):
        first = 0.5 + 0.5 * place / len(layers)
        telling = part(report, first, first + 0.5 / len(layers))
        telling(0, f"reading {layer}")
        train = features(model, _CONVS[layer], dataset.train, dtype=torch.bfloat16)
        test = features(model, _CONVS[layer], dataset.test, dtype=torch.bfloat16)
        predict = minibatch_softmax(
            train,
            dataset.train.labels,
            generator(seed, f"readout {layer}"),
            telling,
            settings.epochs,
            _BATCH,
            _RATE,
        )
        number = scored(predict, test, dataset.test.labels)
        yield Measured(layer, {TEST: number}, {"features": train.shape[1]})


def recipe(settings: Settings, condition: str, seed: int) -> Recipe:
    """Return what the three layers learn by: the published preset, cold for hard winners."""
    published = presets.get("cifar-softhebb")
    rules = {layer: dict(entry) for layer, entry in published.rules.items()}
    if condition == HARD:
        for entry in rules.values():
            entry["temperature"] = _COLD
    return published.changed(network=settings.network, rules=rules, seed=seed)


def full() -> Paper:
    """Return the experiment as published."""
    settings = Settings("softhebb-cnn", None, None, epochs=50)
    return _paper("softhebb-2023", settings, 3900.0)


def quarter() -> Paper:
    """Return the experiment at a quarter of the width on all of CIFAR-10."""
    settings = Settings("softhebb-cnn-quarter", None, None, epochs=50)
    return _paper("softhebb-2023-quarter", settings, 700.0)


def mini() -> Paper:
    """Return the experiment at a quarter of the width on a tenth of CIFAR-10."""
    settings = Settings("softhebb-cnn-quarter", 5_000, 2_000, epochs=20)
    return _paper("softhebb-2023-quarter-mini", settings, 55.0)


def _fixed() -> Fixed:
    any_size = Settings("any", None, None, epochs=1)
    recipes = {one: departures(recipe(any_size, one, 1)) for one in (SOFT, HARD, RANDOM)}
    readout = {"batch": _BATCH, "rate": _RATE, "halvings": HALVINGS}
    return Fixed({"readout": readout, "recipes": recipes}, first="7f449bc1b086")


def _sizes(settings: Settings) -> tuple[str, ...]:
    """Return what is smaller than published."""
    if settings.train is None:
        return ()
    return (
        f"{settings.train:,} images to learn from, once, in {settings.train // 10:,} updates, and "
        f"to fit on, {settings.test:,} to score, {settings.epochs} epochs of readout; published: "
        "50,000 in 5,000, 10,000 and 50.",
    )


def _paper(name: str, settings: Settings, seconds: float) -> Paper:
    last = LAYERS[-1]
    wide = settings.network == "softhebb-cnn"
    published = Published(SOFT, last, TEST, 80.3, None, "the paper, abstract")
    number = Claim(
        "80.3 % of the test images from the third layer.",
        claims.number(TEST, (SOFT, last), published.value),
    )
    return Paper(
        name=name,
        title=f"SoftHebb{'' if wide else ' at a quarter of its width'}, layer by layer",
        citation="Journé, Garcia Rodriguez, Guo and Moraitis, Hebbian deep learning without "
        "feedback, ICLR 2023.",
        data=data.cifar_10,
        conditions={SOFT: seconds, HARD: seconds, RANDOM: 0.6 * seconds},
        layers=LAYERS,
        seeds=(1, 2, 3),
        settings=settings,
        fixed=_fixed(),
        measure=Measuring(on, settings),
        published=(published,) * wide,
        claims=(
            *((number,) * wide),
            Claim(
                "Accuracy rises with depth under SoftHebb, and does not with hard winners.",
                claims.rises(TEST, SOFT, LAYERS, against=HARD),
            ),
            Claim(
                "Soft competition is better than hard winners (here: at the third layer).",
                claims.ordered(TEST, (SOFT, last), (HARD, last)),
                against=SOFT,
            ),
            Claim(
                "Learning matters: above untrained weights of the same shape at the third layer.",
                claims.ordered(TEST, (SOFT, last), (RANDOM, last)),
                against=SOFT,
                ours=True,
            ),
            Claim(
                "Hard winners are a rule that learns: above the same untrained weights, at the "
                "third layer.",
                claims.ordered(TEST, (HARD, last), (RANDOM, last)),
                ours=True,
            ),
        ),
        deviations=(
            *(
                ()
                if wide
                else (
                    "A quarter of the width with the rates and temperatures of the full one; the "
                    "authors' presets for other widths are not used.",
                )
            ),
            f"Hard winners are the same rule at temperature {_COLD:g}, with SoftHebb's rates: one "
            "setting was tried.",
            *_sizes(settings),
        ),
        notes=(
            "One pass of the rule, batch 10, then a linear readout of each layer's whole maps by "
            "Adam under dropout of one half; features are kept in bfloat16 and computed once. "
            "Nothing is chosen on any image."
            + (
                ""
                if wide
                else f" {published.value:g} % are published for the full width, which is not run "
                "here and so stands in no column."
            ),
        ),
    )
