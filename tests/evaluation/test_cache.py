import errno
from pathlib import Path

import pytest
import torch

from hebblab.errors import DataUnavailable, InvalidValue, UnknownName
from hebblab.evaluation import FeatureCache, cache

MIB = 1 << 20


def chunks(rows):
    return lambda: torch.split(rows, 100)


def drawn(rows=3000, width=64):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0))


def test_what_is_known_is_not_computed_again():
    calls = []

    def compute():
        calls.append(1)
        return [torch.ones(3, 2)]

    with FeatureCache() as kept:
        assert kept.get("a", 3, 2, compute) is kept.get("a", 3, 2, compute)
        kept.get("b", 3, 2, compute)
    assert len(calls) == 2


@pytest.mark.parametrize("memory", [MIB, 8 * MIB])
def test_features_are_the_same_from_memory_and_from_the_file(memory):
    rows = drawn(6000)  # 1.5 MB
    some = torch.tensor([5, 17, 4000, 2])
    with FeatureCache(memory) as kept:
        found = kept.get("a", 6000, 64, chunks(rows))
        assert (kept.folder is not None) == (memory == MIB)
        assert torch.equal(found.whole(), rows)
        assert torch.equal(found.take(some), rows[some])
        for wanted in (None, some):
            parts = list(found.chunks(wanted))
            of = rows if wanted is None else rows[wanted]
            assert torch.equal(torch.cat([part for part, _ in parts]), of)
            assert all(torch.equal(part, of[place]) for part, place in parts)


def test_the_file_is_removed_at_the_end():
    kept = FeatureCache(MIB)
    kept.get("a", 6000, 64, chunks(drawn(6000)))
    folder = kept.folder
    assert [path.stat().st_size for path in folder.iterdir()] == [4 * 6000 * 64]
    kept.close()
    assert not folder.exists()
    dropped = FeatureCache(MIB)
    dropped.get("a", 6000, 64, chunks(drawn(6000)))
    folder = dropped.folder
    del dropped
    assert not folder.exists()


def test_bfloat16_is_half_the_size_and_read_as_float32():
    rows = drawn(6000)
    for memory in (MIB, 8 * MIB):
        with FeatureCache(memory, "bfloat16") as kept:
            found = kept.get("a", 6000, 64, chunks(rows)).whole()
            assert (kept.folder is None) == (memory > MIB) or MIB >= 2 * 6000 * 64
        assert found.dtype == torch.float32
        assert torch.allclose(found, rows, rtol=0.01)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(monkeypatch):
    def full(self, *given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = FeatureCache(MIB)
    kept._place()
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DataUnavailable, match="No space left"):
        kept.get("a", 6000, 64, chunks(drawn(6000)))
    monkeypatch.undo()
    assert list(kept.folder.iterdir()) == []
    assert torch.equal(kept.get("a", 6000, 64, chunks(drawn(6000))).whole(), drawn(6000))
    kept.close()


@pytest.mark.parametrize("memory", [MIB, 8 * MIB])
def test_features_that_are_not_finite_are_refused_and_not_kept(memory):
    rows = drawn(6000)
    rows[5000, 3] = torch.nan
    with FeatureCache(memory) as kept:
        with pytest.raises(InvalidValue, match="not finite"):
            kept.get("a", 6000, 64, chunks(rows))
        assert kept.folder is None or list(kept.folder.iterdir()) == []


def test_sums_that_overflow_are_not_mistaken_for_features_that_do():
    rows = torch.full((300, 4), 3e38)
    with FeatureCache() as kept:
        assert torch.equal(kept.get("a", 300, 4, chunks(rows)).whole(), rows)


def test_a_chunk_has_a_bound(monkeypatch):
    monkeypatch.setattr(cache, "_CHUNK", 640)
    with FeatureCache() as kept:
        found = kept.get("a", 95, 64, chunks(drawn(95)))
        assert [len(part) for part, _ in found.chunks()] == [10] * 9 + [5]


def test_what_no_cache_can_be_is_refused():
    with pytest.raises(InvalidValue, match="1,048,576"):
        FeatureCache(1000)
    with pytest.raises(UnknownName, match="bfloat16"):
        FeatureCache(dtype="float16")
