"""What can be measured on the screen: each measurement's probes, controls and words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hebblab.data import Dataset, Vectors
from hebblab.errors import InvalidValue
from hebblab.evaluation import Evaluation, evaluate, subset
from hebblab.live import Snapshot
from hebblab.live.background import Report, Stopped

TABLE = "table"
LABELS = "labels"
ROBUSTNESS = "robustness"
PROBES = ("linear", "knn", "ncm", "retrieval", "confusion")
CONTROLS = ("pca", "kmeans", "backprop", "vae")
BASELINES = ("pixels", "random")
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)  # of larger ones, draws would overlap
MEASURES = (TABLE, *CONTROLS, LABELS, ROBUSTNESS)


@dataclass(frozen=True)
class Words:
    """A name and one sentence for people who have not met it."""

    title: str
    help: str
    short: str = ""


COLUMNS = {
    "linear": Words(
        "ridge readout",
        "One weight for each feature and class, fitted to the labels of the training images: "
        "can a straight cut tell the classes apart? The Probe button fits such weights by softmax "
        "regression, which reads raw pixels better.",
    ),
    "knn": Words(
        "10 neighbours",
        "The class that most of the ten most similar training images have; nothing is fitted.",
    ),
    "ncm": Words(
        "class means",
        "The class whose mean is nearest: all that is known of a class is one point.",
    ),
    "retrieval": Words(
        "search",
        "Mean average precision at 100: are the 100 nearest training images of the same class, "
        "and the nearest first?",
    ),
}
ROWS = {
    "learned": Words(
        "learned features",
        "What the units of this layer answer, with the weights of this step.",
        "learned",
    ),
    "pixels": Words(
        "raw pixels",
        "The image itself: what a readout can do without any features.",
        "pixels",
    ),
    "random": Words(
        "random features",
        "The same network with random weights: what its shape does without learning.",
        "random",
    ),
    "pca": Words(
        "principal components",
        "The directions in which the images vary most, as many as there are features.",
    ),
    "kmeans": Words(
        "k-means",
        "Nearness to as many cluster centres as there are units: the closest rival of a "
        "winner-take-all rule.",
    ),
    "backprop": Words(
        "trained end to end",
        "The same network trained on all labels by backpropagation: what its shape can reach.",
    ),
    "vae": Words(
        "autoencoder",
        "The same network trained to redraw its images, without labels, by backpropagation.",
    ),
}
_INPUTS = Words(
    "raw inputs",
    "The numbers themselves: what a readout can do without any features.",
    "inputs",
)
_STAGES = {"making it": "preparing", "confusion": "mistakes", "occlusion": "hidden square"}
SHOWN = ("learned", *BASELINES)
COST = {
    "pca": "seconds",
    "kmeans": "seconds to a minute",
    "backprop": "trains a network: a minute or more",
    "vae": "trains a network: minutes",
}


def rows_of(dataset: Dataset) -> dict[str, Words]:
    """Return what each row is, in words; inputs that are no images have no pixels."""
    return ROWS | {"pixels": _INPUTS} if isinstance(dataset.train, Vectors) else ROWS


def spoken(status: str, dataset: Dataset) -> str:
    """Return what an evaluation says of itself in the words of the table.

    Args:
        status: "control layer: probe", as the evaluation reports it.
        dataset: Of the run; inputs that are no images have no pixels.
    """
    of, colon, what = status.partition(": ")
    row = rows_of(dataset).get(of.split(" ")[0])
    if not colon or row is None:
        return status
    probe, _, share = what.partition("@")
    column = COLUMNS.get(probe)
    words = _STAGES.get(probe, probe) if column is None else column.title
    labels = f", {share.removesuffix('%')} %" if share else ""
    return f"{row.short or row.title}: {words}{labels}"


def shares(dataset: Dataset) -> list[float]:
    """Return the shares of labels that the training images allow, at least one label a class.

    Raises:
        InvalidValue: None of them.
    """
    found = []
    for share in SHARES:
        try:
            subset(dataset.train.labels, share=share, classes=len(dataset.classes))
        except InvalidValue:
            continue
        found.append(share)
    if not found:
        raise InvalidValue("There are too few training images to learn from only some labels.")
    return found


def probes_of(measure: str, dataset: Dataset) -> list[str]:
    """Return the probes of a measurement, by name.

    Raises:
        InvalidValue: The data set is too small for it.
    """
    if measure == LABELS:
        return [*(f"linear@{100 * share:g}%" for share in shares(dataset)), "linear"]
    if measure == ROBUSTNESS:
        images = not isinstance(dataset.train, Vectors)
        return ["linear", "noise", "occlusion"] if images else ["linear", "noise"]
    return list(PROBES)


def controls_of(measure: str) -> Sequence[str]:
    """Return what a measurement sets beside the learned features."""
    return (measure,) if measure in CONTROLS else BASELINES


def work_of(measure: str, layer: str, taken: Snapshot) -> Callable[[Report, Stopped], Evaluation]:
    """Return the work of a measurement; it knows the snapshot and no session."""

    def work(report: Report, stopped: Stopped) -> Evaluation:
        if len(taken.dataset.classes) < 2:
            raise InvalidValue(
                "These inputs are all of one class: there is nothing to tell apart, so no probe "
                "says anything."
            )
        return evaluate(
            taken,
            layers=layer,
            probes=probes_of(measure, taken.dataset),
            controls=controls_of(measure),
            seed=taken.recipe.seed,
            progress=report,
            cancel=stopped,
        )

    return work
