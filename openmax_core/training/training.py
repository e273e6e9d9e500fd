"""Fine-tuning a network of torchvision or timm on a workspace's ``train/`` pictures.

1. Hold out a stratified, seeded part of the pictures.
2. With backbone weights: train the new last layer alone, the rest frozen.
3. Train all layers with the train transform, AdamW and a cosine-falling learning rate; a
   backbone's batch statistics stay as they are.
4. Stop when the loss on the held-out part has not fallen for ``patience`` epochs; keep the best.
   Each best state is written as it comes, and after each epoch all that the next one needs: the
   same run, started again after an interruption, goes on from there to the same weights
   (:mod:`openmax_core.training.unfinished`).
5. Write the weights as safetensors, the held-out accuracy in the name and the classes beside
   them, and set them in ``workspace.toml``.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openmax_core.errors import ClassifierError, OpenMaxError, WorkspaceError, first_line
from openmax_core.network.checkpoint import Checkpoint, read_checkpoint
from openmax_core.network.class_names import OWN_METADATA
from openmax_core.network.classifier import (
    WITH_TRANSFORM_INPUT,
    build_for_training,
    head_name,
    is_torchvisions,
)
from openmax_core.network.devices import choose_device
from openmax_core.network.timm_networks import is_timm, pretrained
from openmax_core.support.chunks import n_cores
from openmax_core.support.files import (
    fingerprint,
    require_room,
    sha256_of_file,
    write_bytes_atomically,
)
from openmax_core.support.jobs import Job
from openmax_core.training.pictures import Rows, TrainingPictures, hold_out, readable_rows
from openmax_core.training.progress import PHASES, Clock, Epoch, Step
from openmax_core.training.settings import DEFAULT_WEIGHTS, TrainingSettings
from openmax_core.training.unfinished import (
    Unfinished,
    checkpoint_of,
    damaged,
    read_checkpoint_file,
    unfinished_weights,
    write_checkpoint,
)
from openmax_core.workspace.workspace import Workspace

if TYPE_CHECKING:
    import torch
    from torch import nn

    from openmax_core.pictures.folders import PictureFiles

# Counts up when unfinished runs of before cannot go on any more.
VERSION = 1
# Files of the weights' size that lie on the disk at once, at most: the best state, and twice what
# an epoch needs of the one before it, which is the present and the best state, and two moments.
MOST_COPIES = 9
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class TrainingReport:
    """What training gave.

    Attributes
    ----------
    weights : Path of the written file
    held_out_accuracy : float, of the weights kept
    n_train, n_held_out : int
    unreadable : tuple of str, 'path: reason' of files left out
    epochs : all of them, in their order
    """

    weights: Path
    held_out_accuracy: float
    n_train: int
    n_held_out: int
    unreadable: tuple[str, ...]
    epochs: tuple[Epoch, ...] = ()

    @property
    def n_right(self) -> int:
        """Held-out pictures that the weights kept classify correctly."""
        return round(self.held_out_accuracy * self.n_held_out)


@dataclass
class _Run:
    """What all epochs share."""

    network: nn.Module
    pictures: TrainingPictures
    settings: TrainingSettings
    train_rows: Rows
    held_out_rows: Rows
    from_backbone: bool
    clock: Clock
    on_epoch: Callable[[Epoch], None]
    on_step: Callable[[Step], None]
    weights: Path
    key: str
    told: Unfinished
    epochs: tuple[Epoch, ...] = ()
    best: tuple[Epoch, dict[str, torch.Tensor]] | None = None
    # What the last epoch of an interrupted run left, until its phase has taken it.
    left: dict[str, Any] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Path:
        return checkpoint_of(self.weights)


def train(
    workspace: Workspace,
    backbone_weights: str | None = None,
    settings: TrainingSettings | None = None,
    device: str = "auto",
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_note: Callable[[str], None] = lambda note: None,
    *,
    anew: bool = False,
) -> TrainingReport:
    """Fine-tune the workspace's architecture and make the result its weights.

    A run that was interrupted goes on after its last whole epoch where all that it depends on is
    the same: pictures, settings, weights to start from, device. On a CPU it ends with the same
    weights as without the interruption.

    Parameters
    ----------
    backbone_weights : path of a weights file of the architecture with any class count, or
        'DEFAULT' for the library's own, which are downloaded. Random weights without.
    on_epoch : called after every epoch
    on_step : called after every batch, and every few pictures or moments of what comes before;
        what it raises ends the training, and the next one goes on after the last whole epoch
    on_note : called with a sentence on what an interrupted run has left
    anew : leave what an interrupted run has left; the first epoch replaces it

    Raises
    ------
    WorkspaceError, ClassifierError
        Too few pictures, or backbone weights that do not fit or cannot be had.
    OpenMaxError
        The workspace's folder has no room for the weights or cannot be written, which is noticed
        before the first epoch.
    """
    import torch

    if workspace.settings.classifier.architecture is None:
        raise WorkspaceError(
            f"the ONNX file {workspace.settings.classifier.model} can be used, but not trained; "
            "make a workspace with an architecture to train one: openmax init DIR --architecture "
            "NAME"
        )
    settings = settings or TrainingSettings()
    told = Unfinished(settings, backbone_weights, device)
    files = workspace.pictures.find("train")
    backbone, transform_input = _backbone(workspace, backbone_weights, on_step)
    torch.manual_seed(settings.seed)
    network = build_for_training(
        str(workspace.settings.classifier.architecture),
        len(workspace.classes),
        workspace.settings.transform,
        backbone,
        transform_input=transform_input,
    )
    device = choose_device(device)
    weights = unfinished_weights(workspace)
    _require_room(weights, network)
    # Last of what may refuse the training, for it takes longest.
    usable, unreadable = readable_rows(
        files, workspace.settings.transform, lambda *count: on_step(Step("pictures", *count))
    )
    train_rows, held_out_rows = hold_out(
        files.labels, usable, workspace.classes, settings.held_out, settings.seed
    )
    planned = {"head": settings.head_epochs if backbone is not None else 0, "all": settings.epochs}
    planned = {phase: count for phase, count in planned.items() if count}
    with ThreadPoolExecutor(n_cores(), thread_name_prefix="decode") as pool:
        pictures = TrainingPictures(
            files,
            workspace.settings.transform,
            workspace.settings.train_transform,
            settings.batch_size,
            device,
            pool,
        )
        run = _Run(
            network.to(device),
            pictures,
            settings,
            train_rows,
            held_out_rows,
            bool(backbone_weights),
            Clock(planned, len(train_rows), len(held_out_rows)),
            on_epoch,
            on_step,
            weights,
            _key(workspace, files, backbone_weights, settings, transform_input, device),
            told,
        )
        if run.checkpoint.exists() and not anew:
            on_note(_take_up(run))
        for phase in planned:
            _phase(run, phase)
    if run.best is None:
        raise WorkspaceError("nothing to train: set --epochs or --head-epochs above 0")
    epoch, state = run.best
    written = _write_weights(workspace, epoch.held_out_accuracy, state, transform_input)
    for path in (run.weights, run.checkpoint):
        path.unlink(missing_ok=True)
    return TrainingReport(
        written,
        epoch.held_out_accuracy,
        len(train_rows),
        len(held_out_rows),
        unreadable,
        run.epochs,
    )


def _backbone(
    workspace: Workspace, source: str | None, on_step: Callable[[Step], None]
) -> tuple[Checkpoint | None, bool]:
    """Weights to start from, and what transform_input is with them."""
    classifier = workspace.settings.classifier
    architecture, transform_input = classifier.name, classifier.transform_input
    if not source:
        return None, transform_input
    has_input = architecture in WITH_TRANSFORM_INPUT
    if source == DEFAULT_WEIGHTS:
        backbone, is_own = _downloaded(architecture, on_step), not is_timm(architecture)
    else:
        path = Path(source).expanduser()
        backbone = read_checkpoint(path)
        is_own = has_input and is_torchvisions(architecture, path)
    if has_input and backbone.transform_input is not None:
        transform_input = backbone.transform_input
    return backbone, transform_input or (is_own and has_input)


def _downloaded(architecture: str, on_step: Callable[[Step], None]) -> Checkpoint:
    """The library's own weights. They are loaded aside, so that nobody waits who stops this."""
    on_step(Step("weights"))
    job = Job[None, Checkpoint](lambda report: _load_own(architecture))
    while True:
        try:
            return job.result(POLL_SECONDS)
        except TimeoutError:
            on_step(Step("weights"))
        except OpenMaxError as error:
            raise ClassifierError(str(error)) from error


def _load_own(architecture: str) -> Checkpoint:
    if is_timm(architecture):
        return Checkpoint.of(Path(architecture), pretrained(architecture).tensors)
    import torchvision

    where = f"the weights of {architecture}"
    try:
        weights = torchvision.models.get_model_weights(architecture).DEFAULT
        where = weights.url
        tensors = weights.get_state_dict(progress=True, check_hash=True)
    except Exception as error:  # every kind of network failure, or no weights for the name
        raise ClassifierError(
            f"torchvision's weights for {architecture} cannot be downloaded ({first_line(error)}). "
            f"Without a connection, download {where} elsewhere and start from that file "
            "(--backbone-weights FILE), or start from random weights"
        ) from error
    return Checkpoint.of(Path(str(weights)), tensors)


def _phase(run: _Run, phase: str) -> None:
    """Train the layers of a phase; the network has the best weights so far at its end."""
    import torch

    settings = run.settings
    frozen = phase == "head"
    epochs = settings.head_epochs if frozen else settings.epochs
    rate = 1e-3 if frozen else settings.learning_rate or (1e-4 if run.from_backbone else 1e-3)
    head = head_name(run.network) + "."
    for name, parameter in run.network.named_parameters():
        parameter.requires_grad = not frozen or name.startswith(head)
    parameters = [p for p in run.network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs, eta_min=rate / 50)
    number = waited = 0
    if run.left:
        if run.left["phase"] != phase:  # this one had ended
            return
        try:
            optimiser.load_state_dict(run.left["optimiser"])
            schedule.load_state_dict(run.left["schedule"])
            number, waited = int(run.left["number"]), int(run.left["waited"])
        except Exception as error:  # what is damaged shows in many kinds of errors
            raise damaged(run.checkpoint, error) from error
        run.left = {}
    while number < epochs and waited < settings.patience:
        number += 1
        losses = _train_epoch(run, phase, number, optimiser)
        schedule.step()
        loss_held_out, accuracy = _evaluate(run, phase, number)
        epoch = Epoch(
            phase,
            number,
            float(np.mean(losses)),
            loss_held_out,
            accuracy,
            len(run.held_out_rows),
        )
        if not math.isfinite(epoch.train_loss + loss_held_out):
            raise ClassifierError(
                f"training diverged in epoch {number}; use a smaller --learning-rate than {rate:g}"
            )
        run.on_epoch(epoch)
        run.epochs += (epoch,)
        waited += 1
        if run.best is None or loss_held_out < run.best[0].held_out_loss:
            run.best, waited = (epoch, copy.deepcopy(run.network.state_dict())), 0
            write_bytes_atomically(run.weights, _content(run.best[1]))
        _write_checkpoint(run, phase, number, waited, optimiser, schedule)
    assert run.best is not None  # noqa: S101 - epochs is at least 1
    run.network.load_state_dict(run.best[1])


def _train_epoch(
    run: _Run, phase: str, number: int, optimiser: torch.optim.Optimizer
) -> list[float]:
    """Pass over all training pictures once; the losses of its batches."""
    import torch

    is_head = phase == "head"
    run.network.train(not is_head)
    if run.from_backbone:
        _keep_batch_statistics(run.network)
    seed = [run.settings.seed, int(is_head), number]
    rows = np.random.default_rng(seed).permutation(run.train_rows)
    losses = []
    for done, images, labels in run.pictures.random_views(rows, seed):
        if len(labels) == 1 and not run.from_backbone:
            continue  # batch normalisation has no statistics of one picture
        optimiser.zero_grad()
        output = run.network(images)
        # GoogLeNet and Inception give auxiliary logits beside them in training.
        logits = output.logits if hasattr(output, "logits") else output
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
        run.on_step(run.clock.step(phase, number, done, run.epochs))
    if not losses:
        raise ClassifierError(
            "every batch holds a single picture, from which batch normalisation cannot "
            "learn; use a larger --batch-size"
        )
    return losses


def _key(
    workspace: Workspace,
    files: PictureFiles,
    backbone_weights: str | None,
    settings: TrainingSettings,
    transform_input: bool,
    device: str,
) -> str:
    """Fingerprint of all that a run depends on."""
    backbone = backbone_weights
    if backbone_weights and backbone_weights != DEFAULT_WEIGHTS:
        backbone = sha256_of_file(Path(backbone_weights).expanduser())
    whole = workspace.settings
    listing = [files.paths, files.labels.tolist(), files.sizes.tolist(), files.mtimes.tolist()]
    network = [whole.classifier.architecture, whole.classifier.classes, transform_input, backbone]
    views = [whole.transform.to_dict(), asdict(whole.train_transform)]
    return fingerprint(VERSION, listing, network, views, asdict(settings), device)


def _write_checkpoint(
    run: _Run, phase: str, number: int, waited: int, optimiser: Any, schedule: Any
) -> None:
    """Write all that the next epoch needs."""
    assert run.best is not None  # noqa: S101 - of this epoch at the latest
    epoch, state = run.best
    values = {
        "key": run.key,
        "phase": phase,
        "number": number,
        "waited": waited,
        # The same tensors are written once.
        "network": state if waited == 0 else run.network.state_dict(),
        "best": {"epoch": asdict(epoch), "network": state},
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "random": [machine.get_rng_state() for machine in _machines(run.pictures.device)],
    }
    write_checkpoint(run.checkpoint, values, replace(run.told, epochs=run.epochs))


def _take_up(run: _Run) -> str:
    """Go on from the checkpoint where it is of this very run; says what is done."""
    path = run.checkpoint
    left, told = read_checkpoint_file(path)
    if left["key"] != run.key:
        return (
            f"{path} is of a run with other pictures, settings, weights or device; training "
            "starts anew, and replaces it after the first epoch"
        )
    try:
        run.network.load_state_dict(left["network"])
        run.best = Epoch(**left["best"]["epoch"]), left["best"]["network"]
        for machine, state in zip(_machines(run.pictures.device), left["random"], strict=True):
            machine.set_rng_state(state)
        words = f"goes on after epoch {left['number']} of {PHASES[left['phase']]}"
    except Exception as error:  # what is damaged shows in many kinds of errors
        raise damaged(path, error) from error
    run.left, run.epochs = left, told.epochs
    return f"{words}, where it was interrupted"


def _machines(device: str) -> list[Any]:
    """Modules of torch that draw random numbers for a network on this device."""
    import torch

    return [torch.random] if device == "cpu" else [torch.random, getattr(torch, device)]


def _keep_batch_statistics(network: nn.Module) -> None:
    """Leave batch normalisation as the backbone has it: small batches would only disturb it.

    In weights whose normalisation is folded into the convolutions they would destroy it.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def _evaluate(run: _Run, phase: str, number: int) -> tuple[float, float]:
    """Mean loss and accuracy on what is held out, with the evaluation transform."""
    import torch

    run.network.eval()
    losses, n_right = 0.0, 0
    with torch.inference_mode():
        for done, images, labels in run.pictures.views(run.held_out_rows):
            logits = run.network(images)
            losses += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            n_right += int((logits.argmax(dim=1) == labels).sum())
            run.on_step(run.clock.step(phase, number, done, run.epochs, is_check=True))
    return losses / len(run.held_out_rows), n_right / len(run.held_out_rows)


def _content(state: dict[str, torch.Tensor]) -> bytes:
    """Weights as the content of a safetensors file."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    content: bytes = save(tensors)
    return content


def _require_room(unfinished: Path, network: nn.Module) -> None:
    """Take the most room that training takes on the disk, and give it back."""
    present = [path for path in (unfinished, checkpoint_of(unfinished)) if path.exists()]
    size = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    held = sum(path.stat().st_size for path in present)
    require_room(unfinished.parent, MOST_COPIES * size - held)


def _write_weights(
    workspace: Workspace, accuracy: float, state: dict[str, torch.Tensor], transform_input: bool
) -> Path:
    """Write the weights, with what no tensor says, and make them the workspace's own."""
    from safetensors.torch import save

    settings = workspace.settings.classifier
    path = workspace.folder / f"{settings.file_name}-{accuracy:.4f}.safetensors"
    number = 2
    while path.exists():  # of another training that was as good
        path = path.with_name(f"{settings.file_name}-{accuracy:.4f}-{number}.safetensors")
        number += 1
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    noted = {
        "architecture": settings.architecture,
        "classes": settings.classes,
        "transform_input": transform_input,
        "transform": workspace.settings.transform.to_dict(),
    }
    # One entry: safetensors writes several in any order.
    write_bytes_atomically(path, save(tensors, {OWN_METADATA: json.dumps(noted)}))
    classifier = replace(
        settings, weights=path.name, transform_input=transform_input, weights_entry=None
    )
    workspace.save_settings(replace(workspace.settings, classifier=classifier))
    return path
