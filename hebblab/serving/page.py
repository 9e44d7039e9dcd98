"""What the scripts of the page are told: where things are, and which extensions they may load.

Voila collects this from every configuration file that it finds; here none has a say in it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly
from jupyterlab_server.config import get_federated_extensions

EXTENSIONS = (
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
)
PLOTLY_SCRIPT = Path(plotly.__path__[0]) / "package_data" / "plotly.min.js"
PLOTLY_NAME = f"plotly-{plotly.__version__}.min.js"
# What JupyterLab's loader of MathJax calls once its script is there.
NO_MATHJAX = (
    b"window.MathJax ??= { Hub: { Config() {}, Configured() {}, Queue() {}, "
    b"Register: { StartupHook() {} } } };\n"
)


def page_config(base_url: str, extension_folders: Sequence[str]) -> dict[str, Any]:
    """Return the page's configuration.

    Args:
        base_url: where the server's addresses begin.
        extension_folders: where the three extensions of the page are installed.
    """
    installed = get_federated_extensions(list(extension_folders))
    extensions = []
    for name in EXTENSIONS:
        built = installed[name]["jupyterlab"]["_build"]
        kept = ("load", "extension", "mimeExtension", "style", "entrypoints")
        extensions.append({"name": name, **{key: built[key] for key in kept if key in built}})
    return {
        "appUrl": "voila/",
        "themesUrl": "/voila/api/themes",
        "baseUrl": base_url,
        "terminalsAvailable": False,
        "fullStaticUrl": f"{base_url}voila/static",
        "fullLabextensionsUrl": f"{base_url}voila/labextensions",
        "extensionConfig": {},
        "progressiveRendering": False,
        "mathjaxConfig": "",
        "fullMathjaxUrl": f"{base_url}hebblab/static/empty.js",
        "federated_extensions": extensions,
        "disabledExtensions": [],
        "plotlyUrl": f"{base_url}hebblab/static/{PLOTLY_NAME}",
    }
