"""Nodes and constants of an ONNX graph, built one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import onnx

Tensors = dict[str, tuple[int, list[str | int]]]
AXES_AS_INPUT = 18  # opset since which all reductions take their axes as an input


class GraphBuilder:
    """Nodes and constants of an ONNX graph, each under a name of its own below ``prefix``.

    Parameters
    ----------
    opset : that the nodes are written for
    """

    def __init__(self, prefix: str, opset: int = AXES_AS_INPUT) -> None:
        self.prefix = prefix
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: ArrayLike, dtype: Any = np.float64) -> str:
        """Name of a new constant."""
        import onnx

        name = f"{self.prefix}/constant_{len(self.constants)}"
        array = np.asarray(value, dtype=dtype)
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Name of the output of a new node."""
        import onnx

        name = f"{self.prefix}/{operator}_{len(self.nodes)}"
        output = output or name
        self.nodes.append(onnx.helper.make_node(operator, inputs, [output], name, **attributes))
        return output

    def reduced(self, operator: str, value: str, axis: int = 1, keepdims: bool = False) -> str:
        """Name of the output of a reduction along an axis."""
        if self.opset < AXES_AS_INPUT and operator != "ReduceSum":
            return self.add(operator, value, axes=[axis], keepdims=int(keepdims))
        axes = self.constant([axis], np.int64)
        return self.add(operator, value, axes, keepdims=int(keepdims))

    def exponentials(self, value: str) -> tuple[str, str]:
        """Names of (N, C) exp(value less each row's largest), and of their sums (N, 1).

        Not the operator Softmax: as in the library, a probability of 1 is 1 to the last bit.
        """
        largest = self.reduced("ReduceMax", value, keepdims=True)
        powers = self.add("Exp", self.add("Sub", value, largest))
        return powers, self.reduced("ReduceSum", powers, keepdims=True)

    def largest(self, value: str, n: int) -> str:
        """Name of the (N, n) largest values of each row of (N, C), the largest first."""
        import onnx

        name = f"{self.prefix}/TopK_{len(self.nodes)}"
        inputs = [value, self.constant([n], np.int64)]
        outputs = [name, f"{name}_places"]
        self.nodes.append(onnx.helper.make_node("TopK", inputs, outputs, name, axis=1))
        return name

    def graph(self, inputs: Tensors, outputs: Tensors) -> onnx.GraphProto:
        """Graph of all nodes, called as ``prefix``; tensors are ONNX types and shapes by name."""
        from onnx.helper import make_graph, make_tensor_value_info

        first, last = (
            [make_tensor_value_info(name, *tensor) for name, tensor in tensors.items()]
            for tensors in (inputs, outputs)
        )
        return make_graph(self.nodes, self.prefix, first, last, self.constants)
