"""Tables of made-up logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.support.methods import features_of
from tests.support.workspaces import CLASSES, made_up_logits

N_TRAIN, N_TEST, N_REJECT = 60, 45, 30


def labelled(n: int, seed: int, is_unknown: bool = False) -> pd.DataFrame:
    """Rows of known classes in turn, or of unknowns: label as an index, and the logits."""
    labels = np.full(n, -1) if is_unknown else np.arange(n) % len(CLASSES)
    logits = made_up_logits(labels, len(CLASSES), seed)
    columns: dict[str, Any] = {"label": labels}
    columns |= {f"logit_{name}": logits[:, place] for place, name in enumerate(CLASSES)}
    return pd.DataFrame(columns)


def of_sets() -> dict[str, pd.DataFrame]:
    return {
        "train": labelled(N_TRAIN, 0),
        "test": labelled(N_TEST, 1),
        "reject": labelled(N_REJECT, 2, is_unknown=True),
    }


def logits_of(table: pd.DataFrame) -> NDArray[np.float32]:
    return table[[f"logit_{name}" for name in CLASSES]].to_numpy(dtype=np.float32)


def with_features(table: pd.DataFrame, n_features: int = 8) -> pd.DataFrame:
    """The same rows with features, of which a linear layer makes the logits."""
    features = features_of(logits_of(table).astype(np.float64), n_features)
    names = [f"feature_{place}" for place in range(n_features)]
    return pd.concat([table, pd.DataFrame(features, columns=names)], axis=1)


def features_in(table: pd.DataFrame) -> NDArray[np.float32]:
    return table.filter(like="feature_").to_numpy(dtype=np.float32)


def write(path: Path, table: pd.DataFrame) -> Path:
    """Write a table in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        found: dict[str, Any] = (
            {"labels": np.array(table["label"].tolist())} if "label" in table else {}
        )
        found |= {"split": table["split"].to_numpy(dtype=str)} if "split" in table else {}
        found |= {"paths": table["path"].to_numpy(dtype=str)} if "path" in table else {}
        names = [str(name).removeprefix("logit_") for name in table.filter(like="logit_").columns]
        logits = table[[f"logit_{name}" for name in names]].to_numpy(dtype=np.float32)
        if "feature_0" in table:
            found["features"] = features_in(table)
        np.savez(path, logits=logits, classes=np.array(names, dtype=str), **found)
    return path


def write_sets(
    folder: Path, suffix: str = ".csv", *, has_features: bool = False
) -> dict[str, Path]:
    tables = of_sets()
    if has_features:
        tables = {split: with_features(table) for split, table in tables.items()}
    return {split: write(folder / f"{split}{suffix}", table) for split, table in tables.items()}
