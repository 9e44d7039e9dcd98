"""A slider's way through a real kernel without a browser: page to session and back."""

import ast
import os
import queue

import pytest
from jupyter_client.manager import KernelManager

pytestmark = pytest.mark.timeout(240)

LIMIT = 90.0
MAKE = """
import json, threading, time
import hebblab as hl
session = hl.Session("mnist-krotov", endless=True)
lab = hl.Lab(session)
controls, bar = lab._desk.parts.controls, lab._desk.parts.bar

def wait(condition, limit):
    end = time.monotonic() + limit
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()

(controls.model_id, bar.model_id, lab._box.model_id)
"""


class Kernel:
    """A kernel, spoken to as a page does."""

    def __init__(self, folder):
        (folder / "ipython").mkdir()
        env = {**os.environ, "IPYTHONDIR": str(folder / "ipython")}
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=LIMIT)
        except BaseException:
            self.close()
            raise
        self._seq = 0

    def send(self, kind, content, subshell=None, control=False):
        message = self.client.session.msg(kind, content)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        (self.client.control_channel if control else self.client.shell_channel).send(message)
        return message["header"]["msg_id"]

    def subshell(self):
        asked = self.send("create_subshell_request", {}, control=True)
        while True:
            reply = self.client.get_control_msg(timeout=LIMIT)
            if reply["parent_header"].get("msg_id") == asked:
                return reply["content"]["subshell_id"]

    def begin(self, code):
        """Ask for a cell to be run, and wait until its own first line has run."""
        asked = self.client.execute(f"print('now', flush=True)\n{code}")
        while True:
            message = self.client.get_iopub_msg(timeout=LIMIT)
            ours = message["parent_header"].get("msg_id") == asked
            if ours and message["msg_type"] in ("stream", "error"):
                assert message["msg_type"] == "stream", message["content"]
                return asked

    def end(self, asked):
        """Wait for a cell's end, and return the value of its last line."""
        value, failed = None, None
        while True:
            message = self.client.get_iopub_msg(timeout=LIMIT)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "error":
                failed = "\n".join(content["traceback"])
            if kind == "execute_result":
                value = ast.literal_eval(content["data"]["text/plain"])
            if kind == "status" and content["execution_state"] == "idle":
                assert failed is None, failed
                return value

    def run(self, code):
        return self.end(self.begin(code))

    def says(self, model, content, subshell=None):
        data = {"method": "custom", "content": content}
        self.send("comm_msg", {"comm_id": model, "data": data}, subshell)

    def writes(self, model, state, subshell=None):
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.send("comm_msg", {"comm_id": model, "data": data}, subshell)

    def turns(self, model, value, subshell=None, **more):
        self._seq += 1
        edit = {"do": "edit", "name": "delta", "value": value, "gesture": self._seq, "final": True}
        self.says(model, {**edit, "seq": self._seq, **more}, subshell)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    made = Kernel(tmp_path_factory.mktemp("kernel"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def models(kernel):
    controls, bar, box = kernel.run(MAKE)
    return {"controls": controls, "bar": bar, "box": box}


@pytest.fixture(scope="module")
def subshell(kernel, models):
    return kernel.subshell()


DELTA = "session.values()['delta']"


@pytest.mark.parametrize("value", [0.55, 0.65])
def test_a_slider_turns_the_knob_over_the_main_shell(kernel, models, value):
    kernel.turns(models["controls"], value)
    assert kernel.run(f"wait(lambda: {DELTA} == {value}, 30)") is True
    assert kernel.run(f"wait(lambda: {value} in [k['value'] for k in controls.view['knobs']], 30)")


def test_a_slider_turns_the_knob_over_a_subshell(kernel, models, subshell):
    kernel.turns(models["controls"], 0.75, subshell)
    assert kernel.run(f"wait(lambda: {DELTA} == 0.75, 30)") is True


@pytest.mark.parametrize("value", [0.85, 0.9])
def test_an_edit_over_a_subshell_arrives_while_a_cell_runs(kernel, models, subshell, value):
    # The desk speaks meanwhile, in the name of the cell: that must not draw answers to its shell.
    code = "controls.show({**controls.view, 'words': str(time.monotonic())})\n"
    asked = kernel.begin(
        code + f"wait(lambda: {DELTA} == {value}, 30), threading.current_thread().name"
    )
    kernel.turns(models["controls"], value, subshell)
    # The cell itself sees it, so it came before the cell's end.
    assert kernel.end(asked) == (True, "MainThread")


def test_an_edit_over_the_main_shell_arrives_at_the_latest_after_the_cell(kernel, models):
    asked = kernel.begin("wait(lambda: False, 0.5)")
    kernel.turns(models["controls"], 0.95)
    kernel.end(asked)
    assert kernel.run(f"wait(lambda: {DELTA} == 0.95, 30)") is True


def test_buttons_arrive_over_both_shells(kernel, models, subshell):
    kernel.says(models["bar"], {"do": "press", "button": "start"}, subshell)
    assert kernel.run("wait(lambda: session.steps > 5, 30)") is True
    kernel.says(models["bar"], {"do": "press", "button": "pause"})
    assert kernel.run("wait(lambda: session.state == 'paused', 30)") is True


@pytest.mark.parametrize("over", ["main", "subshell"])
def test_bounds_that_a_page_writes_change_nothing(kernel, models, subshell, over):
    shell = subshell if over == "subshell" else None
    before = kernel.run(f"{DELTA}, session.knobs()['delta'].high, controls.view['refusal'] is None")
    loose = {"name": "delta", "low": -1e9, "high": 1e9, "slider_high": 1e9, "value": 99.0}
    for model in models.values():
        kernel.writes(model, {"view": {"knobs": [loose], "seq": 10**9}, "high": 1e9}, shell)
    kernel.turns(models["controls"], 99.0, shell)
    assert kernel.run("wait(lambda: controls.view['refusal'] is not None, 30)") is True
    text, value, high = kernel.run(
        f"controls.view['refusal']['text'], {DELTA}, session.knobs()['delta'].high"
    )
    assert "from 0 to 2, not 99" in text
    assert (value, high) == before[:2]
    kernel.turns(models["controls"], value, shell)
    assert kernel.run("wait(lambda: controls.view['refusal'] is None, 30)") is True


def test_garbage_is_ignored(kernel, models, subshell):
    before = kernel.run("session.values(), session.steps, session.state")
    garbage = [
        None, 1, "x", [], {}, {"do": "eval"}, {"do": "edit"}, {"do": "edit", "name": "delta"},
        {"do": "press", "button": "__class__"}, {"do": ["press"], "button": "start"},
        {"do": "press", "button": {"a": 1}}, {"do": "choose", "what": "data", "name": 7},
    ]  # fmt: skip
    for shell in (None, subshell):
        for content in garbage:
            for model in models.values():
                kernel.says(model, content, shell)
        for data in ({}, {"method": "explode"}, {"method": "custom"}, {"method": "update"}):
            kernel.send("comm_msg", {"comm_id": models["controls"], "data": data}, shell)
        kernel.turns(models["controls"], [0.1], shell)
        kernel.turns(models["controls"], 0.1, shell, seq=-1)
        kernel.turns(models["controls"], 0.1, shell, gesture="x")
    kernel.turns(models["controls"], "not a number", subshell)
    assert kernel.run("wait(lambda: controls.view['refusal'] is not None, 30)") is True
    assert kernel.run("session.values(), session.steps, session.state") == before
    assert kernel.run("bar.view['error'] is None") is True
    kernel.turns(models["controls"], 0.15, subshell)
    assert kernel.run(f"wait(lambda: {DELTA} == 0.15, 30)") is True


def test_an_interrupted_cell_leaves_the_run_alone(kernel, models, subshell):
    kernel.says(models["bar"], {"do": "press", "button": "start"}, subshell)
    assert kernel.run("wait(lambda: session.state == 'running', 30)") is True
    asked = kernel.begin("wait(lambda: False, 60)")
    kernel.manager.interrupt_kernel()
    with pytest.raises(AssertionError, match="KeyboardInterrupt"):
        kernel.end(asked)
    steps = kernel.run("session.steps")
    assert kernel.run(f"wait(lambda: session.steps > {steps} + 20, 30)") is True
    kernel.turns(models["controls"], 0.35, subshell)
    assert kernel.run(f"wait(lambda: {DELTA} == 0.35, 30)") is True


def test_closed_it_leaves_no_thread_in_the_kernel(kernel, models):
    code = "lab.close(); session.stop(); hebb = lambda: [t.name for t in threading.enumerate() "
    code += "if t.name.startswith('hebblab-')]; wait(lambda: not hebb(), 30), hebb()"
    assert kernel.run(code) == (True, [])
    with pytest.raises(queue.Empty):
        kernel.turns(models["controls"], 0.5)
        while True:
            message = kernel.client.get_iopub_msg(timeout=1)
            assert message["msg_type"] != "error"
