"""Fine-tuning a torchvision network on a workspace's ``train/`` pictures.

1. Hold out a stratified, seeded part of the pictures.
2. With backbone weights: train the new last layer alone, the rest frozen.
3. Train all layers with the train transform, AdamW and a cosine-falling learning rate; a
   backbone's batch statistics stay as they are.
4. Stop when the loss on the held-out part has not fallen for ``patience`` epochs; keep the best.
   Each best state is written as it comes: an interrupted run leaves it in
   ``ARCHITECTURE-unfinished.safetensors``.
5. Write the weights as safetensors, the held-out accuracy in the name and the classes beside
   them, and set them in ``workspace.toml``.
"""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openmax_core.errors import ClassifierError, OpenMaxError, WorkspaceError
from openmax_core.network.checkpoint import OWN_METADATA, Checkpoint, read_checkpoint
from openmax_core.network.classifier import (
    WITH_TRANSFORM_INPUT,
    build_for_training,
    head_name,
    is_torchvisions,
)
from openmax_core.network.devices import choose_device
from openmax_core.support.files import write_bytes_atomically
from openmax_core.training.pictures import Rows, TrainingPictures, hold_out, readable_rows
from openmax_core.workspace.workspace import Workspace

if TYPE_CHECKING:
    import torch
    from torch import nn

DEFAULT_WEIGHTS = "DEFAULT"
SMALLEST = {"epochs": 0, "head_epochs": 0, "batch_size": 1, "patience": 1, "seed": 0}


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes
    ----------
    epochs : int
        Most passes over the pictures with all layers free.
    head_epochs : int
        Passes with all but the last layer frozen; none without backbone weights.
    batch_size : int
    learning_rate : float or None
        Of all layers at the start; 1e-3 from random weights, 1e-4 from a backbone without.
    held_out : float
        Share of each class's pictures that is not trained on.
    patience : int
        Epochs without a smaller held-out loss before it stops.
    seed : int
    """

    epochs: int = 10
    head_epochs: int = 2
    batch_size: int = 32
    learning_rate: float | None = None
    held_out: float = 0.15
    patience: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        OpenMaxError
            A setting is out of range; it is named.
        """
        for name, smallest in SMALLEST.items():
            if getattr(self, name) < smallest:
                raise OpenMaxError(f"{name} must be at least {smallest}, not {getattr(self, name)}")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise OpenMaxError(f"learning_rate must be larger than 0, not {self.learning_rate}")
        if not 0 < self.held_out < 1:
            raise OpenMaxError(f"held_out must lie between 0 and 1, not {self.held_out}")


@dataclass(frozen=True)
class Epoch:
    """One finished pass, for progress reports."""

    phase: str
    number: int
    train_loss: float
    held_out_loss: float
    held_out_accuracy: float


@dataclass(frozen=True)
class TrainingReport:
    """What training gave.

    Attributes
    ----------
    weights : Path of the written file
    held_out_accuracy : float, of the weights kept
    n_train, n_held_out : int
    unreadable : tuple of str, 'path: reason' of files left out
    """

    weights: Path
    held_out_accuracy: float
    n_train: int
    n_held_out: int
    unreadable: tuple[str, ...]


@dataclass
class _Run:
    """What all epochs share."""

    network: nn.Module
    pictures: TrainingPictures
    settings: TrainingSettings
    train_rows: Rows
    held_out_rows: Rows
    from_backbone: bool
    on_epoch: Callable[[Epoch], None]
    on_batch: Callable[[str, int, int], None]
    unfinished: Path


def unfinished_weights(workspace: Workspace) -> Path:
    """Where the best weights of a training that has not ended are kept."""
    name = f"{workspace.settings.classifier.architecture}-unfinished.safetensors"
    return workspace.folder / name


def train(
    workspace: Workspace,
    backbone_weights: str | None = None,
    settings: TrainingSettings | None = None,
    device: str = "auto",
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_batch: Callable[[str, int, int], None] = lambda phase, done, total: None,
) -> TrainingReport:
    """Fine-tune the workspace's architecture and make the result its weights.

    Parameters
    ----------
    backbone_weights : path of a weights file of the architecture with any class count, or
        'DEFAULT' for torchvision's own, which are downloaded. Random weights without.
    on_epoch : called after every epoch
    on_batch : called with the phase, pictures done and pictures in all

    Raises
    ------
    WorkspaceError, ClassifierError
        Too few pictures, or backbone weights that do not fit or cannot be had.
    OpenMaxError
        The workspace's folder has no room for the weights or cannot be written: before training.
    """
    import torch

    settings = settings or TrainingSettings()
    files = workspace.pictures.find("train")
    usable, unreadable = readable_rows(files, workspace.settings.transform)
    train_rows, held_out_rows = hold_out(
        files.labels, usable, workspace.classes, settings.held_out, settings.seed
    )
    torch.manual_seed(settings.seed)
    classifier = workspace.settings.classifier
    architecture, transform_input = classifier.architecture, classifier.transform_input
    backbone = None
    if backbone_weights:
        backbone, is_own = _backbone(architecture, backbone_weights)
        if architecture in WITH_TRANSFORM_INPUT and backbone.transform_input is not None:
            transform_input = backbone.transform_input
        transform_input |= is_own and architecture in WITH_TRANSFORM_INPUT
    network = build_for_training(
        architecture,
        len(workspace.classes),
        workspace.settings.transform,
        backbone,
        transform_input=transform_input,
    )
    _require_room(workspace, network.state_dict())
    device = choose_device(device)
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode") as pool:
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
            on_epoch,
            on_batch,
            unfinished_weights(workspace),
        )
        best = None
        if backbone_weights and settings.head_epochs:
            best = _phase(run, "head", best)
        if settings.epochs:
            best = _phase(run, "all", best)
    if best is None:
        raise WorkspaceError("nothing to train: set --epochs or --head-epochs above 0")
    epoch, state = best
    weights = _write_weights(workspace, epoch.held_out_accuracy, state, transform_input)
    run.unfinished.unlink(missing_ok=True)
    return TrainingReport(
        weights, epoch.held_out_accuracy, len(train_rows), len(held_out_rows), unreadable
    )


def _backbone(architecture: str, source: str) -> tuple[Checkpoint, bool]:
    """Weights to start from, and whether they are torchvision's own."""
    if source != DEFAULT_WEIGHTS:
        path = Path(source).expanduser()
        checkpoint = read_checkpoint(path)
        is_doubtful = architecture in WITH_TRANSFORM_INPUT
        return checkpoint, is_doubtful and is_torchvisions(architecture, path)
    import torchvision

    try:
        weights = torchvision.models.get_model_weights(architecture).DEFAULT
        tensors = weights.get_state_dict(progress=True, check_hash=True)
    except Exception as error:  # every kind of network failure, or no weights for the name
        raise ClassifierError(
            f"torchvision's weights for {architecture} cannot be downloaded ({error}); give a file "
            "with --backbone-weights FILE"
        ) from error
    return Checkpoint.of(Path(str(weights)), tensors), True


def _phase(
    run: _Run, phase: str, best: tuple[Epoch, dict[str, torch.Tensor]] | None
) -> tuple[Epoch, dict[str, torch.Tensor]]:
    """Train the layers of a phase; returns the best epoch so far and its weights."""
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
    waited = 0
    for number in range(1, epochs + 1):
        run.network.train(not frozen)
        if run.from_backbone:
            _keep_batch_statistics(run.network)
        seed = [settings.seed, int(frozen), number]
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
            run.on_batch(phase, done, len(rows))
        if not losses:
            raise ClassifierError(
                "every batch holds a single picture, from which batch normalisation cannot "
                "learn; use a larger --batch-size"
            )
        schedule.step()
        loss_held_out, accuracy = _evaluate(run)
        epoch = Epoch(phase, number, float(np.mean(losses)), loss_held_out, accuracy)
        if not math.isfinite(epoch.train_loss + loss_held_out):
            raise ClassifierError(
                f"training diverged in epoch {number}; use a smaller --learning-rate than {rate:g}"
            )
        run.on_epoch(epoch)
        waited += 1
        if best is None or loss_held_out < best[0].held_out_loss:
            best, waited = (epoch, copy.deepcopy(run.network.state_dict())), 0
            write_bytes_atomically(run.unfinished, _content(best[1]))
        if waited >= settings.patience:
            break
    assert best is not None  # noqa: S101 - epochs is at least 1
    run.network.load_state_dict(best[1])
    return best


def _keep_batch_statistics(network: nn.Module) -> None:
    """Leave batch normalisation as the backbone has it: small batches would only disturb it.

    In weights whose normalisation is folded into the convolutions they would destroy it.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def _evaluate(run: _Run) -> tuple[float, float]:
    """Mean loss and accuracy on what is held out, with the evaluation transform."""
    import torch

    run.network.eval()
    losses, n_right = 0.0, 0
    with torch.inference_mode():
        for _, images, labels in run.pictures.views(run.held_out_rows):
            logits = run.network(images)
            losses += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            n_right += int((logits.argmax(dim=1) == labels).sum())
    return losses / len(run.held_out_rows), n_right / len(run.held_out_rows)


def _content(state: dict[str, torch.Tensor]) -> bytes:
    """Weights as the content of a safetensors file."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    content: bytes = save(tensors)
    return content


def _require_room(workspace: Workspace, state: dict[str, torch.Tensor]) -> None:
    """Write two files of the weights' size, the most that training holds at once, and go on."""
    path = workspace.folder / "room-for-weights.safetensors"
    try:
        write_bytes_atomically(path, 2 * _content(state))
    finally:
        path.unlink(missing_ok=True)


def _write_weights(
    workspace: Workspace, accuracy: float, state: dict[str, torch.Tensor], transform_input: bool
) -> Path:
    """Write the weights, with what no tensor says, and make them the workspace's own."""
    from safetensors.torch import save

    settings = workspace.settings.classifier
    path = workspace.folder / f"{settings.architecture}-{accuracy:.4f}.safetensors"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    noted = {
        "architecture": settings.architecture,
        "classes": settings.classes,
        "transform_input": transform_input,
    }
    # One entry: safetensors writes several in any order.
    write_bytes_atomically(path, save(tensors, {OWN_METADATA: json.dumps(noted)}))
    classifier = replace(
        settings, weights=path.name, transform_input=transform_input, weights_entry=None
    )
    workspace.save_settings(replace(workspace.settings, classifier=classifier))
    return path
