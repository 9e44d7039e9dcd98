"""The papers' data sets: there, or missing in one sentence; portions that a seed draws."""

import pytest
import torch

import hebblab as hl
from hebblab import DataUnavailable, InvalidValue
from hebblab.experiments.papers import data


def test_data_that_are_not_there_are_one_sentence(fake, tmp_path, monkeypatch):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match="hebblab data get cifar-10"):
        hl.papers.get("miconi-2021-mini").run()
    (tmp_path / "cifar-10-jpeg").mkdir()
    assert data.cifar_10().title == "CIFAR-10, JPEG copy"
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"damaged")
    assert data.cifar_10().exact, "what is damaged is refused when it is read, not replaced"


def test_data_of_a_wrong_digest_are_one_sentence_and_no_result(tmp_path, monkeypatch):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path))
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, images in (("train", 60_000), ("t10k", 10_000)):
        for name, size in (("images-idx3", 16 + 784 * images), ("labels-idx1", 8 + images)):
            with (raw / f"{split}-{name}-ubyte").open("wb") as file:
                file.truncate(size)
    data.load.cache_clear()
    try:
        with pytest.raises(DataUnavailable, match="is damaged"):
            hl.papers.get("krotov-2019-mini").run(folder=tmp_path / "results")
    finally:
        data.load.cache_clear()
    assert not list(tmp_path.glob("results/**/*.json"))


def test_a_portion_changes_with_the_seed_and_the_test_images_do_not(digits):
    first, second = (data.portion(digits, seed, 50, 20, 30) for seed in (1, 2))
    assert not torch.equal(first.train.pixels, second.train.pixels)
    assert torch.equal(first.test.pixels, second.test.pixels)
    both = data.merged(digits)
    assert len(both.train) == len(digits.train) + len(digits.validation)
    with pytest.raises(InvalidValue, match="3,000"):
        data.portion(digits, 1, 10_000)
