"""What a visitor reads on a page, and what the browser's own parts send to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, Button, Element, UnknownElement


def metric(app: AppTest, label: str) -> str:
    return next(str(item.value) for item in app.metric if item.label == label)


def metric_note(app: AppTest, label: str) -> str:
    return next(str(item.delta) for item in app.metric if item.label == label)


def texts(items: Iterable[Any]) -> str:
    """What a visitor reads: a backslash only keeps Markdown from changing the sign after it."""
    return "\n".join(str(item.value) for item in items).replace("\\", "")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def button(app: AppTest, start: str) -> Button:
    (found,) = [item for item in app.button if item.label.startswith(start)]
    return found


def field(items: Iterable[Any], label: str) -> Any:
    """The one of some widgets with a label."""
    (found,) = [item for item in items if item.label == label]
    return found


def press(app: AppTest, label: str) -> None:
    """Click the button with a label."""
    field(app.button, label).click().run()
    assert not app.exception, app.exception


def under(app: AppTest, label: str) -> str:
    """What is said to be wrong right below a field, and below its button where it has one."""
    items = list(walk(app.main))
    (place,) = [i for i, item in enumerate(items) if getattr(item, "label", None) == label]
    below = next(item for item in items[place + 1 :] if item.type != "button")
    return str(below.value).replace("\\", "") if below.type == "error" else ""


def walk(block: Block) -> Iterator[Element]:
    """Everything that a page shows, in its order."""
    for child in block.children.values():
        if isinstance(child, Block):
            yield from walk(child)
        else:
            yield child


# --- components: AppTest runs no JavaScript, but knows what they are given -----------------------


def component(app: AppTest, key: str) -> UnknownElement:
    (found,) = [item for item in app.get("bidi_component") if item.key == key]
    assert isinstance(found, UnknownElement)
    return found


def given(app: AppTest, key: str) -> dict[str, Any]:
    """What a component is given; NaN is nothing that a browser could read."""

    def no_number(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    values = json.loads(component(app, key).proto.json, parse_constant=no_number)
    assert isinstance(values, dict)
    return values


def explorer(app: AppTest) -> dict[str, Any]:
    """What the threshold explorer is given."""
    return given(app, "explorer")


def gallery(app: AppTest) -> list[dict[str, Any]]:
    """The pictures that are shown."""
    return list(given(app, "gallery")["items"])


def send_moved(app: AppTest, moved: Any, key: str = "explorer") -> None:
    """Run the page as when a component's threshold has moved."""
    state = WidgetState(id=component(app, key).proto.id)
    state.json_value = json.dumps({"moved": moved})
    run_with(app, state)


def choose_axis(app: AppTest, axis: Any) -> None:
    """Choose what the explorer's charts are drawn over, as its script tells it."""
    state = WidgetState(id=component(app, "explorer").proto.id)
    state.json_value = json.dumps({"axis": axis})
    run_with(app, state)


def move_threshold(app: AppTest, threshold: float) -> None:
    """Move the explorer's slider, as its script tells it."""
    data = explorer(app)
    send_moved(app, {"value": threshold, "count": data["echo"] + 1, "have": data["curve_id"]})


def open_picture(app: AppTest, key: Any) -> None:
    """Click a picture of the gallery."""
    send_event(app, "gallery", "opened", key)


def send_event(app: AppTest, component_key: str, event: str, value: Any) -> None:
    """Do what a component tells the server of."""
    identity = component(app, component_key).proto.id
    state = WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{identity}__events")
    state.json_trigger_value = json.dumps([{"event": event, "value": value}])
    run_with(app, state)


def run_with(app: AppTest, state: WidgetState) -> None:
    """Run the page with what a widget that AppTest cannot work sends."""
    states = app._tree.get_widget_states()
    states.widgets.append(state)
    app._run(states)


def run_fragments_alone(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on run only the page's fragment, as a browser asks for after a click in it.

    AppTest itself runs the whole page after everything.
    """
    fragments = list(app._fragment_storage._fragments)
    assert fragments
    monkeypatch.setattr(
        "streamlit.testing.v1.local_script_runner.RerunData",
        partial(RerunData, fragment_id_queue=fragments),
    )
