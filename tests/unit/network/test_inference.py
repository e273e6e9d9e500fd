"""Running networks over pictures: engines, the ONNX export, batches, order, turns."""

from __future__ import annotations

import io
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image

from openmax_core.errors import ClassifierError
from openmax_core.network import spec
from openmax_core.network.classifier import Classifier, build_network
from openmax_core.network.devices import Turns, choose_device, turns_on
from openmax_core.network.engines import Engine, OnnxEngine, TorchEngine
from openmax_core.network.inference import NOT_FINITE, run
from openmax_core.network.onnx_export import (
    SEAL_LENGTH,
    ExportError,
    export,
    export_paths,
    keep,
    sealed,
)
from openmax_core.network.spec import ClassifierSettings, NamedClassifier
from openmax_core.pictures.images import Pixels, Transform

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SECONDS = 30.0
SMALL = Transform((40, 40), (32, 32))
ARCHITECTURE = "squeezenet1_1"  # exported in the shortest time of all with small weights
# Beside the weights, and none of ours.
OTHERS = (
    "net[1]-production01-mobile.onnx",
    "net[1]-20260101_v02-int8v1.onnx",
    "net[1]-0123456789ab-012345-x.onnx",
    "other-0123456789ab-012345.onnx",
)


class ChannelMeans(torch.nn.Module):
    """Three logits: the mean of each channel."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.mean(dim=(2, 3))


def channel_means(resize: int | tuple[int, int] = (4, 4)) -> Classifier:
    transform = Transform(resize, (4, 4), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return Classifier("test", ("red", "green", "blue"), transform, ChannelMeans())


def encoded(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def plain(colour: tuple[int, int, int]) -> bytes:
    return encoded(Image.new("RGB", (4, 4), colour))


@dataclass
class Device:
    """An engine on a device that is none: what a GPU does, one batch at a time."""

    device: str = "made-up"
    batch_size: int = 2
    n_parallel: int = 1
    in_words: str = "nothing"
    n_features: int = 0
    transform: Transform = channel_means().transform
    passes: list[int] = field(default_factory=list)
    under_way: list[int] = field(default_factory=list)
    most_under_way: int = 0

    def start(self, pixels: Pixels) -> Callable[[], NDArray[np.float32]]:
        self.passes.append(len(pixels))
        self.under_way.append(len(pixels))
        self.most_under_way = max(self.most_under_way, len(self.under_way))

        def wait() -> NDArray[np.float32]:
            self.under_way.pop(0)
            return pixels.mean(axis=(1, 2), dtype=np.float32) / 255

        return wait

    def close(self) -> None:
        self.under_way.clear()


def on_cpu(batch_size: int) -> Engine:
    return TorchEngine(channel_means(), "cpu", batch_size)


def on_device(batch_size: int) -> Engine:
    return Device(batch_size=batch_size)


# --- order, errors, batches ------------------------------------------------------------------


@pytest.mark.parametrize("engine", [on_cpu, on_device])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
def test_run_gives_every_index_in_order_with_its_own_logits(
    tmp_path: Path, engine: Callable[[int], Engine], batch_size: int
) -> None:
    sources: list[Path | bytes] = []
    for index, colour in enumerate([RED, GREEN, BLUE, WHITE] * 9):
        path = tmp_path / f"{index}.png"
        path.write_bytes(plain(colour))
        sources.append(path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(plain(RED)[:-20])
    sources.insert(2, broken)
    results = list(run(engine(batch_size), sources))
    assert [index for index, _ in results] == list(range(37))
    (reason,) = [result for _, result in results if isinstance(result, str)]
    assert results[2][1] is reason
    assert reason.startswith("damaged picture")
    assert str(tmp_path) not in reason
    logits = [np.asarray(row) for _, row in results if not isinstance(row, str)]
    assert [row.tolist() for row in logits] == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]] * 9
    assert {row.dtype for row in logits} == {np.dtype(np.float32)}


@pytest.mark.parametrize("engine", [on_cpu, on_device])
def test_a_batch_of_nothing_readable_needs_no_pass(engine: Callable[[int], Engine]) -> None:
    results = list(run(engine(2), [b"no", b"no", b"no", plain(RED)]))
    assert [isinstance(result, str) for _, result in results] == [True, True, True, False]


def test_a_device_has_the_next_batch_while_the_last_is_read() -> None:
    device = Device(batch_size=2)
    list(run(device, [plain(RED)] * 12))
    assert device.passes == [2] * 6
    assert device.most_under_way == 2


def test_run_reads_pictures_from_bytes() -> None:
    results = dict(run(on_cpu(8), [plain(BLUE)]))
    assert np.asarray(results[0]).tolist() == [0, 0, 1]


def test_run_gives_the_reason_for_an_output_that_is_not_finite() -> None:
    classifier = Classifier(
        "test", ("a", "b", "c"), Transform((4, 4), (4, 4), std=(1e-45, 1.0, 1.0)), ChannelMeans()
    )
    assert list(run(TorchEngine(classifier), [plain(RED)])) == [(0, NOT_FINITE)]


def test_a_picture_too_narrow_to_be_resized_does_not_stop_the_others(tmp_path: Path) -> None:
    # the shorter side of 1 pixel to 1,024 would make the longer one 3 thousand million
    thread = tmp_path / "thread.png"
    Image.new("1", (1, 3_000_000)).save(thread)
    results = dict(run(TorchEngine(channel_means(resize=1024)), [thread, plain(RED)]))
    assert np.asarray(results[1]).tolist() == [1, 0, 0]
    reason = results[0]
    assert isinstance(reason, str)
    assert "3000000" in reason.replace(",", "").replace(" ", "")


def test_a_network_that_refuses_the_pictures_is_named() -> None:
    classifier = Classifier("test", ("a", "b"), SMALL, torch.nn.Linear(7, 2))
    with pytest.raises(ClassifierError, match=r"test failed on 1 pictures of 32 × 32.*crop"):
        list(run(TorchEngine(classifier), [plain(RED)]))


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_size_below_one_is_refused(batch_size: int) -> None:
    with pytest.raises(ClassifierError, match="at least 1"):
        TorchEngine(channel_means(), "cpu", batch_size)


# --- memory that runs out, a device that is lost -----------------------------------------------


class NarrowMemory(ChannelMeans):
    """Has memory for so many pictures."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest = largest
        self.passes: list[int] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.passes.append(len(batch))
        if len(batch) > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return super().forward(batch)


def narrow(largest: int, batch_size: int) -> tuple[TorchEngine, NarrowMemory]:
    network = NarrowMemory(largest)
    classifier = Classifier("test", ("a", "b", "c"), channel_means().transform, network)
    return TorchEngine(classifier, "cpu", batch_size), network


def test_out_of_memory_halves_the_batch_and_goes_on() -> None:
    engine, network = narrow(largest=3, batch_size=8)
    colours = [RED, GREEN, BLUE, WHITE] * 2
    pixels = np.array([np.full((4, 4, 3), colour) for colour in colours], dtype=np.uint8)
    logits = engine.start(pixels)()
    np.testing.assert_array_equal(logits, np.array(colours, dtype=np.float32) / 255)
    assert network.passes == [8, 4, 2, 2, 4, 2, 2]
    assert engine.batch_size == 2


def test_a_batch_that_is_halved_mixes_nothing_up() -> None:
    engine, _ = narrow(largest=5, batch_size=8)
    shades = [(value, 0, 255 - value) for value in range(200)]
    results = list(run(engine, [plain(shade) for shade in shades]))
    assert [round(255 * float(row[0])) for _, row in results] == list(range(200))
    assert engine.batch_size == 4


@pytest.mark.parametrize("sign", ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED"])
def test_other_words_for_memory_that_ran_out_halve_the_batch_too(sign: str) -> None:
    class Narrow(ChannelMeans):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            if len(batch) > 1:
                raise RuntimeError(sign)
            return super().forward(batch)

    classifier = Classifier("test", ("a", "b", "c"), channel_means().transform, Narrow())
    results = list(run(TorchEngine(classifier), [plain(RED)] * 8))
    assert [np.asarray(row).tolist() for _, row in results] == [[1, 0, 0]] * 8


def test_without_memory_for_one_picture_the_way_out_is_named() -> None:
    engine, _ = narrow(largest=0, batch_size=4)
    with pytest.raises(ClassifierError, match=r"no memory for test and one picture.*device"):
        list(run(engine, [plain(RED)] * 4))


def test_a_lost_device_is_told_from_a_wrong_picture() -> None:
    class Lost(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("CUDA error: unspecified launch failure\nmore of it")

    classifier = Classifier("test", ("a", "b"), SMALL, Lost())
    with pytest.raises(ClassifierError, match=r"device failed: CUDA error.*is stored: start"):
        list(run(TorchEngine(classifier), [plain(RED)]))


def test_a_device_that_is_not_there_is_refused() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(ClassifierError, match="no cuda device"):
            choose_device("cuda")
    with pytest.raises(ClassifierError, match="auto, cpu, cuda, mps"):
        choose_device("gpu")


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ClassifierError, match="float32, half"):
        TorchEngine(channel_means(), precision="bfloat16")


# --- turns -------------------------------------------------------------------------------------


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order, told = Turns(), list[int](), dict[int, list[int]]()
    threads = []

    def wait(number: int) -> None:
        with turns.taken(told.setdefault(number, []).append):
            order.append(number)

    with turns.taken():
        for number in range(4):
            threads.append(threading.Thread(target=wait, args=(number,)))
            threads[-1].start()
            until(partial(_n_waiting_is, turns, number + 1))
        assert order == []
    for thread in threads:
        thread.join(SECONDS)
    assert order == [0, 1, 2, 3]
    assert [told[number][0] for number in range(4)] == [1, 2, 3, 4]
    assert all(before == sorted(before, reverse=True) for before in told.values())


def test_who_gives_up_waiting_is_not_waited_for() -> None:
    turns = Turns()

    def stop(before: int) -> None:
        raise KeyboardInterrupt

    with turns.taken():
        with pytest.raises(KeyboardInterrupt), turns.taken(stop):
            pytest.fail("it had no turn")
        assert turns.n_waiting == 0


@pytest.mark.parametrize("engine", [on_cpu, on_device])
def test_a_visitor_gets_a_turn_while_a_long_run_is_under_way(
    engine: Callable[[int], Engine],
) -> None:
    long_run = run(engine(1), [plain(RED)] * 4000)
    next(long_run)
    told: list[int] = []
    visitor_done = threading.Event()
    results: list[Any] = []

    def visit() -> None:
        results.extend(run(engine(1), [plain(BLUE)], told.append))
        visitor_done.set()

    thread = threading.Thread(target=visit)
    thread.start()
    seen = 1
    for _ in long_run:
        seen += 1
        if told and seen > 3000:
            assert visitor_done.wait(SECONDS)
            break
    assert told[0] == 1
    seen += sum(1 for _ in long_run)
    assert seen == 4000
    thread.join(SECONDS)
    assert np.asarray(results[0][1]).tolist() == [0, 0, 1]


def test_a_run_that_is_closed_gives_the_device_back() -> None:
    with closing(run(on_cpu(1), [plain(RED)] * 100)) as results:
        next(results)
    with turns_on("cpu").taken(lambda before: pytest.fail("the device is still taken")):
        pass


def _n_waiting_is(turns: Turns, expected: int) -> bool:
    return turns.n_waiting == expected


def until(holds: Callable[[], bool]) -> None:
    limit = threading.Event()
    for _ in range(3000):
        if holds():
            return
        limit.wait(0.01)
    raise AssertionError("it never came")


# --- the ONNX export ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with the export of their network beside them; copied, never changed."""
    path = tmp_path_factory.mktemp("weights") / "net[1].pth"
    save_weights(path, seed=0)
    load(path)
    return path


@pytest.fixture
def weights(exported: Path, tmp_path: Path) -> Path:
    """Weights with the export of their network beside them, to be changed."""
    return Path(shutil.copytree(exported.parent, tmp_path / "exported")) / exported.name


@pytest.fixture
def quick_export(exported: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What exporting gives, without the time that it takes."""
    (path,) = exported.parent.glob("*.onnx")
    content = path.read_bytes()[:-SEAL_LENGTH]
    monkeypatch.setattr(spec, "export", lambda classifier: content)
    return content


def save_weights(path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    torch.save(build_network(ARCHITECTURE, 4).state_dict(), path)


def load(weights: Path, **options: Any) -> Engine:
    return named(weights).load_engine("cpu", **options)


def named(weights: Path) -> NamedClassifier:
    settings = ClassifierSettings(ARCHITECTURE, tuple("abcd"), weights.name)
    return NamedClassifier(weights.parent, settings, SMALL)


def pixels_of(count: int) -> Pixels:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_the_export_agrees_with_torch_and_is_bit_equal_for_any_batch(weights: Path) -> None:
    engine = load(weights)
    assert isinstance(engine, OnnxEngine)
    assert engine.in_words.startswith("ONNX Runtime")
    network = build_network(ARCHITECTURE, 4)
    network.load_state_dict(torch.load(weights, weights_only=True))
    classifier = Classifier(ARCHITECTURE, tuple("abcd"), SMALL, network.eval())
    pixels = pixels_of(19)
    expected = TorchEngine(classifier).start(pixels)()
    logits = engine.start(pixels)()
    assert logits.shape == (19, 4)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    for size in (1, 2, 8):
        parts = [engine.start(pixels[i : i + size])() for i in range(0, 19, size)]
        np.testing.assert_array_equal(np.concatenate(parts), logits)


class SmallGoogLeNet(torchvision.models.GoogLeNet):  # type: ignore[misc]
    """What torchvision's does to its pictures inside, and three layers instead of its own."""

    def __init__(self, transform_input: bool) -> None:
        torch.nn.Module.__init__(self)
        self.transform_input = transform_input
        self.convolution = torch.nn.Conv2d(3, 8, 3)
        self.fc = torch.nn.Linear(8, 4)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        inside = self.convolution(self._transform_input(batch)).relu()
        return self.fc(inside.mean(dim=(2, 3)))


def test_an_export_normalises_inside_where_the_network_does() -> None:
    torch.manual_seed(0)
    network = SmallGoogLeNet(transform_input=True).eval()
    classifier = Classifier("googlenet", tuple("abcd"), SMALL, network)
    pixels = pixels_of(5)
    logits = OnnxEngine(export(classifier), SMALL).start(pixels)()
    expected = TorchEngine(classifier).start(pixels)()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    network.transform_input = False
    assert np.abs(TorchEngine(classifier).start(pixels)() - logits).max() > 0.01


def test_the_export_is_made_once_and_anew_for_other_weights(
    weights: Path, quick_export: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = weights.parent.glob("*.onnx")
    with monkeypatch.context() as patched:
        patched.setattr("openmax_core.network.classifier.load_classifier", must_not_be_called)
        load(weights)
    others = {weights.with_name(name) for name in OTHERS}
    for other in others:
        other.write_bytes(b"somebody's own")
    save_weights(weights, seed=1)
    load(weights)
    (second,) = set(weights.parent.glob("*.onnx")) - others
    assert first != second
    assert all(other.read_bytes() == b"somebody's own" for other in others)


def must_not_be_called(*arguments: object, **named: object) -> None:
    raise AssertionError("the network was loaded again")


def test_the_export_of_another_size_of_pictures_is_another(weights: Path) -> None:
    paths = {
        export_paths(weights, "a" * 64, architecture, n_classes, crop)[0]
        for architecture, n_classes, crop in [
            ("resnet18", 4, (32, 32)),
            ("resnet34", 4, (32, 32)),
            ("resnet18", 5, (32, 32)),
            ("resnet18", 4, (32, 64)),
        ]
    }
    assert len(paths) == 4


def test_a_damaged_export_is_made_again(
    weights: Path, quick_export: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = weights.parent.glob("*.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert isinstance(load(weights), OnnxEngine)
    assert "is not as this version wrote it; it is exported again" in caplog.text
    assert path.read_bytes() == whole


def changed_bias(path: Path) -> None:
    model = onnx.load(path)
    bias = next(item for item in model.graph.initializer if len(item.dims) == 1)
    values = onnx.numpy_helper.to_array(bias) + 9
    bias.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), bias.name))
    onnx.save(model, path)


def of_other_weights(path: Path) -> None:
    path.write_bytes(sealed(path.read_bytes()[:-SEAL_LENGTH], "of other weights"))


def without_seal(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-SEAL_LENGTH])


@pytest.mark.parametrize("change", [changed_bias, of_other_weights, without_seal])
def test_an_export_that_is_not_as_it_was_written_is_made_again(
    weights: Path, quick_export: bytes, change: Callable[[Path], None]
) -> None:
    expected = load(weights).start(pixels_of(3))()
    (path,) = weights.parent.glob("*.onnx")
    whole = path.read_bytes()
    change(path)
    assert path.read_bytes() != whole
    np.testing.assert_array_equal(load(weights).start(pixels_of(3))(), expected)
    assert path.read_bytes() == whole


def test_onnx_takes_the_seal_for_metadata(weights: Path) -> None:
    (path,) = weights.parent.glob("*.onnx")
    onnx.checker.check_model(onnx.load(path))
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert list(metadata) == ["openmax_seal"]
    assert metadata["openmax_seal"] == path.read_bytes()[-64:].decode()


def test_an_export_is_of_one_transform_input_and_one_entry(weights: Path) -> None:
    settings = ClassifierSettings("googlenet", tuple("abcd"), weights.name)
    variants = [
        settings,
        replace(settings, transform_input=True),
        replace(settings, weights_entry="model_ema"),
    ]
    found = [NamedClassifier(weights.parent, item, SMALL) for item in variants]
    paths = {item.export_paths("a" * 64) for item in found}
    assert len(paths) == len({item.key for item in found}) == 3
    # as before there was such a setting
    before = export_paths(weights, "a" * 64, "googlenet", 4, (32, 32))
    assert found[0].export_paths("a" * 64) == before
    assert "transform_input" not in found[0].made_with


def test_an_export_that_cannot_lie_beside_the_weights_lies_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    here, there = tmp_path / "file" / "net.onnx", tmp_path / "cache" / "net.onnx"
    keep(b"content", (here, there), tmp_path / "net.pth")
    assert there.read_bytes() == b"content"


def test_an_export_that_can_be_kept_nowhere_is_used_all_the_same(
    weights: Path, quick_export: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    nowhere = tmp_path / "file" / "net.onnx"
    monkeypatch.setattr(spec, "export_paths", lambda *given: (nowhere, nowhere))
    assert isinstance(load(weights), OnnxEngine)


def test_two_exports_at_once_both_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "one.pth", tmp_path / "two.pth"]
    for path in paths:
        path.write_bytes(path.name.encode())
    network = SmallGoogLeNet(transform_input=False).eval()
    classifier = Classifier(ARCHITECTURE, tuple("abcd"), SMALL, network)
    monkeypatch.setattr(
        "openmax_core.network.classifier.load_classifier", lambda *given, **named: classifier
    )
    with ThreadPoolExecutor(2) as pool:
        engines = list(pool.map(load, paths))
    assert [type(engine) for engine in engines] == [OnnxEngine, OnnxEngine]


def test_weights_that_were_replaced_are_not_exported_under_the_old_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.pth"
    save_weights(path, seed=0)
    monkeypatch.setattr(NamedClassifier, "weights_key", "a" * 64)
    with pytest.raises(ClassifierError, match="were replaced while they were read"):
        load(path)
    assert not list(tmp_path.glob("*.onnx"))


class Loop(torch.nn.Module):
    """Nothing that can be exported: what it does depends on the values."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        while batch.sum() > 1e9:
            batch = batch / 2
        return batch.mean(dim=(2, 3))


class Pretender(ChannelMeans):
    """Gives other logits while it is exported."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return super().forward(batch) + 0.01 * torch.compiler.is_exporting()


class OneSize(ChannelMeans):
    """Exports for the batch that it was shown alone."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if torch.compiler.is_exporting():
            return super().forward(batch) + torch.zeros(2, 3)
        return super().forward(batch)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Loop(), "cannot be exported"),
        (Pretender(), "differs from torch"),
        (OneSize(), "cannot be exported"),
    ],
)
def test_a_network_without_a_true_export_runs_through_torch(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    network: torch.nn.Module,
    reason: str,
) -> None:
    classifier = Classifier("test", ("a", "b", "c"), channel_means().transform, network.eval())
    with pytest.raises(ExportError, match=reason):
        export(classifier)
    (tmp_path / "net.pth").write_bytes(b"weights")
    monkeypatch.setattr(
        "openmax_core.network.classifier.load_classifier", lambda *given, **named: classifier
    )
    with caplog.at_level(logging.WARNING, spec.__name__):
        engine = load(tmp_path / "net.pth")
    assert isinstance(engine, TorchEngine)
    assert reason in caplog.text
    results = dict(run(engine, [plain(RED)]))
    assert not isinstance(results[0], str)


def test_an_exported_network_runs_without_importing_torch(weights: Path) -> None:
    code = f"""
import sys
from functools import partial
from pathlib import Path
from openmax_core.pictures.images import Transform
from openmax_core.network.inference import run
from openmax_core.network.spec import ClassifierSettings, NamedClassifier
settings = ClassifierSettings({ARCHITECTURE!r}, tuple("abcd"), {weights.name!r})
named = NamedClassifier(Path({str(weights.parent)!r}), settings, Transform((40, 40), (32, 32)))
engine = named.load_engine("cpu")
((_, logits),) = run(engine, [{plain(RED)!r}])
assert logits.shape == (4,)
assert "torch" not in sys.modules and "torchvision" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
