import base64
import json
from contextlib import contextmanager
from dataclasses import asdict, replace

import pytest

from hebblab.dashboard import plotlyjs
from hebblab.dashboard.bar import SHEETS
from hebblab.dashboard.chart import Chart
from hebblab.dashboard.esm import css, esm
from hebblab.dashboard.evaluation import PLOTS
from hebblab.dashboard.panels import PANELS, Accuracy, Convergence, ProbePoint, Story
from hebblab.dashboard.panels.base import Tool
from hebblab.dashboard.parts import accepted

pytestmark = pytest.mark.browser

STEPS = list(range(0, 561, 10))
STORY = Story(
    history={
        "step": STEPS,
        "convergence": [min(1.0, max(0.0, (s - 100) / 200)) for s in STEPS],
        "never_win": [0.02] * len(STEPS),
        "win_entropy": [0.96] * len(STEPS),
    },
    marks=[(300, "Δ 0.20"), (420, "Δ 0.40")],
    probes=[
        ProbePoint(90, 0.862, 0.84, 0.882, raw=0.894, random=0.831, stale=True),
        ProbePoint(560, 0.94, 0.924, 0.953, raw=0.894, random=0.831),
    ],
    layer="hidden",
    step=560,
)

# A page with as much of anywidget as a chart meets.
HOST = """
<style>{css} .card {{ padding: 8px 12px; background: var(--hebblab-paper); }}</style>
<body data-jp-theme-light="true"><div class="hebblab-lab"><div id="host"></div></div></body>
"""
STUB = """
window.charts = [];
window.add = async (esm, view, width, height) => {
  const address = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  const widget = (await import(address)).default;
  const card = document.createElement("div");
  card.className = "card";
  card.style.cssText = `width: ${width}px; height: ${height}px`;
  document.querySelector("#host").append(card);
  const heard = {};
  const chart = { sent: [], card, view };
  const model = {
    get: (name) => chart[name],
    on: (event, act) => (heard[event] ??= []).push(act),
    off: (event, act) => heard[event].splice(heard[event].indexOf(act), 1),
    send: (content) => chart.sent.push(content),
  };
  chart.say = (content, buffers = []) =>
    [...(heard["msg:custom"] ?? [])].forEach((act) => act(content, buffers));
  chart.show = (shown) => { chart.view = shown; heard["change:view"].forEach((act) => act()); };
  const el = document.createElement("div");
  el.style.height = "100%";
  card.append(el);
  chart.end = await widget.render({ model, el });
  chart.plot = () => el.querySelector(".js-plotly-plot");
  return window.charts.push(chart) - 1;
};
window.inflate = (text) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new DataView(bytes.buffer);
};
"""


RESET = """() => {
  for (const chart of charts.splice(0)) chart.end();
  document.querySelector("#host").replaceChildren();
  document.querySelector("#host").removeAttribute("style");
  document.querySelector(".hebblab-lab").className = "hebblab-lab";
  document.body.dataset.jpThemeLight = "true";
  delete document.hidden;
  Plotly.react = window.plainReact;
  window.scrollTo(0, 0);
}"""


@contextmanager
def opened(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.set_content(HOST.format(css=css(*SHEETS, "chart-head.css", "chart.css")))
    page.evaluate(f"() => {{ {STUB} }}")
    yield page
    context.close()
    assert page.faults == []


@pytest.fixture
def page(browser):
    """A page of a notebook: nobody has promised Plotly yet."""
    with opened(browser) as page:
        yield page


@pytest.fixture(scope="module")
def voila(browser):
    """A page as Voila's template makes it: the promise is set, Plotly is there."""
    with opened(browser) as page:
        page.add_script_tag(path=str(plotlyjs.path()))
        page.evaluate("() => { window.hebblabPlotly = Promise.resolve(window.Plotly) }")
        page.evaluate("() => { window.plainReact = Plotly.react }")
        yield page


@pytest.fixture
def served(voila):
    yield voila
    voila.evaluate(RESET)
    assert voila.faults == []


MODULE = esm("dom.js", "part.js", "plotly.js", "labels.js", "spec.js", "tool.js", "chart.js")


def view(panel, story=STORY):
    header = panel.header(story)
    return {
        "name": panel.name,
        "title": panel.title,
        "waiting": panel.waiting,
        "header": asdict(header) if header else None,
    }


def add(page, panel, story=STORY, width=464, height=170):
    return page.evaluate(
        "([esm, view, w, h]) => window.add(esm, view, w, h)",
        [MODULE, view(panel, story), width, height],
    )


def draw(page, chart, spec, number=1):
    page.evaluate(
        "([i, spec, id]) => window.charts[i].say({ type: 'chart', id, spec })",
        [chart, spec, number],
    )


def wait_drawn(page, chart, number=1):
    page.wait_for_function(
        "([i, id]) => charts[i].sent.some((m) => m.do === 'drawn' && m.id === id)"
        " && charts[i].plot()?.querySelector('.main-svg')",
        arg=[chart, number],
        timeout=30_000,
    )


def give_plotly(page, chart):
    page.evaluate(
        "([i, text]) => charts[i].say({ type: 'plotly' }, [window.inflate(text)])",
        [chart, base64.b64encode(plotlyjs.packed()).decode()],
    )


def asked(page):
    return page.evaluate("charts.map((c) => c.sent.filter((m) => m.do === 'plotly').length)")


def test_a_chart_joins_the_modules_that_are_tested_here():
    chart = Chart(Convergence())
    assert chart._esm == MODULE
    chart.close()


def test_every_panel_is_drawn_with_its_data(served):
    for panel in PANELS:
        chart = add(served, panel())
        spec = panel().spec(STORY)
        draw(served, chart, spec)
        wait_drawn(served, chart)
        drawn = served.evaluate("(i) => charts[i].plot().data.map(({ x, y }) => [x, y])", chart)
        assert drawn == [[t["x"], t["y"]] for t in spec["data"]]
        root = served.locator(f".hebblab-{panel.name}")
        assert root.count() == 1
        assert root.locator(".js-plotly-plot").count() == 1
        assert panel.title in root.inner_text()
        assert root.get_attribute("aria-label") == spec["description"]
    assert asked(served) == [0, 0, 0, 0]


def test_in_a_notebook_one_chart_asks_the_kernel_for_plotly_and_all_draw(page):
    first, second = add(page, Convergence()), add(page, Accuracy())
    for chart in (first, second):
        draw(page, chart, (Convergence() if chart == first else Accuracy()).spec(STORY))
    waiting = page.locator(".hebblab-convergence .hebblab-chart-waiting")
    words = page.locator(".hebblab-convergence .hebblab-chart-words")
    assert waiting.inner_text() == Convergence.waiting
    assert not words.is_visible(), "one sentence at a time"
    assert asked(page) == [1, 0]
    # Without Plotly there is nothing to draw, but nobody has to wait for it.
    page.wait_for_function("charts.every((c) => c.sent.some((m) => m.do === 'drawn'))")
    give_plotly(page, first)
    page.wait_for_function(
        "charts.every((c) => c.plot()?.querySelector('.main-svg'))", timeout=60_000
    )
    assert not waiting.is_visible() and words.is_visible()
    assert page.evaluate("document.querySelectorAll('script').length") == 0
    third = add(page, Convergence())
    draw(page, third, Convergence().spec(STORY))
    wait_drawn(page, third)
    assert asked(page) == [1, 0, 0]


def test_after_ten_seconds_without_plotly_somebody_asks_again(page):
    page.clock.install()
    add(page, Convergence())
    add(page, Accuracy())
    page.clock.run_for(9_000)
    assert sum(asked(page)) == 1
    page.clock.run_for(3_000)
    assert sum(asked(page)) == 2


def test_a_damaged_answer_is_survived(page):
    chart = add(page, Convergence())
    draw(page, chart, Convergence().spec(STORY))
    page.evaluate("(i) => charts[i].say({ type: 'plotly' }, [new DataView(new ArrayBuffer(9))])", 0)
    page.wait_for_function("window.hebblabCharts.running === false")
    give_plotly(page, chart)
    page.wait_for_function("charts[0].plot()?.querySelector('.main-svg')", timeout=60_000)


def test_a_page_whose_own_script_fails_asks_the_kernel(page):
    page.evaluate("() => { window.hebblabPlotly = Promise.reject(new Error('404')) }")
    chart = add(page, Convergence())
    page.wait_for_function("charts[0].sent.some((m) => m.do === 'plotly')")
    draw(page, chart, Convergence().spec(STORY))
    give_plotly(page, chart)
    page.wait_for_function("charts[0].plot()?.querySelector('.main-svg')", timeout=60_000)
    # The rejection is the test's own.
    page.faults.clear()


def test_only_what_is_seen_is_drawn_but_all_is_acknowledged(served):
    served.evaluate("() => { document.querySelector('#host').style.paddingTop = '3000px' }")
    chart = add(served, Convergence())
    draw(served, chart, Convergence().spec(STORY))
    served.wait_for_function("charts[0].sent.some((m) => m.do === 'drawn' && m.id === 1)")
    assert served.evaluate("charts[0].plot()") is None
    served.locator(".hebblab-convergence").scroll_into_view_if_needed()
    wait_drawn(served, chart)
    assert served.evaluate("charts[0].sent.filter((m) => m.do === 'drawn').length") == 1


def test_a_hidden_page_acknowledges_without_drawing(served):
    chart = add(served, Convergence())
    draw(served, chart, Convergence().spec(STORY))
    wait_drawn(served, chart)
    hide = """(hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }"""
    served.evaluate(hide, True)
    changed = Convergence().spec(replace(STORY, marks=[(10, "k 7")]))
    draw(served, chart, changed, 2)
    wait_drawn(served, chart, 2)
    names = "charts[0].plot().layout.annotations.map((a) => a.text)"
    assert "k 7" not in served.evaluate(names)
    served.evaluate(hide, False)
    served.wait_for_function(f"{names}.includes('k 7')")


def test_one_chart_is_drawn_per_animation_frame(served):
    charts = [add(served, panel()) for panel in PANELS]
    served.evaluate(
        """() => {
          window.frame = 0;
          const count = () => { window.frame += 1; requestAnimationFrame(count); };
          requestAnimationFrame(count);
          const react = Plotly.react;
          window.drawnIn = [];
          Plotly.react = (...more) => { window.drawnIn.push(window.frame); return react(...more); };
        }"""
    )
    served.evaluate(
        "(specs) => specs.forEach((spec, i) => charts[i].say({ type: 'chart', id: 1, spec }))",
        [panel().spec(STORY) for panel in PANELS],
    )
    for chart in charts:
        wait_drawn(served, chart)
    frames = served.evaluate("window.drawnIn")
    assert len(frames) >= 4
    assert len(set(frames)) == len(frames)


def test_a_burst_is_drawn_once_with_the_newest(served):
    chart = add(served, Convergence())
    specs = [Convergence().spec(replace(STORY, marks=[(i, f"k {i}")])) for i in range(2, 8)]
    served.evaluate(
        "(specs) => specs.forEach((spec, i) => charts[0].say({ type: 'chart', id: i + 1, spec }))",
        specs,
    )
    wait_drawn(served, chart, 6)
    texts = served.evaluate("charts[0].plot().layout.annotations.map((a) => a.text)")
    assert "k 7" in texts and "k 2" not in texts


def test_colours_are_read_at_each_drawing(served):
    chart = add(served, Convergence())
    draw(served, chart, Convergence().spec(STORY))
    wait_drawn(served, chart)
    line = "charts[0].plot().data.find((t) => t.name === 'converged').line.color"
    assert served.evaluate(line) == "rgb(11, 110, 117)"
    served.evaluate("() => { document.body.dataset.jpThemeLight = 'false' }")
    served.wait_for_function(f"{line} !== 'rgb(11, 110, 117)'")
    assert "@" not in json.dumps(served.evaluate("charts[0].plot().layout"))


def test_a_projector_gets_larger_text_and_thicker_lines(served):
    chart = add(served, Convergence(), width=700, height=240)
    draw(served, chart, Convergence().spec(STORY))
    wait_drawn(served, chart)
    size = "charts[0].plot().layout.xaxis.tickfont.size"
    width = "charts[0].plot().data.find((t) => t.name === 'converged').line.width"
    assert (served.evaluate(size), served.evaluate(width)) == (12, 2)
    served.evaluate("() => document.querySelector('.hebblab-lab').classList.add('hl-projector')")
    served.wait_for_function(f"{size} === 15")
    assert served.evaluate(width) == 2.5


def test_a_chart_follows_the_size_of_its_place(served):
    chart = add(served, Convergence(), width=464, height=170)
    draw(served, chart, Convergence().spec(STORY))
    wait_drawn(served, chart)
    served.evaluate("() => { charts[0].card.style.width = '700px' }")
    served.wait_for_function("charts[0].plot().querySelector('.main-svg').clientWidth > 600")


def test_the_next_point_moves_no_axis(served):
    chart = add(served, Convergence())
    panel = Convergence()
    draw(served, chart, panel.spec(STORY))
    wait_drawn(served, chart)
    place = """() => {
      const plot = charts[0].plot();
      const ticks = [...plot.querySelectorAll('.xtick text, .ytick text')];
      const places = ticks.map((t) => [t.textContent, ...Object.values(t.getBBox())]);
      return [plot.layout.xaxis.range, plot.layout.margin, places];
    }"""
    before = served.evaluate(place)
    longer = {name: [*column, column[-1]] for name, column in STORY.history.items()}
    longer["step"][-1] = 570
    draw(served, chart, panel.spec(replace(STORY, history=longer, step=570)), 2)
    wait_drawn(served, chart, 2)
    assert served.evaluate(place) == before


def test_the_header_shows_result_progress_and_cancel(served):
    chart = add(served, Accuracy(), Story())
    result = served.locator(".hebblab-probe-result")
    cancel = served.locator(".hebblab-cancel-probe")
    assert result.text_content() == ""
    assert cancel.is_disabled()
    busy = view(Accuracy(), replace(STORY, probe_status=(0.4, "random features")))
    served.evaluate("([i, v]) => charts[i].show(v)", [chart, busy])
    assert served.locator("progress").get_attribute("value") == "0.4"
    assert served.locator(".hebblab-chart-status").inner_text() == "random features"
    cancel.click()
    assert served.evaluate("charts[0].sent.at(-1)") == {"do": "cancel-probe"}
    served.evaluate("([i, v]) => charts[i].show(v)", [chart, view(Accuracy())])
    assert result.inner_text() == "94.0 % · raw pixels 89.4 % · random features 83.1 %"
    assert cancel.is_disabled()
    assert not served.locator("progress").is_visible()


@pytest.mark.parametrize("size", [(380, 113), (380, 170), (464, 113), (464, 170), (600, 150)])
@pytest.mark.parametrize("panel", [Convergence, Accuracy])
def test_labels_never_cover_one_another(served, panel, size):
    crowd = replace(STORY, marks=[(s, f"Δ 0.{s}") for s in range(100, 560, 30)])
    for story in (STORY, crowd):
        chart = add(served, panel(), story, *size)
        draw(served, chart, panel().spec(story))
        wait_drawn(served, chart)
        boxes = served.evaluate(
            """(i) => [...charts[i].plot().querySelectorAll('.annotation-text')].map((t) => {
              const { left, right, top, bottom } = t.getBoundingClientRect();
              return [left, right, top + 1, bottom - 1];
            })""",
            chart,
        )
        assert boxes
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                apart = a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
                assert apart, (a, b)


@pytest.mark.parametrize("climb", [80, 120, 160])
@pytest.mark.parametrize("width", [380, 464, 600])
def test_a_name_leaves_a_climbing_curve_to_be_seen(served, width, climb):
    steps = list(range(0, 301, 10))
    rising = [min(0.95, max(0.0, (s - 300 + climb) / climb)) for s in steps]
    history = {"step": steps, "convergence": rising, "never_win": [0.0] * len(steps)}
    story = Story(history=history, step=300, layer="hidden")
    chart = add(served, Convergence(), story, width, 170)
    draw(served, chart, Convergence().spec(story))
    wait_drawn(served, chart)
    words, beneath = served.evaluate(
        """(i) => {
          const plot = charts[i].plot();
          const name = [...plot.querySelectorAll('.annotation-text')]
            .find((t) => t.textContent.startsWith('converged'));
          const { left, right, top, bottom } = name.getBoundingClientRect();
          const line = [...plot.querySelectorAll('.scatterlayer .js-line')].at(-1);
          const toPage = line.getScreenCTM();
          let beneath = 0;
          for (let at = 0; at < line.getTotalLength(); at += 1) {
            const { x, y } = line.getPointAtLength(at).matrixTransform(toPage);
            beneath += left < x && x < right && top < y && y < bottom;
          }
          return [name.textContent, beneath];
        }""",
        chart,
    )
    assert (words, beneath) == ("converged 95 %", 0)


@pytest.mark.parametrize(
    ("want", "height", "bands", "slot"),
    [
        (20, 100, [], 20),
        (20, 100, [[15, 25]], 8),
        (22, 100, [[15, 25]], 32),
        (20, 100, [[0, 60]], 67),
        (20, 40, [[10, 30]], 3),
        (20, 40, [[8, 34]], None),
        (-30, 100, [], 7),
    ],
)
def test_a_label_takes_the_free_place_nearest_to_where_it_belongs(
    served, want, height, bands, slot
):
    found = served.evaluate(
        """async ([source, ...more]) => {
          const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          return (await import(address)).freeSlot(...more);
        }""",
        [esm("labels.js") + "\nexport { freeSlot };", want, 14, height, bands],
    )
    assert found == slot


def test_a_text_that_a_person_brings_is_shown_as_text(served):
    markup = "<img src=x onerror=alert(1)>"
    story = replace(STORY, marks=[(100, markup)], layer=markup)
    chart = add(served, Convergence(), story, 700, 200)
    draw(served, chart, Convergence().spec(story))
    wait_drawn(served, chart)
    assert served.locator("img").count() == 0
    texts = served.locator(".annotation-text").all_text_contents()
    assert any(text.startswith("<img src=x") for text in texts)


def test_a_chart_that_goes_leaves_nothing(served):
    chart = add(served, Convergence())
    draw(served, chart, Convergence().spec(STORY))
    wait_drawn(served, chart)
    served.evaluate("() => charts[0].end()")
    assert served.locator(".hebblab-convergence").count() == 0
    sent = served.evaluate("charts[0].sent.length")
    draw(served, chart, Convergence().spec(Story()), 2)
    served.evaluate("() => { document.body.dataset.jpThemeLight = 'false' }")
    served.evaluate("() => new Promise((r) => requestAnimationFrame(() => setTimeout(r, 0)))")
    assert served.evaluate("charts[0].sent.length") == sent


def test_controls_are_named_and_the_plot_asks_no_other_host(served):
    asked_hosts = []
    served.on("request", lambda request: asked_hosts.append(request.url))
    chart = add(served, Accuracy())
    draw(served, chart, Accuracy().spec(STORY))
    wait_drawn(served, chart)
    assert served.get_by_role("button", name="Cancel the probe").count() == 1
    group = served.get_by_role("group", name="Probe accuracy")
    assert "94.0 %" in group.get_attribute("aria-label")
    assert all(url.startswith(("blob:", "data:")) for url in asked_hosts)


def test_what_a_chart_offers_is_sent_with_its_value(served):
    chart = Chart(Accuracy())
    view = chart.view
    served.evaluate("a => add(...a)", [MODULE, view, 440, 190])
    card = served.locator(".card")
    card.locator(".hebblab-open-evaluation").click()
    card.locator(".hebblab-live-line select").select_option("ncm")
    sent = [one for one in served.evaluate("charts[0].sent") if one["do"] == "tool"]
    assert sent == [
        {"do": "tool", "name": "evaluation", "value": ""},
        {"do": "tool", "name": "live-line", "value": "ncm"},
    ]
    accepts = Chart.events
    assert all(accepted(one, accepts) == one for one in sent)
    # At half height the way to all probes stands under the plot, beside the line.
    served.evaluate("document.querySelector('.card').style.height = '110px'")
    card.locator(".hebblab-chart-foot .hebblab-open-evaluation").wait_for()
    served.evaluate("document.querySelector('.card').style.height = '190px'")
    card.locator(".hebblab-chart-head .hebblab-open-evaluation").wait_for()
    chart.close()


def test_a_measurement_is_begun_ended_and_followed_at_its_chart(served):
    chart = Chart(PLOTS[1]())
    chart.arm([Tool("measure", "measure", value="labels")])
    served.evaluate("a => add(...a)", [MODULE, chart.view, 440, 190])
    card = served.locator(".card")
    button, share = card.locator(".hebblab-chart-tool"), card.locator("progress")
    assert not share.is_visible()
    assert button.get_attribute("aria-label") == f"measure: {PLOTS[1].title}"
    button.click()
    chart.arm([Tool("cancel", "cancel", value="labels")], 0.25, "pixels: linear · about 4 s left")
    served.evaluate("view => charts[0].show(view)", chart.view)
    assert share.evaluate("p => p.value") == 0.25
    assert card.locator(".hebblab-chart-working").inner_text() == "pixels: linear · about 4 s left"
    button.click()
    sent = [one for one in served.evaluate("charts[0].sent") if one["do"] == "tool"]
    assert [(one["name"], one["value"]) for one in sent] == [
        ("measure", "labels"),
        ("cancel", "labels"),
    ]
    chart.close()


PLACES = """(i) => {
  const plot = charts[i].plot();
  const box = (e) => { const { left, right, top, bottom } = e.getBoundingClientRect();
    return { text: e.textContent, left, right, top: top + 2, bottom: bottom - 2 }; };
  const all = (name) => [...plot.querySelectorAll(name)].map(box);
  const points = plot.querySelectorAll('.scatterlayer .points path');
  return {
    labels: all('.annotation-text'),
    points: [...points].filter((p) => getComputedStyle(p).opacity !== '0').map(box),
    name: all('.ytitle'), numbers: all('.ytick text'), ends: all('.xtick text'),
    from: plot._fullLayout._size.l, card: box(plot),
  };
}"""


def placed(page, panel, story, width, height):
    chart = add(page, panel, story, width, height)
    draw(page, chart, panel.spec(story))
    wait_drawn(page, chart)
    return page.evaluate(PLACES, chart)


def meet(a, b):
    across = a["left"] < b["right"] and b["left"] < a["right"]
    return across and a["top"] < b["bottom"] and b["top"] < a["bottom"]


@pytest.mark.parametrize("size", [(438, 145), (464, 170), (512, 200)])
def test_edits_near_one_another_and_near_a_probe_keep_clear_of_both(served, size):
    marks = [(254, "Δ 0.80"), (722, "Δ 0"), (3483, "Δ 0.40"), (3496, "k 3"), (3506, "η 0.05")]
    probes = [ProbePoint(360, 0.928, 0.91, 0.942, raw=0.894, random=0.852)]
    probes.append(replace(probes[0], step=3600, accuracy=0.931))
    for step in (3600, 13_000):
        story = replace(STORY, marks=marks, probes=probes, step=step)
        found = placed(served, Accuracy(), story, *size)
        labels = found["labels"]
        assert len(labels) >= 4
        assert not [(a, b) for i, a in enumerate(labels) for b in labels[:i] if meet(a, b)]
        assert not [(a, b) for a in labels for b in found["points"] if meet(a, b)]


@pytest.mark.parametrize("size", [(540, 100), (464, 170), (374, 190)])
def test_an_edit_before_the_first_probe_keeps_clear_of_the_words_in_the_middle(served, size):
    marks = [(200, "Δ 0.80"), (240, "k 3"), (290, "η 0.05")]
    found = placed(served, Accuracy(), replace(STORY, marks=marks, probes=[]), *size)
    words = served.evaluate(
        """() => {
          const node = document.querySelector('.hebblab-chart-words'), range = new Range();
          range.selectNodeContents(node);
          const { left, right, top, bottom } = range.getBoundingClientRect();
          return { text: node.textContent, left, right, top: top + 2, bottom: bottom - 2 };
        }"""
    )
    assert words["text"].startswith("Press Probe")
    assert not [one for one in found["labels"] if meet(one, words)]


@pytest.mark.parametrize("scale", ["", "hl-projector"])
def test_of_two_charts_side_by_side_in_a_cell_no_word_is_cut(served, scale):
    served.evaluate("name => document.querySelector('.hebblab-lab').className += ' ' + name", scale)
    long = replace(STORY, step=5000, window="all")
    for panel in (Convergence(), Accuracy()):
        chart = add(served, panel, long, 498 if scale else 398, 230)
        draw(served, chart, panel.spec(long))
        wait_drawn(served, chart)
        served.evaluate("i => charts[i].show({ ...charts[i].view, window: 'all' })", chart)
    cut = served.evaluate(
        """() => {
          const all = (css) => [...document.querySelectorAll(css)];
          const lines = all('.hebblab-chart-title, .hebblab-chart-subtitle');
          const pieces = all('.hebblab-probe-result span');
          const below = (e) => e.getBoundingClientRect().bottom;
          return [
            ...lines.filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1),
            ...pieces.filter((e) => below(e) > below(e.parentElement) + 1),
          ].map((e) => e.textContent);
        }"""
    )
    assert cut == []
    assert served.locator(".hebblab-probe-result span").count() == 3


def test_names_beside_lying_bars_are_read_from_their_first_letter(served):
    spec = Convergence().spec(STORY)
    names = ["&lt;b&gt;bold&lt;…", "WWWWWWWW…", "bag"]
    axis = spec["layout"]["yaxis"]
    axis["title"]["text"] = ""
    axis |= {"tickmode": "array", "tickvals": [0, 50, 100], "ticktext": names}
    chart = add(served, Convergence(), STORY, 374, 190)
    draw(served, chart, spec)
    wait_drawn(served, chart)
    found = served.evaluate(PLACES, chart)
    assert [one["text"] for one in found["numbers"]] == ["<b>bold<…", "WWWWWWWW…", "bag"]
    assert min(one["left"] for one in found["numbers"]) >= found["card"]["left"]


def test_where_nothing_hovers_a_tap_brings_the_buttons(browser):
    context = browser.new_context(
        viewport={"width": 600, "height": 400}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.set_content(HOST.format(css=css(*SHEETS, "chart-head.css", "chart.css")))
    page.evaluate(f"() => {{ {STUB} }}")
    page.add_script_tag(path=str(plotlyjs.path()))
    page.evaluate("() => { window.hebblabPlotly = Promise.resolve(window.Plotly) }")
    assert page.evaluate("matchMedia('(hover: none)').matches")
    chart = add(page, Convergence())
    draw(page, chart, Convergence().spec(STORY))
    wait_drawn(page, chart)
    seen = "getComputedStyle(document.querySelector('.modebar')).opacity"
    assert page.evaluate(seen) == "0"
    page.tap(".hebblab-chart-box")
    page.wait_for_function(f"{seen} === '1'")
    context.close()


def test_in_a_low_chart_names_stand_in_the_order_of_their_curves(served):
    names = {"converged": "converged", "never": "never win"}
    for share in (0.75, 0.2, 1.0):
        story = replace(STORY, history=STORY.history | {"convergence": [share] * len(STEPS)})
        found = placed(served, Convergence(), story, 540, 100)["labels"]
        at = {k: next(b["top"] for b in found if v in b["text"]) for k, v in names.items()}
        assert at["converged"] < at["never"]


@pytest.mark.parametrize("height", [100, 130, 165])
def test_charts_of_a_column_begin_on_one_line_and_so_do_their_names(served, height):
    found = [placed(served, panel(), STORY, 464, height) for panel in PANELS]
    assert len({one["from"] for one in found}) == 1
    edges = {round(one["name"][0]["left"] - one["card"]["left"]) for one in found if one["name"]}
    assert len(edges) <= 1
    for one in found:
        assert not [n for n in one["numbers"] for name in one["name"] if meet(n, name)]


def test_a_result_without_room_loses_whole_pieces(served):
    for width in (464, 300, 220):
        chart = add(served, Accuracy(), STORY, width, 170)
        served.evaluate("([i, v]) => charts[i].show(v)", [chart, view(Accuracy())])
        narrow = "([i, is]) => !charts[i].card.querySelector('.hebblab-narrow') === !is"
        served.wait_for_function(narrow, arg=[chart, width < 420])
        shown = served.evaluate(
            """(i) => {
              const box = charts[i].card.querySelector('.hebblab-probe-result');
              const edge = box.getBoundingClientRect();
              return [...box.children].map((piece) => {
                const { top, right } = piece.getBoundingClientRect();
                return top > edge.bottom - 3 ? 'out' : right <= edge.right + 1 ? 'in' : 'cut';
              });
            }""",
            chart,
        )
        assert shown[0] == "in" and "cut" not in shown
        assert (shown == ["in"] * 3) is (width > 220)


def test_on_a_projector_the_result_and_both_baselines_stand_beside_the_title(served):
    # What 1280 by 600 pixels leave an accuracy panel.
    result = replace(STORY.probes[-1], accuracy=0.931, raw=0.894, random=0.852)
    story = replace(STORY, probes=[result])
    chart = add(served, Accuracy(), story, 524, 105)
    served.evaluate("([i, v]) => charts[i].show(v)", [chart, view(Accuracy(), story)])
    served.locator(".hebblab-compact").wait_for()
    pieces = served.locator(".hebblab-probe-result span")
    assert pieces.count() == 3
    assert len({pieces.nth(i).bounding_box()["y"] for i in range(3)}) == 1


@pytest.mark.parametrize("panel", [Convergence(), Accuracy()])
def test_in_a_usual_window_what_a_chart_shows_is_read_whole(served, panel):
    long = replace(STORY, step=5000)
    chart = add(served, panel, long, 464, 170)
    draw(served, chart, panel.spec(long))
    wait_drawn(served, chart)
    served.evaluate("i => charts[i].show({ ...charts[i].view, window: 'all' })", chart)
    subtitle = served.locator(".hebblab-chart-subtitle").first
    assert subtitle.inner_text()
    assert not subtitle.evaluate("e => e.scrollWidth > e.clientWidth")
