"""Products by either library: the same numbers, on top of what was, repeated bit by bit."""

import pytest
import torch

from hebblab.rules import products


@pytest.fixture(params=[False, True], ids=["mkl", "onednn"])
def library(request, monkeypatch):
    if request.param and not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch has no such product")
    monkeypatch.setattr(products, "quicker", lambda: request.param)
    monkeypatch.setattr(products, "_WORTH", 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("samples", "units", "fan_in"), [(300, 250, 210), (40, 9, 1), (1, 5, 3)])
def test_they_are_the_products(library, dtype, samples, units, fan_in):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, fan_in, generator=generator, dtype=dtype)
    w = torch.randn(units, fan_in, generator=generator, dtype=dtype)
    close = 1e-12 if dtype is torch.float64 else 1e-5
    u = products.times(x, w, torch.empty(samples, units, dtype=dtype))
    exact = x.double() @ w.double().T
    assert u.dtype is dtype
    assert float((u - exact).abs().max() / exact.abs().max()) < close
    assert torch.equal(u, products.times(x, w, torch.empty(samples, units, dtype=dtype)))
    exact = u.double().T @ x.double()
    for sign in (1, -1):
        out = torch.empty(units, fan_in, dtype=dtype)
        found = products.over_samples(u, x, None, out, sign)
        assert float((found - sign * exact).abs().max() / exact.abs().max()) < close
        total = products.over_samples(u, x, found, out, sign)
        assert total.data_ptr() == found.data_ptr()
        assert float((total - 2 * sign * exact).abs().max() / exact.abs().max()) < 2 * close


def test_the_choice_is_by_the_processor(monkeypatch):
    for name, wide, expected in (
        ("AMD EPYC", True, True),
        ("AMD EPYC", False, False),
        ("Intel(R) Xeon(R)", True, False),
    ):
        products.quicker.cache_clear()
        able = {"cpu_name": name, "avx512_f": wide}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert products.quicker() is expected
    products.quicker.cache_clear()
