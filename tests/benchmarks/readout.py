"""What `mnist-krotov-2000` is worth, and what readouts cost beside scikit-learn's."""

import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, RidgeClassifier, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import hebblab as hl
from hebblab.data.splits import stratified
from hebblab.evaluation import linear_readout
from hebblab.evaluation.readout import Readout, fit_softmax_
from hebblab.evaluation.ridge import PENALTIES, Moments, best

from .clock import alternating
from .figures import Figure

SIZES = ((4_000, 100, 41), (60_000, 2_000, 1))
PENALTY = 1e-3


def measure() -> list[Figure]:
    """Return accuracy with its intervals (needs MNIST in HEBBLAB_DATA), and the readouts' times."""
    return [*worth(), *costs(), grid()]


def worth() -> list[Figure]:
    """Return validation and test accuracy of the preset."""
    with hl.Session("mnist-krotov-2000") as session:
        started = time.perf_counter()
        session.start()
        session.wait()
        minutes = (time.perf_counter() - started) / 60
        model, dataset = session.model(), session.dataset
        start = session.recipe.rules["hidden"]["init"]
        converged = session.history["convergence"][-1]
    found = []
    for split in ("validation", "test"):
        score = hl.linear_probe(model, dataset, split=split, random_weights=start)
        found.append(
            f"{split} {100 * score.accuracy:.2f} % ({100 * score.accuracy.low:.2f} to "
            f"{100 * score.accuracy.high:.2f}; raw pixels {100 * score.raw_pixels:.2f} %, "
            f"random features {100 * score.random_features:.2f} %)"
        )
    return [
        Figure(
            "linear readout of `mnist-krotov-2000` on full MNIST, unit-norm images",
            f"{'; '.join(found)}; {100 * converged:.0f} % of units converged, {minutes:.1f} min",
            "published near 98.5 %",
        )
    ]


def costs() -> list[Figure]:
    """Return time and accuracy of both readouts beside scikit-learn's, in CPU seconds."""
    found = []
    for rows, width, rounds in SIZES:
        features, labels, others, own = drawn(rows, width)
        size = f"{rows:,} × {width:,} features"
        found += [
            ridge(size, features, labels, others, own, rounds),
            softmax(size, features, labels, others, own, rounds),
        ]
    return found


def ridge(
    size: str,
    features: torch.Tensor,
    labels: torch.Tensor,
    others: torch.Tensor,
    own: torch.Tensor,
    rounds: int,
) -> Figure:
    """Compare what finds the best of the penalties with scikit-learn's ways to the same.

    From features as they are to the readout whose penalty 1,000 validation images choose; and from
    features alone, where both hold the same fifth of them out to choose by, and fit all at the end.
    """
    array, truth, rows = features.numpy(), labels.numpy(), len(features)
    classes, (held, theirs_held) = int(labels.max()) + 1, (others[:1000], others[:1000].numpy())
    answers, own_answers = own[:1000], own[:1000].numpy()
    alphas = [rows * penalty for penalty in PENALTIES]
    fold = np.full(rows, -1)
    fold[stratified(labels, (0.2,))[1].numpy()] = 0
    ours: list[Readout] = []
    theirs: list[RidgeClassifier] = []

    def chosen() -> None:
        path = Moments.of(features, labels, classes).solve()
        ours[:] = [path.readout(best(path.predict(held) == answers))]

    def their_chosen() -> None:
        scaler = StandardScaler()
        ready, scored = scaler.fit_transform(array), scaler.transform(theirs_held)
        fitted = [RidgeClassifier(alpha=alpha).fit(ready, truth) for alpha in alphas]
        theirs[:] = [max(fitted, key=lambda one: one.score(scored, own_answers))]

    def alone() -> None:
        linear_readout(features, labels)

    def their_alone() -> None:
        grid = {"ridgeclassifier__alpha": [0.8 * alpha for alpha in alphas]}
        pipeline = make_pipeline(StandardScaler(), RidgeClassifier())
        GridSearchCV(pipeline, grid, cv=PredefinedSplit(fold)).fit(array, truth)

    def leave_one_out() -> None:
        RidgeClassifierCV(alphas=alphas).fit(StandardScaler().fit_transform(array), truth)

    taken = timed([chosen, their_chosen, alone, their_alone, leave_one_out], rounds)
    scored = StandardScaler().fit(array).transform(others.numpy())
    apart = 100 * (float(ours[0].accuracy(others, own)) - theirs[0].score(scored, own.numpy()))
    return Figure(
        f"ridge, the best of {len(PENALTIES)} penalties on validation images, {size}",
        f"{taken[0]:.3g} CPU s; scikit-learn's RidgeClassifier for each on the same images "
        f"{taken[1] / taken[0]:.1f} times that, {apart:+.2f} points; `linear_readout`, a fifth "
        f"held out, {taken[2]:.3g} CPU s; GridSearchCV of the pipeline on the same fifth "
        f"{taken[3] / taken[2]:.1f} times that; RidgeClassifierCV, by leave-one-out, "
        f"{taken[4]:.3g} CPU s",
        "20 times faster than scikit-learn's, within 0.1 point",
    )


def softmax(
    size: str,
    features: torch.Tensor,
    labels: torch.Tensor,
    others: torch.Tensor,
    own: torch.Tensor,
    rounds: int,
) -> Figure:
    """Compare one softmax readout with scikit-learn's at the same objective."""
    rows, classes = len(features), int(labels.max()) + 1
    array, truth = features.numpy(), labels.numpy()
    ours: list[Readout] = []
    theirs: list[LogisticRegression] = []

    def our_fit() -> None:
        ours[:] = [fit_softmax_(features.clone(), labels, classes, PENALTY)]

    def their_fit() -> None:
        model = LogisticRegression(C=1 / (2 * rows * PENALTY), max_iter=1000)
        theirs[:] = [model.fit(StandardScaler().fit_transform(array), truth)]

    taken = timed([our_fit, their_fit], rounds)
    ready = StandardScaler().fit(array)
    train, scored = ready.transform(array), ready.transform(others.numpy())

    def value(weights: np.ndarray, bias: np.ndarray) -> float:
        logits = torch.from_numpy(train @ weights.T.astype(np.float32) + bias)
        loss = torch.nn.functional.cross_entropy(logits.double(), labels)
        return float(loss) + PENALTY * float((weights**2).sum())

    objective = (
        value(ours[0].weights.numpy(), ours[0].bias.numpy()),
        value(theirs[0].coef_, theirs[0].intercept_),
    )
    scores = float(ours[0].accuracy(others, own)), theirs[0].score(scored, own.numpy())
    return Figure(
        f"softmax, {size}",
        f"{taken[0]:.3g} CPU s; scikit-learn's LogisticRegression {taken[1] / taken[0]:.1f} times "
        f"that; objective {objective[0]:.6f} against {objective[1]:.6f}, "
        f"{100 * (scores[0] - scores[1]):+.2f} points",
        "no slower at equal objective, within 0.1 point",
    )


def grid() -> Figure:
    """Return what few labels cost beside one probe of all, in CPU seconds."""
    dataset, network = hl.data.load("mnist"), hl.networks.create("dense-2000")
    few = ["linear", "linear@1%", "linear@5%", "linear@10%"]
    one, all_of_them = timed(
        [
            lambda: hl.evaluate(network, dataset, controls=[]),
            lambda: hl.evaluate(network, dataset, probes=few, controls=[]),
        ],
        3,
    )
    return Figure(
        "1, 5 and 10 % of the labels × 5 subsets and 100 % once, MNIST, 2,000 features",
        f"{all_of_them / one:.2f} times one probe ({one:.3g} CPU s)",
        "at most 2 times",
    )


def timed(tasks: list[Callable[[], None]], rounds: int) -> list[float]:
    """Return the median CPU seconds of each task, on one thread: SciPy's products, too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings(), threadpool_limits(limits=1):
            warnings.simplefilter("ignore")
            if rounds > 1:
                return alternating(tasks, rounds)
            # A first run to warm up would take minutes.
            taken = []
            for task in tasks:
                started = time.thread_time()
                task()
                taken.append(time.thread_time() - started)
            return taken
    finally:
        torch.set_num_threads(threads)


def drawn(rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return features like a code's (at least 0, correlated), labels, and as much to score."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(60, width, generator=generator) / 8
    truth = torch.randn(60, 10, generator=generator)
    parts = []
    for count in (rows, 10_000):
        hidden = torch.randn(count, 60, generator=generator)
        noise = torch.randn(count, width, generator=generator)
        features = torch.relu(hidden @ mixing + noise)
        labels = (hidden @ truth + 4 * torch.randn(count, 10, generator=generator)).argmax(1)
        parts += [features, labels]
    return parts[0], parts[1], parts[2], parts[3]
