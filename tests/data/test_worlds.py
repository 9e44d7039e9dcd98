"""The worlds of two numbers, against what their equations say."""

import math

import numpy as np
import pytest
import torch

import hebblab as hl
from hebblab import data
from hebblab.data import Vectors, worlds
from hebblab.errors import InvalidValue, UnknownName

MANY = 10_000


def moments(values):
    """Mean, and eigenvalues of the covariance in falling order with their directions in degrees."""
    points = values.double().numpy()
    mean = points.mean(axis=0)
    size, direction = np.linalg.eigh(np.cov(points.T, bias=True))
    angles = np.degrees(np.arctan2(direction[1], direction[0])) % 180
    return mean, size[::-1], angles[::-1]


@pytest.mark.parametrize("name", worlds.available())
class TestEveryWorld:
    def test_it_is_a_data_set_of_vectors(self, name):
        dataset = data.load(name)
        assert name in data.available()
        assert dataset.image_shape == (2,)
        parts = (dataset.train, dataset.validation, dataset.test)
        assert [len(part) for part in parts] == [1000, 250, 250]
        for part in parts:
            assert isinstance(part, Vectors)
            assert part.labels.unique().tolist() == list(range(len(dataset.classes)))
        assert len(set(dataset.classes)) == len(dataset.classes)
        rows = torch.cat([part.values for part in parts])
        assert len(torch.unique(rows, dim=0)) == 1500

    def test_the_seed_alone_decides(self, name):
        torch.manual_seed(1)
        first = worlds.load(name, seed=3)
        torch.manual_seed(2)
        assert worlds.load(name, seed=3).fingerprint == first.fingerprint
        assert worlds.load(name, seed=4).fingerprint != first.fingerprint
        assert data.load(name).fingerprint == worlds.load(name, seed=0).fingerprint

    def test_the_mean_is_subtracted_or_stands_at_two_one(self, name):
        world = worlds.get(name)
        centred, labels = world().points(5)
        apart, same = world(centring=False).points(5)
        assert np.allclose(centred.double().mean(0), 0, atol=1e-6)
        assert np.allclose(apart.double().mean(0), (2, 1), atol=1e-6)
        assert torch.allclose(apart - centred, torch.tensor([2.0, 1.0]).expand(1000, 2), atol=1e-5)
        assert torch.equal(labels, same)

    def test_what_is_held_out_is_moved_as_what_trains(self, name):
        near = worlds.load(name, seed=1)
        far = worlds.load(name, seed=1, centring=False)
        for split in ("train", "validation", "test"):
            moved = getattr(far, split).values - getattr(near, split).values
            assert torch.allclose(moved[0], moved[-1], atol=1e-5)
            assert moved[0].tolist() == pytest.approx([2, 1], abs=1e-5)

    def test_more_points_begin_with_the_same_ones(self, name):
        few, _ = worlds.get(name)(samples=100, centring=False).points(1)
        many, _ = worlds.get(name)(samples=MANY, centring=False).points(1)
        # The two sets differ by their means alone.
        moved = few - many[:100]
        assert torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-5)

    def test_every_knob_refuses_what_is_beyond_its_bounds(self, name):
        for knob in worlds.get(name).declared().values():
            assert knob.help.endswith(".")
            for bad in knob.invalid_values():
                with pytest.raises(InvalidValue):
                    worlds.load(name, **{knob.name: bad})
            for value in (knob.low, knob.high):
                if value is not None:
                    exact = int(value) if knob.scale == "integer" else float(value)
                    assert torch.isfinite(worlds.load(name, **{knob.name: exact}).test.values).all()

    @pytest.mark.parametrize("seed", [-1, 1.0, True, "1", None, 2**63])
    def test_a_seed_is_a_whole_number(self, name, seed):
        with pytest.raises(InvalidValue, match="seed must be a whole number from 0"):
            worlds.load(name, seed=seed)

    def test_unknown_knobs_are_named(self, name):
        with pytest.raises(UnknownName, match=f"'{name}'.*Did you mean 'noise'"):
            worlds.load(name, nose=0.1)

    def test_batches_centre_and_features_take_it(self, name):
        dataset = worlds.load(name, centring=False)
        centre = data.mean_image(dataset.train)
        assert centre.tolist() == pytest.approx([2, 1], abs=1e-5)
        batches = data.Batches(dataset.train, 100, torch.Generator().manual_seed(0), centre)
        seen = [(inputs.clone(), labels.clone()) for inputs, labels in batches]
        inputs, labels = (torch.cat(part) for part in zip(*seen, strict=True))
        assert inputs.shape == (1000, 2)
        assert np.allclose(inputs.mean(0), 0, atol=1e-5)
        whole = torch.cat([dataset.train.values - centre, dataset.train.labels[:, None]], dim=1)
        given = torch.cat([inputs, labels[:, None]], dim=1)
        assert torch.allclose(given[given[:, 0].argsort()], whole[whole[:, 0].argsort()])
        assert data.as_floats(dataset.test, limit=10, centre=centre).shape == (10, 2)

    def test_a_network_is_probed_on_it(self, name):
        dataset = worlds.load(name)
        network = hl.networks.create("dense-100", dataset.image_shape, len(dataset.classes))
        result = hl.linear_probe(network, dataset)
        # Straight lines tell the labels apart, but for the noise.
        assert result.raw_pixels > (0.8 if name == "clusters-2d" else 0.97)
        assert result.accuracy > 0.8


def test_the_cloud_has_the_variances_and_the_axis_of_its_equation():
    for elongation, angle, noise in ((3.0, 30.0, 0.0), (1.5, 100.0, 0.5), (10.0, 0.0, 1.0)):
        world = worlds.Cloud(samples=MANY, elongation=elongation, angle=angle, noise=noise)
        _, size, angles = moments(world.points(1)[0])
        expected = (1 + noise**2, 1 / elongation**2 + noise**2)
        # The relative error of a variance from n draws is about √(2/n).
        assert size == pytest.approx(expected, rel=4 * math.sqrt(2 / MANY))
        away = abs(angles[0] - angle) % 180
        assert min(away, 180 - away) < 3


def test_turning_a_knob_of_the_cloud_deforms_the_same_sample():
    def along(angle, elongation):
        values, _ = worlds.Cloud(angle=angle, elongation=elongation).points(9)
        turn = math.radians(angle)
        rotated = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        return values.double().numpy() @ rotated * (1, elongation)

    assert np.allclose(along(30.0, 3.0), along(135.0, 7.0), atol=1e-5)


def test_noise_of_the_cloud_is_added_in_proportion():
    none, half, full = (worlds.Cloud(noise=n).points(2)[0].double() for n in (0.0, 0.5, 1.0))
    assert torch.allclose(full - none, 2 * (half - none), atol=1e-5)


def test_labels_of_the_cloud_are_its_ends():
    values, labels = worlds.Cloud(angle=0.0, centring=False).points(1)
    # The set is moved to (2, 1) by its own mean, so the boundary is within its error.
    head = values[:, 0] - 2 > 0.1
    assert labels[head].eq(1).all()
    assert labels[values[:, 0] - 2 < -0.1].eq(0).all()


@pytest.mark.parametrize(("number", "elongation"), [(5, 1.0), (2, 3.0), (12, 1.7)])
def test_clusters_stand_on_their_circle(number, elongation):
    world = worlds.Clusters(
        number=number, elongation=elongation, noise=0.1, samples=MANY, centring=False
    )
    values, labels = world.points(4)
    assert torch.equal(labels, torch.arange(MANY) % number)
    points = values.double().numpy()
    places = np.array(
        [
            (elongation * math.cos(2 * math.pi * j / number), math.sin(2 * math.pi * j / number))
            for j in range(number)
        ]
    )
    means = np.array([points[labels.numpy() == j].mean(axis=0) for j in range(number)])
    assert np.allclose(means - means.mean(axis=0), places - places.mean(axis=0), atol=0.02)
    inside = points - means[labels.numpy()]
    assert inside.std(axis=0) == pytest.approx(0.1, rel=0.05)


def test_held_out_clusters_are_of_one_size_and_in_mixed_order():
    part = worlds.load("clusters-2d", samples=4000, number=5).validation
    assert part.labels.bincount().tolist() == [200] * 5
    # What is read at even distances must hold every cluster.
    assert len(part.labels[::5].unique()) == 5


def test_the_ring_has_equal_variances_and_its_radius():
    for noise in (0.0, 0.05, 0.5):
        world = worlds.Ring(noise=noise, samples=MANY)
        values, _ = world.points(1)
        _, size, _ = moments(values)
        assert size == pytest.approx([0.5 + noise**2 / 2] * 2, rel=0.05)
    apart, _ = worlds.Ring(noise=0.0, elongation=3.0, centring=False, samples=MANY).points(1)
    # Off its place, every point fulfils the equation of the ellipse.
    points = apart.double().numpy()
    design = np.column_stack([points**2, points, np.ones(MANY)])
    a, c, d, e, f = np.linalg.svd(design, full_matrices=False)[2][-1]
    assert math.sqrt(c / a) == pytest.approx(3.0, abs=1e-4)
    radius = (d**2 / (4 * a) + e**2 / (4 * c) - f) / a
    assert math.sqrt(radius) == pytest.approx(3.0, abs=1e-4)


def test_labels_of_the_ring_are_its_quarters():
    values, labels = worlds.Ring(noise=0.0).points(1)
    x, y = values.double().numpy().T
    sure = (abs(x) > 0.1) & (abs(y) > 0.1)
    quarter = np.select([(x > 0) & (y > 0), (x < 0) & (y > 0), (x < 0) & (y < 0)], [0, 1, 2], 3)
    assert (quarter == labels.numpy())[sure].all()


class TestDeform:
    def test_points_change_where_they_lie(self):
        dataset = worlds.load("clusters-2d", seed=2)
        batches = data.Batches(dataset.train, 1000, torch.Generator().manual_seed(0))
        place = dataset.train.values.data_ptr()
        again = worlds.deform(dataset, "clusters-2d", 2, number=3, noise=0.05)
        wanted = worlds.load("clusters-2d", seed=2, number=3, noise=0.05)
        assert again.fingerprint == wanted.fingerprint
        assert again.classes == wanted.classes
        assert again.train.values.data_ptr() == place
        inputs, labels = next(iter(batches))
        assert sorted(inputs[:, 0].tolist()) == sorted(wanted.train.values[:, 0].tolist())
        assert labels.bincount().tolist() == [334, 333, 333]

    def test_it_can_be_undone(self):
        dataset = worlds.load("cloud-2d", seed=1)
        before = dataset.fingerprint
        changed = worlds.deform(dataset, "cloud-2d", 1, angle=90.0)
        assert changed.fingerprint != before
        assert worlds.deform(changed, "cloud-2d", 1).fingerprint == before

    @pytest.mark.parametrize(
        ("knobs", "error", "words"),
        [
            ({"samples": 500}, InvalidValue, "1,000 points, and 500 need a fresh start"),
            ({"noise": 2.0}, InvalidValue, "must be a number from 0 to 1, not 2.0"),
            ({"number": 3}, UnknownName, "'number'"),
        ],
    )
    def test_a_refusal_changes_nothing(self, knobs, error, words):
        dataset = worlds.load("cloud-2d")
        kept = dataset.train.values.clone()
        with pytest.raises(error, match=words):
            worlds.deform(dataset, "cloud-2d", **knobs)
        assert torch.equal(dataset.train.values, kept)

    def test_images_are_no_world(self):
        digits = data.load("mnist-5k")
        with pytest.raises(InvalidValue, match="no set of points in the plane"):
            worlds.deform(digits, "cloud-2d")


@pytest.mark.parametrize("name", ["cloud", "cloud-3d", None, 2])
def test_unknown_worlds_are_refused_with_the_known_ones(name):
    for call in (worlds.get, worlds.load):
        with pytest.raises(UnknownName, match="cloud-2d, clusters-2d, ring-2d"):
            call(name)


def test_nothing_is_fetched_or_lies_on_a_disk():
    for name in worlds.available():
        assert data.get(name) is None
        about = data.check(name)
        assert (about.present, about.bytes, about.download_bytes) == (True, 0, 0)
        assert (about.image_shape, about.where) == ((2,), None)
        dataset = data.load(name)
        parts = (dataset.train, dataset.validation, dataset.test)
        assert about.images == sum(len(part) for part in parts)
