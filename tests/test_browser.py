"""Pages as a browser shows them: light, dark, on a phone and on paper (``pytest -m browser``)."""

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.history import Epoch, History
from nm_backends.report import comparison_page, gather, page
from nm_backends.testing import conventions, random_model, random_spikes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.browser
if CHROMIUM is None:
    pytest.skip("there is no Chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SITE = Path(__file__).parents[1] / "nm_backends/docs/mkdocs.yml"
DESK, PHONE, PAPER = (1280, 800), (390, 844), (718, 1016)  # CSS pixels; A4 within its margins
LABELS = [0, 1, 2, 3, 0]
PAGES = ("odin", "reckon", "learned", "refused", "comparison")

# Ratio of luminances (WCAG 2) of every text and what is painted behind it.
CONTRAST = """() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parts = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = parts(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.getClientRects().length) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))];
    found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), walk.currentNode.data.trim()]);
  }
  return found;
}"""

# What ends right of the window, unless a table that can be pushed sideways holds it.
TOO_WIDE = """() => [...document.body.querySelectorAll('*')].filter(e => {
  const wide = e.closest('.wide');
  const held = wide && wide !== e && getComputedStyle(wide).overflowX === 'auto';
  return !held && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 80))"""

# How many colours a picture has where it is drawn: one that shows nothing has one.
COLOURS = """() => Promise.all([...document.images].map(async image => {
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: 400, height: 300});
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0, 400, 300);
  const data = new Uint32Array(context.getImageData(0, 0, 400, 300).data.buffer);
  return [image.alt, image.clientWidth, image.clientHeight, new Set(data).size];
}))"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pages on disk: programs, one that has learned, one that is refused, a comparison."""
    model, spikes, how = random_model(0), random_spikes(1), conventions()
    programs = {c: nmb.compile(model, c, how, calibrate=spikes) for c in ("odin", "reckon")}
    weights = np.array([4, 2, 2, 8])
    epochs = [Epoch(0.1, weights, 0), Epoch(0.4, weights[::-1], 4), Epoch(0.8, weights, 3)]
    history = History("odin", ("fc1",), epochs, options={"thetamem": 20})
    made = {c: page(gather(p, spikes, LABELS, sample=2)) for c, p in programs.items()}
    made["learned"] = page(gather(programs["odin"], history=history))
    compared = nmb.compare(model, spikes, LABELS, ["odin", "reckon", "spoon"], how, progress=False)
    made["comparison"] = comparison_page(compared)
    alone = nmb.compare(model, chips=["spoon"], discretisation=how, progress=False)
    made["refused"] = comparison_page(alone)
    folder = tmp_path_factory.mktemp("pages")
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser, files):
    """Open a page without a network; whatever it asks for or complains of fails the test."""
    said, contexts = [], []

    def open_page(name, size=DESK, scheme="light"):
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        shown = context.new_page()
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("request", lambda request: asked.append(request.url))
        asked = []
        shown.goto((files / f"{name}.html").as_uri())
        outside = [url for url in asked[1:] if not url.startswith("data:")]
        assert outside == []
        return shown

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_stands_out_from_what_is_behind_it(opened, name, scheme):
    shown = opened(name, scheme=scheme)
    found = shown.evaluate(CONTRAST)
    assert len(found) > 20
    assert [text for ratio, text in found if ratio < 4.5] == []
    paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_window(opened, name, size):
    shown = opened(name, size)
    assert shown.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert shown.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_the_verdict_is_seen_first(opened, name, size):
    shown = opened(name, size)
    place = shown.locator("h1").bounding_box()
    assert 0 <= place["y"] < place["y"] + place["height"] < size[1] / 3
    assert shown.locator("h1").count() == 1
    larger = "e => parseFloat(getComputedStyle(e).fontSize)"
    assert shown.locator("h1").evaluate(larger) > shown.locator("h2").first.evaluate(larger)


@pytest.mark.parametrize("name", PAGES)
def test_every_section_is_a_question_and_can_be_reached(opened, name):
    shown = opened(name, PHONE)
    titles = shown.locator("h2").all_inner_texts()
    assert titles
    assert all(title.endswith("?") for title in titles)
    for link in shown.locator("nav a").all():
        link.click()
        target = shown.locator(link.get_attribute("href"))
        assert target.locator("h2").inner_text() == link.inner_text()
    levels = shown.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", ["odin", "reckon", "learned", "comparison"])
def test_pictures_show_something_and_say_what(opened, name):
    found = opened(name, PHONE).evaluate(COLOURS)
    assert found
    for words, width, height, colours in found:
        assert len(words) > 20
        assert width > 250
        assert height > 80
        assert colours > 8


@pytest.mark.parametrize("name", PAGES)
def test_paper_is_white_and_holds_all(opened, name):
    shown = opened(name, PAPER, "dark")
    shown.emulate_media(media="print", color_scheme="dark")
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert min(ratio for ratio, _ in shown.evaluate(CONTRAST)) >= 4.5
    assert shown.evaluate(TOO_WIDE) == []
    assert not shown.locator("nav").is_visible()
    assert shown.pdf(format="A4").startswith(b"%PDF")


def test_findings_open_to_their_explanation(opened):
    shown = opened("odin")
    summary = shown.locator("summary").first
    body = shown.locator("details").first.locator("> :not(summary)").first
    assert not body.is_visible()
    summary.click()
    assert body.is_visible()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build = ["mkdocs", "build", "--strict", "-q", "-f", str(SITE), "-d", str(folder)]
    subprocess.run([sys.executable, "-m", *build], check=True)
    return folder


def test_the_documentation_is_searched_from_disk_and_read_on_a_phone(browser, site):
    shown, asked = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]}), []
    shown.on("request", lambda request: asked.append(request.url))
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":  # its addresses are those of a server
            shown.goto(path.as_uri())
            assert shown.evaluate("document.documentElement.scrollWidth") == PHONE[0], path
    shown.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    shown.goto((site / "guide" / "losses.html").as_uri())
    shown.locator("[data-md-component=search-query]").fill("chip plugin")
    shown.locator(".md-search-result__meta", has_text="matching documents").wait_for()
    assert shown.locator(".md-search-result__item").count() > 3
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    shown.close()
