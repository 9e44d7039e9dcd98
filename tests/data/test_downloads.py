import gzip
import hashlib
import http.server
import io
import socket
import sys
import tarfile
import threading
from types import SimpleNamespace

import pytest

import hebblab.data as data
from hebblab.data import downloads
from hebblab.errors import DataUnavailable


class Site:
    """A web server of a few files; `told` of a path replaces the length that it announces."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.told: dict[str, int] = {}
        self.asked: list[str] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                content = site.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(site.told.get(self.path, len(content))))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Site()
    yield site
    site.close()


@pytest.fixture
def mnist_online(site, tiny_mnist, home, monkeypatch):
    """`mnist` on the site as torchvision names it, and nothing of it in the data folder."""
    resources = []
    for part in tiny_mnist.parts:
        packed = gzip.compress((home / part.path).read_bytes())
        name = part.path.rpartition("/")[2] + ".gz"
        site.files["/good/" + name] = packed
        resources.append((name, hashlib.md5(packed).hexdigest()))
        (home / part.path).unlink()
    (home / "MNIST/raw").rmdir()
    (home / "MNIST").rmdir()
    kind = SimpleNamespace(mirrors=[site.address + "good/"], resources=resources)
    monkeypatch.setattr(downloads, "_torchvision_class", lambda name: kind)
    return kind


def refused(home, words, name="mnist", left=()):
    with pytest.raises(DataUnavailable) as refusal:
        data.load(name)
    told = str(refusal.value)
    assert words in told
    assert str(home) in told
    assert f"`hebblab data get {name}` mends it" in told
    assert "stays usable on mnist-5k" in told
    assert sorted(path.name for path in home.rglob("*")) == sorted(left)


def test_an_absent_set_is_downloaded_checked_and_then_read(mnist_online, site, home):
    heard = []
    dataset = data.load("mnist", progress=lambda *told: heard.append(told))
    assert len(dataset.test) == 10
    assert len(site.asked) == 4
    names = {text for _, _, text in heard}
    assert names == {f"Downloading {name}" for name, _ in mnist_online.resources}
    assert sorted(path.name for path in home.iterdir()) == ["MNIST"]
    data.load("mnist")
    assert len(site.asked) == 4


def test_get_returns_the_place_and_mends_only_what_is_damaged(mnist_online, site, home):
    place = data.get("mnist")
    assert place == home / "MNIST" / "raw"
    fingerprint = data.load("mnist").fingerprint
    broken = sorted(place.iterdir())[0]
    broken.write_bytes(b"x" + broken.read_bytes()[1:])
    site.asked.clear()
    data.get("mnist")
    assert site.asked == [f"/good/{broken.name}.gz"]
    assert data.load("mnist").fingerprint == fingerprint


def test_the_second_mirror_is_tried(mnist_online, site):
    mnist_online.mirrors.insert(0, site.address + "gone/")
    assert len(data.load("mnist").test) == 10


def test_a_site_that_lacks_it_or_is_out_of_reach_is_said(mnist_online, site, home):
    mnist_online.mirrors[:] = [site.address + "gone/"]
    refused(home, "it is not there, and downloading it failed")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        mnist_online.mirrors[:] = [f"http://127.0.0.1:{nobody.getsockname()[1]}/"]
    refused(home, "downloading it failed")


@pytest.mark.parametrize("tenth", range(10))
def test_a_broken_connection_leaves_nothing(mnist_online, site, home, tenth):
    path = "/good/" + mnist_online.resources[2][0]
    whole = site.files[path]
    site.told[path] = len(whole)
    site.files[path] = whole[: len(whole) * tenth // 10]
    refused(home, "downloading it failed")


def test_another_file_than_the_published_one_is_refused(mnist_online, site, home):
    path = "/good/" + mnist_online.resources[0][0]
    site.files[path] = gzip.compress(b"something else")
    refused(home, "does not have the published digest")


def test_an_archive_that_unpacks_to_something_else_is_refused(mnist_online, site, home):
    # A bomb: the archive has the right digest, but holds far more than the file can be.
    name, _ = mnist_online.resources[0]
    bomb = gzip.compress(bytes(2**26))
    site.files["/good/" + name] = bomb
    mnist_online.resources[0] = (name, hashlib.md5(bomb).hexdigest())
    refused(home, "does not have the published digest when unpacked")


def test_an_interrupted_download_leaves_nothing(mnist_online, home):
    def interrupt(done, total, text):
        if "t10k" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.get("mnist", progress=interrupt)
    assert list(home.iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_said(mnist_online, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    beneath = tmp_path / "file" / "beneath"
    monkeypatch.setenv("HEBBLAB_DATA", str(beneath))
    with pytest.raises(DataUnavailable, match="mnist cannot be used"):
        data.get("mnist")


@pytest.fixture
def cifar_online(site, tiny_cifar, home, monkeypatch):
    def serve(members):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        packed = buffer.getvalue()
        site.files["/c.tar.gz"] = packed
        kind = SimpleNamespace(
            url=site.address + "c.tar.gz",
            filename="c.tar.gz",
            tgz_md5=hashlib.md5(packed).hexdigest(),
        )
        monkeypatch.setattr(downloads, "_torchvision_class", lambda name: kind)

    def member(name, content, kind=tarfile.REGTYPE):
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(content)
        return info, content

    members = [member(part.path, (home / part.path).read_bytes()) for part in tiny_cifar.parts]
    for path in tiny_cifar.files():
        path.unlink()
    (home / "cifar-10-batches-py").rmdir()
    return SimpleNamespace(serve=serve, member=member, members=members)


def test_a_tar_is_unpacked_by_name_only(cifar_online, home, tmp_path):
    strangers = [
        cifar_online.member("../escaped", b"x"),
        cifar_online.member("/escaped", b"x"),
        cifar_online.member("cifar-10-batches-py/more", b"x"),
    ]
    cifar_online.serve(strangers + cifar_online.members)
    assert len(data.load("cifar-10").test) == 10
    assert len(list(home.rglob("*"))) == 8
    assert not (tmp_path / "escaped").exists()


def test_a_tar_that_lacks_a_file_or_has_a_link_in_its_place_is_refused(cifar_online, home):
    cifar_online.serve(cifar_online.members[1:])
    refused(home, "lacks cifar-10-batches-py/data_batch_1", "cifar-10")
    link = cifar_online.member(cifar_online.members[0][0].name, b"", tarfile.SYMTYPE)
    link[0].linkname = "/etc/passwd"
    cifar_online.serve([link, *cifar_online.members[1:]])
    refused(home, "lacks cifar-10-batches-py/data_batch_1", "cifar-10")


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError('operator torchvision::nms does not exist')",
        "raise ImportError('no such thing')",
        "raise OSError('libcudart.so.12: cannot open shared object file')",
        "",
    ],
)
def test_a_torchvision_that_does_not_fit_is_said_in_one_sentence(home, tmp_path, monkeypatch, code):
    (tmp_path / "site" / "torchvision").mkdir(parents=True)
    (tmp_path / "site" / "torchvision" / "__init__.py").write_text(code)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    try:
        refused(home, "pip install --force-reinstall torch torchvision", "cifar-10")
        with pytest.raises(DataUnavailable, match="does not load beside torch"):
            data.get("cifar-10")
    finally:
        sys.modules.pop("torchvision", None)


def test_a_missing_torchvision_is_said(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    refused(home, "needs torchvision")
