"""The look of the dashboard's charts: the house's, and the toolbar of a chart on the page."""

from ..charts import FONT as FONT
from ..charts import LIGHT as LIGHT
from ..charts import MARGIN as MARGIN
from ..charts import SIZE as SIZE
from ..charts import Spec as Spec
from ..charts import axis as axis
from ..charts import escape as escape
from ..charts import figure as figure
from ..charts import label as label
from ..charts import layout as layout
from ..charts import number as number
from ..charts import percent as percent
from ..charts import plain as plain
from ..charts import resolved as resolved

CONFIG: Spec = {
    "displayModeBar": "hover",
    "displaylogo": False,
    "responsive": False,
    "scrollZoom": False,
    "doubleClick": "reset",
    "showTips": False,
    "modeBarButtons": [["toImage", "zoom2d", "resetScale2d"]],
}
