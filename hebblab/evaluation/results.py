"""What an evaluation found: every number with its interval, its n and what it is of."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from torch import Tensor

from hebblab.errors import InvalidValue, unknown
from hebblab.evaluation.calibration import Reliability
from hebblab.evaluation.comparison import (
    holm,
    mcnemar,
    paired_difference,
    paired_p_value,
    student_interval,
    verdict,
)
from hebblab.evaluation.rows import COLUMNS, Row, as_html, cells, plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """Two representations on the same images, or on the same subsets of labels.

    Attributes:
        a: The one.
        b: The other.
        probe: By which they are compared.
        difference: Of their accuracies, a - b.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Images or subsets.
        p_value: By McNemar's exact test over images, by the paired t test over subsets. Adjusted
            by Holm where several were compared at once.
        verdict: "better", "worse" or "cannot tell at n = …".
    """

    a: str
    b: str
    probe: str
    difference: float
    low: float
    high: float
    n: int
    p_value: float
    verdict: str

    def __str__(self) -> str:
        return (
            f"{self.a} against {self.b} by {self.probe}: {self.verdict} "
            f"({100 * self.difference:+.2f} points, {100 * self.low:+.2f} to "
            f"{100 * self.high:+.2f}, n = {self.n:,}, "
            f"p = {self.p_value:.2g})"
        )


Place = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A table of probes over representations.

    Attributes:
        rows: Its numbers.
        split: The images that were scored.
        test_opened: How often the test images were scored so far: by this session, or where
            there is none in this process for this data set; 0 if never.
        dataset: Name of the data set.
        fingerprint: SHA-256 of its content.
        sizes: Images of each split.
        classes: Names of the classes.
        seed: Of everything that was drawn.
        step: The run's step; None without a run.
        recipe: SHA-256 of the run's recipe; empty without a run.
        version: Of hebblab.
        seconds: Wall-clock time.
        notes: What was done to make a representation, by its name.
        reliability: Confidence beside accuracy by representation, where "calibration" was asked.
    """

    rows: tuple[Row, ...]
    split: str
    test_opened: int
    dataset: str
    fingerprint: str
    sizes: Mapping[str, int]
    classes: tuple[str, ...]
    seed: int
    step: int | None
    recipe: str
    version: str
    seconds: float
    notes: Mapping[str, str] = field(default_factory=dict)
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    _labels: Tensor | None = None
    _answers: Mapping[Place, Tensor] = field(default_factory=dict)
    _subsets: Mapping[Place, tuple[float, ...]] = field(default_factory=dict)

    @property
    def table(self) -> "pd.DataFrame":
        """The rows as a pandas table, in the order of the representations."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows], columns=list(COLUMNS))

    @property
    def confusion(self) -> dict[str, "pd.DataFrame"]:
        """How many images of each class (rows) were taken for which (columns).

        By representation; where several layers were judged, by "representation@layer".
        """
        import numpy as np
        import pandas as pd

        found = {}
        for (representation, layer, probe), answers in self._answers.items():
            if probe == "linear":
                assert self._labels is not None
                size = len(self.classes)
                places = (self._labels * size + answers.long()).numpy()
                counts = np.bincount(places, minlength=size * size).reshape(size, size)
                table = pd.DataFrame(counts, index=self.classes, columns=self.classes)
                found[self._key(representation, layer)] = table
        return found

    def answers(self, a: str = "learned", probe: str = "linear") -> Tensor:
        """Return the class that each scored image was taken for, int64 (images,).

        Args:
            a: As for `compare`.
            probe: "linear", "softmax", "knn" or "ncm".

        Raises:
            UnknownName: There is no such representation, or no such probe was made.
        """
        place = self._find(a, probe)
        if place not in self._answers:
            raise unknown("probe of single images", probe, {key[2] for key in self._answers})
        return self._answers[place].long()

    def compare(
        self, a: str, b: str, probe: str = "linear", against: str | None = None
    ) -> Comparison:
        """Compare two representations on what both were scored on.

        Over images: the difference of their accuracies with an interval from the differences image
        by image, and McNemar's exact test. Over subsets of labels ("linear@1%"): the mean of the
        differences subset by subset, with Student's t.

        Args:
            a: "learned", the name of a control, or either "@" a layer where several were judged.
            b: The other.
            probe: One that both were judged by: "linear", "softmax", "linear@…", "knn" or "ncm".
            against: The probe of `b` where it is another one, such as "end to end" of "backprop".

        Raises:
            UnknownName: There is no such representation, or no such probe was made.

        >>> import hebblab as hl
        >>> digits, network = hl.data.load("mnist-5k"), hl.networks.create("dense-10")
        >>> found = hl.evaluate(network, digits, controls=["pixels"])
        >>> found.compare("learned", "pixels").verdict
        'worse'
        """
        one, other = self._find(a, probe), self._find(b, against or probe)
        b = b if against is None else f"{b}, {against}"
        if (one in self._subsets) != (other in self._subsets):
            raise InvalidValue(
                f"{probe!r} is a mean over subsets of labels and {against!r} is not, or the other "
                "way round: they share nothing that could be paired."
            )
        if one in self._subsets:
            own, others = self._subsets[one], self._subsets[other]
            difference, low, high = paired_difference(own, others)
            words = verdict(low, high, len(own))
            p_value = paired_p_value(own, others)
            return Comparison(a, b, probe, difference, low, high, len(own), p_value, words)
        assert self._labels is not None
        right, also = (self._answers[key] == self._labels for key in (one, other))
        apart = right.double() - also.double()
        difference, low, high = student_interval(apart.tolist())
        only_a, only_b = int((right & ~also).sum()), int((also & ~right).sum())
        words = verdict(low, high, len(apart))
        p_value = mcnemar(only_a, only_b)
        return Comparison(a, b, probe, difference, low, high, len(apart), p_value, words)

    def comparisons(self, a: str = "learned", probe: str = "linear") -> tuple[Comparison, ...]:
        """Compare one representation with every other, p-values adjusted by Holm.

        "better" and "worse" are said where the adjusted p-value is below 0.05.

        Args:
            a: As for `compare`.
            probe: As for `compare`.
        """
        own = self._find(a, probe)
        others = [key for key in (*self._answers, *self._subsets) if key[2] == probe and key != own]
        found = [self.compare(a, self._key(*key[:2]), probe) for key in others]
        adjusted = holm([one.p_value for one in found])
        return tuple(_adjusted(one, p) for one, p in zip(found, adjusted, strict=True))

    def to_json(self) -> str:
        """Return all of it as one JSON object; a number that is not defined is null.

        Its keys: `dataset`, `fingerprint`, `sizes`, `classes`, `split`, `test_opened`, `seed`,
        `step`, `recipe`, `seconds` and `notes` as the attributes of those names; `hebblab`, the
        version; `rows`, a list of the table's rows; by representation `confusion`, rows of counts,
        and `reliability`: {"confidence": [], "accuracy": [], "count": [], "error": 0.0}, see
        `Reliability.plain`.
        """
        about = {
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "sizes": dict(self.sizes),
            "classes": list(self.classes),
            "split": self.split,
            "test_opened": self.test_opened,
            "seed": self.seed,
            "step": self.step,
            "recipe": self.recipe,
            "hebblab": self.version,
            "seconds": round(self.seconds, 3),
            "notes": dict(self.notes),
            "rows": [plain(row) for row in self.rows],
            "confusion": {key: table.to_numpy().tolist() for key, table in self.confusion.items()},
            "reliability": {key: found.plain() for key, found in self.reliability.items()},
        }
        return json.dumps(about, ensure_ascii=False, allow_nan=False)

    def to_html(self) -> str:
        """Return the table as HTML; whatever a person named is escaped."""
        return as_html(self.rows, self.caption, self.notes)

    @property
    def caption(self) -> str:
        """What the numbers are of, in a sentence."""
        opened = ""
        if self.split == "test":
            times = "time" if self.test_opened == 1 else "times"
            opened = f", opened {self.test_opened} {times} so far"
        step = "" if self.step is None else f", step {self.step:,}"
        return (
            f"{self.dataset} ({self.fingerprint[:8]}): fitted on {self.sizes['train']:,} training "
            f"images, scored on {self.sizes[self.split]:,} {self.split} images{opened}{step}; "
            f"seed {self.seed}, 95 % intervals, hebblab {self.version}"
        )

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        lines = [self.caption]
        lines += ["  ".join(filter(None, cells(row))) for row in self.rows]
        lines += [f"{name}: {note}" for name, note in self.notes.items()]
        return "\n".join(lines)

    def _key(self, representation: str, layer: str) -> str:
        rows = (row for row in self.rows if row.representation == representation)
        several = len({row.layer for row in rows if row.layer}) > 1
        return f"{representation}@{layer}" if several and layer else representation

    def _find(self, name: str, probe: str) -> Place:
        places = [*self._answers, *self._subsets]
        probes = {place[2] for place in places}
        if not isinstance(probe, str) or probe not in probes:
            raise unknown("comparable probe in this evaluation", probe, probes)
        known = {self._key(*place[:2]): place for place in places if place[2] == probe}
        layers = {row.layer for row in self.rows if row.layer}
        # What belongs to no layer, such as the inputs, goes beside every one.
        known.update(
            {
                f"{place[0]}@{layer}": place
                for place in list(known.values())
                for layer in ([place[1]] if place[1] else layers)
            }
        )
        if not isinstance(name, str) or name not in known:
            several = [key for key in known if key.startswith(f"{name}@")]
            if several:
                raise InvalidValue(
                    f"{name!r} was judged at several layers: say {' or '.join(several)}."
                )
            raise unknown("representation in this evaluation", name, known)
        return known[name]


def _adjusted(one: Comparison, p_value: float) -> Comparison:
    words = one.verdict if p_value < 0.05 else f"cannot tell at n = {one.n}"
    return replace(one, p_value=p_value, verdict=words)
