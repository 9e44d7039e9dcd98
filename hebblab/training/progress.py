"""Training progress as a bar, through ignite's own handler."""

from typing import Any

from ignite.engine import Engine

from hebblab.errors import WrongState


def attach_progress(trainer: Engine, **options: Any) -> None:
    """Show a bar on stderr for each epoch of `trainer`, with its metrics as it has them.

    Args:
        trainer: Any ignite engine, `HebbianTrainer` and `SupervisedTrainer` among them.
        options: Of `ignite.handlers.ProgressBar`, such as `persist=True` or `desc="Hebbian"`.

    Raises:
        WrongState: tqdm, which draws the bar, is not installed.
    """
    from ignite.handlers import ProgressBar

    try:
        bar = ProgressBar(**options)
    except ModuleNotFoundError as error:
        raise WrongState(
            "The progress bar is drawn by tqdm, which is not installed: pip install tqdm"
        ) from error
    bar.attach(trainer, metric_names="all")
