"""What comes first when the page of `hebblab serve` opens, on an idle or a busy computer."""

import pytest

from tests.browser.pages import CHARTS, LabPage, command, prepare

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]

# Notes when the weight images can be used; `late` is added to what every later clock says.
WATCH = """(() => {
  const now = performance.now.bind(performance);
  let late = 0;
  performance.now = () => now() + late;
  const told = () => document.readyState !== "loading";
  new MutationObserver((_, watch) => {
    if (told() && !late) late = LATE;
    if (!document.querySelector(".hebblab-weights canvas")) return;
    window.usableAt = now();
    watch.disconnect();
  }).observe(document, { childList: true, subtree: true });
})()"""
PLOTLY = """performance.getEntriesByType("resource")
  .filter(({ name }) => name.includes("plotly")).map(({ startTime }) => startTime)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrival")
    env = {"HEBBLAB_DATA": str(folder / "data"), "HEBBLAB_HOME": str(folder / "home")}
    with command("serve", "--no-browser", "--port", "0", log=folder / "log", env=env) as (url, _):
        yield url


@pytest.fixture
def arrive(browser, address):
    contexts = []

    def arrive(late):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        contexts.append(context)
        prepare(context)
        context.add_init_script(WATCH.replace("LATE", str(late)))
        page = context.new_page()
        page.goto(address, wait_until="commit")
        page.wait_for_function("window.usableAt", polling=20)
        return LabPage(page)

    yield arrive
    for context in contexts:
        context.close()


def test_charts_come_by_themselves_and_after_the_weight_images(arrive):
    lab = arrive(0)
    lab.until("names => names.every((name) => plot(name))", CHARTS)
    (asked,) = lab.page.evaluate(PLOTLY)
    assert asked > lab.page.evaluate("window.usableAt")


def test_on_a_busy_computer_charts_wait_for_a_persons_hand(arrive):
    lab = arrive(2500)
    lab.until("!part('start').disabled")
    lab.page.wait_for_timeout(3000)
    assert lab.page.evaluate(PLOTLY) == []
    noise = lab.ink()
    lab.press("start")
    lab.until_ink(noise)
    lab.until("names => names.every((name) => plot(name))", CHARTS)
    assert len(lab.page.evaluate(PLOTLY)) == 1
