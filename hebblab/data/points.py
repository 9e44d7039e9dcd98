"""How the points of the worlds are made: random numbers drawn from a seed, shaped by knobs."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hebblab.knobs import Knob, Knobbed, knob

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

PLACE = (2.0, 1.0)  # where a set stands that is not centred
HELD_OUT = 4  # one validation and one test point for so many that train
_SEED = Knob("seed", "seed", "seed", 0, 0, 2**63 - 1, "integer", "Of the points.")


@dataclass(frozen=True)
class Draw:
    """The random numbers behind a set of points: drawn once, whatever the knobs say.

    Attributes:
        number: Which sample each point is, (N,).
        z: Standard normal, (N, 2).
        g: Standard normal, (N, 2): the noise.
        theta: Uniform in [0, 2π), (N,).
    """

    number: Labels
    z: Floats
    g: Floats
    theta: Floats

    @staticmethod
    def of(seed: int, split: str, count: int) -> "Draw":
        """Return `count` draws of a split; more of them begin with the same ones."""

        def stream(name: str) -> np.random.Generator:
            return np.random.default_rng(
                np.random.SeedSequence([seed, *f"{split} {name}".encode()])
            )

        number = np.arange(count)
        if split != "train":
            # In mixed order, or points taken at even distances could all be of one cluster.
            number = stream("order").permutation(count)
        return Draw(
            number,
            stream("z").standard_normal((count, 2)),
            stream("g").standard_normal((count, 2)),
            2 * np.pi * stream("theta").random(count),
        )


class World(Knobbed):
    """Points in the plane, made from a seed; turning a knob deforms the same sample.

    Attributes:
        name: What recipes and the dashboard call it.
        title: One line that says what it is.
        equation: In LaTeX.
    """

    kind: ClassVar[str] = "knob"
    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    equation: ClassVar[str] = ""

    samples: int = knob(
        1000,
        symbol="N",
        low=100,
        high=10_000,
        live=False,
        advanced=True,
        help="How many points there are to learn from.",
    )
    centring: bool = knob(
        True, symbol="x̄", help="Subtract the mean of the points; off, they stand at (2, 1)."
    )

    def points(self, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return the points that train, float32 (N, 2), and their labels, int64 (N,).

        Raises:
            InvalidValue: The seed is no whole number from 0.
        """
        return self.splits(seed)["train"]

    def splits(self, seed: int = 0) -> dict[str, tuple[Tensor, Tensor]]:
        """Return points and labels of "train", "validation" and "test", (N, 2) and twice (N/4, 2).

        All three are moved by the mean of the points that train.
        """
        seed = int(_SEED.check(seed))
        found = {}
        moved: Floats | None = None
        for split, count in (
            ("train", self.samples),
            ("validation", self.samples // HELD_OUT),
            ("test", self.samples // HELD_OUT),
        ):
            points, labels = self._shaped(Draw.of(seed, split, count))
            if moved is None:
                moved = points.mean(axis=0) - (0.0 if self.centring else np.array(PLACE))
            found[split] = (
                torch.from_numpy((points - moved).astype(np.float32)),
                torch.from_numpy(labels.astype(np.int64)),
            )
        return found

    def classes(self) -> tuple[str, ...]:
        """Return one name for each label."""
        raise NotImplementedError

    def _shaped(self, draw: Draw) -> tuple[Floats, Labels]:
        """Return the points (N, 2) that the knobs make of random numbers, and their labels."""
        raise NotImplementedError


class Cloud(World):
    r"""One cloud of points, longer than it is wide: the world of principal components.

    \[x = R(\alpha)\,(z_1,\; z_2 / e) + \nu g\]

    Its variances are (1, 1/e²) + ν² along the axes. Labels say which end of the long axis a point
    was drawn at (head: z₁ > 0), so that a probe measures how well units tell the ends apart.

    Knobs: `elongation` 1 to 10, `angle` 0 to 180 degrees, `noise` 0 to 1.

    >>> values, labels = Cloud(elongation=4.0).points(seed=1)
    >>> values.shape, [round(v, 1) for v in torch.linalg.eigvalsh(values.T.cov()).tolist()]
    (torch.Size([1000, 2]), [0.1, 1.0])
    """

    name = "cloud-2d"
    title = "Points in the plane: one long cloud"
    equation = r"x = R(\alpha)\,(z_1,\; z_2 / e) + \nu g"

    elongation: float = knob(
        3.0, symbol="e", low=1, high=10, help="How many times longer than wide the cloud is."
    )
    angle: float = knob(
        30.0, symbol="α", low=0, high=180, step=1, help="Where the long axis points, in degrees."
    )
    noise: float = knob(0.0, symbol="ν", low=0, high=1, help="Scatter added in all directions.")

    def classes(self) -> tuple[str, ...]:
        """Return the two ends of the long axis."""
        return ("tail", "head")

    def _shaped(self, draw: Draw) -> tuple[Floats, Labels]:
        turn = np.deg2rad(self.angle)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points = (draw.z / (1.0, self.elongation)) @ rotation + self.noise * draw.g
        return points, (draw.z[:, 0] > 0).astype(np.int64)


class Clusters(World):
    r"""Clusters on a circle: the world of winners.

    \[x = (e \cos\theta_j,\; \sin\theta_j) + \nu g, \qquad \theta_j = 2\pi j / K\]

    Sample i belongs to cluster j = i mod K, which is its label.

    Knobs: `number` 2 to 12, `elongation` 1 to 3, `noise` 0.02 to 0.6.

    >>> values, labels = Clusters(noise=0.02).points(seed=1)
    >>> [round(v, 1) for v in values[labels == 0].mean(0).tolist()]
    [1.0, 0.0]
    """

    name = "clusters-2d"
    title = "Points in the plane: clusters on a circle"
    equation = r"x = (e \cos\theta_j,\; \sin\theta_j) + \nu g, \quad \theta_j = 2\pi j / K"

    number: int = knob(5, symbol="K", low=2, high=12, help="How many clusters there are.")
    elongation: float = knob(
        1.0, symbol="e", low=1, high=3, help="How many times wider than high the circle is drawn."
    )
    noise: float = knob(
        0.3, symbol="ν", low=0.02, high=0.6, help="How far points scatter about their cluster."
    )

    def classes(self) -> tuple[str, ...]:
        """Return one letter for each cluster, in the order of j."""
        return tuple("ABCDEFGHIJKL"[: self.number])

    def _shaped(self, draw: Draw) -> tuple[Floats, Labels]:
        cluster = draw.number % self.number
        theta = 2 * np.pi * cluster / self.number
        places = np.stack((self.elongation * np.cos(theta), np.sin(theta)), axis=1)
        return places + self.noise * draw.g, cluster


class Ring(World):
    r"""A ring of points: no direction is better than another, and a map can unfold over it.

    \[x = r\,(e \cos\theta,\; \sin\theta), \qquad r = 1 + \nu z\]

    with θ uniform. At e = 1 both variances are ½ + ν²/2. Labels are the quadrants of θ, which
    straight lines separate, so that a probe measures whether units cover the whole ring.

    Knobs: `elongation` 1 to 3, `noise` 0 to 0.5.

    >>> values, labels = Ring(noise=0.0, centring=False).points(seed=1)
    >>> [round(v, 2) for v in values.mean(0).tolist()], labels.unique().tolist()
    ([2.0, 1.0], [0, 1, 2, 3])
    """

    name = "ring-2d"
    title = "Points in the plane: a ring"
    equation = r"x = r\,(e \cos\theta,\; \sin\theta), \quad r = 1 + \nu z"

    elongation: float = knob(
        1.0, symbol="e", low=1, high=3, help="How many times wider than high the ring is."
    )
    noise: float = knob(0.05, symbol="ν", low=0, high=0.5, help="How thick the ring is.")

    def classes(self) -> tuple[str, ...]:
        """Return the quadrants, as they are numbered."""
        return ("I", "II", "III", "IV")

    def _shaped(self, draw: Draw) -> tuple[Floats, Labels]:
        radius = 1 + self.noise * draw.z[:, 0]
        round_ = np.stack((self.elongation * np.cos(draw.theta), np.sin(draw.theta)), axis=1)
        return radius[:, None] * round_, (draw.theta // (np.pi / 2)).astype(np.int64)
