"""The shell: ``openmax init | train | extract | evaluate | predict | report | export | monitor``.

Exit codes: 0 done; 1 an error that the message explains; 2 wrong arguments; 3 done, but some
pictures could not be read; 4 evaluated, but no threshold keeps the floor; 5 drift, where asked to
fail on it.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Sequence
from typing import Any

from openmax_core.cli import commands
from openmax_core.cli import monitor as cli_monitor
from openmax_core.errors import OpenMaxError
from openmax_core.methods.settings import PRESETS
from openmax_core.monitor.drift import LEVEL
from openmax_core.network.devices import DEVICES

EXIT_ERROR = 1
PICTURES = "DIR|ADDRESS"
EXIT_CODES = """
exit codes:
  0  done
  1  an error; the one line on standard error says what and the way out
  2  wrong arguments
  3  done, but some pictures could not be read; they are listed
  4  evaluated, but no threshold keeps the asked-for Test accuracy
  5  monitored with --fail-on-drift, and the batch has drifted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell command; returns the exit code."""
    _never_fail_on_a_sign()
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
        sys.stdout.flush()  # here, where a reader that has gone can be dealt with
    except OpenMaxError as error:
        print(f"openmax: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("openmax: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader, `head` say, has gone: what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    return code


def _never_fail_on_a_sign() -> None:
    """Write signs that a terminal's encoding lacks, and names that are no text, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is no finite number")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="openmax",
        description="Open-set recognition with OpenMax: an image classifier that rejects pictures "
        "of classes it was never trained on.",
        epilog="A first run:\n"
        "  openmax init garages --architecture resnet50 --weights resnet50.pth \\\n"
        "      --train data/train --test data/test --reject data/reject\n"
        "  openmax extract garages\n"
        "  openmax evaluate garages --preset notebook\n"
        "  openmax predict garages photo.jpg\n"
        "  openmax report garages\n"
        "  openmax export garages\n"
        "  openmax monitor garages incoming/ --record\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_init(subparsers)
    _add_train(subparsers)
    _add_extract(subparsers)
    _add_evaluate(subparsers)
    _add_predict(subparsers)
    _add_report(subparsers)
    _add_export(subparsers)
    _add_monitor(subparsers)
    return parser


def _command(subparsers: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_init(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "init",
        "make a workspace from folders and a weights file",
        "Make a workspace: a folder with a workspace.toml that names the classifier and the\n"
        "pictures. Pictures lie in one folder per class (ImageFolder layout) below --train and\n"
        "--test; --reject holds pictures of unknowns, in sub-folders or not. Nothing is copied.\n"
        "An ADDRESS is s3://bucket/folder or file:///folder.",
    )
    parser.add_argument("folder", metavar="DIR", help="folder of the workspace; made if missing")
    parser.add_argument(
        "--architecture",
        required=True,
        metavar="NAME",
        help="classification architecture of torchvision, e.g. resnet50",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="trained weights (.safetensors, .pth, .pt); leave out to train with 'openmax train'",
    )
    parser.add_argument("--train", default="train", metavar=PICTURES, help="default: DIR/train")
    parser.add_argument("--test", default="test", metavar=PICTURES, help="default: DIR/test")
    parser.add_argument("--reject", metavar=PICTURES, help="pictures of unknowns")
    parser.add_argument(
        "--calibration",
        metavar=PICTURES,
        help="known pictures held out of training, to calibrate on instead of --train",
    )
    parser.add_argument(
        "--classes",
        metavar="a,b,c",
        help="class names in the order of the network's outputs; default: the folders of --train "
        "in alphabetical order",
    )
    parser.add_argument("--name", help="what the dashboard calls it; default: the folder's name")
    parser.set_defaults(command=commands.run_init)


def _add_train(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "train",
        "fine-tune the network on the training pictures",
        "Fine-tune the workspace's architecture on its train/ pictures: first the new last layer\n"
        "alone if backbone weights are given, then all layers, stopping early on a held-out part.\n"
        "Writes ARCHITECTURE-ACCURACY.safetensors into the workspace and sets it in\n"
        "workspace.toml.",
    )
    _add_workspace(parser)
    parser.add_argument(
        "--backbone-weights",
        metavar="FILE|DEFAULT",
        help="weights to start from: a file of the architecture with any class count, or DEFAULT "
        "to download torchvision's; without, training starts from random weights",
    )
    parser.add_argument("--epochs", type=int, default=10, help="at most, all layers (default 10)")
    parser.add_argument(
        "--head-epochs", type=int, default=2, help="last layer alone, before (default 2)"
    )
    parser.add_argument("--batch-size", type=int, default=32, help="default 32")
    parser.add_argument(
        "--learning-rate",
        type=float,
        help="default 1e-4 with backbone weights, 1e-3 without",
    )
    parser.add_argument("--patience", type=int, default=4, help="epochs to wait (default 4)")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(command=commands.run_train)


def _add_extract(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "extract",
        "run the network once over all pictures and store the activations",
        "Run the network once over train, calibration, test and reject, and store the logits in\n"
        "the workspace. Only pictures that are new or changed are run again. Results are stored\n"
        "as they come: after a run that was stopped, the next one goes on where it ended.",
    )
    _add_workspace(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: by device")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: on the Ray cluster that this machine is a node of, an extra to install",
    )
    parser.add_argument(
        "--address", default="auto", help="of the Ray cluster, host:port (default: auto)"
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        metavar="N",
        help="at most, on a Ray cluster; default: one a CPU, or one a GPU",
    )
    parser.add_argument(
        "--patience",
        type=_positive,
        default=300,
        metavar="SECONDS",
        help="without any result of a Ray cluster, after which to give up (default 300)",
    )
    parser.set_defaults(command=commands.run_extract)


def _add_evaluate(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "evaluate",
        "Test and Reject accuracy over thresholds, and the recommended threshold",
        "Calibrate a method on the stored activations, print Test accuracy and Reject accuracy\n"
        "over thresholds with 95 % Wilson intervals, and recommend the threshold with the best\n"
        "Reject accuracy among those that keep the asked-for Test accuracy.",
    )
    _add_workspace(parser)
    _add_preset(parser)
    parser.add_argument(
        "--thresholds",
        metavar="START:STOP:STEP",
        help="e.g. 0.30:0.40:0.01, or a list 0.3,0.35; default: the method's own range",
    )
    parser.add_argument(
        "--min-test-accuracy",
        type=_finite,
        metavar="X",
        help="floor for the recommended threshold; default: the workspace's, 0.85",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(command=commands.run_evaluate)


def _add_predict(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "predict",
        "decide on pictures: a known class, or rejected",
        "Decide on pictures. Without --threshold and --preset the workspace's chosen operating\n"
        "point is used; if there is none, the recommended threshold of the default preset.",
    )
    _add_workspace(parser)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="picture files or folders")
    _add_preset(parser)
    parser.add_argument("--threshold", type=_finite, metavar="T", help="reject where the score < T")
    parser.add_argument("--csv", metavar="FILE", help="write all figures of every picture")
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write method, settings and threshold as well, and the probabilities before OpenMax",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(command=commands.run_predict)


def _add_report(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "report",
        "write a report for people without the dashboard, the table and the operating point",
        "Write three files into a folder: report.html, one self-contained page with the threshold\n"
        "to move, figures and curves; thresholds.csv; operating-point.json. Without --threshold\n"
        "and --preset they are of the workspace's chosen operating point; if there is none, of\n"
        "the recommended threshold of the default preset.",
    )
    _add_workspace(parser)
    _add_preset(parser)
    parser.add_argument("--threshold", type=_finite, metavar="T", help="another threshold")
    parser.add_argument(
        "--thresholds",
        metavar="START:STOP:STEP",
        help="rows of the table, or a list 0.3,0.35; default: the method's own range",
    )
    parser.add_argument("--output", metavar="DIR", help="default: WORKSPACE/report")
    parser.set_defaults(command=commands.run_report)


def _add_export(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "export",
        "write classifier, OpenMax and threshold as one ONNX file for production",
        "Write one ONNX file that takes uint8 pictures of the network's size and gives logits,\n"
        "probabilities, decision (-1: rejected) and score; class names, transform and operating\n"
        "point are in its metadata. It is checked against the library before it takes its name.\n"
        "Without --threshold and --preset it is of the workspace's chosen operating point; if\n"
        "there is none, of the recommended threshold of the default preset. assets/serve has a\n"
        "server for it.",
    )
    _add_workspace(parser)
    _add_preset(parser)
    parser.add_argument("--threshold", type=_finite, metavar="T", help="another threshold")
    parser.add_argument("--output", metavar="FILE", help="default: WORKSPACE/export/openmax.onnx")
    parser.set_defaults(command=commands.run_export)


def _add_monitor(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "monitor",
        "hold a batch of new pictures against the calibration: rejections, distances, changes",
        "Score a batch of new pictures and hold it against the test set: the share that is\n"
        "rejected (Fisher's exact test), per class the distances to its mean (Cramér–von Mises,\n"
        "Holm's correction over the classes), and the pictures that changed most. Without\n"
        "--threshold and --preset the workspace's chosen operating point decides. A batch is a\n"
        "folder of pictures, stored activations, what 'openmax predict --json' writes, or a\n"
        "Parquet or CSV table with path and logit_<class>. The test set holds known pictures\n"
        "only: unknowns in a batch raise its share of rejected pictures, and give alarm.",
    )
    _add_workspace(parser)
    parser.add_argument("batch", metavar="BATCH", help="folder of pictures, or a file: see above")
    _add_preset(parser)
    parser.add_argument("--threshold", type=_finite, metavar="T", help="reject where the score < T")
    parser.add_argument(
        "--level",
        type=_finite,
        default=LEVEL,
        metavar="X",
        help="largest probability of an alarm for a batch like the test set (default 0.01); "
        "half of it for the rejections, half for the distances of all classes together",
    )
    parser.add_argument(
        "--compare",
        default="none",
        metavar="NAME",
        help="what pictures of the same path are compared with: test, reject, or a recorded "
        "batch's name or id; default: none",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="keep the batch in WORKSPACE/batches, for the Monitor page and for comparisons",
    )
    parser.add_argument("--name", help="what the batch is called; default: as its folder or file")
    parser.add_argument(
        "--time",
        metavar="WHEN",
        help="moment that the batch is of, as 2026-03-31 or 2026-03-31T06:00; default: now",
    )
    parser.add_argument(
        "--fail-on-drift", action="store_true", help="exit code 5 where something gives alarm"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(command=cli_monitor.run_monitor)


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", metavar="WORKSPACE", help="folder with a workspace.toml")


def _add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=tuple(PRESETS), help="default: the workspace's")
