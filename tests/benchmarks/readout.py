"""What `mnist-krotov-2000` is worth: a linear readout on full MNIST."""

import time

import hebblab as hl

from .figures import Figure


def measure() -> list[Figure]:
    """Return validation and test accuracy with their intervals; needs MNIST in HEBBLAB_DATA."""
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
