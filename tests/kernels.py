"""Notebooks of the package, read, and run in kernels of this interpreter."""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / name, as_version=4)


def isolated(monkeypatch, tmp_path) -> None:
    """Let kernels read nobody's settings, and this checkout."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def run(name: str, folder: Path, timeout: float = 90) -> dict[str, nbformat.NotebookNode]:
    """Run a notebook in a folder and return its cells by id."""
    notebook = read(name)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.create_kernel_manager()
    # Whatever kernel the account calls python3, this interpreter is what is tested.
    client.km.kernel_spec.argv = [
        *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        "--HistoryManager.enabled=False",
    ]
    client.execute()
    return {cell.id: cell for cell in notebook.cells}
