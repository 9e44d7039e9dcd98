"""The live line: a cheap probe of the layer on view, again and again while its run goes on."""

from hebblab.live import Session
from hebblab.live.tracking import KINDS, Track

from ..panels.base import LiveLine


class Follower:
    """Keeps the points of the line that a person chose to have drawn."""

    def __init__(self) -> None:
        self.kind = "off"
        self._track: Track | None = None

    @property
    def on(self) -> bool:
        """Whether a line is drawn."""
        return self.kind != "off"

    def choose(self, kind: str) -> None:
        """Draw a line of another kind, or none; what is no kind is none."""
        if kind == self.kind:
            return
        self.forget()
        self.kind = kind if kind in KINDS else "off"

    def follow(self, session: Session, layer: str) -> bool:
        """Find the next point when it is due; return whether there is one."""
        if not self.on:
            return False
        if self._track is None or self._track.layer != layer:
            self.forget()
            self._track = Track(self.kind, layer)
        return self._track.follow(session)

    def line(self) -> LiveLine:
        """Return what is to be drawn."""
        track = self._track
        if track is None:
            return LiveLine(self.kind)
        points = track.points
        return LiveLine(
            kind=self.kind,
            title=KINDS[track.kind],
            steps=[point.step for point in points],
            values=[float(point.score) for point in points],
            lows=[point.score.low for point in points],
            highs=[point.score.high for point in points],
            n=points[-1].score.n if points else 0,
            refusal=track.refusal,
        )

    def forget(self) -> None:
        """Begin anew, for another run or layer."""
        if self._track is not None:
            self._track.close()
            self._track = None

    close = forget
