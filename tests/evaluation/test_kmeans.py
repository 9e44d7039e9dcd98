import numpy as np
import pytest
import sklearn.cluster
import torch
from torch import nn

from hebblab.errors import InvalidValue
from hebblab.evaluation import kmeans
from hebblab.evaluation.kmeans import Triangle, learned_by_kmeans
from hebblab.nn import PatchConv2d
from hebblab.training import feature_path


def clouds(count=400, seed=0):
    generator = torch.Generator().manual_seed(seed)
    middles = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    return middles[torch.arange(count) % 4] + torch.randn(count, 2, generator=generator)


def spread(rows, centres):
    return float(torch.cdist(rows.double(), centres.double()).square().min(1).values.sum())


@pytest.mark.parametrize("seed", range(5))
def test_clear_clouds_are_found(seed):
    rows = clouds()
    found = kmeans(rows, 4, seed)
    wanted = torch.stack([rows[part::4].mean(0) for part in range(4)])
    assert torch.cdist(wanted, found).min(1).values.max() < 0.1


def test_the_spread_is_as_small_as_scikit_learns():
    rows = torch.randn(600, 5, generator=torch.Generator().manual_seed(1))
    model = sklearn.cluster.KMeans(20, n_init=1, random_state=0).fit(rows.numpy())
    ours = min(spread(rows, kmeans(rows, 20, seed, iterations=50)) for seed in range(3))
    assert ours < 1.02 * model.inertia_


def test_a_seed_repeats():
    rows = clouds()
    assert torch.equal(kmeans(rows, 7, 3), kmeans(rows, 7, 3))
    assert not torch.equal(kmeans(rows, 7, 3), kmeans(rows, 7, 4))


def test_as_many_centres_as_samples_and_copies_of_one_sample():
    rows = clouds(8)
    assert spread(rows, kmeans(rows, 8)) == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(kmeans(torch.ones(6, 3), 4)).all()


@pytest.mark.parametrize("centres", [0, 9, True, 2.0])
def test_impossible_numbers_of_centres_are_refused(centres):
    with pytest.raises(InvalidValue, match="1 to 8 centres"):
        kmeans(clouds(8), centres)


def test_progress_is_said():
    said = []
    kmeans(clouds(), 4, report=lambda done, total: said.append(done / total))
    assert said[0] == 0
    assert said == sorted(said)


def by_hand(rows, centres):
    distance = np.linalg.norm(rows[:, None] - centres[None], axis=2)
    return np.maximum(0, distance.mean(1, keepdims=True) - distance)


def test_the_triangle_by_hand():
    rows, centres = clouds(20), torch.randn(6, 2, generator=torch.Generator().manual_seed(2))
    found = Triangle(nn.Linear(2, 6), centres)(rows)
    assert found.numpy() == pytest.approx(by_hand(rows.numpy(), centres.numpy()), abs=1e-4)


@pytest.mark.parametrize("whitened", [False, True])
def test_a_convolutions_triangle_is_that_of_its_patches(whitened):
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(5, 2, 7, 7, generator=generator)
    conv = PatchConv2d(2, 4, 3, stride=2, padding=1, padding_mode="reflect", bias=False)
    if whitened:
        conv.fit_patches(images, torch.Generator().manual_seed(0))
    centres = torch.randn(4, 18, generator=generator)
    with torch.no_grad():
        found = Triangle(conv, centres)(images)
    padded = nn.functional.pad(images, (1, 1, 1, 1), mode="reflect")
    patches = nn.functional.unfold(padded, 3, stride=2).mT.reshape(-1, 18)
    if whitened:
        patches = (patches - conv.mean) @ conv.matrix
    wanted = by_hand(patches.numpy(), centres.numpy()).reshape(5, 4, 4, 4).transpose(0, 3, 1, 2)
    assert found.numpy() == pytest.approx(wanted, abs=1e-3)


def test_every_layer_of_a_network_is_replaced_and_activations_left_out(conv, dataset):
    path = feature_path(conv)
    images = torch.rand(60, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    before = {name: tensor.clone() for name, tensor in conv.state_dict().items()}
    said = []
    made = learned_by_kmeans(
        path.modules, path.learned, images, 0, lambda done, total: said.append(done / total)
    )
    kinds = [type(module) for module in made]
    assert kinds == [Triangle, nn.BatchNorm2d, nn.MaxPool2d]
    with torch.no_grad():
        assert made(images).shape == path.modules.eval()(images).shape
    assert all(torch.equal(before[name], tensor) for name, tensor in conv.state_dict().items())
    assert max(said) <= 1


def test_layers_are_learned_one_after_another(dense):
    path = feature_path(dense, "second")
    rows = torch.rand(200, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    made = learned_by_kmeans(path.modules, path.learned, rows, 0, lambda *_: None)
    assert [type(module) for module in made] == [nn.Flatten, Triangle, Triangle]
    assert made(rows).shape == (200, 4)
    assert float(made(rows).std(0).min()) > 0


def test_a_grouped_convolution_is_refused():
    network = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2, bias=False), nn.ReLU())
    path = feature_path(network)
    with pytest.raises(InvalidValue, match="grouped"):
        learned_by_kmeans(path.modules, path.learned, torch.rand(9, 2, 5, 5), 0, lambda *_: None)
