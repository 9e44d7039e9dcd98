"""The semi-supervised protocol: splits, shares of labels, cells that share their pre-training."""

import pytest
import torch

from hebblab import InvalidValue
from hebblab.experiments.papers import data, tuning
from hebblab.experiments.papers.pretraining import HPCA, NONE, VAE, WAYS, Pretraining
from hebblab.experiments.papers.tuning import (
    SHARES,
    SOON,
    TEST,
    VALIDATION,
    Settings,
    named,
    on,
    parted,
    split,
)

TINY = Settings(400, 100, 100, Pretraining(narrow=12, epochs=1, autoencoder=1), epochs=2)


@pytest.fixture(scope="module")
def few(digits):
    return split(data.merged(digits), 1, 400, 100, 100)


def test_a_split_has_nothing_twice_and_changes_with_the_seed_but_for_the_test_images(digits):
    whole = data.merged(digits)
    one, two = (split(whole, seed, 3000, 900, 200) for seed in (1, 2))
    keys = [
        {bytes(image.numpy().tobytes()) for image in part.pixels}
        for part in (one.train, one.validation)
    ]
    assert [len(part) for part in (one.train, one.validation, one.test)] == [3000, 900, 200]
    assert not keys[0] & keys[1]
    assert not torch.equal(one.train.pixels, two.train.pixels)
    assert torch.equal(one.test.pixels, two.test.pixels)
    assert len(split(whole, 1, 10, 10).test) == len(digits.test)
    with pytest.raises(InvalidValue, match="4,000"):
        split(whole, 1, 3500, 900)
    with pytest.raises(InvalidValue, match="1,000"):
        split(whole, 1, 10, 10, 2000)


@pytest.mark.parametrize("way", WAYS)
def test_a_name_says_the_way_and_the_share(way):
    for share in (*SHARES, 0.04):
        assert parted(named(way, share)) == (way, pytest.approx(share))


def test_layers_come_in_order_with_all_their_numbers(few, nobody):
    found = list(on(few, TINY, named(HPCA, 0.2), ("L1", "L3", "L5"), 1, nobody))
    assert [one.layer for one in found] == ["L1", "L3", "L5"]
    for one in found:
        assert set(one.numbers) == {TEST, VALIDATION, *SOON.values()}
        assert one.numbers[TEST]["n"] == 100
        assert one.numbers[VALIDATION]["n"] == 100
        assert one.about["labels"] == 80
        assert len(one.about["validation"]) == 2
        assert 1 <= one.numbers[SOON[0.95]] <= one.numbers[SOON[0.98]] <= 2


def test_a_layer_alone_gives_what_it_gives_among_others(few, nobody):
    (alone,) = on(few, TINY, named(HPCA, 0.2), ("L1",), 1, nobody)
    tuning._kept.clear()
    first, _ = on(few, TINY, named(HPCA, 0.2), ("L1", "L2"), 1, nobody)
    assert alone.numbers == first.numbers
    assert alone.about == first.about


def test_shares_of_one_pre_training_learn_it_once(few, monkeypatch, nobody):
    made = []
    learn = tuning.pretrained
    monkeypatch.setattr(tuning, "_kept", {})
    monkeypatch.setattr(tuning, "pretrained", lambda *given: made.append(given[2]) or learn(*given))
    for way, share in ((NONE, 0.1), (NONE, 0.2), (VAE, 0.2), (NONE, 1.0)):
        (found,) = on(few, TINY, named(way, share), ("L1",), 1, nobody)
        assert found.about["labels"] == round(400 * share)
    assert made == [NONE, VAE, NONE]


def test_progress_rises_to_the_end(few):
    heard = []
    list(on(few, TINY, named(HPCA, 0.2), ("L1", "L2"), 1, lambda *said: heard.append(said)))
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert any("fine-tuning conv2" in words for _, words in heard)
