"""What a layer's features are compared with: representations that no local rule has learned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, Images
from hebblab.data.images import Inputs
from hebblab.errors import InvalidValue
from hebblab.evaluation import backprop, vae
from hebblab.evaluation.features import Extractor, Inlet, Start
from hebblab.evaluation.kmeans import learned_by_kmeans
from hebblab.evaluation.working import digest
from hebblab.training.features import FeaturePath, feature_path

TRAINED = ("backprop", *vae.FORMS)
CONTROLS = ("pixels", "random", "pca", "kmeans", *TRAINED)
_START = "normal(0, 1/sqrt(fan_in))"
_SAMPLES = 20_000

Part = Callable[[float, float], None]


@dataclass(frozen=True, eq=False)
class Representation:
    """A way to features, by name.

    Attributes:
        name: "learned", or that of a control.
        layer: The layer it is of, or whose shape it has; empty for the inputs themselves.
        extractor: Gives the features.
        note: What was done, in words; may be empty.
    """

    name: str
    layer: str
    extractor: Extractor
    note: str = ""


class Controls:
    """Makes representations of one network and data set, each when it is asked for.

    Args:
        network: Of the layers that are judged.
        dataset: Learned from are its training images; validation images choose where something
            has to be chosen.
        seed: Of everything that is drawn.
        centre: Subtracted from each input.
        starts: How random weights are drawn, by layer or for all; None draws N(0, 1/fan-in).
    """

    def __init__(
        self,
        network: nn.Module,
        dataset: Dataset,
        seed: int,
        centre: Tensor | None,
        starts: Start | Mapping[str, Start] | None,
    ) -> None:
        first = feature_path(network)
        assert isinstance(network, nn.Sequential)
        self._network, self._dataset, self._seed, self._centre = network, dataset, seed, centre
        self._starts = starts
        module = first.modules[min(first.learned)]
        self.unit_norm = isinstance(dataset.train, Images) and isinstance(module, nn.Linear)
        self.training = self.inlet("train")
        self._trained: dict[str, nn.Sequential] = {}

    @cached_property
    def inputs(self) -> tuple[str, str, bool]:
        """What determines the inputs of every split, as they enter the network."""
        centre = "" if self._centre is None else digest(self._centre)
        return self._dataset.fingerprint, centre, self.unit_norm

    def inlet(self, split: str) -> Inlet:
        """Return the inputs of a split as they enter the network."""
        return self.entering(getattr(self._dataset, split))

    def entering(self, inputs: Inputs) -> Inlet:
        """Return other inputs as they enter the network."""
        return Inlet(inputs, None, self._centre, self.unit_norm)

    def learned(self, layer: str | None) -> Representation:
        """Return the layer itself.

        Raises:
            UnknownName: There is no such layer.
            InvalidValue: The network does not fit the data.
        """
        path = feature_path(self._network, layer)
        extractor = Extractor(path, self.training)
        return Representation("learned", path.layer, extractor, extractor.note)

    def make(self, name: str, learned: Representation, report: Part) -> Representation:
        """Return a control beside a layer.

        Args:
            name: One of `CONTROLS`.
            learned: The layer.
            report: Called as (done, total); what it raises ends the work.
        """
        makers: dict[str, Callable[[Representation, Part], Representation]] = {
            "pixels": self._pixels,
            "random": self._random,
            "pca": self._pca,
            "kmeans": self._kmeans,
            "backprop": self._backprop,
            **{one: partial(self._autoencoder, one) for one in vae.FORMS},
        }
        return makers[name](learned, report)

    def _pixels(self, learned: Representation, _report: Part) -> Representation:
        extractor = self._extractor(nn.Sequential(nn.Identity()), learned)
        return Representation("pixels", "", extractor, extractor.note)

    def _random(self, learned: Representation, _report: Part) -> Representation:
        path = feature_path(self._network, learned.layer)
        given = self._starts
        starts: dict[str, Start] = {}
        for name in path.learned.values():
            own = given.get(name, _START) if isinstance(given, Mapping) else given or _START
            starts[name] = own
        generator = torch.Generator().manual_seed(self._seed)
        extractor = Extractor(path, self.training, starts, generator)
        drawn = sorted({one if isinstance(one, str) else "a function" for one in starts.values()})
        return Representation(
            "random", learned.layer, extractor, f"weights from {', '.join(drawn)}"
        )

    def _pca(self, learned: Representation, report: Part) -> Representation:
        rows = self.training.spread(_SAMPLES).flatten(1)
        report(0.2, 1)
        mean = rows.mean(dim=0)
        rows = rows - mean
        most = min(rows.shape[1], len(rows) - 1)
        width = min(learned.extractor.width, most)
        if width < 1:
            raise InvalidValue("Principal components need at least two training images.")
        _, axes = torch.linalg.eigh(rows.T @ rows)
        report(0.9, 1)
        axes = axes.flip(1)[:, :width].T.contiguous()
        # Drawn on no device, so that nobody else's random numbers change.
        project = nn.Linear(rows.shape[1], width, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            project.weight.copy_(axes)
            project.bias.copy_(-axes @ mean)
        project.requires_grad_(False)
        note = f"{width:,} components"
        if width < learned.extractor.width:
            note += f", all there are; the layer has {learned.extractor.width:,} features"
        if 2 * width > len(rows):
            note += "; of so few images the faintest are noise, which standardising lifts"
        modules = nn.Sequential(nn.Flatten(), project)
        return Representation("pca", learned.layer, self._extractor(modules, learned), note)

    def _kmeans(self, learned: Representation, report: Part) -> Representation:
        path = feature_path(self._network, learned.layer)
        images = self.training.spread(_SAMPLES).to(learned.extractor.device)
        modules = learned_by_kmeans(path.modules, path.learned, images, self._seed, report)
        extractor = self._extractor(modules, learned)
        return Representation("kmeans", learned.layer, extractor, "k-means with the triangle")

    def _backprop(self, learned: Representation, report: Part) -> Representation:
        if "backprop" not in self._trained:
            self._trained["backprop"] = backprop.trained_end_to_end(
                self._network,
                self._dataset.train,
                self.inlet("validation"),
                len(self._dataset.classes),
                self._seed,
                report,
                self._centre,
                self.unit_norm,
            )
        return self._of_trained("backprop", learned, backprop.NOTE)

    def end_to_end(self, split: str) -> Tensor:
        """Return what the network of "backprop", once made, takes a split for, int64 (images,)."""
        return backprop.answered(self._trained["backprop"], self.inlet(split))

    def _autoencoder(self, name: str, learned: Representation, report: Part) -> Representation:
        form = vae.FORMS[name]
        if name not in self._trained:
            self._trained[name] = vae.trained_as_encoder(
                self._network,
                form,
                self._dataset.train,
                self.inlet("validation"),
                self._seed,
                report,
                self._centre,
                self.unit_norm,
            )
        return self._of_trained(name, learned, form.note)

    def _of_trained(self, name: str, learned: Representation, note: str) -> Representation:
        extractor = Extractor(feature_path(self._trained[name], learned.layer), self.training)
        return Representation(name, learned.layer, extractor, note)

    def _extractor(self, modules: nn.Sequential, learned: Representation) -> Extractor:
        device = learned.extractor.device
        path = FeaturePath(learned.layer, modules.to(device), {})
        return Extractor(path, self.training, device=device)
