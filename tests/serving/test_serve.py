"""What a person meets who runs `hebblab serve`: addresses, tokens, kernels, and an end."""

import os
import re
import signal
import socket
import sys

import psutil
import pytest

from hebblab.errors import InvalidValue, WrongState
from hebblab.serving import serve
from tests.serving.visitors import until

SECRET = "a-secret-of-the-environment"
TOKEN = "shown-once-7f3a"


def test_an_interruption_while_a_kernel_starts_leaves_none(start):
    server = start(limits={"spare": 1})
    until(server.kernels, "a kernel that starts")
    kernels = server.kernels()
    assert server.stop(signal.SIGTERM) == 0
    assert psutil.wait_procs(kernels, timeout=5)[1] == []


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A person's home, full of configuration that would be noticed."""
    home = tmp_path_factory.mktemp("home")
    files = {
        ".ipython/profile_default/startup/00.py": "a_startup_file_was_read = 1",
        ".ipython/profile_default/ipython_kernel_config.py": "raise SystemExit('read')",
        ".ipython/profile_default/ipython_config.py": "raise SystemExit('read')",
        ".jupyter/voila.py": "raise SystemExit('read')",
        ".jupyter/voila.json": '{"VoilaConfiguration": {"template": "none"}}',
        ".jupyter/labconfig/page_config.json": '{"disabledExtensions": {"anywidget": true}}',
        ".local/share/jupyter/nbconvert/templates/hebblab/index.html.j2": "theirs",
        ".local/share/jupyter/voila/templates/lab/index.html.j2": "theirs",
    }
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (home / "startup.py").write_text("a_startup_file_was_read = 1")
    return home


@pytest.fixture(scope="module")
def configured(start, home):
    environment = {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "PYTHONSTARTUP": str(home / "startup.py"),
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "DATABASE_URL": SECRET,
        "JUPYTER_TOKEN": SECRET,
        "HEBBLAB_TOKEN": SECRET,
        "HEBBLAB_DATA": "/data",
        "LC_TIME": "C",
        "OMP_NUM_THREADS": "1",
        "JUPYTER_CONFIG_PATH": str(home / ".jupyter"),
    }
    return start(env=environment, preset="mnist-oja-collapse", token=TOKEN, base_url="course/lab")


def test_a_kernel_knows_little_and_no_secret(configured):
    configured.headers["Authorization"] = f"token {configured.token}"
    visitor = configured.visit("?seed=3")
    environment = visitor.asks("environment")
    assert SECRET not in environment.values()
    assert not any(configured.token in value for value in environment.values())
    assert environment["HEBBLAB_SERVED"] == "1"
    assert environment["HEBBLAB_PRESET"] == "mnist-oja-collapse"
    assert environment["HEBBLAB_DATA"] == "/data"
    assert environment["OMP_NUM_THREADS"] == "1" and environment["LC_TIME"] == "C"
    assert environment["QUERY_STRING"] == "seed=3"
    ours = re.compile(
        r"PATH|HOME|USER|USERPROFILE|LOGNAME|T(E?MP|MPDIR|Z)|LANG|LC_\w+|"
        r"LD_LIBRARY_PATH|CUDA_VISIBLE_DEVICES|"
        r"(OMP|MKL|HEBBLAB|VOILA|XDG)_\w+|QUERY_STRING|JPY_\w+|"
        # What Python, IPython and its kernel set for themselves.
        r"PYDEVD_\w+|CLICOLOR\w*|FORCE_COLOR|TERM|PAGER|GIT_PAGER|MPLBACKEND|COLUMNS|LINES"
    )
    assert [name for name in environment if not ours.fullmatch(name)] == []
    assert visitor.asks("startup") is False
    assert "torch" not in visitor.asks("modules")
    process = psutil.Process(visitor.asks("pid"))
    assert process.exe() == os.path.realpath(sys.executable) or process.cmdline()[0]
    # A fork has in its memory whatever its parent was told.
    warm = process.parent()
    told = [*warm.environ().values(), *warm.cmdline()]
    assert not any(word in value for value in told for word in (SECRET, configured.token))
    assert visitor.leave() == 204


def test_the_token_is_in_the_address_and_nowhere_else(configured):
    assert configured.url.endswith(f"?token={TOKEN}")
    arguments = psutil.Process(configured.process.pid).cmdline()
    assert not [a for a in arguments if configured.token in a and "folder" not in a]
    assert configured.token not in configured.log.read_text()


def test_the_token_matrix(configured):
    configured.headers.clear()
    assert configured.ask()[0].status == 403
    assert configured.ask("voila/static/voila.js")[0].status == 403
    assert configured.ask("?token=wrong")[0].status == 403
    answer, _ = configured.ask(f"?token={TOKEN}")
    assert (answer.status, answer.headers["Location"]) == (302, "/course/lab/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and TOKEN not in cookie
    configured.headers["Cookie"] = cookie.partition(";")[0]
    visitor = configured.visit()
    visitor.asks()
    assert visitor.leave() == 204


def test_under_a_base_address_everything_is_there(configured):
    assert configured.base == "/course/lab/"
    configured.headers["Authorization"] = f"token {configured.token}"
    assert configured.ask("/")[0].status == 404
    assert configured.ask("/course/lab")[0].headers["Location"] == "/course/lab/"
    visitor = configured.visit()
    visitor.asks()
    for url in re.findall(r'(?:src|href)="([^"]+)"', visitor.page):
        assert url.startswith(("/course/lab/", "data:")), url
        if not url.startswith("data:"):
            assert configured.ask(url)[0].status == 200, url
    assert visitor.leave() == 204


def test_all_interfaces_demand_a_token_that_is_made_where_none_is_given(start):
    server = start(host="0.0.0.0", max_visitors=1)
    assert re.fullmatch(r"[0-9a-f]{32,}", server.token)
    assert server.ask()[0].status == 403
    assert server.ask("?token=")[0].status == 403
    assert server.ask("?token=" + server.token)[0].status == 302
    assert server.ask("?token=" + server.token, Host="evil.example")[0].status == 403
    assert server.kernels() == []


@pytest.fixture(scope="module")
def lab(start):
    """A server that loses its patience quickly, with one seat prepared."""
    limits = {"visitors": 3, "spare": 1, "connect": 2.0, "away": 2.0, "calm": 0.0}
    return start(limits=limits)


def test_the_page_is_small_and_asks_no_other_host(lab):
    visitor = lab.visit()
    assert len(visitor.page) < 60_000
    assert "<title>hebblab</title>" in visitor.page
    assert re.findall(r'(?:src|href)="https?:', visitor.page) == []
    script = re.search(r'script\.src = "([^"]+)"', visitor.page)[1]
    answer, body = lab.ask(script, Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip" and len(body) < 1_600_000
    assert "immutable" in answer.headers["Cache-Control"]
    assert visitor.page.index("window.hebblabPlotly") < visitor.page.index('<script src="/voila')
    # Before anywidget is there, which would give up on a slow computer after two seconds.
    assert visitor.page.index("AbortSignal.timeout =") < visitor.page.index('<script src="/voila')
    visitor.leave()


def test_a_closed_page_ends_its_kernel_at_once_and_no_other(lab):
    stays, goes = lab.visit(), lab.visit()
    stays.asks()
    process = psutil.Process(goes.asks("pid"))
    assert goes.leave() == 204
    assert psutil.wait_procs([process], timeout=10)[1] == []
    assert goes.leave() == 404
    stays.asks()
    assert stays.leave() == 204


def test_a_killed_kernel_is_said_within_five_seconds(lab):
    visitor = lab.visit()
    psutil.Process(visitor.asks("pid")).kill()
    visitor.socket.settimeout(5.0)
    said = b""
    while b"dead" not in said:
        said = visitor.socket.recv()
    assert visitor.leave() == 404


def test_who_never_connected_and_who_was_lost_are_given_up_and_the_prepared_seat_stays(lab):
    lost = lab.visit()
    lost.asks()
    assert lab.ask()[0].status == 200
    until(lambda: len(lab.kernels()) >= 3, "the lost, the silent and the prepared kernel")
    lost.hang_up()
    until(lambda: len(lab.kernels()) == 1, "only the prepared kernel")
    (prepared,) = lab.kernels()
    visitor = lab.visit()
    assert visitor.asks("pid") == prepared.pid


def test_after_an_interruption_one_line_was_written_and_nothing_is_left(lab):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", lab.url)
    kernels = lab.kernels()
    folder = os.path.dirname(kernels[0].cwd())
    assert lab.stop(signal.SIGINT) == 130
    assert psutil.wait_procs(kernels, timeout=5)[1] == []
    assert lab.process.stdout.read() == ""
    assert not os.path.exists(folder)


def test_nothing_outlives_a_server_that_is_killed(start):
    server = start()
    server.visit().asks()
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert len(family) == 2 and len(server.kernels()) == 1
    server.process.kill()
    assert psutil.wait_procs(family, timeout=5)[1] == []


def test_a_server_whose_warm_process_died_serves_on_and_says_so_once(start):
    server = start()
    visitor = server.visit()
    warm = psutil.Process(visitor.asks("pid")).parent()
    warm.kill()
    until(lambda: not server.kernels(), "the end of what was forked")
    assert visitor.leave() in (204, 404)
    for _ in range(2):
        visitor = server.visit()
        assert psutil.Process(visitor.asks("pid")).ppid() == server.process.pid
        assert visitor.leave() == 204
    assert server.log.read_text().count("cannot be forked") == 1


def test_a_named_port_that_is_taken_is_refused_with_words():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WrongState, match="is taken"):
            serve(port=taken.getsockname()[1], browser=False)


def test_without_a_named_port_the_next_free_one_is_taken(monkeypatch):
    from hebblab.serving import addresses

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        usual = taken.getsockname()[1]
        sockets = addresses.listen("127.0.0.1", None, usual)
        assert sockets[0].getsockname()[1] > usual
        for each in sockets:
            each.close()


@pytest.mark.parametrize(
    ("host", "visitors", "starts"),
    [("0.0.0.0", 30, 30), ("0.0.0.0", 4, 12), ("127.0.0.1", 30, None)],
)
def test_a_class_behind_one_address_may_come_in_at_once(monkeypatch, host, visitors, starts):
    from hebblab.serving import app

    asked = []
    monkeypatch.setattr(app, "run", asked.append)
    serve(host=host, max_visitors=visitors, browser=False)
    assert asked[0].limits.starts_a_minute == starts
    assert asked[0].limits.visitors == visitors


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": 70000}, "no port"),
        ({"port": True}, "no port"),
        ({"host": "203.0.113.7"}, "no address"),
        ({"host": "no.such.host.invalid"}, "no address"),
        ({"allow_hosts": ["http://lab.example"]}, "no host name"),
        ({"allow_hosts": ["lab.example:80"]}, "no host name"),
        ({"allow_hosts": [""]}, "no host name"),
        ({"token": "with space"}, "token"),
        ({"token": "x" * 300}, "token"),
        ({"base_url": "/a/../b"}, "base address"),
        ({"base_url": "/<script>"}, "base address"),
        ({"max_visitors": 0}, "1 is the least"),
        ({"preset": "../secret"}, "no preset"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_words(given, words):
    with pytest.raises(InvalidValue, match=words):
        serve(browser=False, **{"port": 0, **given})
