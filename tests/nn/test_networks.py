"""Networks by name: drawn from a seed alone, a person's own beside them, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab import DataUnavailable, InvalidValue, RePU, UnknownName, networks

NAMES = (
    "conv-400",
    "dense-100",
    "dense-2000",
    "dense-400",
    "lagani-cnn",
    "miconi-cnn",
    "softhebb-cnn",
    "softhebb-cnn-half",
    "softhebb-cnn-quarter",
)
SMALL = ("conv-400", "dense-100", "dense-2000", "dense-400", "dense-7")


@pytest.fixture(autouse=True)
def the_same_networks_afterwards():
    yield
    for name in networks.available():
        if name not in NAMES:
            networks.unregister(name)


def tiny(image_shape, classes):
    fan_in = torch.Size(image_shape).numel()
    return nn.Sequential(
        nn.Flatten(), nn.Linear(fan_in, 9, bias=False), RePU(2.0), nn.Linear(9, classes)
    )


def parameters(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_the_first_networks_are_there():
    assert networks.available() == NAMES


@pytest.mark.parametrize("units", [100, 400, 2000])
def test_a_dense_network(units):
    network = networks.create(f"dense-{units}", image_shape=(3, 8, 9), classes=7)
    assert [name for name, _ in network.named_children()] == [
        "whiten",
        "flatten",
        "prepare",
        "hidden",
        "activation",
        "readout",
    ]
    assert network.hidden.weight.shape == (units, 216)
    assert network.hidden.bias is None
    assert isinstance(network.activation, RePU)
    assert network(torch.zeros(2, 3, 8, 9)).shape == (2, 7)
    vectors = networks.create(f"dense-{units}", (5,), 2)
    assert vectors(torch.zeros(1, 5)).shape == (1, 2)
    assert "whiten" not in dict(vectors.named_children()), "points are seen as they are"


def test_a_dense_network_is_given_whitened_images():
    network = networks.create("dense-100", image_shape=(1, 4, 4), classes=3)
    images = torch.rand(200, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    plain = network[:4](images)
    network.whiten.fit(images, 1e-4)
    rows = images.flatten(1).double().numpy()
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    whitened = (rows - rows.mean(0)) @ (vectors / np.sqrt(values + 1e-4)) @ vectors.T
    wanted = whitened @ network.hidden.weight.detach().double().numpy().T
    assert network[:4](images).detach().numpy() == pytest.approx(wanted, abs=1e-4)
    assert not torch.allclose(network[:4](images), plain, atol=0.1)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 6, 6), (2, 7, 9)])
def test_the_convolutional_network(shape):
    network = networks.create("conv-400", image_shape=shape)
    assert [name for name, _ in network.named_children()] == [
        "whiten",
        "prepare",
        "conv",
        "norm",
        "activation",
        "pool",
        "flatten",
        "readout",
    ]
    assert isinstance(network.conv, nn.Conv2d)
    assert network.conv.weight.shape == (400, shape[0], 5, 5)
    assert network.conv.bias is None
    assert network(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides_and_nothing_else(name):
    before = torch.random.get_rng_state()
    one = parameters(networks.create(name, (1, 9, 9), seed=5))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.default_generator.manual_seed(99)
    try:
        assert torch.equal(parameters(networks.create(name, (1, 9, 9), seed=5)), one)
    finally:
        torch.random.set_rng_state(before)
    assert not torch.equal(parameters(networks.create(name, (1, 9, 9), seed=6)), one)


def test_any_dense_network_is_made_by_its_number_of_units():
    assert networks.create("dense-1").hidden.weight.shape == (1, 784)
    plane = networks.create("dense-37", image_shape=(2,), classes=5)
    assert plane.hidden.weight.shape == (37, 2)
    assert plane(torch.zeros(3, 2)).shape == (3, 5)
    assert networks.create("dense-100000", (1,)).hidden.weight.shape == (100_000, 1)
    assert "dense-37" not in networks.available()
    for name in ("dense-0", "dense-100001", "dense-1e3", "dense-007", "dense-", "dense--1"):
        with pytest.raises(UnknownName, match="dense-N is a dense network of N units"):
            networks.create(name)


@pytest.mark.parametrize("name", SMALL)
def test_the_state_is_that_of_the_layers(name):
    network = networks.create(name, (1, 9, 9))
    layers = {key.rsplit(".", 1)[0] for key in network.state_dict()}
    assert layers <= {"hidden", "conv", "norm", "readout"}


def test_settings_go_from_one_network_to_another():
    network, other = (networks.create("miconi-cnn") for _ in range(2))
    network.activation2.n, network.activation3.triangle = 2.5, False
    network.prepare1.mode = "unit"
    networks.restore(other, networks.settings(network))
    assert networks.settings(other) == networks.settings(network)
    assert (other.activation2.n, other.activation3.triangle) == (2.5, False)
    assert other.prepare1.mode == "unit"
    with pytest.raises(UnknownName, match="mode"):
        networks.restore(other, {"prepare1": {"mood": "unit"}})


def test_the_default_dtype_does_not_show():
    one = parameters(networks.create("dense-100", (1, 4, 4)))
    torch.set_default_dtype(torch.float64)
    try:
        other = parameters(networks.create("dense-100", (1, 4, 4)))
    finally:
        torch.set_default_dtype(torch.float32)
    assert other.dtype is torch.float32
    assert torch.equal(one, other)


def test_inference_mode_of_the_caller_does_not_reach_the_weights():
    with torch.inference_mode():
        network = networks.create("dense-100", (1, 4, 4))
    assert not network.hidden.weight.is_inference()


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'dense-100'"):
        networks.create("dense100")
    for rubbish in (None, 3, ["dense-100"], "x" * 10_000):
        with pytest.raises(UnknownName):
            networks.create(rubbish)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((1, 4, 28), "at least 6×6 pixels, not 4×28"), ((5,), "Use dense-100")],
)
def test_a_kernel_larger_than_the_image_is_refused(shape, words):
    with pytest.raises(InvalidValue, match=words):
        networks.create("conv-400", image_shape=shape)


@pytest.mark.parametrize("shape", [(0, 28, 28), (1, -1, 3), (1.5,), ("1", 2, 3)])
def test_impossible_sizes_are_refused(shape):
    with pytest.raises(InvalidValue, match="whole numbers from 1"):
        networks.create("dense-100", image_shape=shape)
    with pytest.raises(InvalidValue, match="whole numbers from 1"):
        networks.create("dense-100", classes=0)


def test_a_network_that_no_machine_holds_is_refused_before_it_is_built():
    with pytest.raises(InvalidValue, match="100,000,000 are the most"):
        networks.create("dense-2000", image_shape=(3, 4000, 4000))
    with pytest.raises(InvalidValue, match="100,000,000 are the most"):
        networks.create("conv-400", image_shape=(1, 4000, 4000))


class TestOnesOwn:
    def test_joins_by_decorator_or_call_learns_and_leaves(self):
        networks.register("tiny-a", tiny)
        networks.register("tiny-b")(tiny)
        assert {"tiny-a", "tiny-b"} <= set(networks.available())
        with hl.Session("mnist-krotov", network="tiny-b", k=3) as session:
            assert session.layers == ("1",)
            start = session.weights()
            session.step(2)
            assert start.shape == (9, 784)
            assert not torch.equal(session.weights(), start)
            assert session.values()["n"] == 4.5
        networks.unregister("tiny-a")
        with pytest.raises(UnknownName):
            networks.create("tiny-a")

    def test_replaces_itself(self):
        networks.register("tiny", tiny)
        networks.register("tiny", lambda shape, classes: tiny(shape, classes)[:2])
        assert len(networks.create("tiny")) == 2

    def test_cannot_take_a_name_of_the_package(self):
        for name in (*NAMES, "dense-9"):
            with pytest.raises(InvalidValue, match="belongs to hebblab"):
                networks.register(name, tiny)
            with pytest.raises(InvalidValue, match="belongs to hebblab"):
                networks.unregister(name)

    @pytest.mark.parametrize("name", ["", None, 3, "x" * 65, "a\nb"])
    def test_needs_a_name(self, name):
        with pytest.raises(InvalidValue, match="1 to 64 printable"):
            networks.register(name, tiny)

    @pytest.mark.parametrize("thing", [3, "tiny", nn.Sequential(nn.Linear(2, 2))])
    def test_is_a_function_and_no_network(self, thing):
        with pytest.raises(InvalidValue, match="function of"):
            networks.register("tiny", thing)
        assert "tiny" not in networks.available()

    @pytest.mark.parametrize("built", [None, nn.Linear(2, 2), nn.ModuleList(), [nn.Linear(2, 2)]])
    def test_must_be_sequential(self, built):
        networks.register("odd", lambda shape, classes: built)
        with pytest.raises(InvalidValue, match=r"needs a torch\.nn\.Sequential"):
            networks.create("odd")

    def test_that_does_not_fit_the_images_is_refused_before_training(self):
        networks.register("odd", lambda shape, classes: nn.Sequential(nn.Linear(5, 3, bias=False)))
        with pytest.raises(InvalidValue, match="'odd' does not fit inputs of 1×28×28"):
            hl.Session("mnist-krotov", network="odd")
        networks.register(
            "wide", lambda shape, classes: nn.Sequential(nn.Conv2d(1, 3, 40, bias=False))
        )
        with pytest.raises(InvalidValue, match=r"(?i)'wide' does not fit.*kernel size"):
            networks.create("wide")

    def test_is_tried_without_a_trace(self):
        def normed(shape, classes):
            return nn.Sequential(
                nn.BatchNorm2d(1), nn.Dropout().eval(), nn.Flatten(), nn.Linear(784, 2, bias=False)
            )

        networks.register("normed", normed)
        network = networks.create("normed")
        assert network.training
        assert not network[1].training
        assert int(network[0].num_batches_tracked) == 0

    def test_is_drawn_from_the_seed_whatever_its_modules(self):
        class Extra(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(torch.randn(3))

            def forward(self, x):
                return x

        networks.register(
            "mixed", lambda shape, classes: nn.Sequential(*tiny(shape, classes), Extra())
        )
        before = torch.random.get_rng_state()
        one, same, other = (parameters(networks.create("mixed", seed=s)) for s in (1, 1, 2))
        assert torch.equal(one, same)
        assert not torch.equal(one[-3:], other[-3:])
        assert torch.equal(torch.random.get_rng_state(), before)


class TestHebbianLayers:
    def setup_method(self):
        self.network = nn.Sequential()
        self.network.add_module("flatten", nn.Flatten())
        self.network.add_module("one", nn.Linear(9, 8, bias=False))
        self.network.add_module("block", nn.Sequential(nn.ReLU(), nn.Linear(8, 7, bias=False)))
        self.network.add_module("head", nn.Linear(7, 2))

    def layers(self, *given):
        return list(networks.hebbian_layers(self.network, *given))

    def test_are_all_before_the_supervised_ones(self):
        assert self.layers() == ["one", "block.1"]
        assert self.layers("head") == ["one", "block.1"]
        assert self.layers("block") == ["one"]
        assert self.layers(-2) == ["one"]
        assert self.layers(2) == ["one"]
        assert self.layers(-1, ("one",)) == ["block.1"]

    def test_none_supervised_reaches_the_biased_head(self):
        with pytest.raises(InvalidValue, match="Layer 'head' has a bias"):
            self.layers(None)
        self.network.head = nn.Linear(7, 2, bias=False)
        assert self.layers(None) == ["one", "block.1", "head"]

    def test_must_be_some(self):
        with pytest.raises(InvalidValue, match="No layer is left"):
            self.layers("one")
        with pytest.raises(InvalidValue, match="No layer is left"):
            self.layers(-1, ("one", "block.1"))

    def test_are_named_rightly_or_refused(self):
        with pytest.raises(UnknownName, match="Did you mean 'head'"):
            self.layers("haed")
        with pytest.raises(UnknownName, match="Did you mean 'one'"):
            self.layers(-1, ("ome",))
        for place in (4, -5, 1.5, True, ()):
            with pytest.raises(InvalidValue, match="a place from -4 to 3"):
                self.layers(place)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that a session wrote, and the weights in it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with hl.Session("mnist-krotov", n=3.0) as session:
        session.step(2)
        session.save(folder)
        return folder, session.weights()


class TestLoad:
    @pytest.fixture
    def folder(self, saved, tmp_path):
        return shutil.copytree(saved[0], tmp_path / "run")

    def test_gives_back_what_was_saved(self, folder, saved):
        for where in (folder, str(folder)):
            network = networks.load(where)
            assert torch.equal(network.hidden.weight, saved[1])
            assert network.activation.n == 3.0
        shutil.rmtree(folder)
        assert torch.equal(network.hidden.weight, saved[1]), "the file is not held open"

    def test_reads_exponents_where_they_stand_alone(self, folder):
        about = json.loads((folder / "recipe.json").read_text())
        about.pop("settings", None)
        about["exponents"] = {"activation": 4.0}
        (folder / "recipe.json").write_text(json.dumps(about))
        assert networks.load(folder).activation.n == 4.0

    @pytest.mark.parametrize("name", ["recipe.json", "weights.safetensors"])
    def test_a_missing_file_is_named(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(DataUnavailable, match=str(folder)):
            networks.load(folder)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\xff\xfe\x00",
            b"[]",
            b"3",
            b"null",
            b"{}",
            b'{"network": "dense-100"}',
            b'{"network": ["dense-100"], "input_shape": [1, 28, 28], "classes": 10}',
            b'{"network": "dense-100", "input_shape": 784, "classes": 10}',
            b'{"network": "dense-100", "input_shape": [1, "28", 28], "classes": 10}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": "ten"}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": -1}',
            b'{"network": "dense-100", "input_shape": [1, 99999, 99999], "classes": 10}',
            b'{"network": "conv-400", "input_shape": [1, 2, 2], "classes": 10}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": 10, "exponents": 5}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": 10,'
            b' "exponents": {"activation": 99}}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": 10,'
            b' "exponents": {"nobody": 2}}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": 10, "settings": 5}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": 10,'
            b' "settings": {"activation": {"n": 99}}}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": 10,'
            b' "settings": {"activation": {"m": 2}}}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": 10,'
            b' "settings": {"nobody": {"n": 2}}}',
            b'{"network": "dense-100", "input_shape": [1, 28, 28], "classes": 10,'
            b' "settings": {"activation": 2}}',
            b"[" * 100_000,
        ],
    )
    def test_a_damaged_recipe_is_said(self, folder, content):
        (folder / "recipe.json").write_bytes(content)
        with pytest.raises((DataUnavailable, UnknownName)) as refused:
            networks.load(folder)
        assert str(folder) in str(refused.value)
        if b"settings" in content:
            assert isinstance(refused.value, DataUnavailable)
        assert len(str(refused.value)) < 500

    def test_damaged_weights_are_said(self, folder):
        path = folder / "weights.safetensors"
        whole = path.read_bytes()
        for content in (b"", whole[:100], whole[:-10], b"\xff" * 1000):
            path.write_bytes(content)
            with pytest.raises(DataUnavailable, match="does not hold the weights of 'dense-100'"):
                networks.load(folder)

    def test_weights_of_another_network_are_said(self, folder):
        about = json.loads((folder / "recipe.json").read_text())
        (folder / "recipe.json").write_text(json.dumps({**about, "network": "dense-400"}))
        with pytest.raises(DataUnavailable, match="does not hold the weights of 'dense-400'"):
            networks.load(folder)

    def test_a_network_of_ones_own_must_be_registered_again(self, tmp_path):
        networks.register("tiny", tiny)
        with hl.Session("mnist-krotov", network="tiny") as session:
            session.save(tmp_path)
            weights = session.weights()
        assert torch.equal(networks.load(tmp_path)[1].weight, weights)
        networks.unregister("tiny")
        with pytest.raises(UnknownName, match="run the cell that registers it"):
            networks.load(tmp_path)

    def test_a_folder_that_is_none_is_said(self, tmp_path):
        (tmp_path / "file").write_text("x")
        for where in (tmp_path / "nowhere", tmp_path, tmp_path / "file"):
            with pytest.raises(DataUnavailable, match="holds no saved run"):
                networks.load(where)
