"""Images as tensors: named sets, folders and archives, and seeded batches of them."""

from hebblab.data.archives import from_npz
from hebblab.data.batches import Batches, as_floats, mean_image
from hebblab.data.folders import from_folder
from hebblab.data.images import Dataset, Images, Vectors
from hebblab.data.progress import Progress
from hebblab.data.sources import Description, available, check, describe, get, load
from hebblab.data.store import folder

__all__ = [
    "Batches",
    "Dataset",
    "Description",
    "Images",
    "Progress",
    "Vectors",
    "as_floats",
    "available",
    "check",
    "describe",
    "folder",
    "from_folder",
    "from_npz",
    "get",
    "load",
    "mean_image",
]
