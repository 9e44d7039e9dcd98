"""The dashboard as `hebblab serve` brings it: one server, one page, one person."""

import re
import signal
from urllib.parse import urlsplit

import pytest

from tests.browser.pages import (
    CHARTS,
    CLASSES,
    TRANSPORT,
    LabPage,
    Traffic,
    command,
    faults,
    kernels,
    prepare,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`hebblab serve`, with nothing but the built-in images at hand."""
    folder = tmp_path_factory.mktemp("serve")
    env = {"HEBBLAB_DATA": str(folder / "data"), "HEBBLAB_HOME": str(folder / "home")}
    options = ["--no-browser", "--port", "0", "--max-visitors", "1"]
    with command("serve", *options, log=folder / "stderr.txt", env=env) as started:
        yield started


@pytest.fixture(scope="module")
def context(browser):
    made = browser.new_context(viewport={"width": 1280, "height": 800})
    prepare(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def traffic(context):
    return Traffic(context)


@pytest.fixture(scope="module")
def opened(server, context, traffic):
    """The page, opened once; whoever needs a fresh run begins one."""
    url, _ = server
    page = context.new_page()
    page.goto(url, wait_until="commit")
    lab = LabPage(page)
    page.wait_for_selector(".hebblab-weights canvas")
    lab.until("CHARTS => CHARTS.every((name) => plot(name))".replace("CHARTS", "names"), CHARTS)
    lab.until("!part('start').disabled")
    return lab


@pytest.fixture
def lab(opened):
    """A fresh run of the usual preset, ready at step 0."""
    opened.begin()
    return opened


def test_the_page_opens_with_noise_and_one_sentence(opened):
    opened.until_painted()
    sentence = opened.page.get_by_text(
        "These 100 squares are what 100 units have learned so far: nothing. Press Start."
    )
    assert sentence.is_visible()
    assert opened.page.evaluate("ink().colours") > 100
    assert (opened.text("state"), opened.text("steps")) == ("ready", "0")
    opened.until_text("link", "connected")
    assert opened.part("equation").locator("math").count() >= 1
    assert opened.text("error") == opened.text("refusal") == opened.text("effect") == ""


def test_each_class_of_the_contract_stands_on_exactly_one_element(opened):
    knobs = ("knob-delta", "knob-k", "knob-p", "knob-n", "knob-learning-rate")
    counts = {name: opened.part(name).count() for name in (*CLASSES, *knobs)}
    assert counts == dict.fromkeys(counts, 1)
    for name in ("preset", "data", "network", "rule", "layer", "speed"):
        assert opened.part(name).locator("select").count() == 1
    for name in CHARTS:
        assert opened.part(name).locator(".js-plotly-plot").count() == 1
    for name in knobs:
        assert opened.part(name).locator("input[type=range]").count() == 1
        assert opened.part(name).locator("input[type=text][inputmode=decimal]").count() == 1


def test_what_cannot_be_pressed_is_disabled_and_not_hidden(opened):
    assert all(opened.part(name).is_visible() for name in TRANSPORT)
    cannot = {name for name in TRANSPORT if opened.part(name).is_disabled()}
    assert cannot == {"pause", "cancel-probe"}


def test_start_changes_the_images_and_the_charts(lab):
    noise, plots = lab.ink(), {name: lab.plot(name) for name in CHARTS}
    lab.press("start")
    lab.until_ink(noise)
    lab.until("document.querySelector('.hl-opening').hidden")
    lab.until("part('start').disabled && !part('pause').disabled")
    for name in ("convergence", "histogram", "activations"):
        lab.until("([n, d]) => plot(n).data !== d", [name, plots[name]["data"]])
        lab.until("([n, s]) => plot(n).shapes !== s", [name, plots[name]["shapes"]])
    first = {name: lab.plot(name) for name in CHARTS}
    lab.until_steps(60)
    for name in ("convergence", "histogram", "activations"):
        lab.until("([n, s]) => plot(n).shapes !== s", [name, first[name]["shapes"]])
    assert float(lab.text("epoch")) >= 2.0
    lab.until("Number(part('rate').innerText) > 0")


def test_pause_holds_the_step_and_step_takes_one(lab):
    lab.press("start")
    lab.until_steps(5)
    held = lab.pause()
    shown = lab.ink()
    assert lab.part("pause").is_disabled()
    # An edit comes into force at the step at which the run is held.
    lab.type("delta", "0.3")
    lab.until_log("Δ 0.40 → 0.30")
    assert lab.part("log").locator("li").inner_text().startswith(f"step {held} ")
    assert (lab.text("state"), lab.steps, lab.ink()) == ("paused", held, shown)
    for count in (1, 2):
        lab.press("step")
        lab.until_steps(held + count)
        assert (lab.text("state"), lab.steps) == ("paused", held + count)
    assert lab.until_ink(shown)


def test_restart_returns_to_the_same_noise_and_a_new_seed_to_another(lab):
    noise, seed = lab.ink(), lab.seed
    lab.press("step")
    lab.until_steps(1)
    lab.until_ink(noise)
    lab.press("restart")
    lab.until("s => ink().sum === s && part('steps').innerText === '0'", noise)
    assert lab.text("state") == "ready"
    lab.press("new-seed")
    other = lab.until_ink(noise)
    lab.until_seed(str(int(seed) + 1))
    assert (lab.text("state"), lab.steps) == ("ready", 0)
    lab.press("step")
    lab.until_ink(other)
    lab.press("restart")
    lab.until("s => ink().sum === s", other)


def test_a_slider_moved_by_keys_mid_run_acts_and_leaves_a_mark_on_every_curve(lab):
    lab.press("start")
    lab.until_steps(3)
    lab.slider("delta").focus()
    lab.keyboard.press("ArrowRight")
    lab.until_log("Δ 0.40 → 0.41")
    lab.until("part('log').closest('.hl-grid').innerText.includes('at 0.41 of its strength')")
    # Of marks that would cover each other the newest keeps its words.
    for name in ("convergence", "accuracy"):
        lab.until("n => plot(n).marks.includes('Δ 0.41')", name)
    lab.keyboard.press("PageUp")
    lab.until_log("Δ 0.41 → 0.51")
    assert lab.field("delta").input_value() == "0.51"
    for name in ("convergence", "accuracy"):
        lab.until("n => plot(n).marks.includes('Δ 0.51') && plot(n).lines >= 2", name)
    before = lab.steps
    lab.until_steps(before + 5)
    assert lab.text("state") == "running"


def test_a_drag_is_one_gesture_that_lights_its_term(lab):
    lab.press("start")
    lab.until_steps(3)
    box = lab.slider("delta").bounding_box()
    middle = box["y"] + box["height"] / 2
    mouse = lab.page.mouse
    mouse.move(box["x"] + 0.4 * box["width"], middle)
    mouse.down()
    for share in (0.5, 0.6, 0.7):
        mouse.move(box["x"] + share * box["width"], middle, steps=4)
        # Each act of the hand is in force before the next.
        lab.until("s => Number(part('log').querySelector('b')?.innerText.split('→ ')[1]) > s",
                  share - 0.06)  # fmt: skip
        assert lab.page.locator(".hl-lit").count() >= 1
    mouse.up()
    lab.until("!document.querySelector('.hl-lit')")
    new = lab.field("delta").input_value()
    assert 0.64 < float(new) < 0.76
    lab.until_log(f"Δ 0.40 → {new}")
    assert len(lab.log()) == 1
    for name in ("convergence", "accuracy"):
        lab.until("([n, t]) => plot(n).marks.includes(t)", [name, f"Δ {new}"])
        assert lab.plot(name)["lines"] == 1


@pytest.mark.parametrize(
    ("knob", "value", "words"),
    [
        ("delta", "7", "from 0 to 2, not 7."),
        ("delta", "abc", "from 0 to 2, not 'abc'."),
        ("delta", "٣", "from 0 to 2, not '٣'."),
        ("delta", "1e400", "from 0 to 2, not 1e400."),
        ("delta", "", "from 0 to 2, not ''."),
        ("delta", "9" * 5000, "from 0 to 2, not '999"),
        ("k", "101", "from 2 to 100, not 101."),
        ("k", "1", "from 2 to 100, not 1."),
        ("p", "nan", "not nan."),
        ("learning-rate", "-1", "not -1."),
    ],
    ids=lambda value: value[:8] or "empty",
)
def test_an_impossible_value_is_refused_in_words_and_the_run_goes_on(opened, knob, value, words):
    lab = opened
    if lab.text("state") != "running" or lab.log():
        lab.begin()
        lab.press("start")
        lab.until_state("running")
    place = lab.slider(knob).input_value()
    lab.type(knob, value)
    lab.until_text(f"knob-{knob}", words)
    assert words in lab.text("refusal")
    assert len(lab.text("refusal")) < 200
    assert lab.slider(knob).input_value() == place
    lab.until_steps(lab.steps + 3)
    assert (lab.text("state"), lab.log(), lab.text("error")) == ("running", [], "")


def test_a_valid_value_takes_the_refusal_away(lab):
    lab.type("delta", "7")
    lab.until_text("refusal", "from 0 to 2")
    assert lab.field("delta").get_attribute("aria-invalid") == "true"
    lab.type("delta", "0,25")
    lab.until_log("Δ 0.40 → 0.25")
    lab.until("part('refusal').innerText === ''")
    assert lab.field("delta").input_value() == "0.25"
    lab.part("knob-delta").locator(".hl-symbol").dblclick()
    lab.until_log("Δ 0.25 → 0.40")


def test_the_page_says_what_an_edit_did(lab):
    lab.choose("speed", "full")
    lab.press("start")
    lab.until_steps(150)
    lab.type("p", "4")
    lab.until_log("p 2.0 → 4.0")
    assert "norm" in lab.part("log").locator("li .hl-help").inner_text()
    lab.until_text("effect", "since p 4.0")
    lab.pause()
    lab.choose("speed", "60")


def test_a_probe_of_many_units_can_be_cancelled(lab):
    lab.choose("network", "dense-2000")
    lab.until_text("weights", "400 of 2,000 units")
    lab.press("probe")
    lab.press("cancel-probe")
    lab.until("part('cancel-probe').disabled && !part('probe').disabled")
    # What is drawn next would hold a result that came all the same.
    lab.type("delta", "0.5")
    lab.until("plot('accuracy').marks.includes('Δ 0.50')")
    assert lab.plot("accuracy")["points"] == 0
    assert lab.text("probe-result") == ""


def test_a_probe_shows_a_number_and_its_baselines(lab):
    before = lab.plot("accuracy")
    lab.press("start")
    lab.until_steps(30)
    step = lab.steps
    lab.press("probe")
    lab.until_text("probe-result", "random features")
    number = r"\d+\.\d %"
    result = rf"({number}) · raw pixels {number} · random features {number}"
    text = lab.text("probe-result")
    assert re.fullmatch(result, text.replace("\n", " ")), text
    lab.until("plot('accuracy').points === 1")
    after = lab.plot("accuracy")
    assert after["data"] != before["data"]
    assert after["shapes"] != before["shapes"]
    lab.until("part('cancel-probe').disabled && !part('probe').disabled")
    assert lab.text("state") == "running"
    assert lab.steps > step


def test_the_probe_screen_says_what_the_features_are_worth_and_leads_back(lab):
    lab.press("start")
    lab.until_steps(30)
    lab.pause()
    held = lab.steps
    lab.part("weights").locator("canvas").focus()
    lab.keyboard.press("e")
    lab.until("part('evaluation-table').innerText.includes('points')")
    assert not lab.part("weights").is_visible() and lab.part("start").is_visible()
    values = lab.part("evaluation-table").locator("tr[data-row=learned] .hl-value")
    assert values.count() == 4
    assert lab.page.locator(".hl-moment").inner_text() == f"at step {held}"
    lab.page.locator("[data-row='3'][data-column='3']").click()
    lab.until("document.querySelector('.hl-cell-pictures h3').innerText.startsWith('“3” named')")
    pixels = "s => { const c = document.querySelector(s); return new Set(new Uint32Array("
    pixels += "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size }"
    lab.until(f"({pixels})('.hl-cell-pictures canvas') > 20")
    lab.until("document.querySelectorAll('.hl-near canvas').length === 2")
    lab.until(f"({pixels})('.hl-near canvas') > 20")
    assert lab.page.locator(".hl-near-names span").count() == 20
    lab.part("evaluation-noise").locator(".hebblab-chart-tool").click()
    lab.until("plot('evaluation-noise')?.data.includes('learned features')")
    assert lab.page.evaluate("JSON.parse(plot('evaluation-noise').data).length") == 3
    assert faults(lab.page, ".hebblab-lab") == {}
    lab.press("step")
    lab.until("document.querySelector('.hl-moment').innerText.includes('learned on')")
    lab.keyboard.press("Escape")
    lab.until("!part('lab').classList.contains('hl-studying')")
    assert lab.page.evaluate("document.activeElement === part('open-evaluation')")
    assert lab.part("weights").is_visible()
    lab.until_painted()


def test_a_live_line_grows_while_the_run_goes_on(lab):
    line = "JSON.parse(plot('accuracy').data).find((t) => t.name === 'live line')"
    lab.choose("live-line", "ncm")
    lab.press("start")
    lab.until(f"{line}?.x.length >= 2")
    lab.until("plot('accuracy').marks.some((t) => t.startsWith('nearest class mean'))")
    lab.choose("live-line", "off")
    lab.until(f"!{line}")


def test_a_unit_is_chosen_moved_by_arrows_and_let_go(lab):
    lab.press("step")
    lab.until_steps(1)
    card, canvas = lab.part("unit"), lab.part("weights").locator("canvas")
    assert not card.locator("canvas").is_visible()
    canvas.click(position={"x": 20, "y": 20})
    lab.until_text("unit", "nearest unit")
    facts = dict(zip(card.locator("dt").all_inner_texts(), card.locator("dd").all_inner_texts(),
                     strict=True))  # fmt: skip
    assert facts["unit"] == "0"
    assert re.fullmatch(r"\d+ of 1,000", facts["wins"])
    assert float(facts["norm ‖w‖₂"]) > 0
    assert lab.page.evaluate("ink('unit').colours") > 20
    first = lab.ink("unit")
    lab.keyboard.press("ArrowRight")
    lab.until("part('unit').querySelector('dd').innerText === '1'")
    lab.keyboard.press("ArrowDown")
    lab.until("part('unit').querySelector('dd').innerText === '11'")
    assert lab.ink("unit") != first
    lab.keyboard.press("Escape")
    assert not card.locator("canvas").is_visible()
    canvas.click(position={"x": 20, "y": 20})
    lab.until_text("unit", "nearest unit")
    lab.page.locator(".hl-edits h2").click()
    assert not card.locator("canvas").is_visible()


def test_scale_order_and_change_are_other_pictures(lab):
    lab.press("start")
    lab.until_steps(40)
    lab.pause()
    shown = lab.ink()
    scale = lab.part("weights").locator("label:has-text('scale') select")
    order = lab.part("weights").locator("label:has-text('order') select")
    change = lab.part("weights").locator("button[data-mode=change]")
    for select, other, usual in ((scale, "unit", "shared"), (order, "wins", "number")):
        select.select_option(other)
        lab.until_ink(shown)
        select.select_option(usual)
        lab.until("s => ink().sum === s", shown)
    assert change.is_disabled()
    lab.type("delta", "0.9")
    lab.until("!part('weights').querySelector('[data-mode=change]').disabled")
    lab.press("step")
    later = lab.until_ink(shown)
    change.click()
    lab.until_ink(later)
    lab.until("ink().colours > 20")
    lab.part("weights").locator("button[data-mode=weights]").click()
    lab.until("s => ink().sum === s", later)
    # Holding B blinks to the images before the edit.
    lab.part("weights").locator("canvas").focus()
    lab.keyboard.down("b")
    lab.until("s => ink().sum === s", shown)
    lab.keyboard.up("b")
    lab.until("s => ink().sum === s", later)


def test_keys_act_in_the_lab_and_never_while_typing(lab):
    lab.part("weights").locator("canvas").focus()
    lab.keyboard.press(".")
    lab.until_steps(1)
    lab.keyboard.press("Space")
    lab.until_state("running")
    lab.keyboard.press("Space")
    lab.until_state("paused")
    lab.keyboard.press("p")
    lab.until("plot('accuracy').points === 1")
    held = lab.steps + 1
    lab.keyboard.press(".")
    lab.until_steps(held)
    lab.keyboard.press("?")
    assert lab.page.locator("dialog[open]").is_visible()
    lab.keyboard.press("Escape")
    lab.page.wait_for_selector("dialog", state="detached")
    lab.field("delta").fill("0")
    lab.field("delta").press("End")
    for key in (".", "5", "p", "?", "Space"):
        lab.keyboard.press(key)
    assert lab.field("delta").input_value() == "0.5p? "
    lab.page.wait_for_selector("dialog", state="detached")
    lab.keyboard.press("Escape")
    lab.page.evaluate("document.activeElement.blur()")
    for key in (".", "Space", "p", "?"):
        lab.keyboard.press(key)
    lab.type("delta", "0.6")
    lab.until_log("Δ 0.40 → 0.60")
    lab.until("plot('accuracy').marks.includes('Δ 0.60')")
    assert (lab.steps, lab.text("state")) == (held, "paused")
    assert lab.plot("accuracy")["points"] == 1
    lab.page.wait_for_selector("dialog", state="detached")


def test_speed_is_a_control(lab):
    lab.choose("speed", "1")
    lab.press("start")
    lab.until_steps(1)
    began = lab.page.evaluate("performance.now()")
    lab.until_steps(3)
    assert lab.page.evaluate("performance.now()") - began > 1000
    lab.choose("speed", "full")
    lab.until_steps(150)
    lab.choose("speed", "60")
    lab.until("part('speed').querySelector('select').value === '60'")
    assert lab.log() == []


def test_another_rule_or_network_is_a_new_run_and_back_leads_back(lab):
    lab.press("start")
    lab.until_steps(10)
    lab.choose("rule", "oja")
    lab.until("part('state').innerText === 'ready' && part('steps').innerText === '0'")
    lab.until("!part('knob-delta') && part('knob-learning-rate')")
    back = lab.page.locator(".hl-back:visible")
    back.wait_for()
    held = int(re.fullmatch(r"back to mnist-krotov · step (\d+)", back.inner_text())[1])
    assert held >= 10
    noise = lab.ink()
    lab.press("step")
    lab.until_ink(noise)
    back.click()
    lab.until("n => part('steps').innerText === n", str(held))
    assert (lab.text("state"), lab.chosen("rule")) == ("paused", "krotov-hopfield")
    assert lab.chosen("preset") == "mnist-krotov"
    lab.choose("network", "dense-400")
    lab.until_text("weights", "400 of 400 units")
    lab.until("part('preset').querySelector('select').value === ''")
    lab.press("start")
    lab.until_steps(3)


def test_a_deep_layer_is_chosen_and_seen_as_the_image_sees_it(lab):
    lab.choose("rule", "hard-wta")
    lab.until_text("state", "ready")
    lab.choose("network", "softhebb-cnn-quarter")
    lab.until_text("weights", "24 of 24 units")
    lab.press("start")
    lab.until_steps(2)
    lab.choose("layer", "conv2")
    lab.until_text("weights", "What conv2 has learned")
    lab.until_text("weights", "96 of 96 units")
    lab.until("part('convergence').closest('.hl-charts').innerText.includes('weights of “conv2”')")
    assert lab.text("state") == "running"
    means = lab.ink()
    mode = lab.part("weights").locator("select.hl-mode")
    said = "w => part('weights').querySelector('canvas').ariaLabel.startsWith(w)"
    mode.select_option("back-projection")
    lab.until(said, "Back-projections of 96 of 96 units of layer conv2 at step")
    projected = lab.ink()
    assert projected != means
    assert lab.page.evaluate("ink().colours") > 50
    mode.select_option("patches")
    lab.until(said, "Means of the 9 best patches of 96 of 96 units of layer conv2 at step")
    assert lab.ink() not in (means, projected)
    lab.until("part('weights').querySelector('.hl-doing').innerText === ''")
    lab.part("weights").locator("canvas").click(position={"x": 20, "y": 20})
    lab.until_text("unit", "the 9 patches of 500 training images that excite it most")
    lab.until("part('unit').querySelector('canvas').width === 76")
    lab.pause()
    lab.choose("layer", "conv1")
    lab.until_text("weights", "24 of 24 units")
    assert not mode.is_visible()
    assert lab.text("error") == ""


def test_a_world_chosen_from_images_is_one_that_can_be_read(lab):
    lab.choose("data", "cloud-2d")
    lab.until_text("weights", "6 arrows")
    for name, value in (("network", "dense-6"), ("speed", "10")):
        lab.until("([n, v]) => part(n).querySelector('select').value === v", [name, value])
    plane = lab.ink()
    lab.type("elongation", "6")
    lab.until_log("e 3.0 → 6.0")
    lab.until_ink(plane)
    assert lab.page.locator("h3:has-text('The world')").is_visible()
    lab.press("start")
    lab.until_steps(5)
    lab.choose("data", "mnist-5k")
    lab.until_text("weights", "100 of 100 units")
    lab.until("!part('knob-elongation')")


def test_a_temperature_is_one_click_away(lab):
    lab.page.locator(".hl-try").click()
    lab.until("part('knob-temperature')")
    lab.until("part('preset').querySelector('select').value === 'mnist-soft-wta'")
    assert lab.part("knob-delta").count() == 0
    lab.press("start")
    lab.until_steps(3)


def test_images_that_are_not_here_are_said_and_the_run_stays(lab):
    lab.press("start")
    lab.until_steps(3)
    lab.choose("data", "fashion-mnist")
    lab.until_text("error", "fashion-mnist")
    assert "hebblab data get fashion-mnist" in lab.text("error")
    lab.until("part('data').querySelector('select').value === 'mnist-5k'")
    lab.until_steps(lab.steps + 5)
    assert lab.text("state") == "running"
    lab.pause()
    assert lab.text("error") == ""


def test_a_run_that_explodes_ends_in_words_with_its_last_finite_weights(lab):
    lab.new_run("mnist-hebb-explodes")
    noise = lab.ink()
    lab.choose("speed", "full")
    lab.press("start")
    lab.until_state("failed")
    lab.until_text("error", "step")
    assert "finite" in lab.text("error")
    assert not lab.part("error").locator("pre").is_visible()
    lab.part("error").locator("summary").click()
    assert "Traceback" in lab.part("error").locator("pre").inner_text()
    lab.until("s => ink().sum !== s && ink().colours > 20", noise)
    # What a thread logs must not grow under the Lab.
    assert lab.page.locator(".jp-OutputArea-output").count() == 1
    lab.until("['start', 'pause', 'step'].every((name) => part(name).disabled)")
    lab.until("part('knob-learning-rate').querySelector('input').disabled")
    lab.press("restart")
    lab.until_state("ready")
    assert lab.text("error") == ""
    lab.until("s => ink().sum === s", noise)


def test_what_was_learned_can_be_saved(lab):
    lab.press("step")
    lab.until_steps(1)
    lab.until_painted()
    begins = {"picture": b"\x89PNG", "history": b"step,", "weights": None}
    for name, start in begins.items():
        lab.page.locator(".hl-menu summary").click()
        with lab.page.expect_download() as waiting:
            lab.page.locator(f".hl-menu-items button:has-text('{name}') >> nth=-1").click()
        content = waiting.value.path().read_bytes()
        if start is None:
            from safetensors.torch import load

            assert load(content)["hidden.weight"].shape == (100, 784)
        else:
            assert content.startswith(start)


def test_stop_ends_the_run_and_restart_makes_it_anew(lab):
    lab.press("start")
    lab.until_steps(2)
    lab.press("stop")
    lab.until_state("stopped")
    assert all(lab.part(name).is_visible() for name in TRANSPORT)
    cannot = {name for name in TRANSPORT if lab.part(name).is_disabled()}
    assert cannot == set(TRANSPORT) - {"probe", "restart", "new-seed"}
    lab.until("part('knob-delta').querySelector('input').disabled")
    lab.restart()
    lab.until("!part('knob-delta').querySelector('input').disabled")
    lab.press("start")
    lab.until_steps(2)


def test_a_page_that_asks_before_it_is_left_keeps_its_run(lab):
    lab.press("start")
    lab.until_steps(3)
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    lab.page.on("dialog", stay)
    lab.page.evaluate("location.reload()")
    lab.until_steps(lab.steps + 10)
    lab.page.remove_listener("dialog", stay)
    assert asked == ["beforeunload"]
    assert lab.text("link") == "connected"


@pytest.mark.parametrize("width", [380, 760, 900, 1280, 1920])
def test_nothing_scrolls_sideways(opened, width):
    opened.page.set_viewport_size({"width": width, "height": 800})
    try:
        across = "Math.max(document.scrollingElement.scrollWidth, part('lab').scrollWidth)"
        opened.until(f"w => innerWidth === w && {across} <= w", width)
        for name in ("state", "start", "weights", "knob-delta", *CHARTS):
            opened.until(
                """name => {
                  const [box, lab] = [name, "lab"].map((one) => part(one).getBoundingClientRect());
                  return box.width > 0 && lab.left <= box.left && box.right <= lab.right + 1;
                }""",
                name,
            )
    finally:
        opened.page.set_viewport_size({"width": 1280, "height": 800})


def test_a_projector_shows_everything_that_a_run_needs_without_scrolling(lab):
    lab.press("start")
    lab.until_steps(2)
    lab.page.set_viewport_size({"width": 1280, "height": 600})
    try:
        knobs = ("knob-delta", "knob-k", "knob-p", "knob-n", "knob-learning-rate")
        bottom = "n => { const b = part(n).getBoundingClientRect();"
        for name in (*TRANSPORT, "state", "steps", "speed", *knobs, *CHARTS):
            lab.until(bottom + " return b.top >= 0 && b.bottom <= 600 && b.height > 0; }", name)
        lab.until("part('weights').querySelector('canvas').getBoundingClientRect().bottom <= 600")
        assert lab.page.evaluate("scrollY") == 0
        for name in CHARTS:
            plot = lab.part(name).locator(".js-plotly-plot").bounding_box()
            assert plot["height"] >= 60
            assert plot["y"] + plot["height"] <= 600
    finally:
        lab.page.set_viewport_size({"width": 1280, "height": 800})


def test_the_card_of_the_rule_on_view_stands_behind_about_this_rule(lab):
    lab.choose("rule", "sanger")
    lab.until("document.querySelector('.hl-knob-card h2').innerText === 'Sanger'")
    about = lab.page.locator(".hl-about")
    about.click()
    lab.until("document.querySelector('dialog[open] img').naturalWidth === 178")
    said = lab.page.locator("dialog[open]").inner_text()
    for part in (
        "i-th principal axis",
        "What the first 24 of 100 units",
        "Sanger, Neural Networks",
    ):
        assert part in said
    steps = lab.steps
    lab.keyboard.press(".")
    lab.keyboard.press("Escape")
    lab.page.wait_for_selector("dialog", state="detached")
    assert about.evaluate("b => document.activeElement === b")
    assert lab.steps == steps == 0
    assert lab.page.evaluate("violations") == []


def test_axe_finds_no_serious_fault_within_the_lab(lab):
    lab.press("start")
    lab.until_steps(10)
    lab.type("delta", "0.6")
    lab.until_log("Δ 0.40 → 0.60")
    lab.type("delta", "7")
    lab.until_text("refusal", "from 0 to 2")
    lab.part("weights").locator("canvas").click(position={"x": 20, "y": 20})
    lab.until_text("unit", "nearest unit")
    lab.pause()
    found = {}
    for scheme in ("dark", "light"):
        lab.page.emulate_media(color_scheme=scheme)
        lab.until("dark => document.body.classList.contains('theme-dark') === dark",
                  scheme == "dark")  # fmt: skip
        found[scheme] = faults(lab.page, ".hebblab-lab")
    lab.page.locator(".hl-about").click()
    lab.until("document.querySelector('dialog[open] img').naturalWidth > 0")
    found["about"] = faults(lab.page, ".hebblab-lab")
    lab.keyboard.press("Escape")
    lab.choose("data", "fashion-mnist")
    lab.until_text("error", "fashion-mnist")
    found["error"] = faults(lab.page, ".hebblab-lab")
    assert not any(found.values()), found
    # A fault would have been found.
    lab.page.evaluate("part('lab').append(document.createElement('button'))")
    assert "button-name" in faults(lab.page, ".hebblab-lab")
    lab.page.evaluate("part('lab').lastChild.remove()")


def test_the_page_asked_no_other_host_and_nothing_complained(opened, server, traffic):
    host = urlsplit(server[0]).netloc
    assert traffic.hosts() == {host}
    assert any(url.startswith("ws") for url in traffic.asked)
    assert traffic.complaints == []
    assert opened.page.evaluate("violations") == []


# The last one: nothing can be asked of a page whose kernel is gone.
def test_a_killed_kernel_is_said_within_five_seconds(lab, server):
    _, process = server
    lab.press("start")
    lab.until_steps(3)
    lab.page.evaluate(
        """() => new MutationObserver(() => {
          if (part('link').innerText === 'connection lost') window.said ??= Date.now();
        }).observe(part('link'), { characterData: true, childList: true, subtree: true })"""
    )
    (kernel,) = kernels(process)
    killed = lab.page.evaluate("Date.now()")
    kernel.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    lab.until_text("link", "connection lost")
    assert lab.page.evaluate("said") - killed <= 5000
    assert lab.text("state") == "not connected"
    assert all(lab.part(name).is_disabled() for name in TRANSPORT if name != "cancel-probe")
