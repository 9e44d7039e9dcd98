import pytest
import torch

from hebblab.errors import InvalidValue, UnknownName
from hebblab.evaluation import FeatureCache, few_labels, wilson
from hebblab.evaluation.choosing import Verdict
from hebblab.evaluation.few_labels import asked, label_grid
from hebblab.evaluation.ridge import PENALTIES, Moments, best, solve_few
from hebblab.evaluation.standard import Standard
from hebblab.evaluation.subsets import subset


def drawn(rows=1500, width=30, classes=3):
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(width, classes, generator=generator)
    features = torch.randn(rows, width, generator=generator)
    noise = torch.randn(rows, classes, generator=generator) * 3
    return features, (features @ truth + noise).argmax(1)


@pytest.fixture
def grid():
    """Run a grid; the answers are for the features themselves, the penalty chosen on them."""

    def run(names, whole=True, sampling="stratified", paths=None, within=False):
        rows, labels = drawn()

        class Chooser:
            def judge(self, path):
                if paths is not None:
                    paths.append(path)
                guesses = path.predict(rows)
                place = best(guesses == labels)
                at = PENALTIES.index(path.penalties[place])
                return Verdict(guesses[place], at, at, torch.ones(len(labels), dtype=torch.bool))

            def answers(self, path, place):
                return path.predict(rows)[place]

        with FeatureCache() as cache:
            features = cache.get("a", len(rows), 30, lambda: [rows])
            wanted = [asked(name) for name in names]
            given = (features, labels, Standard.of([rows]), 3, wanted, Chooser())
            return label_grid(*given, 7, sampling, whole, lambda *_: None, within)

    return run


@pytest.mark.parametrize(
    "names", [[], ["linear@10%"], ["linear@1%", "linear@5/class", "linear@20%"]]
)
def test_the_sums_of_all_are_those_of_one_pass(grid, names):
    rows, labels = drawn()
    whole = Moments(Standard.of([rows]).mean, 3)
    whole.add(rows, labels)
    found = grid(names).moments
    assert found.samples == 1500
    assert torch.equal(found.counts, whole.counts)
    assert torch.allclose(found.solve().weights, whole.solve().weights, atol=1e-5)


def test_each_subset_has_the_readout_of_its_own_samples(grid):
    rows, labels = drawn()
    paths = []
    names = ["linear@20%", "linear@1%", "linear@5%"]
    found = grid(names, whole=False, paths=paths)
    assert found.moments is None
    assert not found.within
    assert {name: len(one) for name, one in found.chosen.items()} == dict.fromkeys(names, 5)
    by_size = [0.01, 0.05, 0.2]
    for place, path in enumerate(paths):
        own = subset(labels, by_size[place % 3], number=place // 3, seed=7)
        alone = solve_few(rows[own], labels[own], 3, path.standard, path.penalties)
        assert torch.allclose(path.weights, alone.weights, rtol=1e-2, atol=1e-3)


def test_every_small_subset_tries_every_penalty(grid):
    paths = []
    grid(["linear@10%", "linear@1%"], paths=paths)
    assert len(paths) == 10
    assert all(path.penalties == PENALTIES for path in paths)


def test_later_large_subsets_try_only_penalties_beside_the_chosen_one(grid, monkeypatch):
    monkeypatch.setattr(few_labels, "_SMALL", 29)
    paths = []
    grid(["linear@10%"], paths=paths)
    assert paths[0].penalties == PENALTIES
    assert all(len(path.penalties) <= 3 for path in paths[1:])


def test_subsets_that_overlap_are_summed_apart(grid):
    paths = []
    moments = grid(["linear@40%"], paths=paths).moments
    rows, labels = drawn()
    whole = Moments(Standard.of([rows]).mean, 3)
    whole.add(rows, labels)
    assert torch.equal(moments.counts, whole.counts)
    own = subset(labels, 0.4, number=4, seed=7)
    alone = solve_few(rows[own], labels[own], 3, paths[4].standard, paths[4].penalties)
    assert torch.allclose(paths[4].weights, alone.weights, rtol=1e-2, atol=1e-3)


def test_no_sample_is_read_twice(grid, monkeypatch):
    read = []
    add = few_labels.add

    def counted(moments, features, labels, rows, report=None):
        read.extend(rows.tolist())
        add(moments, features, labels, rows, report)

    monkeypatch.setattr(few_labels, "add", counted)
    grid(["linear@5%", "linear@10%", "linear@15%"])
    assert sorted(read) == list(range(1500))


def test_random_sampling_reaches_the_subsets(grid):
    same, other = (grid(["linear@5%"], sampling=one).chosen for one in ("stratified", "random"))
    assert not torch.equal(same["linear@5%"][0], other["linear@5%"][0])


def test_names_of_probes():
    assert asked("knn").kind == "knn"
    assert asked("linear@2.5%").share == pytest.approx(0.025)
    assert asked("linear@100%").share == 1
    assert asked("linear@3/class").per_class == 3
    for wrong in ("linear@", "linear@x%", "linear@-1%", "LINEAR", None, 3, "linear@1e3%"):
        with pytest.raises(UnknownName, match="There is no probe"):
            asked(wrong)
    for wrong in ("linear@0%", "linear@101%", "linear@0/class"):
        with pytest.raises(InvalidValue, match="asks for no subset"):
            asked(wrong)


@pytest.mark.parametrize("within", [False, True])
def test_all_labels_are_one_subset_whose_images_are_counted(grid, within):
    _, labels = drawn()
    name = "linear@100%"
    found = grid([name, "linear@10%"], within=within)
    assert len(found.chosen[name]) == 1 and len(found.chosen["linear@10%"]) == 5
    told = found.statistics(asked(name), labels, "stratified", 90)
    right = int((found.answers(name)[0] == labels).sum())
    assert told[0].numbers == (right / 1500, *wilson(right, 1500), 1500)
    assert told[0].interval == "Wilson"
    assert "subsets" not in told[0].note
    assert len(told) == 1 + within
    if within:
        gained = float((found.chosen[name][0] == labels).double().mean()) - right / 1500
        assert told[1].numbers[0] == pytest.approx(gained, abs=1e-12)
        assert told[1].numbers[3] == 1500


def test_subsets_that_overlap_say_so(grid):
    _, labels = drawn()
    found = grid(["linear@20%", "linear@50%"])
    told = [
        found.statistics(asked(name), labels, "stratified", 90)[0].note for name in found.chosen
    ]
    assert ["overlap" in note for note in told] == [False, True]
