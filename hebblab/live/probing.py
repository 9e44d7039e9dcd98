"""A probe on a worker thread, on a copy of the model, while training goes on or waits."""

import threading
from collections.abc import Mapping

from torch import Tensor, nn

from hebblab.data import Dataset
from hebblab.errors import unknown
from hebblab.evaluation import ProbeResult, linear_probe
from hebblab.live.background import Background, Report, Stopped
from hebblab.live.threads import claim, spawn

SPLITS = ("validation", "test")


class Probing(Background[ProbeResult]):
    """The future of a probe: `cancel` works while it runs, `progress` says how far it is.

    Attributes:
        progress: (share done from 0 to 1, words).
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread: threading.Thread | None = None

    def join(self, timeout: float | None = None) -> None:
        """Wait for the worker's end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)


def start_probe(
    model: nn.Sequential,
    dataset: Dataset,
    *,
    layer: str,
    split: str,
    seed: int,
    step: int,
    starts: Mapping[str, str],
    centre: Tensor | None,
) -> Probing:
    """Probe a model, the worker's own, and return the future of the result.

    Raises:
        UnknownName: There is no such split.
    """
    if not isinstance(split, str) or split not in SPLITS:
        raise unknown("split to score", split, SPLITS)
    probing = Probing()

    def score(report: Report, stopped: Stopped) -> ProbeResult:
        return linear_probe(
            model,
            dataset,
            layer,
            split,
            seed,
            report,
            stopped,
            random_weights=dict(starts),
            centre=centre,
            step=step,
        )

    def work() -> None:
        claim(1)
        probing.carry_out(score)

    probing._thread = spawn("hebblab-probe", work, probing.cancel)
    return probing
