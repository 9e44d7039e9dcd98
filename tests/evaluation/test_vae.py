import copy
import dataclasses

import pytest
import torch
from torch import nn

from hebblab.data import as_floats
from hebblab.errors import InvalidValue
from hebblab.evaluation import evaluate, vae
from hebblab.evaluation.backprop import drawn_anew
from hebblab.evaluation.features import Inlet
from hebblab.evaluation.vae import FORMS, LATENT, Autoencoder, trained_as_encoder
from hebblab.training import feature_path


def train(network, dataset, form, seed=0):
    return trained_as_encoder(
        network,
        FORMS[form],
        dataset.train,
        Inlet(dataset.validation, None, None, False),
        seed,
        lambda *_: None,
    )


def auto_of(network, published, shape=(1, 9, 9)):
    generator = torch.Generator().manual_seed(0)
    made = drawn_anew(network, generator)
    auto = Autoencoder(feature_path(made).modules, shape, published)
    vae._draw(auto, generator)
    return auto


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_reconstructions_have_the_shape_of_the_inputs(request, kind, published, dataset):
    auto = auto_of(request.getfixturevalue(kind), published)
    output, divergence = auto(as_floats(dataset.train, limit=8), torch.Generator().manual_seed(0))
    assert output.shape == (8, 1, 9, 9)
    assert divergence.shape == (8,)
    assert float(divergence.detach().min()) >= 0


def test_strides_padding_and_odd_sizes_come_back_too():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=3, padding=1, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 5, bias=False),
        nn.ReLU(),
        nn.Linear(5, 2),
    )
    for published in (True, False):
        auto = auto_of(network, published, (3, 13, 14))
        assert auto(torch.rand(4, 3, 13, 14), None)[0].shape == (4, 3, 13, 14)


def test_the_divergence_is_that_of_gaussians(dense, dataset):
    auto = auto_of(dense, True)
    inputs = as_floats(dataset.train, limit=6)
    with torch.no_grad():
        auto.eval()
        mean, logs = auto._code(auto._encoder(inputs)).chunk(2, dim=1)
        _, found = auto(inputs, None)
    own = torch.distributions.Normal(mean, (0.5 * logs).exp())
    wanted = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).sum(1)
    assert found.numpy() == pytest.approx(wanted.numpy(), rel=1e-4)
    assert mean.shape == (6, LATENT)


def test_the_two_bounds_by_hand(dense, dataset):
    inputs = as_floats(dataset.train, limit=6)
    for published in (True, False):
        auto = auto_of(dense, published).eval()
        with torch.no_grad():
            output, divergence = auto(inputs, None)
            error = float((output - inputs).square().mean())
            found = float(auto.loss(inputs, None))
        if published:
            wanted = error + 0.5 * float(divergence.mean())
        else:
            # -ln of a Gaussian of this variance, without what does not depend on the output.
            wanted = 81 / 2 * float(torch.tensor(error).log()) + float(divergence.mean())
        assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("form", ["vae", "vae-lagani"])
def test_training_lowers_the_bound_and_leaves_everything_else(conv, dataset, form, monkeypatch):
    monkeypatch.setattr(vae, "EPOCHS", 6)
    bounds = []
    bound = vae._bound
    monkeypatch.setattr(vae, "_bound", lambda *given: bounds.append(bound(*given)) or bounds[-1])
    before, state = copy.deepcopy(conv.state_dict()), torch.get_rng_state()
    found = train(conv, dataset, form)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in conv.state_dict().items())
    assert min(bounds[1:]) < bounds[0]
    assert not torch.equal(found.conv.weight, conv.conv.weight)
    again = train(conv, dataset, form)
    assert torch.equal(found.conv.weight, again.conv.weight)
    other = train(conv, dataset, form, seed=1)
    assert not torch.equal(found.conv.weight, other.conv.weight)


def test_labels_are_not_looked_at(conv, dataset, monkeypatch):
    monkeypatch.setattr(vae, "EPOCHS", 1)
    wrong = dataclasses.replace(
        dataset,
        train=dataclasses.replace(dataset.train, labels=dataset.train.labels.flip(0)),
        validation=dataclasses.replace(dataset.validation, labels=dataset.validation.labels * 0),
    )
    one, two = (train(conv, data, "vae") for data in (dataset, wrong))
    assert torch.equal(one.conv.weight, two.conv.weight)


def test_a_bound_that_explodes_is_said(conv, dataset, monkeypatch):
    monkeypatch.setattr(vae, "_bound", lambda *_: float("nan"))
    with pytest.raises(InvalidValue, match="as published it does not train"):
        train(conv, dataset, "vae-lagani")


def test_both_are_rows_of_the_table(conv, dataset, monkeypatch):
    monkeypatch.setattr(vae, "EPOCHS", 1)
    found = evaluate(conv, dataset, controls=["vae", "vae-lagani"])
    assert found.table.representation.tolist() == ["learned", "vae", "vae-lagani"]
    assert "pooling indices" in found.notes["vae-lagani"]
