import pytest
from tornado.httputil import HTTPHeaders, RequestStartLine

from hebblab.serving.policy import KERNEL_ID, Pace, Policy, Refusal, clean_path, own_names
from tests.serving.paths import TRAVERSALS

HOSTS = own_names("127.0.0.1", ())
KERNEL = "12345678-1234-1234-1234-123456789abc"
CHANNEL = f"/api/kernels/{KERNEL}/channels"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
TOKEN = "a-good-token"


def judged(policy=None, path="/", method="GET", address="10.0.0.1", **headers):
    policy = policy or Policy(hosts=HOSTS)
    given = HTTPHeaders({"Host": "127.0.0.1:8866"})
    for name, value in headers.items():
        given[name.replace("_", "-")] = value
    return policy.judge(RequestStartLine(method, path, "HTTP/1.1"), given, address)


def status(*args, **kwargs):
    verdict = judged(*args, **kwargs)
    return verdict.status if isinstance(verdict, Refusal) else 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:9", "LOCALHOST", "localhost.", "[::1]:8866", "[::1]"]
)
def test_loopback_names_pass_whatever_the_port(host):
    assert judged(Host=host) == "/"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8866",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.0.0.2",
        "",
        "127.0.0.1@evil.example",
        "2130706433",
        "[::2]",
    ],
)
def test_other_names_are_refused_with_words(host):
    refusal = judged(Host=host)
    assert refusal.status == 403
    assert "--allow-host" in refusal.sentence


def test_two_host_headers_are_refused():
    headers = HTTPHeaders({"Host": "127.0.0.1"})
    headers.add("Host", "127.0.0.1")
    verdict = Policy(hosts=HOSTS).judge(RequestStartLine("GET", "/", "HTTP/1.1"), headers, "")
    assert verdict.status == 403


def test_a_name_that_a_person_allowed_passes():
    policy = Policy(hosts=own_names("127.0.0.1", ["lab.example"]))
    assert judged(policy, Host="Lab.Example:443") == "/"


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:3000",
        "http://127.0.0.1",
        "https://127.0.0.1:88660",
        "file://127.0.0.1:8866",
        "null",
        "http://[",
        "http://127.0.0.1:8866.evil.example",
    ],
)
def test_foreign_origins_are_refused(origin):
    assert status(Origin=origin) == 403
    assert status(path=CHANNEL, Upgrade="websocket", Origin=origin) == 403
    assert status(path=f"/voila/api/shutdown/{KERNEL}", method="POST", Origin=origin) == 403


def test_the_own_origin_passes_also_through_a_tunnel_or_a_proxy():
    assert status(path=CHANNEL, Upgrade="websocket", Origin="http://127.0.0.1:8866") == 200
    assert status(path="/x", Host="localhost:9000", Origin="http://localhost:9000") == 200
    named = Policy(hosts=own_names("127.0.0.1", ["lab.example"]), named=frozenset({"lab.example"}))
    assert status(named, Origin="https://lab.example") == 200
    assert status(named, Origin="https://lab.example:3000") == 403
    assert status(named, Host="lab.example", Origin="https://lab.example:443") == 200


def test_what_states_no_origin_may_neither_change_anything_nor_open_a_socket():
    assert status(path="/x", method="POST") == 403
    assert status(path=CHANNEL, Upgrade="websocket") == 403
    assert status(path="/x", method="POST", Origin="null", Sec_Fetch_Site="same-origin") == 200
    assert status(path="/x", method="POST", Origin="null", Sec_Fetch_Site="cross-site") == 403


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/foo",
        "/api/events/subscribe",
        "/terminals/websocket/1",
        "/api/kernels/bogus/channels",
        f"/voila/query/{KERNEL}",
        "/api/sessions",
        f"/x{CHANNEL}",
        f"{CHANNEL}/",
        f"/api/kernels/{KERNEL}",
    ],
)
def test_sockets_exist_on_a_kernels_channel_only(path):
    assert status(path=path, Upgrade="WebSocket", Origin="http://127.0.0.1:8866") == 403


def test_a_foreign_page_may_link_to_the_lab_but_not_embed_or_prefetch_it():
    assert status(Sec_Fetch_Site="cross-site", **NAVIGATION) == 200
    for destination in ("image", "iframe", "script", "empty"):
        embedding = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": destination}
        assert status(Sec_Fetch_Site="cross-site", **embedding) == 403
        assert status(Sec_Fetch_Site="same-site", **embedding) == 403
    assert status(Sec_Fetch_Site="none", Sec_Purpose="prefetch;prerender", **NAVIGATION) == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "X"])
def test_methods_that_the_lab_has_no_use_for_are_refused(method):
    assert status(method=method, Origin="http://127.0.0.1:8866") == 405


def test_overlong_addresses_are_refused():
    assert status(path="/?" + "a" * 3000) == 414
    assert status(path="/" + "a" * 3000) == 414


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leaves_its_place(path):
    assert status(path="/voila/static/" + path) == 404


def test_ordinary_paths_are_read_as_they_are_meant():
    assert clean_path("/voila/labextensions/@jupyter-widgets/x%20y/a.b-c_d.js") == (
        "/voila/labextensions/@jupyter-widgets/x y/a.b-c_d.js"
    )
    assert clean_path("http://evil.example/") is None


def test_the_base_address_without_its_slash_leads_to_it():
    refusal = judged(Policy(hosts=HOSTS, base_url="/course/lab/"), "/course/lab")
    assert refusal.status == 302 and dict(refusal.headers)["Location"] == "/course/lab/"


def cookie_of(refusal):
    return dict(refusal.headers)["Set-Cookie"]


def test_the_token_opens_once_shown_and_leaves_the_address():
    policy = Policy(hosts=HOSTS, token=TOKEN, port=8866)
    assert status(policy) == 403 and judged(policy).form
    assert status(policy, f"/?token={TOKEN[:-1]}") == 403
    opened = judged(policy, f"/?a=1&token={TOKEN}&b=%26")
    assert opened.status == 302 and dict(opened.headers)["Location"] == "/?a=1&b=%26"
    cookie = cookie_of(opened)
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    assert TOKEN not in cookie and len(cookie.partition(";")[0]) > 40
    shown = cookie.partition(";")[0]
    assert judged(policy, "/?a=1", Cookie=f"other=1; {shown}") == "/?a=1"
    assert status(policy, Cookie=shown[:-1]) == 403
    assert status(Policy(hosts=HOSTS, token=TOKEN, port=8866), Cookie=shown) == 403


def test_every_address_asks_for_the_token():
    policy = Policy(hosts=HOSTS, token=TOKEN)
    for path in ("/", "/voila/static/voila.js", f"/api/kernels/{KERNEL}", "/nothing"):
        assert status(policy, path) == 403
    own = "http://127.0.0.1:8866"
    assert status(policy, f"/voila/api/shutdown/{KERNEL}", "POST", Origin=own) == 403
    assert status(policy, CHANNEL, Upgrade="websocket", Origin=own) == 403


def test_a_program_brings_the_token_in_a_header():
    policy = Policy(hosts=HOSTS, token=TOKEN)
    for scheme in ("token", "Bearer"):
        assert judged(policy, "/x", Authorization=f"{scheme} {TOKEN}") == "/x"
        assert judged(policy, CHANNEL, Upgrade="websocket", Authorization=f"{scheme} {TOKEN}")
    assert status(policy, "/x", Authorization=f"Basic {TOKEN}") == 403
    assert judged(policy, f"{CHANNEL}?token={TOKEN}&s=1", Upgrade="websocket") == f"{CHANNEL}?s=1"


def test_behind_tls_the_cookie_is_secure():
    policy = Policy(hosts=HOSTS, token=TOKEN)
    assert "; Secure" in cookie_of(judged(policy, f"/?token={TOKEN}", X_Forwarded_Proto="https"))


def test_guessing_tokens_is_slowed_down_for_the_one_who_guesses():
    policy = Policy(hosts=HOSTS, token=TOKEN)
    guesses = [status(policy, f"/?token={i}", address="10.0.0.9") for i in range(40)]
    assert guesses == [403] * 30 + [429] * 10
    assert status(policy, f"/?token={TOKEN}", address="10.0.0.9") == 429
    assert status(policy, f"/?token={TOKEN}", address="10.0.0.8") == 302


def test_a_policy_does_not_show_its_session():
    policy = Policy(hosts=HOSTS, token=TOKEN)
    assert policy._session not in repr(policy)


def test_names_of_a_server_for_the_network_include_the_machines_own():
    names = own_names("0.0.0.0", ["lab.example"])
    assert {"127.0.0.1", "localhost", "::1", "lab.example"} < names
    assert not names & {"0.0.0.0", "", "::"}


def test_a_pace_forgets_what_is_past():
    pace = Pace(limit=3, window=10.0)
    assert [pace.allows("a", now=t) for t in (0.0, 1.0, 2.0, 3.0, 10.5)] == [1, 1, 1, 0, 1]
    assert KERNEL_ID
