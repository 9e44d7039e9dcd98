"""Each attack is done for real, while a bystander's page goes on being served."""

import json
import struct
import threading
import time

import psutil
import pytest
import websocket
from voila.tornado.kernel_websocket_handler import read_header_from_binary_message

from tests.serving.paths import TRAVERSALS
from tests.serving.visitors import closed, frame, pack_v1, until

LEGACY_FRAME = struct.pack("!I", 0x7FFFFFFF) + bytes(100)
GARBAGE = [
    b"",
    b"\x00" * 8,
    b"\xff" * 64,
    b"garbage",
    struct.pack("<7Q", 6, 64, 64, 64, 64, 64, 64) + b"x" * 8,
    pack_v1([b"shell", b"[" * 5000, b"{}", b"{}", b"{}"]),
    pack_v1([b"shell", b"{}", b"{}", b"{}", b"{}"]),
    pack_v1([b"iopub", b'{"msg_type": "comm_msg"}', b"{}", b"{}", b"{}"]),
    pack_v1([b"\xff\xfe", b'{"msg_type": "comm_msg"}', b"{}", b"{}", b"{}"]),
]


@pytest.fixture(scope="module")
def lab(start):
    return start(limits={"visitors": 4})


@pytest.fixture(scope="module")
def bystander(lab):
    bystander = lab.visit()
    yield bystander
    bystander.hang_up()


@pytest.fixture
def visitor(lab):
    visitor = lab.visit()
    yield visitor
    visitor.leave()
    until(lambda: len(lab.kernels()) == 1, "only the bystander's kernel", 20)


def slowest_answer(lab, seconds):
    """Return the longest that a bystander waited for a file during some seconds."""
    end, slowest = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        slowest = max(slowest, lab.latency())
    return slowest


def cut_off(socket, messages):
    """Send messages, and return whether the server hung up over them."""
    try:
        for message in messages:
            socket.send_binary(message)
        return closed(socket) in (1008, 1009)
    except websocket.WebSocketTimeoutException:
        return False
    except (websocket.WebSocketException, OSError):
        return True


@pytest.mark.parametrize("count", [2**27, 2**32, 2**64 - 1])
def test_the_frame_of_eight_bytes_ends_one_socket_only(lab, bystander, visitor, count):
    socket = visitor.connect()
    socket.send_binary(struct.pack("<Q", count))
    assert closed(socket) == 1003
    assert slowest_answer(lab, 0.3) < 1.0
    bystander.asks()
    visitor.asks()


def test_the_older_framings_frame_ends_one_socket_only(lab, bystander, visitor):
    before = psutil.Process(lab.process.pid).memory_info().rss
    socket = visitor.connect(subprotocols=())
    socket.send_binary(LEGACY_FRAME)
    assert closed(socket) == 1003
    assert slowest_answer(lab, 0.3) < 1.0
    assert psutil.Process(lab.process.pid).memory_info().rss - before < 50 * 2**20
    bystander.asks()


def test_a_picture_for_a_page_of_the_older_protocol_stops_nobody(lab, bystander, visitor):
    """The kernel answers with bytes, which every socket of that kernel gets in its own framing."""
    before = psutil.Process(lab.process.pid).memory_info().rss
    older = visitor.connect(subprotocols=())
    visitor.asks("picture")
    assert slowest_answer(lab, 0.5) < 1.0
    assert psutil.Process(lab.process.pid).memory_info().rss - before < 50 * 2**20
    bystander.asks()
    older.close()


def test_a_picture_for_a_page_that_has_just_gone_stops_nobody(lab, bystander, visitor):
    before = psutil.Process(lab.process.pid).memory_info().rss
    for _ in range(10):
        gone = visitor.connect()
        gone.sock.close()
        visitor.asks("picture")
    assert slowest_answer(lab, 0.5) < 1.0
    assert psutil.Process(lab.process.pid).memory_info().rss - before < 50 * 2**20
    bystander.asks()


def test_voilas_own_reading_of_the_older_framing_counts_without_end():
    """The danger is real: a count in the first eight bytes, here bounded, is counted out."""
    started = time.process_time()
    read_header_from_binary_message(struct.pack("<Q", 3_000_000) + b"0" * 100)
    assert time.process_time() - started > 0.2


def test_garbage_ends_one_socket_only(lab, bystander, visitor):
    for garbage in GARBAGE:
        socket = visitor.connect()
        socket.send_binary(garbage)
        assert closed(socket) == 1003, garbage[:40]
    for text in ("garbage", "{}", "[]", "null", '{"header": 1}', "[" * 100_000):
        socket = visitor.connect(subprotocols=())
        socket.send(text)
        assert closed(socket) == 1003, text[:40]
    socket = visitor.connect()
    socket.send("{}")
    assert closed(socket) == 1003
    bystander.asks()
    visitor.asks()


def test_a_message_beyond_four_mebibytes_ends_one_socket_only(bystander, visitor):
    visitor.socket.send_binary(frame("comm_msg", {"comm_id": "x", "data": {}}, pad=3 * 2**20))
    visitor.asks()
    message = frame("comm_msg", {"comm_id": "x", "data": {}}, pad=5 * 2**20)
    assert cut_off(visitor.connect(), [message])
    bystander.asks()
    visitor.asks()


def test_a_flood_of_messages_ends_one_socket_only(lab, bystander, visitor):
    message = frame("comm_msg", {"comm_id": "x", "data": {}})
    assert cut_off(visitor.connect(), [message] * 5000)
    assert lab.latency() < 1.0
    bystander.asks()


def test_a_flood_of_bytes_ends_one_socket_only(bystander, visitor):
    message = frame("comm_msg", {"comm_id": "x", "data": {}}, pad=2**21)
    assert cut_off(visitor.connect(), [message] * 20)
    bystander.asks()


def test_a_page_opens_no_comm_and_ends_no_kernel_by_message(lab, bystander, visitor):
    for target in ("jupyter.widget", "echo", "x" * 1000):
        for _ in range(50):
            content = {"comm_id": "c" * 32, "target_name": target, "data": {}}
            visitor.socket.send_binary(frame("comm_open", content))
    for channel in ("shell", "control"):
        visitor.socket.send_binary(frame("shutdown_request", {"restart": False}, channel))
        visitor.socket.send_binary(frame("interrupt_request", {}, channel))
        execute = {"code": "import os; os._exit(1)", "silent": False}
        visitor.socket.send_binary(frame("execute_request", execute, channel))
    visitor.asks()
    assert len(lab.kernels()) == 2
    bystander.asks()


def test_a_kernel_has_few_sockets(bystander, visitor):
    visitor.asks()
    sockets = [visitor.connect() for _ in range(3)]
    extra = visitor.connect()
    assert closed(extra) == 1008
    for socket in sockets:
        socket.close()
    visitor.asks()
    bystander.asks()


def test_a_foreign_host_name_is_refused(lab, bystander):
    answer, body = lab.ask("", Host="evil.example")
    assert answer.status == 403 and b"evil.example" in body
    path = f"api/kernels/{bystander.kernel_id}/channels"
    assert lab.upgrade(path, Host="evil.example", Origin="http://evil.example") == 403
    assert lab.ask("", Host='<script>alert("x")</script>')[1].count(b"<script>") == 0
    assert len(lab.kernels()) == 1
    bystander.asks()


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", None])
def test_a_foreign_origin_gets_no_socket_and_ends_no_kernel(lab, bystander, origin):
    path = f"api/kernels/{bystander.kernel_id}/channels"
    headers = {"Origin": origin} if origin else {}
    assert lab.upgrade(path, **headers) == 403
    shutdown = f"voila/api/shutdown/{bystander.kernel_id}"
    assert lab.ask(shutdown, "POST", **headers)[0].status == 403
    assert lab.ask(f"api/kernels/{bystander.kernel_id}", "DELETE", **headers)[0].status == 405
    bystander.asks()


@pytest.mark.parametrize(
    "path", ["", "foo", "api/events/subscribe", "terminals/websocket/1", "api/kernels/x/channels"]
)
def test_a_socket_anywhere_else_is_refused_at_once_and_starts_no_kernel(lab, bystander, path):
    start = time.monotonic()
    assert lab.upgrade(path, Origin=f"http://127.0.0.1:{lab.port}") == 403
    assert time.monotonic() - start < 2.0
    assert len(lab.kernels()) == 1
    bystander.asks()


def test_a_socket_to_a_kernel_that_is_none_is_refused(lab, bystander):
    unknown = "00000000-0000-0000-0000-000000000000"
    origin = f"http://127.0.0.1:{lab.port}"
    assert lab.upgrade(f"api/kernels/{unknown}/channels", Origin=origin) == 404
    bystander.asks()


def test_no_address_gives_a_file_away(lab, bystander):
    prefixes = ("", "voila/static/", "voila/templates/hebblab/static/", "voila/labextensions/")
    for prefix in prefixes:
        for climb in TRAVERSALS:
            answer, body = lab.ask(prefix + climb.replace(" ", "%20"))
            assert answer.status in (400, 403, 404), (prefix, climb)
            assert b"root:" not in body and b"Traceback" not in body
    for path in ("voila/files/lab.ipynb", "static/etc/passwd", "voila/static/", "api/kernels"):
        assert lab.ask(path)[0].status == 404
    assert len(lab.kernels()) == 1
    bystander.asks()


def test_a_loop_of_requests_fills_the_room_and_no_more(lab, bystander):
    answers = []

    def get():
        answers.append(lab.ask())

    threads = [threading.Thread(target=get) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    full = [body for answer, body in answers if answer.status == 503]
    assert len(full) == 12 - 3
    assert b"The room is full, 4 of 4." in full[0]
    assert len(lab.kernels()) == 4
    bystander.asks()
    for answer, body in answers:
        if answer.status == 200:
            kernel_id = body.decode().partition('"kernelId": "')[2][:36]
            origin = f"http://127.0.0.1:{lab.port}"
            gone, _ = lab.ask(f"voila/api/shutdown/{kernel_id}", "POST", Origin=origin)
            assert gone.status == 204
    until(lambda: len(lab.kernels()) == 1, "the others' kernels gone", 20)


def test_nothing_of_the_query_comes_back(lab, bystander):
    mark = "zqxj"
    asked = []

    def seated():
        asked.append(lab.ask(f"?{mark}=%22%3E%3Cscript%3E{mark}&template=lab&theme=dark"))
        return asked[-1][0].status != 503

    # A seat is free a little after the process that sat there has gone.
    until(seated, "a free seat", 20)
    answer, body = asked[-1]
    assert answer.status == 200
    assert mark.encode() not in body and mark not in str(answer.getheaders())
    assert b"cdn." not in body and b"https://" not in body.replace(b"https://github.com", b"")
    kernel_id = body.decode().partition('"kernelId": "')[2][:36]
    lab.ask(f"voila/api/shutdown/{kernel_id}", "POST", Origin=f"http://127.0.0.1:{lab.port}")


def test_every_answer_has_the_security_headers(lab):
    paths = ["hebblab/static/empty.js", "voila/static/voila.js", "nothing", "..", "x?" + "a" * 3000]
    for answer, _ in [lab.ask(path) for path in paths]:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'self'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in answer.headers


def test_a_large_body_is_refused(lab, bystander):
    path = f"voila/api/shutdown/{bystander.kernel_id}"
    origin = f"http://127.0.0.1:{lab.port}"
    with pytest.raises(OSError):
        answer, _ = lab.ask(path, "POST", body=b"x" * 2**20, Origin=origin)
        assert answer.status in (400, 413)
        raise OSError
    bystander.asks()


def test_without_its_guard_a_server_stands_still(start):
    """The attack is real: the same frame, bounded, against the same server without the guard."""
    unguarded = start(limits={"visitors": 1}, guarded=False)
    visitor = unguarded.visit()
    socket = visitor.connect()
    usual = max(unguarded.latency() for _ in range(5))
    socket.send_binary(struct.pack("<Q", 5_000_000))
    assert slowest_answer(unguarded, 1.5) > max(0.3, 5 * usual)
    visitor.hang_up()


CHANNELS = [
    *(("shell", kind) for kind in ("comm_msg", "comm_close", "comm_open")),
    *(("control", "comm_msg"), ("stdin", "input_reply"), ("", "comm_msg")),
]
DEEP = b'{"comm_id": "x", "data": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
SENSELESS = [
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b'{"comm_id": null, "data": null}',
    b'{"comm_id": ["x"], "data": {"method": "update"}}',
    b'{"comm_id": "gone", "data": {"method": "update", "state": {"a": 1e400}}}',
    b'{"comm_id": "gone", "data": ' + b"9" * 6000 + b"}",
    DEEP,
]


def test_messages_without_sense_to_a_live_or_a_dead_comm_end_at_most_their_socket(
    lab, bystander, visitor
):
    for channel, kind in CHANNELS:
        socket = visitor.connect()
        for content in SENSELESS:
            table = pack_v1([channel.encode(), header_of(kind), b"{}", b"{}", content])
            try:
                socket.send_binary(table)
            except (websocket.WebSocketException, OSError):
                break
        socket.close(timeout=0.2)
    live = {"comm_id": visitor.comm_id, "data": {"method": "update", "state": {"view": DEEP.hex()}}}
    visitor.socket.send_binary(frame("comm_msg", live))
    assert slowest_answer(lab, 0.5) < 1.0
    visitor.asks()
    bystander.asks()
    assert len(lab.kernels()) == 2


def test_half_a_surrogate_pair_ends_its_socket_before_the_kernel_repeats_it(
    lab, bystander, visitor
):
    usual = {"comm_id": visitor.comm_id, "data": {"ask": "hello"}}
    halves = ({**usual, "comm_id": "\ud800"}, {**usual, "data": {"ask": "\udfff"}})
    for content in halves:
        socket = visitor.connect()
        socket.send_binary(frame("comm_msg", content))
        assert closed(socket) == 1003
    visitor.asks("a whole pair, \U0001f600, and a backslash, \\ud800")
    bystander.asks()


def header_of(kind):
    return json.dumps({"msg_id": "m", "session": "test", "msg_type": kind}).encode()


def test_a_socket_under_a_foreign_host_name_is_refused(lab, bystander):
    path = f"{lab.base}api/kernels/{bystander.kernel_id}/channels"
    for host in ("evil.example", f"evil.example:{lab.port}", "127.0.0.1.evil.example", ""):
        assert lab.upgrade(path, Host=host, Origin=f"http://{host}") in (400, 403), host
    bystander.asks()


def test_frames_in_pieces_and_frames_of_control_end_at_most_their_socket(lab, bystander, visitor):
    whole = frame("comm_msg", {"comm_id": "x", "data": {}})
    socket = visitor.connect()
    for at in range(0, len(whole), 7):
        first, last = at == 0, at + 7 >= len(whole)
        kind = websocket.ABNF.OPCODE_BINARY if first else websocket.ABNF.OPCODE_CONT
        socket.send_frame(websocket.ABNF(int(last), 0, 0, 0, kind, 1, whole[at : at + 7]))
    for _ in range(200):
        socket.ping(b"x" * 125)
    socket.sock.sendall(bytes([0x83, 0x80, 0, 0, 0, 0]))  # an opcode that nobody has
    socket.close(timeout=1)
    half = visitor.connect()
    half.sock.sendall(bytes([0x82, 0xFF]) + struct.pack("!Q", 2**63 - 1) + bytes(40))
    assert slowest_answer(lab, 0.5) < 1.0
    half.close(timeout=1)
    visitor.asks()
    bystander.asks()
