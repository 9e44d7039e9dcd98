import torch

from hebblab.nn import Scratch


def test_a_buffer_is_kept_and_grows():
    scratch, like = Scratch(), torch.zeros(1)
    small = scratch.take("a", (2, 3), like)
    assert small.shape == (2, 3)
    assert scratch.take("a", (2, 3), like) is small
    assert scratch.take("a", (3, 2), like).data_ptr() == small.data_ptr()
    large = scratch.take("a", (20, 30), like)
    assert large.data_ptr() != small.data_ptr()
    assert scratch.take("a", (2, 3), like).data_ptr() == large.data_ptr()


def test_names_and_dtypes_do_not_share():
    scratch, like = Scratch(), torch.zeros(1)
    first = scratch.take("a", (4,), like).fill_(1)
    second = scratch.take("b", (4,), like).fill_(2)
    whole = scratch.take("a", (4,), like, torch.int64)
    assert whole.dtype is torch.int64
    assert first.tolist() == [1] * 4
    assert second.tolist() == [2] * 4
    assert scratch.take("a", (4,), like).dtype is torch.float32


def test_shapes_that_differ_each_time_do_not_pile_up():
    scratch, like = Scratch(), torch.zeros(1)
    for size in range(1, 2000):
        assert scratch.take("rows", (size, 3), like).shape == (size, 3)
    assert len(scratch._views) <= 256
    assert scratch.bytes == 4 * 3 * 1999
