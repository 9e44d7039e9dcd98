"""A run that is alive: the session, its edits, its frames."""

from hebblab.live.edits import Edit, Mark
from hebblab.live.frames import Frame
from hebblab.live.probing import Probing
from hebblab.live.reading import Reading
from hebblab.live.session import Session
from hebblab.live.snapshots import Snapshot, snapshot

__all__ = ["Edit", "Frame", "Mark", "Probing", "Reading", "Session", "Snapshot", "snapshot"]
