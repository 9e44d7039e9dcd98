"""The Probe screen in a browser, with a stand-in for the kernel."""

import pytest
import torch

from hebblab.dashboard.evaluation import EvaluationPart
from hebblab.dashboard.evaluation.confusions import Confusion
from hebblab.dashboard.evaluation.measures import MEASURES, ROWS
from hebblab.dashboard.evaluation.pictures import cell
from hebblab.dashboard.evaluation.tables import table
from hebblab.dashboard.parts import accepted
from hebblab.data import Dataset, Images
from tests.browser.pages import faults

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.bad=1'>"
NAMES = ("a", HOSTILE, "c")
LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 2])
ANSWERS = torch.tensor([0, 1, 1, 1, 2, 0, 0])
MATRIX = Confusion(LABELS, ANSWERS, NAMES, (0, 1, 2))


def numbers(*values):
    place = {"low": 0.2, "high": 0.6, "at": 0.4}
    return [{"value": f"{v:.1f} %", "range": f"{v - 2:.1f}–{v + 2:.1f}", **place} for v in values]


def view(opened=True, measured=True, **more):
    shown = table({})
    none = {"state": "none", "share": 0.0, "status": "", "left": "", "mark": "", "stale": False,
            "refusal": ""}  # fmt: skip
    made = {
        "open": opened,
        "about": "",
        "layers": [],
        "layer": "hidden",
        "measures": {name: dict(none) for name in MEASURES},
        "table": shown,
        "confusion": None,
        "pictures": None,
        "query": None,
    }
    if measured:
        for row, values in zip(shown["rows"], ((92, 91, 80, 50), (83, 90, 81, 55)), strict=False):
            row["cells"] = numbers(*values)
        shown["verdicts"] = [["9.8 points better", f"than {HOSTILE} (7.6 to 12.0)"]]
        made["measures"]["table"] |= {"state": "done", "mark": "at step 1,200"}
        made["confusion"] = MATRIX.view("learned", (0, 1), ROWS)
        made["pictures"] = {"title": f"“a” taken for “{HOSTILE}”: 1 of 2", "note": HOSTILE}
        near = [{"text": NAMES[i % 3], "same": i % 3 == 0} for i in range(4)]
        made["query"] = {
            "image": 1,
            "title": f"image 1: “a”, taken for “{HOSTILE}”",
            "note": "",
            "rows": [
                {"title": title, "said": "2 of 4 of its class", "labels": near}
                for title in ("by learned features", "by raw pixels")
            ],
        }
    return made | more


def images(count):
    pixels = torch.zeros(count, 1, 4, 4, dtype=torch.uint8)
    pixels[:, 0, :2] = 255
    part = Images(pixels, torch.zeros(count).long())
    return Dataset("half", part, part, part, ("a",))


@pytest.fixture
def screen(stage):
    stage.mount("bar", {})
    stage.mount("evaluation", view())
    return stage


def colours(page, canvas):
    return page.evaluate(
        """s => { const c = document.querySelector(s);
        const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
        return [...new Set(new Uint32Array(data.buffer))].map((p) =>
          [p & 255, (p >> 8) & 255, (p >> 16) & 255]); }""",
        canvas,
    )


def test_it_takes_the_place_of_the_three_columns_and_gives_it_back(screen):
    page = screen.page
    seen = {name: page.locator(f".{name}").is_visible() for name in ("hl-study-head", "hl-charts")}
    assert seen == {"hl-study-head": True, "hl-charts": False}
    page.locator(".hebblab-close-evaluation").focus()
    page.keyboard.press("Escape")
    assert screen.sent("close")
    screen.show("evaluation", view(opened=False))
    assert not page.locator(".hl-study-head").is_visible()
    assert page.locator(".hl-charts").is_visible()


def test_who_opens_it_reads_on_in_it(stage):
    stage.mount("evaluation", view(opened=False, measured=False))
    stage.wait("document.querySelector('.hebblab-evaluation')")
    stage.show("evaluation", view(measured=False))
    focused = "document.activeElement.className.includes('{}')"
    assert stage.page.evaluate(focused.format("hebblab-evaluation-measure"))
    stage.page.keyboard.press("Enter")
    assert stage.sent("measure") == [{"part": "evaluation", "do": "measure", "name": "table"}]
    stage.show("evaluation", view(opened=False))
    stage.show("evaluation", view())
    assert stage.page.evaluate(focused.format("hebblab-close-evaluation"))


def test_a_button_that_has_done_its_work_leaves_the_keys_at_its_row(stage):
    stage.mount("evaluation", view())
    button = stage.page.get_by_role("button", name="measure: k-means")
    button.focus()
    stage.page.keyboard.press("Enter")
    assert stage.sent("measure")[-1]["name"] == "kmeans"
    done = view()
    row = next(one for one in done["table"]["rows"] if one["measure"] == "kmeans")
    row["cells"] = numbers(90, 91, 80, 50)
    stage.show("evaluation", done)
    assert button.count() == 0
    assert stage.page.evaluate("document.activeElement.closest('tr')?.dataset.row") == row["name"]


def test_each_class_stands_on_one_element(screen):
    names = (
        "evaluation", "close-evaluation", "evaluation-measure", "evaluation-layer",
        "evaluation-table", "evaluation-confusion", "evaluation-neighbours",
    )  # fmt: skip
    counts = {name: screen.page.locator(f".hebblab-{name}").count() for name in names}
    assert counts == dict.fromkeys(names, 1)


def test_texts_are_texts(screen):
    page = screen.page
    assert page.evaluate("window.bad === undefined && !document.querySelector('.hl-study img')")
    assert page.locator(f"text={HOSTILE}").count() >= 3


def test_every_message_is_one_that_python_accepts(screen):
    page = screen.page
    screen.tell("evaluation", *picture(24))
    screen.wait("document.querySelector('.hl-cell-pictures canvas').width > 100")
    for place in (
        ".hebblab-evaluation-measure", "tr[data-row=pca] .hl-measure", ".hl-another >> nth=0",
        ".hl-another >> nth=1", "[data-row='2'][data-column='0']", ".hl-cell-pictures canvas",
    ):  # fmt: skip
        page.locator(place).click()
    page.locator(".hebblab-evaluation-confusion select").select_option("random")
    running = view()
    running["measures"]["pca"] |= {"state": "running", "share": 0.4, "status": "pca: making it"}
    running["layers"] = ["conv1", "conv2"]
    screen.show("evaluation", running)
    assert page.locator("tr[data-row=pca] progress").evaluate("p => p.value") == 0.4
    page.locator("tr[data-row=pca] .hl-measure").click()
    page.locator(".hebblab-evaluation-layer select").select_option("conv2")
    page.locator(".hebblab-close-evaluation").click()
    sent = [one for one in screen.sent() if one["part"] == "evaluation"]
    assert {one["do"] for one in sent} == {
        *("hello", "measure", "cancel", "layer", "of", "cell", "query", "another", "close")
    }
    events = EvaluationPart.events | {"hello": {"hidden": bool}}
    for one in sent:
        assert accepted(one, events) == {k: v for k, v in one.items() if k != "part"}


def picture(count=3):
    meta, data = cell(images(count), range(count))
    return meta, *data


def test_cells_are_walked_by_arrows_and_opened_by_enter(screen):
    page = screen.page
    page.locator("[data-row='0'][data-column='1']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    at = "[document.activeElement.dataset.row, document.activeElement.dataset.column]"
    assert page.evaluate(at) == ["1", "0"]
    assert not screen.sent("cell")
    page.keyboard.press("Enter")
    assert screen.sent("cell")[-1] == {"part": "evaluation", "do": "cell", "row": 1, "column": 0}
    assert page.locator(".hl-matrix [tabindex='0']").count() == 1
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(at) == ["0", "0"]


def test_images_are_ink_on_paper_and_one_of_them_is_asked_about(screen):
    page = screen.page
    screen.tell("evaluation", *picture(24))
    seen = colours(page, ".hl-cell-pictures canvas")
    assert [0xF8, 0xF8, 0xF5] in seen and [0x6A, 0x22, 0x0A] in seen
    canvas = page.locator(".hl-cell-pictures canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] - 5, "y": box["height"] - 5})
    assert screen.sent("query")[-1]["image"] == 23
    page.keyboard.press("ArrowLeft")
    assert screen.sent("query")[-1]["image"] == 22


def test_neighbours_stand_under_their_classes(screen):
    page = screen.page
    pixels = torch.zeros(9, 16, dtype=torch.uint8) + 128
    pixels[0] = 255
    meta = {"type": "neighbours", "units": list(range(9)), "columns": 4, "height": 4, "width": 4,
            "channels": 1, "greyed": []}  # fmt: skip
    screen.tell("evaluation", meta, pixels.flatten().tolist())
    assert colours(page, ".hl-query-picture canvas") == [[0x6A, 0x22, 0x0A]]
    for row in (0, 1):
        assert [0xF8, 0xF8, 0xF5] in colours(page, f".hl-near:nth-child({row + 1}) canvas")
    names = page.locator(".hl-near >> nth=0").locator(".hl-near-names span")
    assert names.nth(0).get_attribute("class") == "hl-same"
    assert names.nth(1).get_attribute("class") == "hl-other"


@pytest.mark.parametrize("width", [380, 760, 848, 1280, 1920])
def test_nothing_scrolls_sideways(screen, width):
    screen.tell("evaluation", *picture(24))
    screen.page.set_viewport_size({"width": width, "height": 800})
    screen.page.wait_for_timeout(100)
    wide = screen.page.evaluate(
        """w => [...document.querySelectorAll('.hl-study :not(.hl-explains, .hl-unseen)')]
        .filter((e) => e.getBoundingClientRect().right > w + 1)
        .map((e) => `${e.tagName} ${e.className} ${e.getBoundingClientRect().right}`)""",
        width,
    )
    assert wide == []
    assert screen.page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_a_sentence_stands_behind_each_question_mark(screen):
    page = screen.page
    tip = page.locator(".hl-worth thead .hl-explains >> nth=0")
    assert not tip.is_visible()
    page.locator(".hl-worth thead .hl-ask >> nth=0").hover()
    assert tip.is_visible() and "straight cut" in tip.inner_text()


def test_axe_finds_no_serious_fault(screen):
    page = screen.page
    screen.tell("evaluation", *picture(24))
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found[scheme] = faults(page, ".hebblab-lab")
    assert not any(found.values()), found


def test_what_went_wrong_is_said_where_it_was_asked(screen):
    shown = view()
    shown["measures"]["vae"] |= {"refusal": "There is no way back from here."}
    screen.show("evaluation", shown)
    assert "no way back" in screen.page.locator("tr[data-row=vae]").inner_text()
    stale = view()
    words = "at step 1,200; the network has since learned on"
    stale["measures"]["table"] |= {"mark": words, "stale": True}
    screen.show("evaluation", stale)
    moment = screen.page.locator(".hl-moment")
    assert moment.inner_text() == words and "hl-stale" in moment.get_attribute("class")
