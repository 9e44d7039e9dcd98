"""`hebblab lab`: a copy of the notebooks, and a JupyterLab that keeps to itself."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import urllib.request
from urllib.parse import urlsplit

import psutil
import pytest
import websocket

from hebblab.errors import InvalidValue, WrongState
from hebblab.serving.lab import configure, copy_notebooks, environment, lab
from hebblab.serving.workspace import notebooks_folder
from tests.serving.visitors import V1, closed


def test_the_notebooks_are_copied_and_what_is_there_stays(tmp_path):
    folder = tmp_path / "new" / "hebblab-notebooks"
    assert copy_notebooks(folder) == folder.resolve()
    mine = folder / "lab.ipynb"
    assert mine.read_bytes() == (notebooks_folder() / "lab.ipynb").read_bytes()
    mine.write_text("mine")
    copy_notebooks(folder)
    assert mine.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused_with_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValue, match="--dir"):
        lab(directory=tmp_path / "file" / "notebooks", browser=False)


def test_a_named_port_that_is_taken_is_refused_with_words(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WrongState, match="is taken"):
            lab(port=taken.getsockname()[1], directory=tmp_path / "n", browser=False)


def test_the_configuration_is_ours_and_the_persons_is_not_read(tmp_path):
    configure(tmp_path, tmp_path, 1234, "token")
    path = tmp_path / "config" / "jupyter_server_config.json"
    written = json.loads(path.read_text())
    assert written["LabApp"]["news_url"] is None
    assert written["LabApp"]["extension_manager"] == "readonly"
    assert path.stat().st_mode & 0o077 == 0 or os.name == "nt"
    theirs = {"JUPYTER_CONFIG_DIR": "x", "JUPYTER_TOKEN": "x", "PYTHONSTARTUP": "x", "PATH": "p"}
    made = environment(tmp_path, theirs)
    assert made["JUPYTER_CONFIG_DIR"] == str(tmp_path / "config") and made["PATH"] == "p"
    assert "JUPYTER_TOKEN" not in made and "PYTHONSTARTUP" not in made


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    driver = (
        "import sys\nfrom hebblab.serving import lab\n"
        "try:\n    lab(port=0, browser=False, directory=sys.argv[1])\n"
        "except KeyboardInterrupt:\n    sys.exit(130)"
    )
    with (folder / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", driver, str(folder / "notebooks")],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    with process:
        url = process.stdout.readline().strip()
        assert url, (folder / "stderr.txt").read_text()
        yield process, url
        process.send_signal(signal.SIGINT)
        process.wait(30)


def test_jupyterlab_answers_under_one_address_and_survives_the_frame_that_stalls_others(jupyterlab):
    process, url = jupyterlab
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/lab\S*\?token=[0-9a-f]{48}", url)
    token = urlsplit(url).query.removeprefix("token=")
    base = f"http://127.0.0.1:{urlsplit(url).port}"

    def ask(path, data=None):
        headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(base + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    page = ask("/lab").decode()
    assert '"news": {"disabled": true}' in page.replace("&#34;", '"')
    kernel = json.loads(ask("/api/kernels", b"{}"))["id"]
    channel = f"ws{base[4:]}/api/kernels/{kernel}/channels"
    for frame, subprotocols in (
        (struct.pack("<Q", 2**40), [V1]),
        (struct.pack("!I", 0x7FFFFFFF) + bytes(100), []),
    ):
        socket = websocket.create_connection(
            channel,
            header={"Authorization": f"token {token}"},
            subprotocols=subprotocols,
            timeout=60,
        )
        socket.send_binary(frame)
        assert closed(socket) == 1003
    assert json.loads(ask("/api/status"))["kernels"] == 1
    arguments = [" ".join(p.cmdline()) for p in psutil.Process(process.pid).children(True)]
    assert not [line for line in arguments if token in line]


def test_after_an_interruption_jupyterlab_and_its_kernels_are_gone(jupyterlab):
    process, _ = jupyterlab
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert process.stdout.read() == ""
