"""``openmax export``: classifier, OpenMax and threshold as one ONNX file."""

from __future__ import annotations

import argparse


def run_export(options: argparse.Namespace) -> int:
    """Write and check the file; say what decides in it, and how well."""
    from pathlib import Path

    from openmax_core.cli.progress import choose
    from openmax_core.export.write import export_workspace
    from openmax_core.workspace.workspace import Workspace

    workspace = Workspace.open(options.workspace)
    choice = choose(workspace, options)
    default = workspace.folder / "export" / "openmax.onnx"
    path = default if options.output is None else Path(options.output)
    description = export_workspace(workspace, choice, path)
    print(f"{description.in_words} ({choice.source})")
    if workspace.settings.classifier.precision != "float32":
        print("precision   float32: 'half' is of extraction on a GPU, the file has no part of it")
    height, width = description.transform.crop
    print(f"takes       uint8 RGB pictures (N, 3, {height}, {width}), resized and cropped")
    print(f"wrote {path}, checked against the library")
    return 0
