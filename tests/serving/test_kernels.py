import json
from pathlib import Path

from hebblab.serving.kernels import environment, kernel_configuration, seats_in_memory
from hebblab.serving.workspace import TEMPLATES, notebooks_folder


def test_a_kernels_environment_is_what_the_contract_lists():
    given = {
        **dict.fromkeys(["PATH", "HOME", "TEMP", "TMPDIR", "LANG", "LC_ALL", "HEBBLAB_DATA"], "1"),
        **dict.fromkeys(["LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "OMP_X", "MKL_Y"], "1"),
        **dict.fromkeys(["QUERY_STRING", "VOILA_BASE_URL"], "1"),
    }
    names = ["PYTHONPATH", "PYTHONSTARTUP", "JUPYTER_TOKEN", "HEBBLAB_TOKEN", "HEBBLAB_A_SECRET"]
    names += ["SSH_AUTH_SOCK", "GITHUB_TOKEN", "LD_PRELOAD", "http_proxy", "XPATH", "VOILA_TOKEN"]
    refused = dict.fromkeys(names, "2")
    assert environment({**given, **refused}) == given


def test_a_room_has_at_least_one_seat():
    assert seats_in_memory(megabytes=10**9) == 1
    assert seats_in_memory() >= seats_in_memory(megabytes=500) >= 1


def test_kernels_are_reached_over_files_where_their_names_fit():
    short = kernel_configuration("/tmp/hebblab-12345678/k")
    assert short.KernelManager.transport == "ipc"
    long = kernel_configuration("/var/folders/ab/" + "c" * 40 + "/T/hebblab-12345678/k")
    assert long.KernelManager.transport_encryption == "auto"


def test_the_served_notebook_is_two_lines_without_outputs():
    notebook = json.loads((notebooks_folder() / "lab.ipynb").read_text())
    (cell,) = notebook["cells"]
    assert "".join(cell["source"]) == "import hebblab as hl\nhl.Lab()"
    assert cell["outputs"] == [] and cell["execution_count"] is None


def test_the_template_names_no_other_host():
    (template,) = Path(TEMPLATES).rglob("*.j2")
    assert "http:" not in template.read_text() and "https:" not in template.read_text()
