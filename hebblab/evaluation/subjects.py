"""What is evaluated: a network with its data, and how often its test images were looked at."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hebblab.data import Dataset, mean_image
from hebblab.errors import InvalidValue, shown
from hebblab.evaluation.features import Start

# How often the test images of a data set were scored in this process, without a session.
_opened: Counter[str] = Counter()


class Subject:
    """A network with its data, given apart or taken from a session.

    Args:
        model: A network, or what has a session's `model()`, `dataset`, `recipe` and `steps`.
        dataset: Needed without a session.
        centre: The mean image; by default that of a session whose recipe centres.
        starts: How random weights are drawn; by default as a session's layers started.

    Raises:
        InvalidValue: Something else is given, or no data set.
    """

    def __init__(
        self,
        model: Any,
        dataset: Dataset | None,
        centre: Tensor | None,
        starts: Start | Mapping[str, Start] | None,
    ) -> None:
        self._session = None if isinstance(model, nn.Module) else model
        self.step: int | None = None
        self.recipe = ""
        if self._session is None:
            if not isinstance(dataset, Dataset):
                raise InvalidValue(
                    f"A network is evaluated on an hl.Dataset, not {shown(dataset)}: "
                    'hl.evaluate(network, hl.data.load("mnist-5k")).'
                )
            self.network, self.dataset = model, dataset
        else:
            if not all(hasattr(model, name) for name in ("model", "dataset", "recipe", "steps")):
                raise InvalidValue(
                    f"A torch.nn.Sequential or an hl.Session is evaluated, not {shown(model)}."
                )
            self.step, self.network = model.steps, model.model()
            self.dataset = model.dataset if dataset is None else dataset
            recipe = model.recipe
            self.recipe = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()
            if starts is None:
                starts = {name: entry["init"] for name, entry in recipe.rules.items()}
            if centre is None and recipe.centre:
                centre = mean_image(model.dataset.train)
        self.centre, self.starts = centre, starts

    def opened(self, count: bool) -> int:
        """Return how often the test images were scored, now included."""
        if self._session is not None:
            if count:
                self._session.test_opened += 1
            return int(self._session.test_opened)
        if count:
            _opened[self.dataset.fingerprint] += 1
        return _opened[self.dataset.fingerprint]
