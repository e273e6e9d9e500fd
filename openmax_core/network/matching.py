"""Which tensors of a file are which of a network: prefixes, moved heads, what stands beside.

Names and shapes alone are looked at, so that a file that does not fit is refused before a network
of that size is made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from openmax_core.errors import ClassifierError
from openmax_core.network.checkpoint import IS_AVERAGE, SAVE, Checkpoint
from openmax_core.support.files import listed

if TYPE_CHECKING:
    import torch

# Branches that are used in training alone (GoogLeNet, Inception): files come with and without.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# Tensors of losses and measures, which stand beside a network and change no logits.
BESIDE = re.compile(
    r"n_averaged|criterion|loss|metric|accuracy|(^|[._])acc([._]|$)|auroc|(^|[._])f1|confmat"
    r"|confusion|precision|recall|class_weight|pos_weight",
    re.IGNORECASE,
)
TIMM_NAMES = "the names are those of timm; name the architecture as timm has it, timm:NAME"
# How others name their tensors, and what to do about it.
OTHER_NAMES = (
    (
        re.compile(r"_packed_params|\.zero_point$|\.qweight$|\.SCB$|fake_quant"),
        "these are quantised weights, which cannot be run here; save those of the float network",
    ),
    (
        re.compile(r"\.weight_orig$|\.parametrizations\.|^parametrizations\."),
        "its layers are pruned or parametrised; make that permanent (prune.remove, "
        "remove_parametrizations) and save the weights again",
    ),
    (re.compile(r"lora_[AB]\b"), "these are LoRA adapters; merge them into the network first"),
    (
        re.compile(
            r"(^|\.)(embeddings\.(cls_token|patch_embeddings|convolution)|embedder\."
            r"|encoder\.(layer|layers|stages)\.\d+\.(attention|layers|layernorm|blocks))"
        ),
        "the names are those of Hugging Face's transformers",
    ),
    (
        re.compile(
            r"(^|\.)(conv_stem|patch_embed|pos_embed|cls_token|pre_logits\.fc1|head\.fc|s1\.b1"
            r"|stages\.\d+\.blocks|blocks\.\d+\.(\d+\.conv|attn|norm1))(\.|$)"
        ),
        TIMM_NAMES,
    ),
)
FOREIGN = (
    ", whose networks have other layers than torchvision's. Export it to ONNX and give --model "
    "FILE, or give OpenMax the logits that your own code computes (OpenMax.fit takes arrays)"
)


@dataclass(frozen=True)
class Fit:
    """Tensors of a file by a network's own names, and what does not fit.

    Attributes
    ----------
    checkpoint : Checkpoint
        Its tensors have the network's names; its prefix is what stood before them.
    missing, different : list of str
        The network's own names that the file lacks, or has in another shape; those of the head
        in another shape are not counted.
    surplus : list of str
        Names in the file that are not the network's, and may change its logits.
    left_out : list of str
        Names in the file of losses and measures.
    head : str or None
        The file's name of the last layer, where it has another one than the network.
    """

    checkpoint: Checkpoint
    missing: list[str]
    different: list[str]
    surplus: list[str]
    left_out: list[str] = field(default_factory=list)
    head: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What somebody who names these weights should know, in sentences."""
        checkpoint, notes = self.checkpoint, []
        if checkpoint.other_entries:
            taken = f"'{checkpoint.entry}'" if checkpoint.entry else "without prefix"
            if not checkpoint.entry and checkpoint.prefix:
                taken = f"'{checkpoint.prefix.rstrip('.')}'"
            others = listed(checkpoint.other_entries)
            notes.append(
                f"the weights {taken} are taken; the file has {others} too (--weights-entry, or "
                "weights_entry under [classifier] in workspace.toml, takes another one)"
            )
        if self.head is not None:
            notes.append(
                f"the last layer is '{self.head}' in the file; layers without weights beside it, "
                "such as an activation, cannot be seen there and are left out"
            )
        if self.left_out:
            notes.append(
                f"left out, as they are no part of the network: {listed(self.left_out, 4)}"
            )
        return tuple(notes)


def fit(
    checkpoint: Checkpoint, own: Mapping[str, torch.Tensor], head: str, modules: frozenset[str]
) -> Fit:
    """Find a network's tensors in a file.

    Parameters
    ----------
    own : the network's tensors by name; their shapes alone matter
    head : name of the layer that gives the logits
    modules : names of the network's parts, those without tensors too
    """
    backbone = {name for name in own if not is_optional(name) and not name.startswith(f"{head}.")}
    prefix, others = _prefixes(checkpoint.tensors, backbone)
    away = tuple(f"{item}." for item in others)
    tensors, outside = {}, {}
    for name, value in checkpoint.tensors.items():
        if name.startswith(prefix):
            tensors[name.removeprefix(prefix)] = value
        elif not name.startswith(away):
            outside[name] = value
    strange = {name: value for name, value in tensors.items() if name not in own}
    strange = {name: value for name, value in strange.items() if not is_optional(name)}
    if prefix:  # 'model.criterion' and 'criterion' alike
        strange |= outside
    elsewhere = {name for name in strange if name in outside or name.split(".")[0] not in modules}
    left_out = [name for name in strange if name in elsewhere and BESIDE.search(name)]
    surplus = {name: value for name, value in strange.items() if name not in left_out}
    missing = [name for name in own if name not in tensors and not is_optional(name)]
    moved = None
    if missing and all(name.startswith(f"{head}.") for name in missing) and len(surplus) == 2:
        moved = _moved_head(surplus, own[f"{head}.weight"])
    if moved is not None and set(missing) == {f"{head}.weight", f"{head}.bias"}:
        for part in ("weight", "bias"):
            tensors[f"{head}.{part}"] = surplus.pop(f"{moved}.{part}")
        missing = []
    else:
        moved = None
    different = [
        name for name in backbone if name in tensors and own[name].shape != tensors[name].shape
    ]
    found = replace(
        checkpoint,
        tensors=tensors,
        prefix=checkpoint.prefix + prefix,
        other_entries=(*checkpoint.other_entries, *others),
    )
    order = {name: place for place, name in enumerate(own)}
    return Fit(found, missing, sorted(different, key=order.get), [*surplus], left_out, moved)  # type: ignore[arg-type]


def is_optional(name: str) -> bool:
    """Tell whether a network gives the same logits without this tensor of its file."""
    # Old files lack the batch counters of batch normalisation, which evaluation does not use.
    return name.startswith(AUXILIARY) or name.endswith("num_batches_tracked")


def refuse_misfit(found: Fit, architecture: str, n_classes: int, n_found: int | None) -> None:
    """Raise an error where the tensors are not exactly those of the architecture.

    Parameters
    ----------
    n_classes, n_found : outputs that the network has, and those of the file, if it says them

    Raises
    ------
    ClassifierError
        Says what was found, and what to do about it.
    """
    if not (found.missing or found.surplus or found.different):
        return
    checkpoint, names = found.checkpoint, list(found.checkpoint.tensors)
    is_complete = not found.missing and not found.different
    inner = _inner_surplus(found)
    if is_complete and not inner:
        raise ClassifierError(
            f"the weights in {checkpoint.place} are of {architecture}, but the file holds tensors "
            f"beside it that may change its logits: {_described(found)}. Save the weights of the "
            f"network alone: {SAVE}"
        )
    example = (found.missing or found.surplus or found.different)[0]
    count = f" and {n_found} classes" if n_found is not None else ""
    message = (
        f"the weights in {checkpoint.place} are not of the architecture {architecture} with "
        f"{n_classes} classes: {len(found.missing)} of its tensors are missing, "
        f"{len(found.surplus)} are not its own, {len(found.different)} have another shape "
        f"('{example}'). The file holds {len(names)} tensors{count}; "
    )
    raise ClassifierError(message + _advice(found, architecture))


def _advice(found: Fit, architecture: str) -> str:
    names = [*found.surplus, *found.checkpoint.tensors]
    for pattern, words in OTHER_NAMES:
        if words == TIMM_NAMES and architecture.startswith("timm:"):
            continue
        if any(pattern.search(name) for name in names):
            return words + (FOREIGN if "Hugging Face" in words else "")
    said = found.checkpoint.architecture
    if not found.different and found.surplus and _is_head_alone(found):
        return (
            f"all but the last layer fits, which is another one in the file: {_described(found)}. "
            "OpenMax takes a network whose last layer is one Linear layer with a bias: train it "
            "with that"
        )
    if not found.different and not found.surplus and len(found.missing) <= 2:
        return f"save the whole state dict: {SAVE}"
    hint = f" (the file says '{said}')" if said and said != architecture else ""
    return f"set the architecture that it was trained with{hint}"


def _is_head_alone(found: Fit) -> bool:
    """Tell whether no more than the last layer is missing, and what is there instead is its own."""
    tops = {name.split(".")[0] for name in found.missing}
    return len(found.missing) <= 2 and len(tops) == 1 and not _inner_surplus(found, tops)


def _inner_surplus(found: Fit, but: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Surplus names in parts of the network itself: then it is another architecture."""
    own = {name.split(".")[0] for name in found.checkpoint.tensors if name not in found.surplus}
    return [name for name in found.surplus if name.split(".")[0] in own - but]


def _described(found: Fit, most: int = 6) -> str:
    shapes = [
        f"'{name}'" + (f" ({' × '.join(map(str, value.shape))})" if value.ndim else "")
        for name, value in found.checkpoint.tensors.items()
        if name in found.surplus
    ]
    shapes += [f"'{name}'" for name in found.surplus if name not in found.checkpoint.tensors]
    more = f" and {len(shapes) - most} more" if len(shapes) > most else ""
    return ", ".join(shapes[:most]) + more


def _prefixes(names: Mapping[str, object], backbone: set[str]) -> tuple[str, tuple[str, ...]]:
    """Prefix under which most of a network's tensors are, and others with a whole network."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for place in range(len(parts)):
            if (rest := ".".join(parts[place:])) in backbone:
                counts[name[: len(name) - len(rest)]] += 1
    if not counts:
        return "", ()
    whole = [item for item, count in counts.items() if count == len(backbone)]
    if not whole:
        most = max(counts.values())
        best = next(item for item, count in counts.items() if count == most)
        return (best if 2 * most > len(backbone) else ""), ()
    whole.sort(key=lambda item: (bool(IS_AVERAGE.search(item)), bool(item)))
    return whole[0], tuple(item.rstrip(".") for item in whole[1:] if item)


def _moved_head(surplus: Mapping[str, torch.Tensor], own: torch.Tensor) -> str | None:
    """Name of the one layer that a file has where the network has its last one."""
    name = next(iter(surplus)).rpartition(".")[0]
    weight, bias = surplus.get(f"{name}.weight"), surplus.get(f"{name}.bias")
    if weight is None or bias is None or weight.shape[1:] != own.shape[1:]:
        return None
    return name if bias.shape == weight.shape[:1] else None
