"""A run at a batch edge: its network, and all that is needed to judge what it has learned."""

from dataclasses import dataclass

from torch import nn

from hebblab.data import Dataset, Vectors
from hebblab.data.images import Inputs
from hebblab.live.session import Session
from hebblab.recipes import Recipe


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A copy that no run changes any more; `hebblab.evaluate` takes it in place of the session.

    Attributes:
        steps: Steps taken.
        edits: Edits in force.
        network: The network, the holder's own.
        dataset: What it learns from.
        recipe: What the run was made from.
        test_opened: How often the run's test images were scored.
    """

    steps: int
    edits: int
    network: nn.Sequential
    dataset: Dataset
    recipe: Recipe
    test_opened: int = 0

    def model(self) -> nn.Sequential:
        """Return the network."""
        return self.network

    def stands(self, session: Session) -> bool:
        """Whether the run is still where it was: no step taken since, and no edit."""
        return session.steps == self.steps and len(session.edits) == self.edits


def snapshot(session: Session) -> Snapshot:
    """Return a run as it is at the next batch edge; training goes on after the copy.

    >>> with Session("mnist-krotov") as session:
    ...     taken = snapshot(session)
    ...     session.step(2)
    ...     taken.steps, taken.stands(session)
    (0, False)
    """
    loop = session._loop
    return loop.at_edge(
        lambda: Snapshot(
            steps=loop.run.steps,
            edits=len(loop.edits),
            network=loop.run.copied(),
            dataset=_own(loop.run.dataset),
            recipe=loop.run.recipe,
            test_opened=session.test_opened,
        )
    )


def _own(dataset: Dataset) -> Dataset:
    """Return a data set that nobody writes over: a knob of a world moves its points in place."""
    if not isinstance(dataset.train, Vectors):
        return dataset
    train, validation, test = map(_copied, (dataset.train, dataset.validation, dataset.test))
    return Dataset(dataset.name, train, validation, test, dataset.classes, dataset.notes)


def _copied(inputs: Inputs) -> Inputs:
    assert isinstance(inputs, Vectors)
    return Vectors(inputs.values.clone(), inputs.labels.clone())
