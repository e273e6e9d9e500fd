"""The shell: ``openmax init | doctor | train | extract | evaluate | compare | predict | …``.

Exit codes: 0 done; 1 an error that the message explains; 2 wrong arguments; 3 done, but some
pictures could not be read; 4 evaluated, but no threshold keeps the floor; 5 drift, with
``--fail-on-drift``; 6 examined, and something is wrong.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from openmax_core.activations.table_rows import SPLITS
from openmax_core.cli import commands, comparison
from openmax_core.cli import monitor as cli_monitor
from openmax_core.cli import production as cli_production
from openmax_core.cli import promises as cli_promises
from openmax_core.cli.progress import say
from openmax_core.errors import OpenMaxError
from openmax_core.methods.registry import FEATURE_METHODS, METHODS
from openmax_core.methods.scores import SCORES
from openmax_core.methods.settings import PRESETS, SETTINGS, parse_setting
from openmax_core.monitor.drift import LEVEL
from openmax_core.network.classifier import TRANSFORMS
from openmax_core.network.devices import DEVICES
from openmax_core.pictures.images import ALPHAS, INTERPOLATIONS
from openmax_core.support.shares import parse_share
from openmax_core.training.settings import HELP as TRAINING_HELP
from openmax_core.workspace.settings import HELP, parse_transform

Run = Callable[[argparse.Namespace], int]
EXIT_ERROR = 1
PICTURES = "DIR|ADDRESS"
TABLE = "FILE"
MOST_STAND_INS = 20
WHICH_THRESHOLD = """
Without --threshold and --method the workspace's chosen operating point decides; if there
is none, the recommended threshold of the workspace's default method."""
EXIT_CODES = """
exit codes:
  0  done
  1  an error; one line on standard error says what is wrong and how to solve it
  2  wrong arguments
  3  done, but some pictures could not be read; they are listed
  4  evaluated, but no threshold keeps the requested Test accuracy
  5  monitored with --fail-on-drift, and the batch has drifted
  6  examined by doctor, and something is wrong
  7  monitored with --fail-on-drift, and labelled pictures break what the threshold should keep
"""


@dataclass(frozen=True)
class Number:
    """A finite number between two bounds, both allowed, for argparse's ``type``.

    Parameters
    ----------
    kind : float or int
    least, most : bounds
    """

    kind: type[float] | type[int] = float
    least: float = -math.inf
    most: float = math.inf

    def __call__(self, text: str) -> float | int:
        """Number of a text.

        Raises
        ------
        argparse.ArgumentTypeError
            It is none, or out of bounds.
        """
        what = "a whole number" if self.kind is int else "a number"
        try:
            value = self.kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not {what}") from None
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"'{text}' is not a finite number")
        if value < self.least:
            raise argparse.ArgumentTypeError(f"must be at least {self.least:g}, not {text}")
        if value > self.most:
            raise argparse.ArgumentTypeError(f"must be at most {self.most:g}, not {text}")
        return value


def share(text: str) -> float:
    """Share as '85%', '85' or '0.85', for argparse's ``type``.

    Raises
    ------
    argparse.ArgumentTypeError
        It is none.
    """
    try:
        return parse_share(text)
    except OpenMaxError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


ANY = Number()
COUNT = Number(int, 0)
POSITIVE = Number(int, 1)


def setting(text: str) -> tuple[str, object]:
    """Setting of a method, NAME=VALUE, for argparse's ``type``.

    Raises
    ------
    argparse.ArgumentTypeError
        There is no setting of this name, or the value is not of its type.
    """
    try:
        return parse_setting(text)
    except OpenMaxError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell command; returns the exit code."""
    _escape_unknown_characters()
    options = _parser().parse_args(arguments)
    is_init = options.command is commands.run_init
    if is_init and not any(getattr(options, name) for name in SOURCES):
        options.refuse("name the network with --architecture or --model, or give tables")
    try:
        code: int = options.command(options)
        sys.stdout.flush()  # here, where a reader that has gone can be dealt with
    except OpenMaxError as error:
        say(f"openmax: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        say("openmax: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader, `head` say, has gone: what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    return code


def _escape_unknown_characters() -> None:
    """Write characters that a terminal's encoding lacks, and names that are no text, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _of_transform(name: str) -> Callable[[str], object]:
    """Value of a setting of the transform, for argparse's ``type``."""

    def parse(text: str) -> object:
        try:
            return parse_transform(name, text)
        except OpenMaxError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


# Arguments that several commands have.
SHARED: dict[str, dict[str, Any]] = {
    "workspace": {"metavar": "WORKSPACE", "help": "folder with a workspace.toml"},
    "--method": {
        "choices": METHODS,
        "metavar": "NAME",
        "help": f"what ranks pictures: OpenMax ({', '.join(PRESETS)}), a score of the logits "
        f"({', '.join(SCORES)}), or a method of stored features "
        f"({', '.join(FEATURE_METHODS)}); default: the workspace's. --preset is its older name",
    },
    "--threshold": {"type": ANY, "metavar": "T", "help": "reject where the score < T"},
    "--thresholds": {
        "metavar": "START:STOP:STEP",
        "help": "rows of the table, e.g. 0.30:0.40:0.01, or a list 0.3,0.35; "
        "--thresholds=-5:10:1 where it begins with a minus; default: where decisions change",
    },
    "--device": {"choices": DEVICES, "default": "auto"},
    "--json": {"action": "store_true", "help": "print JSON instead of text"},
    "--anyway": {
        "action": "store_true",
        "help": "take the threshold also where it rejects nothing, or nearly everything",
    },
}


# Arguments of init of which one at least is given.
SOURCES = ("architecture", "model", "table", *(f"{split}_table" for split in SPLITS))


# Arguments with an older name.
NAMES = {"--method": ("--method", "--preset")}


def _shared(*names: str) -> dict[str, dict[str, Any]]:
    return {name: SHARED[name] for name in names}


# What each command runs, what it is for in a line and in full, and its arguments.
COMMANDS: dict[str, tuple[Run, str, str, dict[str, dict[str, Any]]]] = {
    "init": (
        commands.run_init,
        "make a workspace from folders and a network",
        "Make a workspace: a folder with a workspace.toml that names the classifier and the\n"
        "pictures. Pictures lie in one folder per class (ImageFolder layout) below --train and\n"
        "--test; --reject holds pictures of unknowns, in sub-folders or not. Nothing is copied.\n"
        "An ADDRESS is s3://bucket/folder or file:///folder.\n\n"
        "Or make it of logits that another program wrote, without network and pictures: give\n"
        "--train-table and --test-table, or one --table.\n\n"
        "The network is an architecture with its weights, or an ONNX file: give --architecture\n"
        "or --model.\n\n"
        "The transform makes the network's input of a picture. It must be the one that the\n"
        "weights were tested with: --transform names one, the options after it change it.",
        {
            "folder": {"metavar": "DIR", "help": HELP["folder"]},
            "--architecture": {
                "metavar": "NAME",
                "help": HELP["architecture"],
            },
            "--weights": {
                "metavar": "FILE",
                "help": f"{HELP['weights']}; DEFAULT: of timm:NAME or "
                "timm:hf-hub:OWNER/NAME, downloaded by timm; leave out to train with 'openmax "
                "train'",
            },
            "--weights-entry": {"metavar": "NAME", "help": HELP["weights_entry"]},
            "--model": {
                "metavar": "FILE.onnx",
                "help": HELP["model"],
            },
            "--output": {"metavar": "NAME", "help": HELP["output"]},
            "--features": {"action": "store_true", "help": HELP["features"]},
            "--features-output": {"metavar": "NAME", "help": HELP["features_output"]},
            "--transform-input": {
                "action": argparse.BooleanOptionalAction,
                "help": HELP["transform_input"],
            },
            "--train": {"default": "train", "metavar": PICTURES, "help": "default: DIR/train"},
            "--test": {"default": "test", "metavar": PICTURES, "help": "default: DIR/test"},
            "--reject": {
                "metavar": PICTURES,
                "help": f"{HELP['reject']}; default: DIR/reject, if it exists",
            },
            "--calibration": {
                "metavar": PICTURES,
                "help": "known pictures held out of training, to calibrate on instead of --train",
            },
            "--classes": {"metavar": "a,b,c", "help": HELP["classes"]},
            "--train-table": {
                "metavar": TABLE,
                "help": f"{HELP['train_table']}; with --test-table, and no network",
            },
            "--test-table": {
                "metavar": TABLE,
                "help": HELP["test_table"],
            },
            "--reject-table": {"metavar": TABLE, "help": HELP["reject_table"]},
            "--calibration-table": {
                "metavar": TABLE,
                "help": "of known pictures held out of training, to calibrate on",
            },
            "--table": {
                "metavar": TABLE,
                "help": HELP["table"],
            },
            "--labels": {"metavar": "FILE", "help": HELP["labels"]},
            "--name": {"help": HELP["name"]},
            "--transform": {
                "choices": tuple(TRANSFORMS),
                "help": "notebook: resize 320x320 nearest, crop 224 (default); imagenet: shorter "
                "side 256 bilinear, crop 224; weights: torchvision's own for its weights of the "
                "architecture, or timm's own (its default)",
            },
            **{
                f"--{name}": {
                    "type": _of_transform(name),
                    "metavar": metavar,
                    "help": HELP[name],
                }
                for name, metavar in (
                    *(("resize", "S|H,W"), ("crop", "S|H,W")),
                    *(("mean", "R,G,B"), ("std", "R,G,B")),
                )
            },
            "--interpolation": {"choices": tuple(INTERPOLATIONS), "help": HELP["interpolation"]},
            "--exif": {"action": argparse.BooleanOptionalAction, "help": HELP["exif"]},
            "--alpha": {"choices": ALPHAS, "help": HELP["alpha"]},
        },
    ),
    "doctor": (
        commands.run_doctor,
        "say why a workspace does not work, and what to write",
        "Look at folders, files, classes, transform and logits, and say in words what is wrong,\n"
        "best explanation first, with the lines to write into workspace.toml. The network runs\n"
        "over a sample of the training and test pictures, also under other transforms; this\n"
        "takes about 20 seconds at most. Nothing is changed.",
        _shared("workspace", "--json", "--device"),
    ),
    "train": (
        commands.run_train,
        "fine-tune the network on the training pictures",
        "Fine-tune the workspace's architecture on its train/ pictures: first the new last layer\n"
        "alone if backbone weights are given, then all layers, stopping early on a held-out part.\n"
        "Writes ARCHITECTURE-ACCURACY.safetensors into the workspace and sets it in\n"
        "workspace.toml. The same command after an interruption goes on after the last whole\n"
        "epoch.",
        {
            **_shared("workspace"),
            "--backbone-weights": {
                "metavar": "FILE|DEFAULT",
                "help": "weights to start from: a file of the architecture with any class count, "
                "or DEFAULT to download torchvision's or timm's; without, training starts from "
                "random weights",
            },
            "--epochs": {
                "type": COUNT,
                "default": 10,
                "help": f"{TRAINING_HELP['epochs']} (default 10)",
            },
            "--head-epochs": {
                "type": COUNT,
                "default": 2,
                "help": f"{TRAINING_HELP['head_epochs']} (default 2)",
            },
            "--batch-size": {
                "type": POSITIVE,
                "default": 32,
                "help": f"{TRAINING_HELP['batch_size']} (default 32)",
            },
            "--learning-rate": {"type": ANY, "help": TRAINING_HELP["learning_rate"]},
            "--patience": {
                "type": POSITIVE,
                "default": 4,
                "help": f"{TRAINING_HELP['patience']} (default 4)",
            },
            "--seed": {"type": COUNT, "default": 0, "help": f"{TRAINING_HELP['seed']} (default 0)"},
            "--anew": {
                "action": "store_true",
                "help": "begin with the first epoch, also where an interrupted run could go on",
            },
            **_shared("--device"),
        },
    ),
    "extract": (
        commands.run_extract,
        "run the network once over all pictures and store the activations",
        "Run the network once over train, calibration, test and reject, and store the logits in\n"
        "the workspace. Only pictures that are new or changed are run again. Results are stored\n"
        "as they come: a run after an interruption goes on where the last one stopped. In a\n"
        "workspace of tables, tables that are new or changed are read. With features = true under\n"
        "[classifier] the features are stored too, and their size is told before.",
        {
            **_shared("workspace", "--device"),
            "--batch-size": {"type": POSITIVE, "metavar": "N", "help": "default: by device"},
            "--engine": {
                "choices": ("local", "ray"),
                "default": "local",
                "help": "ray: use the Ray cluster that this machine belongs to; needs the extra "
                "'cluster'",
            },
            "--address": {
                "default": "auto",
                "help": "address of the Ray cluster, host:port (default: auto)",
            },
            "--workers": {
                "type": POSITIVE,
                "metavar": "N",
                "help": "most workers on a Ray cluster; default: one per CPU, or one per GPU",
            },
            "--patience": {
                "type": POSITIVE,
                "default": 300,
                "metavar": "SECONDS",
                "help": "give up when a Ray cluster gives no result for this long (default 300)",
            },
        },
    ),
    "evaluate": (
        commands.run_evaluate,
        "Test and Reject accuracy over thresholds, and the recommended threshold",
        "Calibrate a method on the stored activations, print Test accuracy and Reject accuracy\n"
        "over thresholds with 95 % Wilson intervals, and recommend the threshold with the best\n"
        "Reject accuracy among those that keep the requested Test accuracy. Beside it stands the\n"
        "threshold that keeps it on new pictures, with a confidence.\n\n"
        "Test accuracy: share of the known test pictures that get their right class; a rejected\n"
        "one counts as wrong. Also called correct classification rate (CCR).\n"
        "Reject accuracy: share of the pictures of unknowns that are rejected, which is 1 - FPR\n"
        "on unknowns (FPR: false positive rate).",
        {
            **_shared("workspace", "--method", "--thresholds"),
            "--min-test-accuracy": {
                "type": share,
                "metavar": "X",
                "help": "floor for the recommended threshold, as 85%% or 0.85; default: the "
                "workspace's, 0.85",
            },
            "--max-known-rejected": {
                "type": share,
                "metavar": "X",
                "help": "largest share of the known pictures that may be rejected, as 5%% or 0.05, "
                "instead of a floor of Test accuracy; the default without a reject set, 5%%",
            },
            "--confidence": {
                "type": cli_promises.confidence,
                "metavar": "X",
                "help": "confidence of the promised threshold, as 95%% (the default); given, exit "
                "code 4 where nothing can be promised",
            },
            "--set": {
                "type": setting,
                "action": "append",
                "default": [],
                "dest": "settings",
                "metavar": "NAME=VALUE",
                "help": "a setting of OpenMax that differs from the preset, e.g. tail_size=30; can "
                f" be given several times. There are {', '.join(SETTINGS)}",
            },
            "--kinds": {
                "type": cli_production.kinds,
                "metavar": "NAME=SHARE,…",
                "help": "share of each kind of unknowns in production, e.g. indoor=3,street=1: "
                "folders of the reject set, only ratios count, others are not expected; Reject "
                "accuracy is then weighted by them. Default: all pictures count alike",
            },
            "--costs": {
                "metavar": "FILE",
                "help": "choose the threshold of the least expected cost, by a table of costs "
                "(CSV): a row for each class and one for 'unknown' (or 'unknown: KIND'), a column "
                "for each class and one for 'rejected'",
            },
            "--unknown-share": {
                "type": share,
                "metavar": "X",
                "help": "share of unknowns in production, for --costs (default 10%%)",
            },
            "--stand-ins": {
                "type": POSITIVE,
                "nargs": "?",
                "const": MOST_STAND_INS,
                "metavar": "N",
                "help": "leave out each known class in turn, at most N of them (default "
                f"{MOST_STAND_INS}), and show how well its pictures are rejected: an impression "
                "without a reject set, and no promise about real unknowns",
            },
            **_shared("--json"),
        },
    ),
    "compare": (
        comparison.run_compare,
        "all methods on the workspace's pictures, beside softmax",
        "Fit every method on the stored activations and print the field's figures of each, with\n"
        "95 % intervals and differences to softmax (the method msp). A difference is marked where\n"
        "it is beyond noise, judged for the whole table together. It needs a reject set.",
        {
            **_shared("workspace", "--method"),
            "--min-test-accuracy": {
                "type": share,
                "metavar": "X",
                "help": "floor of each method's threshold, as 85%% or 0.85; default: the "
                "workspace's",
            },
            **_shared("--json"),
        },
    ),
    "predict": (
        commands.run_predict,
        "decide on pictures: a known class, or rejected",
        "Decide on pictures, or on the rows of tables of logits.\n" + WHICH_THRESHOLD,
        {
            **_shared("workspace"),
            "paths": {
                "nargs": "+",
                "metavar": "PATH",
                "help": "picture files or folders; or tables (.npz, .parquet, .csv)",
            },
            **_shared("--method", "--threshold", "--anyway"),
            "--csv": {"metavar": "FILE", "help": "write all figures of every picture"},
            "--json": {
                "metavar": "FILE",
                "help": "write method, settings and threshold as well, and the probabilities "
                "before OpenMax",
            },
            **_shared("--device"),
        },
    ),
    "report": (
        commands.run_report,
        "write a report for people without the dashboard, the table and the operating point",
        "Write three files into a folder: report.html, one self-contained page with the threshold\n"
        "to move, figures and curves; thresholds.csv; operating-point.json.\n" + WHICH_THRESHOLD,
        {
            **_shared("workspace", "--method", "--threshold", "--thresholds"),
            "--output": {"metavar": "DIR", "help": "default: WORKSPACE/report"},
        },
    ),
    "export": (
        commands.run_export,
        "write classifier, method and threshold as one ONNX file for production",
        "Write one ONNX file that takes uint8 pictures of the network's size and gives logits,\n"
        "probabilities, decision (-1: rejected) and score; class names, transform and operating\n"
        "point are in its metadata. It is checked against the library before it takes its name.\n"
        "assets/serve has a server for it.\n" + WHICH_THRESHOLD,
        {
            **_shared("workspace", "--method", "--threshold", "--anyway"),
            "--output": {"metavar": "FILE", "help": "default: WORKSPACE/export/openmax.onnx"},
        },
    ),
    "monitor": (
        cli_monitor.run_monitor,
        "compare a batch of new pictures with the test set: rejections, distances, changes",
        "Score a batch of new pictures and compare it with the test set: the share that is\n"
        "rejected (Fisher's exact test), per class the distances to its mean, or the scores of a\n"
        "method without means (Cramér–von Mises, Holm's correction over the classes), and the\n"
        "pictures that changed most. A batch is a\n"
        "folder of pictures, stored activations, what 'openmax predict --json' writes, or a\n"
        "Parquet or CSV table with path and logit_<class>, or an NPZ file with logits. The test\n"
        "set holds known pictures only: unknowns in a batch raise its share of rejected pictures,\n"
        "and raise an alarm.\n" + WHICH_THRESHOLD,
        {
            **_shared("workspace"),
            "batch": {"metavar": "BATCH", "help": "folder of pictures, or a file: see above"},
            **_shared("--method", "--threshold"),
            "--level": {
                "type": share,
                "default": LEVEL,
                "metavar": "X",
                "help": "largest probability of a false alarm, for a batch like the test set "
                "(default 0.01); the rejections, the distances of all classes together and, with "
                "labels, the accuracy have equal parts of it",
            },
            "--compare": {
                "default": "none",
                "metavar": "NAME",
                "help": "what pictures of the same path are compared with: test, reject, or a "
                "recorded batch's name or id; default: none",
            },
            "--record": {
                "action": "store_true",
                "help": "keep the batch in WORKSPACE/batches, for the Monitor page and for "
                "comparisons",
            },
            "--name": {"help": "name of the batch; default: the name of its folder or file"},
            "--time": {
                "metavar": "WHEN",
                "help": "when the pictures were taken, as 2026-03-31 or 2026-03-31T06:00; "
                "default: now",
            },
            "--fail-on-drift": {
                "action": "store_true",
                "help": "exit code 5 when the batch has drifted, 7 when its labelled pictures "
                "break what the threshold should keep",
            },
            "--labels": {
                "action": argparse.BooleanOptionalAction,
                "default": True,
                "help": "take folders that are called like classes, and the column label of a "
                "table, for the pictures' classes (default: yes)",
            },
            **_shared("--json", "--device"),
        },
    ),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="openmax",
        description="Open-set recognition with OpenMax: an image classifier that rejects pictures "
        "of classes it was never trained on.",
        epilog="A first run:\n"
        "  openmax init garages --architecture resnet50 --weights resnet50.pth \\\n"
        "      --train data/train --test data/test --reject data/reject\n"
        "  openmax extract garages\n"
        "  openmax evaluate garages --method notebook\n"
        "  openmax predict garages photo.jpg\n"
        "  openmax report garages\n"
        "  openmax export garages\n"
        "  openmax monitor garages incoming/ --record\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (run, summary, description, arguments) in COMMANDS.items():
        command = subparsers.add_parser(
            name,
            help=summary,
            description=description,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=run, refuse=command.error)
        for argument, options in arguments.items():
            command.add_argument(*NAMES.get(argument, (argument,)), **options)
    return parser
