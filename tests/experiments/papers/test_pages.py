"""The page of a paper: claims, numbers, reasons, how it was made, and of which data."""

import dataclasses

from hebblab.experiments.papers import data


def test_the_page_names_data_claims_reasons_and_how_it_was_made(whole):
    page = whole.to_markdown()
    assert page.startswith("# A fake · MNIST, 5,000 digits\n")
    parts = ("**reproduced**", "84.20 ± 0.1 (the paper, table 1)", "It is a fake.", "- machine:")
    for part in parts:
        assert part in page
    assert "- refused · seeds 1, 2, 3: its sources are not here" in page
    assert "| ours | L1 | steps | 1, 2, 3 |" in page
    assert "No correction is made for there being 6 claims" in page
    assert "- again: `hebblab paper fake-2020`\n" in page


def test_what_was_left_out_is_named_and_so_is_the_command_that_leaves_it_out(fake):
    page = fake.run(cells=["ours"], layers=["L2"], seeds=[1, 3]).to_markdown()
    assert '- again: `hebblab paper fake-2020 --cells "ours" --layers L2 --seeds 1,3`' in page
    assert "- ours · L1: it was not chosen" in page
    assert "- theirs; refused: it was not chosen" in page


def test_what_was_run_stands_before_what_was_not(fake):
    page = fake.run(cells=["theirs"]).to_markdown()
    _, claims, numbers, *_ = page.split("\n## ")
    words = [line.split("|")[2].strip() for line in claims.splitlines() if line.startswith("| ")]
    assert set(words) > {"**not run**"}
    assert words[1:] == sorted(words[1:], key=lambda word: word == "**not run**")
    ours = [line.split("|")[4].strip() for line in numbers.splitlines() if line.startswith("| ")]
    gaps = [text.startswith("not run") for text in ours[2:]]
    assert any(gaps) and gaps == sorted(gaps)


def test_claims_of_ours_stand_apart_and_are_neither_reproduced_nor_not(fake):
    claims = [dataclasses.replace(one, ours=at in (2, 3)) for at, one in enumerate(fake.claims)]
    page = dataclasses.replace(fake, claims=tuple(claims)).run().to_markdown()
    theirs, ours = page.split("| control or claim of ours |")
    assert "| 84.2 %. | **reproduced** |" in theirs
    assert "| Above theirs. | **holds** |" in ours
    assert "| Below theirs. | **not shown** |" in ours


def test_an_interval_over_runs_says_that_it_leaves_out_which_images_are_scored(whole, fake):
    assert "do not cover" not in whole.to_markdown(), "it is told of test images alone"

    def measure(*given):
        for one in fake.measure(*given):
            numbers = {"test accuracy, %": one.numbers["accuracy, %"], "epochs": float(given[2])}
            yield dataclasses.replace(one, numbers=numbers)

    page = dataclasses.replace(fake, measure=measure, published=(), claims=()).run().to_markdown()
    assert "the choice of the 1,000 test images" in page
    assert "up to ±1.00 points" in page
    assert "| theirs | L1 | epochs | 2.00 | each: 1.00, 2.00, 3.00 | 3 |" in page


def test_a_copy_of_the_data_is_named_in_every_heading(fake, tmp_path):
    copied = dataclasses.replace(
        fake, data=lambda: data.Source("mnist-5k", "MNIST, a copy", exact=False)
    )
    fake.run(cells=["ours"], seeds=1, folder=tmp_path)
    done = copied.run(cells=["ours"], seeds=1, folder=tmp_path)
    headings = [line for line in done.to_markdown().splitlines() if line.startswith("#")]
    assert len(headings) > 4
    assert all("MNIST, a copy" in line for line in headings)
    assert "not the set of the paper" in done.to_markdown()
    (kept, *_) = done.outcomes.values()
    assert kept["data"]["title"] == "MNIST, a copy", "a result on other data is none of this"
