"""Receptive fields: against explicit Jacobians of linear networks, and against known answers."""

import pytest
import torch
from torch import nn

from hebblab import InvalidValue, RePU, UnknownName, networks
from hebblab.metrics import ReceptiveWindow, back_projection, best_patches, receptive_window
from hebblab.metrics.crops import crops
from hebblab.nn import InputNorm, PatchConv2d, Whitening
from hebblab.nn.norms import RelativeBatchNorm1d, RelativeBatchNorm2d

DOUBLE = {"bias": False, "dtype": torch.float64}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def filled(network):
    """The network with parameters and statistics that are nobody's default."""
    draws = generator()
    network.double().eval()
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=draws, dtype=tensor.dtype) + 0.2)
    return network


def jacobian(network, layer, image_shape):
    """d responses / d image of a linear network, (units, rows, columns, C, H, W)."""
    modules = dict(network.named_modules())

    def responses(image):
        x = image[None]
        for name, module in modules.items():
            if isinstance(module, nn.Sequential):
                continue
            x = module(x)
            if name == layer:
                return x[0]
        return None

    return torch.autograd.functional.jacobian(
        responses, torch.zeros(image_shape, dtype=torch.float64)
    )


def at(found, row, column, window):
    """The Jacobian of one place, cropped to its window."""
    top, left = window.corner(row, column)
    return found[:, row, column, :, top : top + window.size[0], left : left + window.size[1]]


# Linear networks, their last layer, the image, and a place where no rim is in sight.
LINEAR = {
    "two convolutions": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.Conv2d(3, 4, 2, bias=False)),
        "1",
        (2, 9, 8),
        (2, 3),
    ),
    "stride, padding, dilation": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=1, bias=False),
            nn.Conv2d(3, 4, (2, 3), stride=(1, 2), padding=(1, 2), dilation=(2, 1), bias=False),
        ),
        "1",
        (2, 16, 15),
        (3, 3),
    ),
    "groups": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, groups=2, bias=False),
            nn.Conv2d(4, 6, 3, groups=2, dilation=2, bias=False),
        ),
        "1",
        (2, 14, 13),
        (1, 2),
    ),
    "average pooling and norms": (
        lambda: nn.Sequential(
            nn.BatchNorm2d(2),
            nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False),
            RelativeBatchNorm2d(3),
            nn.AvgPool2d(3, stride=2, padding=1),
            nn.Sequential(nn.Conv2d(3, 5, 2, bias=False)),
        ),
        "4.0",
        (2, 15, 16),
        (2, 3),
    ),
}


@pytest.mark.parametrize("case", LINEAR)
def test_a_convolutions_back_projection_is_its_jacobian(case):
    build, layer, shape, place = LINEAR[case]
    network = filled(build())
    window = receptive_window(network, layer)
    whole = jacobian(network, layer, shape)
    found = back_projection(network, layer, shape)
    assert found.shape[1:] == (shape[0], *window.size)
    assert torch.allclose(found, at(whole, *place, window), atol=1e-12)
    # Nothing beyond the window moves the unit.
    assert found.sum() == pytest.approx(whole[:, place[0], place[1]].sum())


FLAT = {
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(2 * 11 * 10, 7, bias=False)),
    "two dense": lambda: nn.Sequential(
        nn.Flatten(),
        nn.Linear(220, 6, bias=False),
        RelativeBatchNorm1d(6),
        nn.Linear(6, 7, bias=False),
    ),
    "zeros": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False),
        nn.AvgPool2d(2, padding=1),
        nn.Flatten(),
        nn.Linear(36, 7, bias=False),
    ),
    "reflect": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=2, padding_mode="reflect", bias=False),
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        nn.Flatten(),
        nn.Linear(36, 7, bias=False),
    ),
    "circular": lambda: nn.Sequential(
        nn.Conv2d(2, 3, (3, 2), padding=(2, 1), padding_mode="circular", bias=False),
        nn.AvgPool2d(3, stride=3, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(60, 7, bias=False),
    ),
    "replicate": lambda: nn.Sequential(
        nn.Conv2d(
            2, 4, (4, 3), padding="same", dilation=(1, 2), padding_mode="replicate", bias=False
        ),
        nn.AvgPool2d((4, 3), stride=(5, 4), divisor_override=5),
        nn.Flatten(),
        nn.Linear(16, 7, bias=False),
    ),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("case", FLAT)
def test_a_dense_units_back_projection_is_its_jacobian_rims_and_all(case):
    network = filled(FLAT[case]())
    layer = str(len(network) - 1)
    found = back_projection(network, layer, (2, 11, 10))
    assert torch.allclose(found, jacobian(network, layer, (2, 11, 10)), atol=1e-12)
    assert receptive_window(network, layer, (2, 11, 10)).size == (11, 10)


def test_the_first_layers_are_the_weights():
    for name, layer, shape in (("conv-400", "conv", (3, 9, 9)), ("dense-7", "hidden", (2, 3, 4))):
        network = networks.create(name, shape)
        network.prepare.mode = "unit"
        found = back_projection(network, layer, shape)
        weight = network.get_submodule(layer).weight
        assert torch.equal(found.flatten(1), weight.flatten(1))
    grouped = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2, dilation=2, bias=False))
    found = back_projection(grouped, "0", (4, 9, 9))
    assert found.shape == (4, 4, 5, 5)
    assert torch.equal(found[2:, 2:, ::2, ::2], grouped[0].weight[2:])
    assert found.count_nonzero() == grouped[0].weight.numel()


def test_max_pooling_spreads_evenly_and_activations_are_passed():
    def made(pool, *others):
        return filled(
            nn.Sequential(
                nn.Conv2d(1, 2, 3, bias=False),
                *others,
                pool,
                nn.Conv2d(2, 3, 2, bias=False),
            )
        )

    linear = back_projection(made(nn.AvgPool2d(3, 2)), "2", (1, 12, 12))
    others = (RePU(2.0, triangle=True), InputNorm("standardise"), nn.Dropout(0.5), nn.Tanh())
    other = made(nn.MaxPool2d(3, 2, padding=1), *others)
    assert torch.allclose(back_projection(other, "6", (1, 12, 12)), linear, atol=1e-12)
    wide = made(nn.MaxPool2d(2, 1, dilation=3))
    assert receptive_window(wide, "2").size == (7, 7)
    one = back_projection(wide, "2", (1, 12, 12))[:, 0]
    kernels, inner = wide[0].weight[:, 0], wide[2].weight
    expected = torch.zeros(3, 7, 7, dtype=torch.float64)
    for row in range(2):
        for column in range(2):
            for up in (0, 3):
                for left in (0, 3):
                    part = torch.einsum("uc,cij->uij", inner[:, :, row, column], kernels) / 4
                    top, start = row + up, column + left
                    expected[:, top : top + 3, start : start + 3] += part
    assert torch.allclose(one, expected, atol=1e-12)


def test_max_pooling_at_a_rim_spreads_over_what_is_there():
    network = nn.Sequential(nn.MaxPool2d(2, padding=1), nn.Flatten(), nn.Linear(4, 1, bias=False))
    nn.init.ones_(network[2].weight)
    assert back_projection(network, "2", (1, 2, 2)).tolist() == [[[[1, 1], [1, 1]]]]
    network = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1, 1, bias=False))
    nn.init.ones_(network[2].weight)
    assert back_projection(network, "2", (1, 3, 2)).tolist() == [
        [[[0.25, 0.25], [0.25, 0.25], [0, 0]]]
    ]


def test_whitened_patches_are_projected_with_the_kernel_they_apply():
    network = nn.Sequential(PatchConv2d(1, 2, 3, **DOUBLE), PatchConv2d(2, 3, 2, **DOUBLE))
    images = torch.rand(20, 1, 9, 9, generator=generator(), dtype=torch.float64)
    network[0].fit_patches(images, generator())
    network[1].fit_patches(network[0](images).detach(), generator())
    window = receptive_window(network, "1")
    whole = jacobian(network, "1", (1, 9, 9))
    found = back_projection(network, "1", (1, 9, 9))
    assert torch.allclose(found, at(whole, 2, 3, window), atol=1e-10)


def test_parts_of_the_units_and_small_chunks_are_the_same(monkeypatch):
    network = filled(LINEAR["stride, padding, dilation"][0]())
    whole = back_projection(network, "1", (2, 16, 15))
    assert torch.equal(back_projection(network, "1", (2, 16, 15), units=[3, 0]), whole[[3, 0]])
    monkeypatch.setattr("hebblab.metrics.receptive._CHUNK", 1)
    assert torch.allclose(back_projection(network, "1", (2, 16, 15)), whole, atol=1e-13)


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ([nn.Conv2d(1, 1, 5)], ((5, 5), (1, 1), (0, 0))),
        ([nn.Conv2d(1, 1, 3, stride=2, padding=1, dilation=2)], ((5, 5), (2, 2), (-1, -1))),
        ([nn.Conv2d(1, 1, (3, 5), stride=(1, 2))], ((3, 5), (1, 2), (0, 0))),
        ([nn.Conv2d(1, 1, 4, padding="same")], ((4, 4), (1, 1), (-1, -1))),
        ([nn.Conv2d(1, 1, 5), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3)], ((10, 10), (2, 2), (0, 0))),
        (
            [nn.AvgPool2d(3, 2, padding=1), nn.Conv2d(1, 1, 3, stride=2, padding=1)],
            ((7, 7), (4, 4), (-3, -3)),
        ),
        ([nn.MaxPool2d(2, dilation=3, stride=1), nn.Conv2d(1, 1, 2)], ((5, 5), (1, 1), (0, 0))),
    ],
)
def test_windows(modules, expected):
    network = nn.Sequential(*modules)
    assert receptive_window(network, str(len(modules) - 1)) == ReceptiveWindow(*expected)


def test_windows_of_the_published_networks():
    softhebb = networks.create("softhebb-cnn-quarter", (3, 32, 32))
    windows = [receptive_window(softhebb, f"conv{i}") for i in (1, 2, 3)]
    assert [window.size[0] for window in windows] == [5, 12, 26]
    assert windows[2].stride == (4, 4)
    miconi = networks.create("miconi-cnn", (3, 32, 32))
    assert [receptive_window(miconi, f"conv{i}").size[0] for i in (1, 2, 3)] == [5, 10, 20]
    assert back_projection(miconi, "conv3", (3, 32, 32)).shape == (400, 3, 20, 20)


class TestBestPatches:
    def images(self, count=7, shape=(2, 12, 11)):
        return torch.rand(count, *shape, generator=generator(3), dtype=torch.float64)

    @pytest.mark.parametrize("case", LINEAR)
    @pytest.mark.parametrize("batch", [None, 1, 3])
    def test_are_those_of_a_search_over_every_place(self, case, batch):
        build, layer, shape, _ = LINEAR[case]
        network = filled(build())
        images = self.images(shape=shape)
        window = receptive_window(network, layer)
        found = best_patches(network, layer, images, count=3, units=[2, 0], batch=batch)
        assert found.shape == (2, 3, shape[0], *window.size)
        line = [module for module in network.modules() if not isinstance(module, nn.Sequential)]
        responses = images
        for module in line:
            responses = module(responses)
        far = 20
        rimmed = nn.functional.pad(images, (far, far, far, far))
        for place, unit in enumerate((2, 0)):
            best = sorted(
                (
                    max(
                        (float(responses[image, unit, row, column].detach()), row, column)
                        for row in range(responses.shape[2])
                        for column in range(responses.shape[3])
                    ),
                    image,
                )
                for image in range(len(images))
            )[::-1]
            for rank, ((_, row, column), image) in enumerate(best[:3]):
                top, left = (far + start for start in window.corner(row, column))
                expected = rimmed[image, :, top : top + window.size[0], left:][
                    :, :, : window.size[1]
                ]
                assert torch.equal(found[place, rank], expected)

    def test_of_a_dense_layer_are_whole_images_best_first(self):
        network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False), nn.Linear(2, 2))
        with torch.no_grad():
            network[1].weight.copy_(torch.tensor([[1.0, 1, 1, 1], [-1.0, -1, -1, -1]]))
        images = torch.tensor([1.0, 3.0, 2.0, 3.0]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
        found = best_patches(network, "1", images, count=3)
        assert found[:, :, 0, 0, 0].tolist() == [[3, 3, 2], [1, 2, 3]]
        assert found.shape == (2, 3, 1, 2, 2)

    def test_of_equals_the_earlier_comes_first(self):
        network = nn.Sequential(nn.Conv2d(2, 1, 1, bias=False))
        with torch.no_grad():
            network[0].weight.copy_(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
        images = torch.zeros(5, 2, 1, 1)
        images[:, 1, 0, 0] = torch.arange(5)
        for batch in (1, 2, 5):
            found = best_patches(network, "0", images, count=5, batch=batch)
            assert found[0, :, 1, 0, 0].tolist() == [0, 1, 2, 3, 4]

    def test_beyond_the_rim_is_zero(self):
        network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, bias=False))
        nn.init.zeros_(network[0].weight)
        with torch.no_grad():
            network[0].weight[0, 0, 1, 1] = 1
        images = torch.ones(1, 1, 3, 3)
        images[0, 0, 0, 2] = 5
        found = best_patches(network, "0", images, count=1)
        assert found.flatten().tolist() == [0, 0, 0, 1, 5, 0, 1, 1, 0]

    def test_are_read_in_evaluation_mode_without_a_trace(self):
        network = networks.create("softhebb-cnn-quarter", (1, 12, 12))
        network.whiten.fit(self.images(9, (1, 12, 12)).float())
        before = {key: value.clone() for key, value in network.state_dict().items()}
        with torch.inference_mode():
            found = best_patches(
                network, "conv3", self.images(9, (1, 12, 12)).float(), units=[0, 5]
            )
            back_projection(network, "conv3", (1, 12, 12), units=[1])
        assert found.shape == (2, 9, 1, 26, 26)
        assert network.training
        assert network.norm1.training
        for key, value in network.state_dict().items():
            assert torch.equal(value, before[key])

    def test_impossible_calls_are_refused(self):
        network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False))
        images = torch.zeros(4, 1, 5, 5)
        for count in (0, 5, 2.0, True):
            with pytest.raises(InvalidValue, match="from 1 to the 4 images"):
                best_patches(network, "0", images, count=count)
        for batch in (0, 1.5):
            with pytest.raises(InvalidValue, match="batch must be"):
                best_patches(network, "0", images, 1, batch=batch)
        for unit in (2, -1, 0.0, True):
            with pytest.raises(InvalidValue, match="from 0 to 1"):
                best_patches(network, "0", images, 1, units=[unit])
        for bad in (images[0], images.to(torch.uint8), None):
            with pytest.raises(InvalidValue, match=r"floats \(N, channels, height, width\)"):
                best_patches(network, "0", bad, 1)
        with pytest.raises(InvalidValue, match="cannot be reached from images of 1×2×2"):
            best_patches(network, "0", torch.zeros(4, 1, 2, 2), 1)


class Branching(nn.Module):
    def forward(self, x):
        return x


def test_what_cannot_be_followed_is_refused_in_words():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU())
    with pytest.raises(UnknownName, match="There is no layer '2'"):
        receptive_window(network, "2")
    with pytest.raises(UnknownName, match="There is no layer '1'"):
        receptive_window(network, "1")
    with pytest.raises(InvalidValue, match="this is a Branching"):
        receptive_window(Branching(), "0")
    for odd in (Branching(), nn.Upsample(scale_factor=2), nn.LPPool2d(2, 2)):
        strange = nn.Sequential(odd, nn.Conv2d(1, 2, 3, bias=False))
        with pytest.raises(InvalidValue, match=f"through '0', a {type(odd).__name__}"):
            back_projection(strange, "1", (1, 9, 9))
    dense = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    with pytest.raises(InvalidValue, match="give image_shape"):
        receptive_window(dense, "1")
    for shape in ((4,), (1, 2.0, 2), (0, 2, 2)):
        with pytest.raises(InvalidValue, match=r"need images, \(channels, height, width\)"):
            back_projection(dense, "1", shape)
    with pytest.raises(InvalidValue, match="cannot be reached from images of 1×3×3"):
        back_projection(dense, "1", (1, 3, 3))
    unflat = nn.Sequential(nn.Linear(4, 4, bias=False))
    with pytest.raises(InvalidValue, match="needs a Flatten before it"):
        back_projection(unflat, "0", (1, 4, 4))
    norm = nn.Sequential(
        nn.BatchNorm2d(1, track_running_stats=False), nn.Conv2d(1, 2, 3, bias=False)
    )
    with pytest.raises(InvalidValue, match="without running statistics"):
        back_projection(norm, "1", (1, 4, 4))


def test_whitening_that_is_fitted_is_taken_as_the_identity():
    network = nn.Sequential(Whitening(), nn.Conv2d(1, 2, 3, bias=False))
    network[0].fit(torch.rand(9, 1, 5, 5, generator=generator()))
    assert torch.equal(back_projection(network, "1", (1, 5, 5)), network[1].weight)


def test_crops_know_their_image_and_its_rim():
    images = torch.arange(1.0, 9.0).view(2, 1, 2, 2)
    found = crops(
        images, torch.tensor([1, 0]), torch.tensor([0, -1]), torch.tensor([1, -5]), (2, 2)
    )
    assert found.flatten(1).tolist() == [[6, 0, 8, 0], [0, 0, 0, 0]]
