"""The worlds of two numbers: what rules do in them, and what turning one under way does."""

import numpy as np
import pytest
import torch

from hebblab import InvalidValue, Recipe, Session, UnknownName
from hebblab.data import worlds

SEEDS = range(1, 6)


@pytest.fixture
def run():
    """Run a rule in a world, and return the units' weights in float64, (units, 2)."""
    made = []

    def to(world, units, rule, steps, seed, knobs=None, **entry):
        layer = {"rule": rule, "init": "normal(0, 0.3)", "learning_rate": 0.1, **entry}
        recipe = Recipe(
            data=world, network=f"dense-{units}", rules={"hidden": layer}, steps=steps, seed=seed
        )
        session = Session(recipe, dataset=worlds.load(world, **(knobs or {})))
        made.append(session)
        session.start()
        assert session.wait(60)
        assert session.state == "finished", session.error
        return session.weights().double().numpy()

    yield to
    for session in made:
        session.stop()


@pytest.mark.parametrize("seed", SEEDS)
def test_ojas_arrow_turns_to_the_long_axis_at_length_one(run, seed):
    weights = run("cloud-2d", 6, "oja", 100, seed)
    axis = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    norms = np.linalg.norm(weights, axis=1)
    assert (abs(weights @ axis) / norms > 0.99).all()
    assert (abs(norms - 1) < 0.02).all()


def test_without_centring_it_shows_the_mean(run):
    (weights,) = run("cloud-2d", 1, "oja", 200, 1, {"centring": False})
    mean = np.array([2, 1]) / np.sqrt(5)
    cosine = abs(weights @ mean) / np.linalg.norm(weights)
    assert cosine > 0.999
    assert abs(np.degrees(np.arctan2(weights[1], weights[0])) % 180 - 27.4) < 1


def test_sangers_arrows_are_both_axes(run):
    weights = run("cloud-2d", 2, "sanger", 600, 1)
    angles = np.degrees(np.arctan2(weights[:, 1], weights[:, 0])) % 180
    assert angles == pytest.approx([30, 120], abs=2)
    assert np.linalg.norm(weights, axis=1) == pytest.approx([1, 1], abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_hebbs_arrow_leaves_the_picture(run, seed):
    (weights,) = run("cloud-2d", 1, "hebb", 100, seed, row_norm=False)
    assert np.linalg.norm(weights) > 4
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_winners_divide_the_clusters(run, seed):
    weights = run("clusters-2d", 5, "hard-wta", 300, seed, similarity="distance")
    values, labels = worlds.Clusters().points(0)
    points = values.double().numpy()
    means = np.array([points[labels.numpy() == j].mean(axis=0) for j in range(5)])
    distance = np.linalg.norm(weights[:, None] - means[None], axis=2)
    assert sorted(distance.argmin(axis=1)) == list(range(5))
    assert distance.min(axis=1).max() < 0.2


def test_winners_that_start_far_away_stay_dead(run):
    far = {"init": "normal(0, 2)"}
    weights = run("clusters-2d", 5, "hard-wta", 300, 1, similarity="distance", **far)
    assert (np.linalg.norm(weights, axis=1) > 2).any()


@pytest.mark.parametrize("sheet", ["plane", "torus"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_map_unfolds_over_the_ring(run, seed, sheet):
    weights = run(
        "ring-2d", 12, "som", 300, seed,
        rows=1, sheet=sheet, radius=3.0, radius_end=0.5, learning_rate=0.3,
    )  # fmt: skip
    angles = np.arctan2(weights[:, 1], weights[:, 0])
    steps = np.diff(np.append(angles, angles[0]))
    steps = (steps + np.pi) % (2 * np.pi) - np.pi
    assert abs(round(steps.sum() / (2 * np.pi))) == 1
    assert (np.sign(steps[:-1]) == np.sign(steps.sum())).all()
    assert np.linalg.norm(weights, axis=1).min() > 0.8


def test_a_knob_of_the_world_is_learned_from_and_read_at_the_next_edge():
    layer = {"rule": "oja", "init": "normal(0, 0.3)", "learning_rate": 0.1}
    recipe = Recipe(data="cloud-2d", network="dense-1", rules={"hidden": layer}, steps=1000)
    with Session(recipe) as session:
        session.step(200)
        before = session.dataset.fingerprint
        assert session.edit(angle=120.0).wait(60)
        assert session.dataset.fingerprint != before
        session.step(300)
        frame, reading = session.frame(), session.history and session.reading()
        (weights,) = frame.weights.double().numpy()
        assert np.degrees(np.arctan2(weights[1], weights[0])) % 180 == pytest.approx(120, abs=3)
        assert reading.frame.step == 500
        given = session.dataset.validation.values
        active = (given @ reading.frame.weights.T > 0).float().mean(0)
        assert torch.allclose(torch.from_numpy(reading.active), active, atol=1e-6)
        assert session.reading_error is None


def test_a_reader_of_changed_classes_counts_them():
    layer = {"rule": "hard-wta", "init": "normal(0, 0.3)", "similarity": "distance"}
    recipe = Recipe(data="clusters-2d", network="dense-5", rules={"hidden": layer}, steps=1000)
    with Session(recipe) as session:
        session.step(10)
        loop = session._loop
        loop.recorder.flush()
        old, frame = loop.recorder.reader, session.frame()
        dataset = worlds.deform(session.dataset, "clusters-2d", number=12)
        # Whoever is reading while the labels are written over counts the old ones.
        assert old.read(frame).answers.shape == (5, 5)
        loop.recorder.renew(dataset, None)
        assert loop.recorder.reader.anew().read(frame).answers.shape == (5, 12)


class TestWorlds:
    def test_the_mean_that_is_subtracted_follows_the_points(self):
        with Session("cloud-oja", centre=True, centring=False) as session:
            session.step()
            (seen, _), mean = next(iter(session._loop.run.batches)), (2.0, 1.0)
            assert float(seen.mean(0).abs().max()) < 0.5
            session.edit(centring=True)
            given = [batch.clone() for batch, _ in session._loop.run.batches]
            assert torch.cat(given).mean(0).tolist() == pytest.approx([0, 0], abs=1e-5)
            session.edit(centring=False)
            given = [batch.clone() for batch, _ in session._loop.run.batches]
            assert torch.cat(given).mean(0).tolist() == pytest.approx([0, 0], abs=1e-5)
            assert session.dataset.train.values.mean(0).tolist() == pytest.approx(mean, abs=1e-4)

    def test_knobs_of_the_recipe_make_the_points_and_a_restart_brings_them_back(self):
        with Session("cloud-oja", elongation=5, seed=3) as session:
            assert session.values()["elongation"] == 5.0
            points = session.dataset.train.values.clone()
            spread = torch.linalg.eigvalsh(points.T.cov())
            assert float((spread[1] / spread[0]).sqrt()) == pytest.approx(5, rel=0.1)
            session.step(5)
            session.edit(elongation=1.0, angle=90.0)
            assert not torch.equal(session.dataset.train.values, points)
            session.restart()
            assert torch.equal(session.dataset.train.values, points)
            assert session.values()["elongation"] == 5.0
            session.restart(seed=4)
            assert not torch.equal(session.dataset.train.values, points)

    def test_a_restart_brings_the_classes_back_to_whoever_reads(self):
        layer = {"rule": "hard-wta", "init": "normal(0, 0.3)", "similarity": "distance"}
        recipe = Recipe(data="clusters-2d", network="dense-5", rules={"hidden": layer}, steps=1000)
        with Session(recipe) as session:
            session.step(3)
            session.edit(number=9)
            session.step(3)
            reader = session._loop.recorder.reader.anew()
            assert reader.read(session.frame()).answers.shape == (5, 9)
            session.restart()
            session.step(3)
            reader = session._loop.recorder.reader.anew()
            assert reader.read(session.frame()).answers.shape == (5, 5)

    def test_what_the_world_refuses_changes_nothing(self):
        with Session("cloud-oja") as session:
            before = session.dataset.fingerprint
            for bad in ({"elongation": 11}, {"angle": "up"}, {"centring": 1}):
                with pytest.raises(InvalidValue):
                    session.edit(bad)
            with pytest.raises(InvalidValue, match="fresh start"):
                session.edit(samples=500)
            with pytest.raises(UnknownName):
                session.edit(number=3)
            assert session.dataset.fingerprint == before

    def test_points_of_ones_own_have_no_knobs(self):
        own = worlds.load("cloud-2d", 1, elongation=2.0)
        with Session("cloud-oja", dataset=own) as session:
            assert "elongation" not in session.knobs()
