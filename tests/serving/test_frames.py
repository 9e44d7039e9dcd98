import contextlib
import json
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_binary_message,
    serialize_msg_to_ws_v1,
)

from hebblab.serving.frames import Allowance, is_sound, subject
from tests.serving.visitors import frame

HEADER = {"msg_type": "comm_open", "msg_id": "1"}
OPENED = {"channel": "shell", "header": HEADER, "content": {"target_name": "t"}, "metadata": {}}


def v1(buffers=()):
    parts = [json.dumps(part).encode() for part in (HEADER, {}, {}, OPENED["content"])]
    return serialize_msg_to_ws_v1([*parts, *buffers], "shell")


def legacy(buffers=(b"x",)):
    return serialize_binary_message({**OPENED, "parent_header": {}, "buffers": list(buffers)})


@pytest.mark.parametrize("buffers", [(), (b"",), (b"abc", b"defg")])
def test_what_jupyter_itself_writes_passes(buffers):
    assert is_sound(v1(buffers), v1=True)
    assert is_sound(legacy(buffers), v1=False)
    assert is_sound(json.dumps(OPENED), v1=False)


@pytest.mark.parametrize("count", [2**20, 2**27, 2**32, 2**63, 2**64 - 1, 0, 1, 5, 65])
def test_a_count_that_the_frame_cannot_hold_is_refused_in_the_v1_framing(count):
    assert not is_sound(struct.pack("<Q", count), v1=True)
    assert not is_sound(struct.pack("<Q", count) + bytes(96), v1=True)


@pytest.mark.parametrize("count", [0x7FFFFFFF, 0xFFFFFFFF, 2**20, 65, 0])
def test_a_count_that_the_frame_cannot_hold_is_refused_in_the_older_framing(count):
    assert not is_sound(struct.pack("!I", count) + bytes(100), v1=False)


def test_text_is_no_frame_of_the_v1_framing():
    assert not is_sound("{}", v1=True)


@given(st.binary(max_size=600) | st.integers(0, 2**64 - 1).map(lambda n: struct.pack("<Q", n)))
def test_the_parsers_are_done_at_once_with_whatever_passes(data):
    for parse, is_v1 in ((deserialize_msg_from_ws_v1, True), (deserialize_binary_message, False)):
        if not is_sound(data, is_v1):
            continue
        start = time.thread_time()
        try:
            parse(data)
        except Exception as error:
            assert not isinstance(error, MemoryError)
        assert time.thread_time() - start < 0.1


@given(st.integers(0, 63), st.integers(0, 255))
def test_a_changed_byte_in_the_table_fails_the_judgement_or_keeps_the_message_small(at, value):
    data = bytearray(v1((b"abc",)))
    data[at] = value
    if is_sound(bytes(data), v1=True):
        with contextlib.suppress(UnicodeDecodeError):
            _, parts = deserialize_msg_from_ws_v1(bytes(data))
            assert sum(map(len, parts)) <= len(data)


def test_the_subject_of_a_message_is_read_in_all_framings():
    assert subject(v1(), True) == ("shell", "comm_open", "t")
    assert subject(v1((b"a", b"b")), True) == ("shell", "comm_open", "t")
    assert subject(legacy(()), False) == ("shell", "comm_open", "t")
    assert subject(legacy((b"a", b"b")), False) == ("shell", "comm_open", "t")
    assert subject(json.dumps(OPENED), False) == ("shell", "comm_open", "t")
    assert subject(frame("comm_msg", {}, "control"), True) == ("control", "comm_msg", "")


@pytest.mark.parametrize("half", ["\ud800", "\udfff", "\ud800\ud800", "\udc00\ud800"])
def test_half_a_surrogate_pair_is_refused_in_all_framings(half):
    whole = {"text": "\U0001f600 \\ud800 \\\\udfff"}
    halves = {"text": f"\\\\{half}"}
    for content, refused in ((whole, False), (halves, True)):
        message = {**OPENED, "content": content, "parent_header": {}}
        framings = [(frame("comm_msg", content), True), (json.dumps(message), False)]
        framings.append((serialize_binary_message({**message, "buffers": [b"x"]}), False))
        for data, is_v1 in framings:
            with pytest.raises(ValueError) if refused else contextlib.nullcontext():
                subject(data, is_v1)


def test_an_allowance_refills_with_time_and_never_beyond_its_burst():
    allowance = Allowance(rate=200.0, burst=400.0)
    assert all(allowance.takes(1.0, now=0.0) for _ in range(400))
    assert not allowance.takes(1.0, now=0.0)
    assert sum(allowance.takes(1.0, now=1.0) for _ in range(500)) == 200
    assert sum(allowance.takes(1.0, now=1000.0) for _ in range(500)) == 400
