"""The toolbar of a chart on the page."""

from hebblab.charts import Spec

CONFIG: Spec = {
    "displayModeBar": "hover",
    "displaylogo": False,
    "responsive": False,
    "scrollZoom": False,
    "doubleClick": "reset",
    "showTips": False,
    "modeBarButtons": [["toImage", "zoom2d", "resetScale2d"]],
}
