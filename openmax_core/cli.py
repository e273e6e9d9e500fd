"""The shell: ``openmax init | train | extract | evaluate | predict``.

Exit codes: 0 done; 1 an error that the message explains; 2 wrong arguments; 3 done, but some
pictures could not be read; 4 evaluated, but no threshold keeps the floor.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openmax_core.errors import NoFeasibleThresholdError, OpenMaxError
from openmax_core.presets import PRESETS

if TYPE_CHECKING:
    from openmax_core.inference import Progress
    from openmax_core.operating_point import OperatingPoint
    from openmax_core.workspace import Evaluation, Workspace

EXIT_ERROR, EXIT_USAGE, EXIT_UNREADABLE, EXIT_INFEASIBLE = 1, 2, 3, 4
DEVICES = ("auto", "cpu", "cuda", "mps")
EXIT_CODES = """
exit codes:
  0  done
  1  an error; the one line on standard error says what and the way out
  2  wrong arguments
  3  done, but some pictures could not be read; they are listed
  4  evaluated, but no threshold keeps the asked-for Test accuracy
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
        "  openmax predict garages photo.jpg\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_init(commands)
    _add_train(commands)
    _add_extract(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    return parser


def _command(commands: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_init(commands: Any) -> None:
    parser = _command(
        commands,
        "init",
        "make a workspace from folders and a weights file",
        "Make a workspace: a folder with a workspace.toml that names the classifier and the\n"
        "pictures. Pictures lie in one folder per class (ImageFolder layout) below --train and\n"
        "--test; --reject holds pictures of unknowns, in sub-folders or not. Nothing is copied.",
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
    parser.add_argument("--train", default="train", metavar="DIR", help="default: DIR/train")
    parser.add_argument("--test", default="test", metavar="DIR", help="default: DIR/test")
    parser.add_argument("--reject", metavar="DIR", help="pictures of unknowns")
    parser.add_argument(
        "--calibration",
        metavar="DIR",
        help="known pictures held out of training, to calibrate on instead of --train",
    )
    parser.add_argument(
        "--classes",
        metavar="a,b,c",
        help="class names in the order of the network's outputs; default: the folders of --train "
        "in alphabetical order",
    )
    parser.add_argument("--name", help="what the dashboard calls it; default: the folder's name")
    parser.set_defaults(command=_init)


def _init(options: argparse.Namespace) -> int:
    from openmax_core.workspace import Workspace

    names = options.classes.split(",") if options.classes else None
    classes = None if names is None else [name.strip() for name in names]
    workspace = Workspace.create(
        options.folder,
        options.architecture,
        weights=options.weights,
        train=options.train,
        test=options.test,
        reject=options.reject,
        calibration=options.calibration,
        classes=classes,
        name=options.name,
    )
    print(f"made {workspace.folder}/workspace.toml")
    for split in workspace.splits:
        print(f"  {split:12} {len(workspace.find_pictures(split)):7,} files")
    print(f"  classes      {', '.join(workspace.classes)}")
    step = "extract" if options.weights else "train"
    print(f"next: openmax {step} {options.folder}")
    return 0


def _add_train(commands: Any) -> None:
    parser = _command(
        commands,
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
    parser.set_defaults(command=_train)


def _train(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from openmax_core.training import Epoch, TrainingSettings, train

    settings = TrainingSettings(
        epochs=options.epochs,
        head_epochs=options.head_epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        patience=options.patience,
        seed=options.seed,
    )
    with tqdm(unit=" pictures", leave=False) as bar:

        def on_batch(phase: str, done: int, total: int) -> None:
            if bar.total != total or done < bar.n:
                bar.reset(total)
            bar.update(done - bar.n)

        def on_epoch(epoch: Epoch) -> None:
            bar.write(
                f"{epoch.phase:4} epoch {epoch.number:3}   loss {epoch.train_loss:.4f}   "
                f"held-out loss {epoch.held_out_loss:.4f}   "
                f"held-out accuracy {epoch.held_out_accuracy:.4f}",
                file=sys.stdout,
            )

        report = train(
            _open(options),
            options.backbone_weights,
            settings,
            options.device,
            on_epoch=on_epoch,
            on_batch=on_batch,
        )
    print(
        f"wrote {report.weights}: accuracy {report.held_out_accuracy:.4f} on "
        f"{report.n_held_out:,} held-out pictures, trained on {report.n_train:,}"
    )
    print(f"next: openmax extract {options.workspace}")
    for line in report.unreadable:
        print(f"unreadable: {line}", file=sys.stderr)
    return EXIT_UNREADABLE if report.unreadable else 0


def _add_extract(commands: Any) -> None:
    parser = _command(
        commands,
        "extract",
        "run the network once over all pictures and store the activations",
        "Run the network once over train, calibration, test and reject, and store the logits in\n"
        "the workspace. Only pictures that are new or changed are run again.",
    )
    _add_workspace(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: by device")
    parser.set_defaults(command=_extract)


def _extract(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    workspace = _open(options)
    bars: dict[str, Any] = {}

    def on_progress(split: str, progress: Progress) -> None:
        if split not in bars:
            bars[split] = tqdm(total=progress.total, desc=f"{split:11}", unit=" pictures")
        bars[split].update(progress.done - bars[split].n)

    try:
        report = workspace.extract(options.device, options.batch_size, on_progress)
    finally:
        for bar in bars.values():
            bar.close()
    n_unreadable = 0
    for split, n_run in report.n_run.items():
        print(f"{split:11} {n_run:7,} run   {report.n_reused[split]:7,} already stored", end="")
        print(f"   {report.n_unreadable[split]:,} unreadable")
        n_unreadable += report.n_unreadable[split]
    if n_pictures := sum(report.n_run.values()):
        print(
            f"done in {report.seconds:.1f} s, {n_pictures / report.seconds:.1f} pictures/s with "
            "the network's loading"
        )
    else:
        print("nothing to do: everything is stored")
    if n_unreadable:
        _print_unreadable(workspace)
    return EXIT_UNREADABLE if n_unreadable else 0


def _print_unreadable(workspace: Workspace) -> None:
    for split in workspace.splits:
        activations = workspace.activations(split)
        if activations is None:
            continue
        for path, error in activations.unreadable[["path", "error"]].itertuples(index=False):
            print(f"unreadable: {split}/{path}: {error}", file=sys.stderr)


def _add_evaluate(commands: Any) -> None:
    parser = _command(
        commands,
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
    parser.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from openmax_core.tables import (
        default_thresholds,
        parse_thresholds,
        sweep_table,
        threshold_text,
    )

    workspace = _open(options)
    evaluation = workspace.evaluate(options.preset)
    floor = options.min_test_accuracy
    floor = workspace.settings.defaults.min_test_accuracy if floor is None else floor
    thresholds = options.thresholds or default_thresholds(evaluation.openmax)
    table = sweep_table(evaluation.curve, parse_thresholds(thresholds))
    rows = table.to_dict(orient="records")
    point, problem = None, ""
    try:
        point = evaluation.recommend(floor)
    except NoFeasibleThresholdError as error:
        problem = str(error)
    if options.json:
        auroc = evaluation.curve.auroc
        values = {
            **_facts(workspace, evaluation),
            "auroc": None if math.isnan(auroc) else auroc,
            "table": [_without_nan(row) for row in rows],
            "min_test_accuracy": floor,
            "recommended": None if point is None else json.loads(point.to_json()),
            "problem": problem or None,
        }
        print(json.dumps(values, indent=2))
    else:
        _print_evaluation(workspace, evaluation)
        print(f"\n{'threshold':>10}  {'Test accuracy':^24}  {'Reject accuracy':^24}")
        for row in rows:
            test = _share(row, "test")
            reject = _share(row, "reject")
            print(f"{threshold_text(row['threshold']):>10}  {test:^24}  {reject:^24}")
        print(f"\nrecommended: {problem or _point_in_words(point, floor)}")
    return EXIT_INFEASIBLE if problem else 0


def _facts(workspace: Workspace, evaluation: Evaluation) -> dict[str, Any]:
    used = {evaluation.calibrated_on: evaluation.train, "test": evaluation.test}
    if evaluation.reject is not None:
        used["reject"] = evaluation.reject
    return {
        "workspace": workspace.settings.name,
        "preset": evaluation.openmax.preset_,
        "settings": evaluation.openmax.settings_,
        "classes": list(workspace.classes),
        "calibrated_on": evaluation.calibrated_on,
        "pictures": {split: len(item) for split, item in used.items()},
        "unreadable": {split: len(item.unreadable) for split, item in used.items()},
        "accuracy_before_rejection": evaluation.accuracy_before_rejection,
        "data": evaluation.data,
    }


def _print_evaluation(workspace: Workspace, evaluation: Evaluation) -> None:
    from openmax_core.tables import class_warnings

    facts = _facts(workspace, evaluation)
    settings = ", ".join(f"{name} {value}" for name, value in facts["settings"].items())
    pictures = ", ".join(
        f"{count:,} {split}" + (f" ({lost:,} unreadable)" if lost else "")
        for (split, count), lost in zip(
            facts["pictures"].items(), facts["unreadable"].values(), strict=True
        )
    )
    print(f"workspace   {facts['workspace']} ({len(facts['classes'])} known classes)")
    print(f"method      {facts['preset']}: {settings}")
    print(f"pictures    {pictures}; calibrated on {facts['calibrated_on']}")
    print(f"accuracy    {facts['accuracy_before_rejection']:.4f} on test before rejection")
    if evaluation.reject is None:
        print("reject set  none: Reject accuracy cannot be measured")
    else:
        print(f"AUROC       {evaluation.curve.auroc:.4f} of test against reject")
    for name, text in zip(facts["classes"], class_warnings(evaluation.openmax), strict=True):
        if text:
            print(f"warning     class {name}: {text}")


def _without_nan(row: dict[Any, Any]) -> dict[str, float | None]:
    return {str(name): None if math.isnan(value) else value for name, value in row.items()}


def _share(row: dict[Any, Any], name: str) -> str:
    value, low, high = (row[f"{name}_{part}"] for part in ("accuracy", "low", "high"))
    return "not measured" if math.isnan(value) else f"{value:.4f} [{low:.3f}, {high:.3f}]"


def _point_in_words(point: OperatingPoint | None, floor: float) -> str:
    from openmax_core.tables import threshold_text

    if point is None:
        return "none"
    reject = "not measured" if point.reject_accuracy is None else f"{point.reject_accuracy:.4f}"
    return (
        f"threshold {threshold_text(point.threshold)} gives Test accuracy "
        f"{point.test_accuracy:.4f} with Reject accuracy {reject}: the best Reject accuracy with "
        f"Test accuracy ≥ {floor:g}. Chosen and "
        "counted on the same pictures, so it flatters a little"
    )


def _add_predict(commands: Any) -> None:
    parser = _command(
        commands,
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
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(command=_predict)


def _predict(options: argparse.Namespace) -> int:
    from pathlib import Path

    from openmax_core.files import write_text_atomically
    from openmax_core.prediction import (
        UNREADABLE,
        PictureLogits,
        choose_method,
        expand_paths,
        run_network,
        verdict_table,
    )
    from openmax_core.tables import threshold_text

    workspace = _open(options)
    paths = expand_paths(options.paths)
    choice = choose_method(workspace, options.preset, options.threshold)
    openmax = choice.evaluation.openmax
    results = run_network(workspace.load_classifier(), paths, options.device)
    # A name that is no text can neither be printed nor written to a CSV file.
    names = (str(path).encode("utf-8", "backslashreplace").decode("utf-8") for path in paths)
    pictures = PictureLogits(tuple(names), tuple(results))
    table = verdict_table(openmax, pictures, choice.threshold)
    print(
        f"method {openmax.preset_}, threshold {threshold_text(choice.threshold)} ({choice.source})"
    )
    for row in table.to_dict(orient="records"):
        print(f"{row['decision'] or row['verdict']:16} {row['file']}   {row['reason']}")
    if options.csv:
        write_text_atomically(Path(options.csv), table.to_csv(index=False))
        print(f"wrote {options.csv}")
    return EXIT_UNREADABLE if (table["verdict"] == UNREADABLE).any() else 0


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", metavar="WORKSPACE", help="folder with a workspace.toml")


def _add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=tuple(PRESETS), help="default: the workspace's")


def _open(options: argparse.Namespace) -> Workspace:
    from openmax_core.workspace import Workspace

    return Workspace.open(options.workspace)
