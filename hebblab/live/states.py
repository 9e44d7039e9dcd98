"""The states of a session, and the words for a call out of turn."""

from hebblab.errors import WrongState

RUNNING = "running"
OVER = ("finished", "failed", "stopped")
ENDS = {"finished": "finished", "failed": "failed", "stopped": "was stopped"}


def require(state: str, allowed: tuple[str, ...], call: str) -> None:
    """Refuse a call that the present state does not allow.

    Raises:
        WrongState: With the state, and what would be possible.
    """
    if state not in allowed:
        raise WrongState(
            f"{call} needs a session that is {' or '.join(allowed)}; this one is {state}. "
            f"{_ADVICE[state]}"
        )


_ADVICE = {
    "ready": "start() begins.",
    RUNNING: "pause() holds it.",
    "paused": "resume() goes on.",
    "finished": "restart() begins anew.",
    "failed": "restart() begins anew.",
    "stopped": "Make a new hl.Session.",
}
