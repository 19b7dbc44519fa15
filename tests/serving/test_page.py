"""The page in a real headless Chromium."""

import gzip
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import Demo
from tests.serving.servers import ADMIN, KEYS, PATIENCE, served

PHONE = {"width": 360, "height": 740}
IMAGE = '<svg xmlns="http://www.w3.org/2000/svg" width="185" height="278"/>'


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace, **KEYS) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("no chromium: apt-get install chromium, or name one in CHROMIUM")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE * 1000)
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, client: httpx.Client) -> Iterator[Page]:
    """A page that fails the test for any error in its console or any request elsewhere."""
    context = browser.new_context(base_url=str(client.base_url))
    context.set_default_timeout(PATIENCE * 1000)
    opened, wrong = context.new_page(), []
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda r: wrong.append(r.url) if not r.url.startswith(str(client.base_url)) else None)
    yield opened
    context.close()
    assert [told for told in wrong if "favicon" not in told] == []


def titles(page: Page, heading: str = "Recommended") -> list[str]:
    section = page.locator("section").filter(has=page.get_by_role("heading", name=re.compile(f"^{heading}")))
    return [text.split("\n")[0].strip() for text in section.locator("h3").all_inner_texts()]


def test_a_user_sees_history_recommendations_and_reasons(page: Page, client: httpx.Client, demo: Demo) -> None:
    page.goto("/")
    page.get_by_label("User").fill("3")
    page.get_by_role("button", name="Show").click()
    answer = client.get("/v1/users/3/recommendations", params={"n": 12, "explain": True}).json()
    shown = titles(page)
    assert [title.startswith(item["title"]) for title, item in zip(shown, answer["items"], strict=True)] == [True] * 12
    mine = sorted((r for r in demo.data.ratings if r[0] == 3), key=lambda r: r[3])
    assert page.locator(".seen li").count() == min(10, len(mine))
    expect(page.get_by_text("because you watched").first).to_be_visible()
    expect(page.locator(".badge").filter(has_text="two_tower").first).to_be_visible()
    page.get_by_role("link", name="similar films").first.click()
    expect(page.get_by_role("heading", name=f"Similar to {answer['items'][0]['title']}")).to_be_visible()
    assert len(titles(page, "Similar to")) > 3
    expect(page.get_by_text("This product uses the TMDB API but is not endorsed or certified by TMDB.")).to_be_visible()


def test_one_star_is_one(client: httpx.Client, demo: Demo) -> None:
    films = [film.movie_id for film in demo.data.films[3:5]]
    text = client.get(f"/?rated={films[0]}:1&rated={films[1]}:2").text
    assert re.findall(r'class="stars">([^<]+)<', text) == ["2 stars", "1 star"]
    assert "1 stars" not in text


def test_a_visitor_rates_films_by_keyboard_alone(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    first = page.locator("#rate select").first
    while not first.evaluate("e => e === document.activeElement"):
        page.keyboard.press("Tab")
    rated = page.locator("#rate label").first.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    button = page.get_by_role("button", name="Recommend")
    while not button.evaluate("e => e === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("^Recommended"))).to_be_visible()
    assert len(titles(page)) == 12
    assert rated not in titles(page)
    expect(page.locator(".seen li").filter(has_text=rated)).to_have_count(1)


def test_the_effect_of_a_rule_stands_beside(page: Page) -> None:
    page.goto("/?user=4")
    page.locator("#rule-user").select_option("old")
    page.get_by_role("button", name="Show").click()
    plain, changed = titles(page), titles(page, "With the rule")
    assert plain != changed
    assert len(plain) == len(changed) == 12
    assert page.locator(".move").filter(has_text=re.compile("new|up|down")).count() > 0


def test_it_fits_a_phone_and_is_dark_where_that_is_liked(browser: Browser, client: httpx.Client) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(base_url=str(client.base_url), viewport=PHONE, color_scheme=scheme)
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.goto("/?user=3&rule=diverse")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for control in page.locator("select:visible, input:visible, button:visible").all():
            assert control.bounding_box()["height"] >= 40  # type: ignore[index]
        shades[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        context.close()
    assert shades["light"] != shades["dark"]


def posters_of(demo: Demo) -> dict[int, str]:
    """The films whose document has a poster."""
    films = {film.tmdb_id: film.movie_id for film in demo.data.films}
    found = {}
    for line in gzip.decompress(demo.data.tmdb.read_bytes()).decode().splitlines():
        if "/poster_" in line and (document := json.loads(line))["id"] in films:
            found[films[document["id"]]] = document["poster_path"]
    return found


def test_posters_come_from_tmdb_where_they_are_wanted(
    browser: Browser, client: httpx.Client, demo: Demo, copied: Path
) -> None:
    plain = client.get("/?user=3")
    assert "<img" not in plain.text
    assert "image.tmdb.org" not in plain.text + plain.headers["Content-Security-Policy"]
    with served(copied, CINEFEAST_POSTERS="1") as wanted:
        context = browser.new_context(base_url=str(wanted.base_url))
        context.set_default_timeout(PATIENCE * 1000)
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        image = {"body": IMAGE, "content_type": "image/svg+xml"}
        context.route("https://image.tmdb.org/**", lambda route: route.fulfill(**image))
        page.goto("/?user=3", wait_until="networkidle")
        items = wanted.get("/v1/users/3/recommendations", params={"n": 12}).json()["items"]
        known = posters_of(demo)
        posters = page.locator("img")
        expected = [item for item in items if item["movie_id"] in known]
        assert 0 < len(expected) < len(items)
        assert posters.evaluate_all("all => all.map(e => e.alt)") == [f"Poster of {i['title']}" for i in expected]
        posters.last.scroll_into_view_if_needed()
        expect(posters.last).to_have_js_property("naturalWidth", 185)
        outside = {url for url in asked if not url.startswith(str(wanted.base_url))}
        assert outside == {f"https://image.tmdb.org/t/p/w185{known[item['movie_id']]}" for item in expected}
        context.close()


def test_what_a_title_says_is_text(page: Page, client: httpx.Client) -> None:
    movie_id = client.get("/v1/users/5/recommendations").json()["items"][0]["movie_id"]
    title = "<script>document.title='owned'</script><b>bold</b>"
    assert client.put(f"/v1/films/{movie_id}", json={"title": title}, headers=ADMIN).status_code == 200
    page.goto("/?user=5")
    assert page.title() == "CineFeast"
    assert any(title in told for told in titles(page))


@pytest.mark.parametrize("query", ["user=x", f"user={9**30}", "user=1&similar=999999", "rated=1:9", "rated=9",
                                   f"rated={'9' * 5000}:5", "user=1&rule=nothing", "rated=999999:5"])  # fmt: skip
def test_nonsense_is_answered_with_a_page(client: httpx.Client, query: str) -> None:
    response = client.get(f"/?{query}")
    assert response.status_code in (200, 404)
    assert "<h1>" in response.text
