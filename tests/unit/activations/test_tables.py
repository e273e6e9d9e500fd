"""Tables of logits: three formats that say the same, and every fault with its place."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from openmax_core.activations.table_rows import SPLITS
from openmax_core.activations.tables import open_table
from openmax_core.errors import ActivationsError
from tests.support.tables import labelled, logits_of, write
from tests.support.workspaces import CLASSES

SUFFIXES = [".csv", ".parquet", ".npz"]


def whole(path: Path, classes: tuple[str, ...] = CLASSES) -> Any:
    """The only part of a small table."""
    [part] = open_table(path).parts(classes)
    return part


@pytest.fixture
def table() -> pd.DataFrame:
    return labelled(9, 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_rows_to_the_last_bit(tmp_path, table, suffix):
    table["path"] = [f"a/{row}.png" for row in range(9)]
    table["split"] = ["train", "test", "reject"] * 3
    table["feature_0"] = 1.0
    found = open_table(write(tmp_path / f"t{suffix}", table))
    assert found.names == CLASSES
    assert found.has == {"label", "path", "split"}
    part = whole(tmp_path / f"t{suffix}")
    assert part.logits.tobytes() == logits_of(table).tobytes()
    assert part.labels.tolist() == table["label"].tolist()
    assert [SPLITS[split] for split in part.splits] == table["split"].tolist()
    assert [part.name(row) for row in range(9)] == table["path"].tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_logits_come_in_the_order_that_is_asked_for(tmp_path, table, suffix):
    path = write(tmp_path / f"t{suffix}", table[[*table.columns[::-1]]])
    assert whole(path).logits.tolist() == logits_of(table).tolist()
    assert whole(path, CLASSES[::-1]).logits.tolist() == logits_of(table)[:, ::-1].tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_are_names_or_indices_and_unknowns_negative(tmp_path, table, suffix):
    texts = ["ash", "birch", "cedar", "0", "1", "-1", "unknown", "-7", " cedar "]
    path = write(tmp_path / f"t{suffix}", table.assign(label=texts))
    assert whole(path).labels.tolist() == [0, 1, 2, 0, 1, -1, -1, -1, 2]
    numbers = [0.0, 1.0, 2.0, -1.0, -3.0, 0.0, 0.0, 0.0, 0.0]
    path = write(tmp_path / f"t{suffix}", table.assign(label=numbers))
    assert whole(path).labels.tolist() == [0, 1, 2, -1, -1, 0, 0, 0, 0]


def test_numbered_columns_are_indices_in_whatever_order_they_stand(tmp_path):
    names = [str(number) for number in range(11)]
    logits = np.arange(22, dtype=np.float32).reshape(2, 11)
    columns = {f"logit_{name}": logits[:, int(name)] for name in sorted(names)}
    path = write(tmp_path / "t.csv", pd.DataFrame({"label": [10, 2], **columns}))
    assert open_table(path).names == tuple(names)
    part = whole(path, tuple(f"class {name}" for name in names))
    assert part.logits.tolist() == logits.tolist()
    assert part.labels.tolist() == [10, 2]


def test_numbers_are_the_names_of_classes_that_are_called_by_numbers(tmp_path, table):
    path = write(tmp_path / "t.csv", table.assign(label=[1, 2, 3] * 3))
    numbered = pd.read_csv(path).rename(
        columns={f"logit_{name}": f"logit_{place + 1}" for place, name in enumerate(CLASSES)}
    )
    write(path, numbered)
    assert whole(path, ("1", "2", "3")).labels.tolist() == [0, 1, 2] * 3
    write(path, numbered.assign(label=0))
    with pytest.raises(
        ActivationsError, match=r"row 1, column label: 0 is none of the classes '1'"
    ):
        whole(path, ("1", "2", "3"))


def test_an_npz_file_without_names_takes_those_that_are_given(tmp_path, table):
    path = tmp_path / "t.npz"
    np.savez_compressed(path, logits=np.asfortranarray(logits_of(table)), labels=table["label"])
    assert open_table(path).names == ()
    assert whole(path).logits.tolist() == logits_of(table).tolist()
    with pytest.raises(ActivationsError, match=r"t\.npz has logits of 3 classes; there are 2"):
        whole(path, ("a", "b"))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_csv_file_may_have_other_delimiters_a_byte_order_mark_and_quotes(
    tmp_path, table, delimiter
):
    path = tmp_path / "t.csv"
    text = table.to_csv(index=False, sep=delimiter, quoting=1, lineterminator="\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert whole(path).logits.tolist() == logits_of(table).tolist()


def test_many_rows_are_read_in_parts(tmp_path, table, monkeypatch):
    monkeypatch.setattr("openmax_core.activations.tables.MOST_ROWS_AT_ONCE", 4)
    for suffix in (".parquet", ".npz"):
        parts = list(open_table(write(tmp_path / f"t{suffix}", table)).parts(CLASSES))
        assert [(part.first, len(part)) for part in parts] == [(0, 4), (4, 4), (8, 1)]
        assert np.concatenate([part.logits for part in parts]).tolist() == logits_of(table).tolist()
        assert parts[1].name(2) == "row 7"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_named(tmp_path, table, suffix, value):
    table.loc[4, "logit_birch"] = value
    path = write(tmp_path / f"t{suffix}", table)
    place = "logits[:, 1]" if suffix == ".npz" else "logit_birch"
    with pytest.raises(ActivationsError) as caught:
        whole(path)
    assert str(caught.value).startswith(f"{path}, row 5, column {place}: ")
    is_null = np.isnan(value) and suffix != ".npz"  # as pandas writes it
    assert ("is empty" if is_null else str(value)) in str(caught.value)


CSV_FAULTS = {
    "": "has no header in its first line",
    "label,logit_a,logit_b\n": "has no rows",
    "label,a,b\n0,1,2\n": "has no columns logit_<class>; it has 'label', 'a', 'b'",
    "label,logit_a\n0,1\n": "has logits of 1 class; OpenMax needs at least 2",
    "label,logit_a,logit_a\n0,1,2\n": "has the column 'logit_a' twice",
    "label,logit_a,logit_b\n0,1,2\n1,x y,2\n": ", row 2, column logit_a: 'x y' is no number",
    "label,logit_a,logit_b\n0,1,1e60\n": ", row 1, column logit_b:",
    "label,logit_a,logit_b\n0,1,2\n1,2\n": ", row 2: has 2 cells, the header 3",
    "label,logit_a,logit_b\n0,1,2\n1,2,3,4\n": ", row 2: has 4 cells, the header 3",
    "label;logit_a;logit_b\n0;1,5;2\n": ", row 1, column logit_a: '1,5' is no number; write a dec",
    "label,logit_a,logit_b\n0,1,2\n2,1,2\n": ", row 2, column label: 2 is out of range: 2 classes",
    "label,logit_a,logit_b\n0,1,2\n,1,2\n": ", row 2, column label: is empty",
    "label,logit_a,logit_b\n0.5,1,2\n": ", row 1, column label: 0.5 is neither a class name nor",
    "label,logit_a,logit_c\n0,1,2\n": "is of other classes: it lacks 'b' and has 'c', which is no",
    "label,split,logit_a,logit_b\n0,val,1,2\n": ", row 1, column split: 'val' is none of train, ca",
    "label,logit_a,logit_b\n0,1,1_0\n": ", row 1, column logit_b: '1_0' is no number",
}


@pytest.mark.parametrize(("text", "told"), CSV_FAULTS.items())
def test_faults_of_a_csv_file_are_named_with_row_and_column(tmp_path, text, told):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ActivationsError) as caught:
        whole(path, ("a", "b"))
    assert str(caught.value).startswith(f"{path}")
    assert told in str(caught.value)


def test_a_fault_far_down_has_the_right_row(tmp_path, monkeypatch):
    monkeypatch.setattr("openmax_core.activations.tables.CSV_BLOCK_BYTES", 200)
    path = write(tmp_path / "t.csv", labelled(300, 1).assign(label=[0] * 271 + [5] + [1] * 28))
    with pytest.raises(ActivationsError, match="row 272, column label: 5 is out of range"):
        list(open_table(path).parts(CLASSES))


def test_text_that_is_no_class_is_kept_for_who_reads_unknowns(tmp_path, table):
    part = whole(write(tmp_path / "t.csv", table.assign(label=["oak", "fir/a", "-1"] * 3)))
    assert part.labels.tolist() == [-1] * 9
    assert [part.name(row) for row in range(3)] == ["oak/row 1", "fir_a/row 2", "row 3"]


NPZ_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no logits": ({"x": np.zeros(3)}, "has no array 'logits' (N, C); it has 'x'"),
    "one dimension": ({"logits": np.zeros(3)}, "column logits: has the shape (3,); it must be"),
    "three dimensions": ({"logits": np.zeros((2, 2, 2))}, "column logits: has the shape (2, 2, 2)"),
    "text": ({"logits": np.array([["a", "b"]])}, "column logits: holds <U1, not numbers"),
    "no rows": ({"logits": np.zeros((0, 2)), "labels": np.zeros(0, int)}, "has no rows"),
    "unequal": (
        {"logits": np.zeros((3, 2)), "labels": np.zeros(2, int)},
        "column labels: has the shape (2,); logits have 3 rows",
    ),
    "objects": (
        {"logits": np.zeros((2, 2)), "labels": np.array(["a", None], dtype=object)},
        "column labels: holds Python objects, which are never opened",
    ),
    "object logits": (
        {"logits": np.array([[1, 2], [3, 4]], dtype=object)},
        "column logits: holds Python objects, which are never opened",
    ),
    "classes": (
        {"logits": np.zeros((2, 2)), "classes": np.array(["a"])},
        "column classes: holds <U1 of the shape (1,); it must hold the names of 2 classes",
    ),
    "twice": ({"logits": np.zeros((2, 2)), "classes": np.array(["a", "a"])}, "the class 'a' twice"),
    "features": (
        {"logits": np.zeros((2, 2)), "features": np.zeros(5)},
        "column features: has the shape (5,); it must be (2, F)",
    ),
    "label": (
        {"logits": np.zeros((2, 2)), "labels": np.array([0, 9])},
        "row 2, column labels: 9 is out of range",
    ),
}


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_faults_of_an_npz_file_are_named(tmp_path, fault):
    arrays, told = NPZ_FAULTS[fault]
    path = tmp_path / "t.npz"
    np.savez(path, **arrays)
    with pytest.raises(ActivationsError) as caught:
        whole(path, ("a", "b"))
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_an_npz_file_that_promises_more_rows_than_it_has_is_refused(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, logits=np.zeros((4, 2), dtype=np.float32))
    with zipfile.ZipFile(path) as archive:
        content = archive.read("logits.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("logits.npy", content.replace(b"(4, 2)", b"(9, 2)"))
    with pytest.raises(ActivationsError, match=r"column logits: ends before its last row"):
        whole(path, ("a", "b"))


PARQUET_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"logit_a": ["1", "2"], "logit_b": [1, 2]}, "column logit_a: holds"),
    "labels": ({"label": [[1], [2]], "logit_a": [1, 2], "logit_b": [1, 2]}, "column label: holds"),
    "paths": ({"path": [1, 2], "logit_a": [1, 2], "logit_b": [1, 2]}, "column path: holds int64"),
    "empty": (
        {"label": [0, None], "logit_a": [1, 2], "logit_b": [1, 2]},
        "row 2, column label: is empty",
    ),
    "null": ({"logit_a": [1.0, None], "logit_b": [1, 2]}, "row 2, column logit_a: is empty"),
    "large": (
        {"logit_a": [1.0, 1e300], "logit_b": [1, 2]},
        "row 2, column logit_a: 1e+300 is too large for float32",
    ),
}


@pytest.mark.parametrize("fault", PARQUET_FAULTS)
def test_faults_of_a_parquet_file_are_named(tmp_path, fault):
    columns, told = PARQUET_FAULTS[fault]
    path = tmp_path / "t.parquet"
    pd.DataFrame(columns).to_parquet(path)
    with pytest.raises(ActivationsError) as caught:
        whole(path, ("a", "b"))
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_categories_and_whole_numbers_of_a_parquet_file_are_read(tmp_path, table):
    path = tmp_path / "t.parquet"
    names = pd.Categorical([CLASSES[label] for label in table["label"]])
    table.assign(label=names, logit_ash=[3] * 9).to_parquet(path)
    part = whole(path)
    assert part.labels.tolist() == table["label"].tolist()
    assert part.logits[:, 0].tolist() == [3.0] * 9


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["cut", "noise", "half"])
def test_damaged_files_are_named(tmp_path, table, suffix, damage):
    path = write(tmp_path / f"t{suffix}", table)
    content = path.read_bytes()
    middle = 8 if suffix == ".parquet" else len(content) // 2
    path.write_bytes(
        {
            "cut": content[:60],
            "noise": b"\x00\xff\xfe no table" * 20,
            "half": content[:middle] + b"\xff\x00" * 40 + content[middle + 80 :],
        }[damage]
    )
    with pytest.raises(ActivationsError) as caught:
        whole(path)
    assert str(path) in str(caught.value)


def test_what_is_no_table_or_not_there_is_named(tmp_path):
    with pytest.raises(ActivationsError, match=r"t\.xlsx is no table; write one as \.npz, \.parq"):
        open_table(tmp_path / "t.xlsx")
    with pytest.raises(ActivationsError, match=r"the table .*t\.csv does not exist"):
        open_table(tmp_path / "t.csv")
    with pytest.raises(ActivationsError, match=r"has no label, which .*did you mean 'labels'"):
        open_table(
            write(tmp_path / "u.csv", labelled(3, 1).rename(columns={"label": "labels"}))
        ).require_labels()
