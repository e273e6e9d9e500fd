"""Names of classes: their order in words, and labels files."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from openmax_core.errors import ClassifierError
from openmax_core.network.class_names import (
    class_order_problem,
    names_in,
    read_labels,
    same_names,
)

NAMES = ("1", "2", "10")


def test_the_order_of_classes_is_compared_in_words() -> None:
    assert class_order_problem(NAMES, NAMES, "w.pth") is None
    assert class_order_problem(NAMES, None, "w.pth") is None
    other = class_order_problem(("1", "10", "2"), NAMES, "w.pth")
    assert other is not None
    assert "in another order: '1', '2', '10'; the workspace has '1', '10', '2'." in other
    assert "classes in workspace.toml" in other
    strange = class_order_problem(("a", "b"), ("a", "c"), "w.pth")
    assert strange == "w.pth notes other classes: 'a', 'c'; the workspace has 'a', 'b'"


def test_names_of_a_mac_are_the_same_names() -> None:
    mac = tuple(unicodedata.normalize("NFD", name) for name in ("étoile", "zèbre"))
    assert mac != ("étoile", "zèbre")
    assert same_names(mac) == ["étoile", "zèbre"]
    assert class_order_problem(mac, ("étoile", "zèbre"), "w.pth") is None
    assert class_order_problem(mac, ("zèbre", "étoile"), "w.pth") is not None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("red\nblue\n", ("red", "blue")),
        ("\ufeffred\r\n\r\nblue pine\r\n", ("red", "blue pine")),
        ("red, blue", ("red", "blue")),
        ('["red", "blue"]', ("red", "blue")),
        ('{"id2label": {"0": "red", "1": "blue"}, "hidden": 3}', ("red", "blue")),
        ('{"red": 0, "blue": 1}', ("red", "blue")),
        ("red, light\nblue, dark", ("red, light", "blue, dark")),
        ("red\nred", None),
        ("red", None),
        ("[1, 2]", None),
        ("", None),
    ],
)
def test_names_of_a_labels_file(tmp_path: Path, text: str, names: tuple[str, ...] | None) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text, encoding="utf-8", newline="")
    if names is None:
        with pytest.raises(ClassifierError, match=r"labels\.txt holds no class names"):
            read_labels(path)
    else:
        assert read_labels(path) == names


def test_a_labels_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match=r"cannot read the labels file .*none\.txt"):
        read_labels(tmp_path / "none.txt")
    (tmp_path / "no.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClassifierError, match=r"cannot read the labels file .*no\.txt"):
        read_labels(tmp_path / "no.txt")


def test_deep_brackets_are_no_names() -> None:
    assert names_in("[" * 100_000) is None
