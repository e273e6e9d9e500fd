"""What the shell's commands do; their arguments are in :mod:`openmax_core.cli.main`."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from openmax_core.activations.table_rows import SPLITS
from openmax_core.activations.tables import SUFFIXES, open_table
from openmax_core.cli import production, promises, stand_ins
from openmax_core.cli.progress import say
from openmax_core.errors import WorkspaceError
from openmax_core.support.codec import plain
from openmax_core.support.decimals import threshold_text
from openmax_core.support.files import modified, storable, write_text_atomically
from openmax_core.support.shares import counted, percent, percent_range
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError

if TYPE_CHECKING:
    from openmax_core.diagnosis.findings import Diagnosis
    from openmax_core.evaluation.evaluation import Evaluation
    from openmax_core.network.inference import Progress
    from openmax_core.prediction.choice import Choice
    from openmax_core.tradeoff.objectives import Objective
    from openmax_core.tradeoff.operating_point import OperatingPoint
    from openmax_core.tradeoff.resampling import RepeatedSplits
    from openmax_core.workspace.workspace import Workspace

EXIT_UNREADABLE, EXIT_INFEASIBLE, EXIT_FOUND = 3, 4, 6


def run_init(options: argparse.Namespace) -> int:
    """Make a workspace and say what it holds."""
    from openmax_core.network.class_names import read_labels
    from openmax_core.network.classifier import TRANSFORMS, library_of, usual_transform
    from openmax_core.network.timm_networks import is_timm
    from openmax_core.workspace.settings import FILE_NAME
    from openmax_core.workspace.weights import first_transform, keep_pretrained
    from openmax_core.workspace.workspace import Workspace

    names = options.classes.split(",") if options.classes else ()
    if options.labels:
        if names:
            raise WorkspaceError("--classes and --labels say the same; give one of them")
        names = read_labels(Path(options.labels).expanduser())
    given = {split: getattr(options, f"{split}_table") for split in SPLITS}
    given = {"all": options.table, **given}
    if tables := {split: path for split, path in given.items() if path}:
        return _init_of_tables(options, tables, [name.strip() for name in names])
    reject = options.reject
    if reject is None and (Path(options.folder).expanduser() / "reject").is_dir():
        reject = "reject"
    architecture, weights = options.architecture, options.weights
    folder = Path(options.folder).expanduser().resolve()
    kept = None
    if weights == "DEFAULT" and is_timm(architecture) and not (folder / FILE_NAME).exists():
        architecture, weights, kept = keep_pretrained(architecture, folder)
    chosen = options.transform or usual_transform(architecture)
    if kept is None or chosen != "weights":
        kept = first_transform(chosen, architecture, options.model)
    own = {
        name: getattr(options, name)
        for name in ("resize", "crop", "interpolation", "mean", "std", "exif", "alpha")
        if getattr(options, name) is not None
    }
    transform = replace(kept, **own)
    workspace = Workspace.create(
        options.folder,
        architecture,
        weights=weights,
        train=options.train,
        test=options.test,
        reject=reject,
        calibration=options.calibration,
        classes=[name.strip() for name in names],
        name=options.name,
        transform=transform,
        transform_input=options.transform_input,
        weights_entry=options.weights_entry,
        model=options.model,
        output=options.output,
        features=options.features,
        features_output=options.features_output,
    )
    say(f"made {workspace.folder}/workspace.toml")
    for split in workspace.pictures.splits:
        say(f"  {split:12} {len(workspace.pictures.find(split)):7,} files")
    _print_passed_over(workspace)
    say(f"  classes      {', '.join(workspace.classes)}")
    right_for = f"your own, from {chosen}" if own else TRANSFORMS[chosen]
    if architecture is not None:
        right_for = right_for.replace("the library's own", f"{library_of(architecture)}'s own")
    say(f"  transform    {transform.in_words}: {right_for}")
    _print_doubts(workspace)
    is_known = own or options.transform or is_timm(architecture)
    if not is_known and (options.weights or options.model):
        what = "a network" if options.model else "weights"
        say(
            f"               {what} of another transform would give wrong logits: "
            "change [transform] in workspace.toml, or make the workspace with "
            "--transform imagenet or weights, or with --resize, --crop, --interpolation, --mean "
            "and --std"
        )
    for note in workspace.notes:
        say(f"  {note}")
    step = "extract" if options.weights or options.model else "train"
    say(f"next: openmax {step} {quote(options.folder)}")
    return 0


def _init_of_tables(options: argparse.Namespace, tables: dict[str, str], classes: list[str]) -> int:
    from openmax_core.workspace.workspace import Workspace

    of_pictures = (
        "architecture",
        "weights",
        "weights_entry",
        "transform_input",
        "model",
        "output",
        "features_output",
        "reject",
        "calibration",
        "transform",
        "resize",
        "crop",
        "interpolation",
        "mean",
        "std",
        "exif",
        "alpha",
    )
    beside = [name for name in of_pictures if getattr(options, name) is not None]
    beside += [name for name in ("train", "test") if getattr(options, name) != name]
    if beside:
        option = beside[0].replace("_", "-")
        raise WorkspaceError(f"--{option} is of pictures and a network, and tables have neither")
    if "all" in tables and len(tables) > 1:
        raise WorkspaceError("--table is divided into all sets; leave the other tables out")
    workspace = Workspace.create_from_tables(
        options.folder, tables, classes=classes, name=options.name, features=options.features
    )
    say(f"made {workspace.folder}/workspace.toml")
    for split, stored in workspace.stored.opened_by_split().items():
        location = workspace.pictures.location(split)
        say(f"  {split:12} {stored.n_readable:7,} rows of {location}")
    say(f"  classes      {', '.join(workspace.classes)}")
    for note in workspace.notes:
        say(f"  {note}")
    say(f"next: openmax evaluate {options.folder}")
    return 0


def run_train(options: argparse.Namespace) -> int:
    """Fine-tune the network; an epoch a line."""
    from openmax_core.cli.progress import ProgressBars
    from openmax_core.training.progress import STAGES, Epoch, Step
    from openmax_core.training.settings import TrainingSettings
    from openmax_core.training.training import train
    from openmax_core.training.unfinished import checkpoint_of, unfinished_weights

    settings = TrainingSettings(
        epochs=options.epochs,
        head_epochs=options.head_epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        patience=options.patience,
        seed=options.seed,
    )
    with ProgressBars(is_kept=False) as bars:

        def on_epoch(epoch: Epoch) -> None:
            bars.print(
                f"{epoch.phase:4} epoch {epoch.number:3}   loss {epoch.train_loss:.4f}   "
                f"held-out loss {epoch.held_out_loss:.4f}   "
                f"held-out accuracy {percent(epoch.held_out_accuracy)}"
            )

        def on_step(step: Step) -> None:
            if step.stage not in {"pictures", "held out"} and step.total:
                bars.draw(STAGES[step.stage], step.done, step.total)

        workspace, started = _open(options), time.time_ns()
        try:
            report = train(
                workspace,
                options.backbone_weights,
                settings,
                options.device,
                on_epoch=on_epoch,
                on_step=on_step,
                on_note=bars.print,
                anew=options.anew,
            )
        except KeyboardInterrupt:
            kept = unfinished_weights(workspace)
            if (modified(checkpoint_of(kept)) or 0) >= started:
                bars.print(
                    "the same command goes on after the last whole epoch. The best weights so far "
                    f'are in {kept}; to use them as they are, write weights = "{kept.name}" under '
                    "[classifier] in workspace.toml"
                )
            raise
    say(
        f"wrote {report.weights}: accuracy {percent(report.held_out_accuracy)} on "
        f"{report.n_held_out:,} held-out pictures, trained on {report.n_train:,}"
    )
    say(f"next: openmax extract {quote(options.workspace)}")
    for line in report.unreadable:
        say(f"unreadable: {line}", file=sys.stderr)
    return EXIT_UNREADABLE if report.unreadable else 0


def run_extract(options: argparse.Namespace) -> int:
    """Bring the stored activations up to date, with a progress bar a split."""
    from openmax_core.cli.progress import ProgressBars

    workspace = _open(options)
    if workspace.settings.classifier.features and not workspace.settings.tables:
        n = sum(len(workspace.pictures.find(split)) for split in workspace.pictures.splits)
        say(workspace.stored.features_in_words(n, may_load=True) or "")
    with ProgressBars() as bars:

        def on_progress(split: str, progress: Progress) -> None:
            bars.draw_network(f"{split:11}", progress)

        if options.engine == "ray":
            report = workspace.extract_on_cluster(
                options.address,
                options.device,
                options.batch_size,
                on_progress,
                patience=options.patience,
                most_workers=options.workers,
            )
        else:
            report = workspace.extract(options.device, options.batch_size, on_progress)
    for split, n_run in report.n_run.items():
        say(
            f"{split:11} {n_run:7,} run   {report.n_reused[split]:7,} already stored   "
            f"{report.n_unreadable[split]:,} unreadable"
        )
    _print_passed_over(workspace)
    say(report.in_words)
    if not any(report.n_unreadable.values()):
        return 0
    for split in report.n_unreadable:
        lost = workspace.stored.required(split).unreadable
        for path, error in lost[["path", "error"]].itertuples(index=False):
            say(f"unreadable: {split}/{path}: {error}", file=sys.stderr)
    return EXIT_UNREADABLE


def run_doctor(options: argparse.Namespace) -> int:
    """Say what is wrong with a workspace, best explanation first."""
    from openmax_core.cli.progress import ProgressBars
    from openmax_core.diagnosis.examine import examine

    workspace = _open(options)
    with ProgressBars(is_kept=False, only_on_terminal=True) as bars:
        diagnosis = examine(
            workspace, options.device, progress=lambda done: bars.draw("examining", *done)
        )
    if options.json:
        print(json.dumps(diagnosis.to_dict(), indent=2, allow_nan=False))
    else:
        _print_diagnosis(workspace, diagnosis)
    return 0 if diagnosis.is_sound else EXIT_FOUND


def _print_diagnosis(workspace: Workspace, diagnosis: Diagnosis) -> None:
    say(f"workspace   {workspace.settings.name} ({len(workspace.classes)} known classes)")
    if diagnosis.accuracy:
        say(f"accuracy    {diagnosis.accuracy_in_words} before rejection")
    for number, finding in enumerate(diagnosis.findings, 1):
        say()
        say(f"{number}. {finding.severity}: {finding.sentence}")
        if finding.advice:
            say(f"   {finding.advice}")
        if finding.write:
            say("   In workspace.toml write:")
            for line in finding.write.splitlines():
                say(f"      {line}")
        if finding.run:
            say(f"   Then run: {finding.run}" if finding.write else f"   Run: {finding.run}")
    if mistakes := diagnosis.confusions():
        say()
        say("most frequent mistakes of the network alone:")
        for name, other, count, total in mistakes:
            say(f"{count:6,} of {total:6,}  '{name}' taken for '{other}'")
    if len(diagnosis.trials) > 1:
        say()
        say(f"right pictures under other transforms, on the same {diagnosis.trials[0].n:,}:")
        for trial in diagnosis.trials:
            reordered = trial.n_right_reordered
            note = "" if reordered is None else f"   {reordered:,} in the other order of classes"
            say(f"{trial.n_right:6,} of {trial.n:6,}  {trial.name}{note}")
    for note in diagnosis.not_examined:
        say()
        say(note)
    say()
    say(diagnosis.summary)


def run_evaluate(options: argparse.Namespace) -> int:
    """Print the table of thresholds and the recommended point."""
    from openmax_core.analysis.reject_folders import reject_folders
    from openmax_core.cli.progress import counting
    from openmax_core.evaluation.offers import default_in_words, offered
    from openmax_core.tradeoff.promises import DEFAULT_CONFIDENCE
    from openmax_core.tradeoff.sweep import default_thresholds, parse_thresholds, sweep_table

    workspace = _open(options)
    with counting() as report:
        evaluation = workspace.evaluate(options.method, report=report, **dict(options.settings))
    evaluation = evaluation.in_production(options.kinds).with_kinds()
    floor = options.min_test_accuracy
    floor = workspace.settings.defaults.min_test_accuracy if floor is None else floor
    objective = production.objective(options, evaluation, floor)
    is_default = options.min_test_accuracy is options.max_known_rejected is None
    thresholds = options.thresholds or default_thresholds(
        evaluation.method.name, evaluation.overall, evaluation.score_range
    )
    table = sweep_table(evaluation.overall, parse_thresholds(thresholds))
    rows = table.to_dict(orient="records")
    offer = offered(evaluation, objective, options.confidence or DEFAULT_CONFIDENCE)
    point, problem = (None, offer.problem) if offer.problem else (offer.best, None)
    rest = None if point is None else _on_the_rest(evaluation, objective)
    folders = reject_folders(evaluation)
    by_folder = []
    if point and folders.is_divided:
        by_folder = folders.at(point.threshold).to_dict(orient="records")
    choices = None
    if options.stand_ins:
        choices = stand_ins.measured(evaluation, objective, options.stand_ins)
    if options.json:
        values = {
            **_facts(workspace, evaluation),
            "auroc": evaluation.overall.auroc,
            "table": rows,
            "min_test_accuracy": floor,
            "objective": objective.to_dict(),
            "recommended": None if point is None else json.loads(point.to_json()),
            "on_the_rest": None if rest is None else rest.summary,
            "reject_folders": by_folder,
            "problem": problem,
            **promises.facts(offer, evaluation),
        }
        if choices is not None:
            values["stand_ins"] = stand_ins.facts(choices, evaluation)
        print(json.dumps(plain(values), indent=2))
    else:
        _print_evaluation(workspace, evaluation)
        _print_table(rows)
        if (
            note := default_in_words(objective, floor, evaluation.overall.n_reject)
            if is_default
            else ""
        ):
            say(f"note:        {note}")
        say(f"recommended: {problem if point is None else _point_in_words(point, objective)}")
        if rest is not None:
            say(rest.in_words)
        promises.print_promise(offer, evaluation, options.confidence is not None)
        if by_folder:
            among = f" (of {evaluation.sample_in_words})" if evaluation.counted else ""
            say()
            say(f"Reject accuracy there by folder of the reject set, the worst first{among}:")
        for row in by_folder:
            share = _share(row["reject_accuracy"], row["low"], row["high"])
            say(f"{share:>23}  {row['rejected']:6,} of {row['pictures']:6,}  {row['folder']}")
        if choices is not None:
            stand_ins.print_choices(choices, evaluation)
    is_promised = offer.promised is not None or options.confidence is None
    return 0 if point is not None and is_promised else EXIT_INFEASIBLE


def _print_table(rows: Sequence[dict[Any, Any]]) -> None:
    say()
    say(f"{'threshold':>10}  {'Test accuracy':^24}  {'Reject accuracy':^24}")
    for row in rows:
        test, reject = (
            _share(*(row[f"{name}_{part}"] for part in ("accuracy", "low", "high")))
            for name in ("test", "reject")
        )
        say(f"{threshold_text(row['threshold']):>10}  {test:^24}  {reject:^24}")
    say()


def _facts(workspace: Workspace, evaluation: Evaluation) -> dict[str, Any]:
    used = {evaluation.calibrated_on: evaluation.train, "test": evaluation.test}
    if evaluation.reject is not None:
        used["reject"] = evaluation.reject
    return {
        "workspace": workspace.settings.name,
        "preset": evaluation.method.name,
        "settings": evaluation.method.settings_.to_dict(),
        "classes": list(workspace.classes),
        "calibrated_on": evaluation.calibrated_on,
        "pictures": {split: item.n_readable for split, item in used.items()},
        "unreadable": {split: item.n_unreadable for split, item in used.items()},
        "borrowed": evaluation.method.borrowed_names,
        "accuracy_before_rejection": evaluation.accuracy_before_rejection,
        "accuracy_without_threshold": evaluation.accuracy_without_threshold,
        "data": evaluation.data,
        "counted": _counted(evaluation),
    }


def _counted(evaluation: Evaluation) -> dict[str, Any] | None:
    """How exact the figures are, and what is of a sample; None where all is exact."""
    if evaluation.counted is None:
        return None
    curve = evaluation.counted.curve
    return {
        "test_accuracy_error": curve.error_bound.test,
        "reject_accuracy_error": curve.error_bound.reject,
        "auroc_bounds": curve.auroc_bounds,
        "reject_folders_of": evaluation.sample_in_words,
    }


def _print_evaluation(workspace: Workspace, evaluation: Evaluation) -> None:
    from openmax_core.tradeoff.sweep import borrowed_in_words, class_warnings

    facts = _facts(workspace, evaluation)
    settings = ", ".join(f"{name} {value}" for name, value in facts["settings"].items())
    pictures = ", ".join(
        f"{count:,} {split}" + (f" ({lost:,} unreadable)" if lost else "")
        for (split, count), lost in zip(
            facts["pictures"].items(), facts["unreadable"].values(), strict=True
        )
    )
    say(f"workspace   {facts['workspace']} ({len(facts['classes'])} known classes)")
    say(f"method      {facts['preset']}: {settings or evaluation.method.words.formula}")
    is_learned = evaluation.has_tails or evaluation.method.needs_features
    learned = f"calibrated on {facts['calibrated_on']}" if is_learned else "nothing learned"
    say(f"pictures    {pictures}; {learned}")
    if evaluation.method.learned_in_words:
        say(f"learned     {evaluation.method.learned_in_words}")
    right = counted(evaluation.n_right_before_rejection, evaluation.overall.n_test)
    say(f"accuracy    {right} on test before rejection")
    if evaluation.both_accuracies_in_words:
        say(f"            {evaluation.both_accuracies_in_words}")
    if evaluation.counted is not None:
        say(f"counted     {evaluation.accuracy_in_words}")
    if evaluation.reject is None:
        say("reject set  none: Reject accuracy cannot be measured")
    else:
        say(f"AUROC       {percent(evaluation.overall.auroc)} of test against reject")
    production.print_mix(evaluation)
    if borrowed := borrowed_in_words(evaluation.method):
        say(f"borrowed    {borrowed}")
    warnings = class_warnings(evaluation.openmax) if evaluation.has_tails else []
    for name, text in zip(facts["classes"], warnings, strict=evaluation.has_tails):
        if text and name not in facts["borrowed"]:
            say(f"warning     class {name}: {text}")


def _share(value: float, low: float, high: float) -> str:
    return percent(value) if math.isnan(value) else f"{percent(value)} ({percent_range(low, high)})"


def _point_in_words(point: OperatingPoint, objective: Objective) -> str:
    reject = "not measured" if point.reject_accuracy is None else percent(point.reject_accuracy)
    weighted = f" (weighted by kind: {point.mix_in_words})" if point.kinds else ""
    return (
        f"threshold {threshold_text(point.threshold)} gives Test accuracy "
        f"{percent(point.test_accuracy)} with Reject accuracy {reject}{weighted}: "
        f"{objective.in_words_on(point.n_reject)}{production.cost_in_words(point)}. Chosen and "
        "counted on the same pictures, so both are a little too high"
    )


def _on_the_rest(evaluation: Evaluation, objective: Objective) -> RepeatedSplits | None:
    """What the choice keeps on pictures that it was not made on; None where they are too few."""
    from openmax_core.tradeoff.resampling import repeated_splits

    try:
        return repeated_splits(evaluation.overall, objective)
    except NoFeasibleThresholdError:
        return None


def run_predict(options: argparse.Namespace) -> int:
    """Decide on pictures; a line each."""
    from openmax_core.prediction.choice import expand_paths, run_network
    from openmax_core.prediction.results import results_json
    from openmax_core.prediction.tables import rows_of
    from openmax_core.prediction.verdicts import (
        UNREADABLE,
        Logits,
        decision_table,
        score_pictures,
    )

    workspace = _open(options)
    is_of_tables = all(Path(path).suffix.lower() in SUFFIXES for path in options.paths)
    # Tables are opened, and folders are listed, before the method is fitted.
    tables = [open_table(Path(path)) for path in options.paths] if is_of_tables else []
    paths = [] if is_of_tables else expand_paths(options.paths, workspace.classes)
    choice = choose(workspace, options)
    if not options.anyway:
        choice.require_useful()
    results: Sequence[Logits]
    has_features = choice.evaluation.method.needs_features
    if is_of_tables:
        files, results = rows_of(tables, workspace.classes, has_features=has_features)
    else:
        engine = workspace.classifier.load_engine(options.device, has_features=has_features)
        results = run_network(engine, paths)
        # A name that is no text can neither be printed nor written to a CSV file.
        files = list(map(storable, paths))
    scored = score_pictures(choice.evaluation.method, files, results)
    table = decision_table(scored, choice.limits)
    say(_method_in_words(choice))
    for row in table.to_dict(orient="records"):
        say(f"{row['decision'] or row['verdict']:16} {row['file']}   {row['reason']}")
    if options.csv:
        write_text_atomically(Path(options.csv), table.to_csv(index=False))
        say(f"wrote {options.csv}")
    if options.json:
        text = results_json(
            choice.evaluation, scored, choice.threshold, choice.class_thresholds, choice.promise
        )
        write_text_atomically(Path(options.json), text)
        say(f"wrote {options.json}")
    return EXIT_UNREADABLE if (table["verdict"] == UNREADABLE).any() else 0


def run_report(options: argparse.Namespace) -> int:
    """Write report, table and operating point into a folder."""
    from openmax_core.report.report import report_html
    from openmax_core.tradeoff.sweep import default_thresholds, parse_thresholds, sweep_table

    workspace = _open(options)
    choice = choose(workspace, options)
    evaluation, point = choice.evaluation, choice.present_point
    thresholds = parse_thresholds(
        options.thresholds
        or default_thresholds(evaluation.method.name, evaluation.overall, evaluation.score_range)
    )
    table = sweep_table(evaluation.overall, thresholds)
    folder = Path(options.output or workspace.folder / "report")
    files = {
        "report.html": report_html(workspace, evaluation, point, thresholds),
        "thresholds.csv": table.to_csv(index=False),
        "operating-point.json": point.to_json(),
    }
    for name, content in files.items():
        write_text_atomically(folder / name, content)
    say(_method_in_words(choice))
    for name in files:
        say(f"wrote {folder / name}")
    return 0


def run_export(options: argparse.Namespace) -> int:
    """Write and check the file; say what decides in it, and how well."""
    from openmax_core.export.description import FEATURES_INPUT, LOGITS_INPUT
    from openmax_core.export.write import export_workspace

    workspace = _open(options)
    choice = choose(workspace, options)
    if not options.anyway:
        choice.require_useful()
    path = Path(options.output or workspace.folder / "export" / "openmax.onnx")
    description = export_workspace(workspace, choice, path)
    say(f"{description.in_words} ({choice.source})")
    if workspace.settings.classifier.precision != "float32":
        say("precision   float32: 'half' is for extraction on a GPU, not for the file")
    height, width = description.transform.crop
    pictures = f"uint8 RGB pictures (N, 3, {height}, {width}), resized and cropped"
    logits = f"float32 logits (N, {len(description.classes)}), '{LOGITS_INPUT}'"
    if n_features := choice.evaluation.method.n_features:
        logits += f", and features (N, {n_features:,}), '{FEATURES_INPUT}'"
    logits += "; no network is in it"
    say(f"takes       {logits if workspace.settings.tables else pictures}")
    say(f"wrote {path}, checked against the library")
    return 0


def choose(workspace: Workspace, options: argparse.Namespace) -> Choice:
    """Return the method and threshold that the options ask for, with a bar while it is counted."""
    from openmax_core.cli.progress import counting
    from openmax_core.prediction.choice import choose_method

    with counting() as report:
        return choose_method(
            workspace,
            options.method,
            options.threshold,
            report,
            anyway=getattr(options, "anyway", False),
        )


def _method_in_words(choice: Choice) -> str:
    method = choice.evaluation.method.name
    promised = f"\npromised: {choice.promise.in_words}" if choice.promise else ""
    return (
        f"method {method}, threshold {threshold_text(choice.threshold)} ({choice.source}){promised}"
    )


def _open(options: argparse.Namespace) -> Workspace:
    from openmax_core.workspace.workspace import Workspace

    workspace = Workspace.open(options.workspace)
    _print_doubts(workspace)
    return workspace


def _print_passed_over(workspace: Workspace) -> None:
    for split in workspace.pictures.splits:
        if sentence := workspace.pictures.passed_over(split):
            say(f"  {sentence}")


def _print_doubts(workspace: Workspace) -> None:
    for doubt in workspace.settings.transform.doubts:
        say(f"warning: {doubt}", file=sys.stderr)
