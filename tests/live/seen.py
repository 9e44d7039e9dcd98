"""What a session's network answers to the images of its data."""

import torch
from torch import nn

from hebblab.evaluation.features import Extractor, Inlet
from hebblab.training import feature_path


def pixels(session, split="train"):
    return getattr(session.dataset, split).pixels.float() / 255


def on(session, split="validation"):
    """What the network answers behind the hidden layer's activation."""
    model = session.model().eval()
    with torch.no_grad():
        return nn.Sequential(*list(model.children())[:-1])(pixels(session, split)).flatten(1)


def probed(session):
    """The features that a probe of the session is fitted on, of the validation images."""
    path = feature_path(session.model(), "hidden")
    data = session.dataset
    extractor = Extractor(path, Inlet(data.train, None, None, unit_norm=False))
    with torch.no_grad():
        return extractor.of(pixels(session, "validation"))
