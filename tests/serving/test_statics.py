import asyncio
import gzip

from hebblab.serving.statics import Shelf


def shelf(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "plain.js").write_text("x" * 1000)
    (inside / "part.0123456789abcdef.js").write_text("y" * 1000)
    (inside / "picture.png").write_bytes(bytes(1000))
    (outside / "secret.txt").write_text("secret")
    (inside / "link.txt").symlink_to(outside / "secret.txt")
    return Shelf({"group": [inside, tmp_path / "missing"]}, {"one.js": b"1"})


def get(shelf, group, name):
    return asyncio.run(shelf.get(group, name))


def test_files_are_found_compressed_and_kept(tmp_path):
    kept = shelf(tmp_path)
    stored = get(kept, "group", "plain.js")
    assert stored.plain == b"x" * 1000 and gzip.decompress(stored.compressed) == stored.plain
    assert stored.kind == "text/javascript" and not stored.lasting
    (tmp_path / "inside" / "plain.js").unlink()
    assert get(kept, "group", "plain.js") is stored
    assert get(kept, "group", "picture.png").compressed is None
    assert get(kept, "", "one.js").lasting


def test_only_a_name_that_changes_with_its_content_lasts(tmp_path):
    assert get(shelf(tmp_path), "group", "part.0123456789abcdef.js").lasting


def test_nothing_outside_a_group_is_found(tmp_path):
    kept = shelf(tmp_path)
    for name in ("../outside/secret.txt", "link.txt", "", ".", "..", str(tmp_path / "outside")):
        assert get(kept, "group", name) is None, name
    assert get(kept, "group", "one.js") is None
    assert get(kept, "", "plain.js") is None
    assert get(kept, "other", "plain.js") is None
