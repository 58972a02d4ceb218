"""The page ``/``, and the methods of pages."""

import re
import shlex
from html import unescape
from html.parser import HTMLParser

from tests.support.clients.web_client import FORM, WORD

PAGES = ["/", "/docs", "/docs/assets/swagger-ui.css", "/v2/openapi.json"]


class Tags(HTMLParser):
    """The tags of a page, each with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def links(self) -> list[str]:
        return [str(attributes["href"]) for tag, attributes in self.found if tag == "a"]


def test_the_page_describes_the_server(make_web) -> None:
    web = make_web(cluster={"name": "Radio <7>"})
    page = web.http.simulate_get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<title>Radio &lt;7&gt;: AcoustID server</title>" in page.text
    tags = Tags(page.text)
    assert ("html", {"lang": "en"}) in tags.found
    assert "viewport" in {attributes.get("name") for tag, attributes in tags.found if tag == "meta"}


def test_every_link_to_this_server_works(web) -> None:
    links = [link for link in Tags(web.http.simulate_get("/").text).links() if link[0] == "/"]
    assert links == ["/docs", "/v2/openapi.json", "/_health"]
    assert {web.http.simulate_get(link).status_code for link in links} <= {200, 503}


def test_the_page_loads_nothing_but_its_icon(web) -> None:
    page = web.http.simulate_get("/")
    tags = Tags(page.text)
    assert not {"script", "img", "iframe", "form"} & {tag for tag, _ in tags.found}
    icons = [attributes["href"] for tag, attributes in tags.found if tag == "link"]
    assert [web.http.simulate_get(icon).status_code for icon in icons] == [200]
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy


def example(page: str) -> list[str]:
    """Return the words of the curl command of the page."""
    found = re.search(r"<code>(export .*?)</code></pre>", page, flags=re.DOTALL)
    assert found
    commands = unescape(found[1]).replace("\\\n", " ").replace("$DURATION", "3")
    return shlex.split(commands.replace("$FINGERPRINT", WORD).split("\n", 1)[1])


def test_the_example_is_a_valid_lookup_on_this_host(web) -> None:
    page = web.http.simulate_get("/", headers={"Host": "music.example:5000"}).text
    curl, url, *options = example(page)
    assert curl == "curl"
    assert url == "http://music.example:5000/v2/lookup"
    assert options[::2] == ["-d"] * 4
    form = "&".join(options[1::2])
    reply = web.http.simulate_post("/v2/lookup", body=form, headers={"Content-Type": FORM})
    assert [result["id"] for result in reply.json["results"]] == ["3"]


def test_without_the_demo_key_the_example_has_a_placeholder(make_web) -> None:
    page = make_web(features={"demo_key": False}).http.simulate_get("/").text
    assert "client=KEY" in example(page)
    assert "8XaBELgH" not in page


def test_a_host_that_is_no_name_is_not_shown(web) -> None:
    for host in ("a;reboot", "a$(reboot)", "<script>", "a b"):
        page = web.http.simulate_get("/", headers={"Host": host}).text
        assert example(page)[1] == "http://HOST/v2/lookup"
        assert host not in page


def test_the_address_has_the_scheme_of_the_proxy(make_web) -> None:
    web = make_web(api={"trusted_proxies": 1})
    headers = {
        "Host": "music.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "192.0.2.1",
    }
    page = web.http.simulate_get("/", headers=headers).text
    assert example(page)[1] == "https://music.example/v2/lookup"


def test_a_client_that_prefers_json_gets_json(web) -> None:
    wanted = {
        "*/*": "text/html",
        "text/html,application/xhtml+xml,*/*;q=0.8": "text/html",
        "text/html,application/json;q=0.9": "text/html",
        "image/png": "text/html",
        "application/json": "application/json",
        "application/json, text/plain, */*": "application/json",
    }
    for accept, kind in wanted.items():
        reply = web.http.simulate_get("/", headers={"Accept": accept})
        assert reply.status_code == 200
        assert reply.headers["Content-Type"].startswith(kind)
        assert reply.headers["Vary"] == "Accept"
    json = web.http.simulate_get("/", headers={"Accept": "application/json"}).json
    assert json["documentation"] == "/docs"


def test_the_page_is_not_limited(make_web) -> None:
    limits = {"rate_limiter": {"global_limit": 0.05, "app_limit": 0.05, "ip_limit": 0.05}}
    web = make_web(cluster=limits)
    assert {web.http.simulate_get("/").status_code for _ in range(5)} == {200}
    assert web.get("/v2/lookup", client=web.application, trackid="x").status_code != 429


def test_pages_reply_to_head_and_options(web) -> None:
    for path in PAGES:
        head = web.http.simulate_head(path)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["Content-Type"] == web.http.simulate_get(path).headers["Content-Type"]
        options = web.http.simulate_options(path)
        assert options.status_code == 200
        assert set(options.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_pages_refuse_other_methods(web) -> None:
    for path in PAGES:
        for method in ("POST", "PUT", "DELETE", "TRACE", "BREW"):
            reply = web.http.simulate_request(method, path)
            assert reply.status_code == 405
            assert "GET" in reply.headers["Allow"]
            assert reply.json["error"]["code"] == 101
