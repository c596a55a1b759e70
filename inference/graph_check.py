"""Tells whether a graph of unknown origin may be handed to TensorFlow.

TensorFlow checks little of a GraphDef: it runs ops that write files, and a wrong size or rank ends
the process. Call check_graph, normalize and check_shapes, in this order. C++ has the same rules in
cc/tensorflow/graph_check.cc and graph_shapes.cc; graph_ops.txt lists the allowed ops for both.
"""

import math
import os
import re
from typing import NamedTuple

import numpy as np

import _top

MEND = (
    "export the model again with export.py, or give --trust where you trust whoever made the graph"
)
LARGEST_ATTRIBUTE = 1 << 16  # largest integer in an attribute: an axis, a count of inputs, a stride
LARGEST_INTEGER = 1 << 24  # largest integer in a constant, which may become a size, index or id
LONGEST_LIST = 1 << 22  # elements of a list; where memory runs out, the process ends
LARGEST_FILLED = 1 << 26  # elements of a tensor whose size is given by a constant
LARGEST_TENSOR = 1 << 28  # elements of any tensor whose shape is known before the graph runs
LARGEST_VALUE = 1 << 10  # bytes of a float constant that shape inference may need
ROOM = 1 << 26  # bytes of constants that are allowed in addition to twice the file's size
DEEPEST = 8  # depth of functions that call functions
LARGEST_EXPANDED = 1_000_000  # nodes, once each call of a function is replaced by its nodes

_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", re.ASCII)
_INPUT = re.compile(r"\^?([A-Za-z0-9.][A-Za-z0-9_.\\/>-]*)(:[0-9]{1,5})?", re.ASCII)
_INPUT_IN_FUNCTION = re.compile(
    r"\^?([A-Za-z0-9.][A-Za-z0-9_.\\/>-]*)(:[A-Za-z0-9_]+:[0-9]{1,5})?", re.ASCII
)

# DataType -> bytes of an element, and the field of a TensorProto that holds the elements unless
# tensor_content does.
_FLOAT, _INT32, _STRING, _INT64, _BOOL = 1, 3, 7, 9, 10
_SIZES = {
    1: (4, "float_val"),
    2: (8, "double_val"),
    3: (4, "int_val"),
    4: (1, "int_val"),
    5: (2, "int_val"),
    6: (1, "int_val"),
    7: (32, "string_val"),
    9: (8, "int64_val"),
    10: (1, "bool_val"),
    11: (1, "int_val"),
    12: (1, "int_val"),
    13: (4, "int_val"),
    14: (2, "half_val"),
    17: (2, "int_val"),
    19: (2, "half_val"),
    22: (4, "uint32_val"),
    23: (8, "uint64_val"),
}
_SHAPE_TYPES = {_INT32, _STRING, _INT64, _BOOL}  # constants of these types may give a shape
_HANDLES = {20, 21}  # resource and variant, whose values cannot stand in a file
# {op: (input, ...)}: the kernel does not check the rank of these inputs, and a wrong rank ends the
# process.
_RANKED_OPERANDS = {"Conv2D": (0, 1), "Dequantize": (1, 2)}
# Type of an attribute, as an op declares it -> the field of AttrValue that holds it.
_FIELDS = {
    "string": "s",
    "int": "i",
    "float": "f",
    "bool": "b",
    "type": "type",
    "shape": "shape",
    "tensor": "tensor",
    "func": "func",
}
# {op: input}: this input is a shape; the output has as many elements as the product of its numbers.
_SIZE_OPERANDS = {"Fill": 0, "BroadcastTo": 1, "Tile": 1, "TensorListReserve": 1}


class Refused(Exception):
    """What is wrong with a graph, in one line."""


class _Scope(NamedTuple):
    """The graph itself or one of its functions. nodes: {name: NodeDef}; args: {name: index}."""

    name: str
    nodes: dict
    args: dict

    def producer(self, given):
        """What an input reads, passing over Identity: a NodeDef, the index of an argument, or None
        where there is neither.
        """
        for _ in range(len(self.nodes) + 1):
            name = given.removeprefix("^").partition(":")[0]
            if name in self.args:
                return self.args[name]
            node = self.nodes.get(name)
            if node is None or node.op != "Identity" or not node.input:
                return node
            given = node.input[0]
        return None


def allowed_names():
    """The ops and the attributes of graph_ops.txt."""
    with open(os.path.join(os.path.dirname(__file__), "graph_ops.txt"), encoding="ascii") as lines:
        return {line.strip() for line in lines if not line.startswith("#")}


def check_graph(graph, size):
    """Checks names, ops, attributes, constants, functions and loops of a GraphDef.

    size: bytes of the file that it was read from. Raises Refused where etagger would not have
    written such a graph.
    """
    allowed, functions = allowed_names(), {}
    main = _scope("", graph.node, ())
    for function in graph.library.function:
        name = function.signature.name
        if name in functions or name in allowed or not _NAME.fullmatch(name):
            raise Refused("a function's name is not one, or stands twice, or is that of an op")
        functions[name] = function
    scopes = {
        name: _scope(name, function.node_def, function.signature.input_arg)
        for name, function in functions.items()
    }
    for name, function in functions.items():
        _check_signature(function, scopes[name], allowed)
    room = 2 * size + ROOM
    for scope in (main, *scopes.values()):
        for node in scope.nodes.values():
            room -= _check_node(scope, node, allowed, functions)
            if room < 0:
                raise _refused(scope, node, "the constants are far larger than the file")
        _check_order(scope)
    _check_calls(main, scopes)
    for scope in (main, *scopes.values()):
        for node in scope.nodes.values():
            _check_operands(scope, node, functions, scopes)


def normalize(graph):
    """Removes from a GraphDef, in place, what tells TensorFlow how to read it.

    These are devices, gradients, types and shapes that TensorFlow derives anyway, and versions, as
    TensorFlow checks less in a graph of an old version. Bounds the length of lists as well.
    """
    from tf1 import tf

    graph.versions.Clear()
    graph.versions.producer = tf.GRAPH_DEF_VERSION
    graph.ClearField("debug_info")
    graph.library.ClearField("gradient")
    graph.library.ClearField("registered_gradients")
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            node.device = ""
            node.ClearField("experimental_type")
            node.ClearField("experimental_debug_info")
            for name in ("_class", "_output_shapes"):
                node.attr.pop(name, None)
    for function in graph.library.function:
        for arg in (*function.signature.input_arg, *function.signature.output_arg):
            arg.ClearField("experimental_full_type")
    _bound_lists(graph)


def check_shapes(graph, size):
    """Infers the shapes of a GraphDef, and checks ranks and sizes.

    graph: a GraphDef that normalize has changed. size: bytes of its file. Raises Refused where an
    input of _RANKED_OPERANDS has an unknown rank, or a tensor is too large. Where shapes do not
    fit, TensorFlow raises exceptions of its own, which have no common base class.
    """
    from tf1 import tf

    with tf.Graph().as_default() as shapes:
        tf.import_graph_def(_skeleton(graph), name="")
    for op in shapes.get_operations():
        _check_shapes_of(op, max(LARGEST_TENSOR, size))


def _check_shapes_of(op, most):
    """Checks the inputs and outputs of one tf.Operation. most: elements of an output."""
    what = f"node {op.name} ({op.type})"
    for place in _RANKED_OPERANDS.get(op.type, ()):
        if op.inputs[place].shape.rank is None:
            raise Refused(f"{what}: the rank of its input {place} is not known")
    if op.type == "Dequantize" and not op.inputs[0].shape.num_elements():
        raise Refused(f"{what}: its input may be empty, which ends the process")
    for output in op.outputs:
        known = output.shape.as_list() if output.shape.rank is not None else []
        if math.prod(max(size or 1, 1) for size in known) > most:
            raise Refused(f"{what}: makes more than {most} elements")


def _skeleton(graph):
    """A small copy of a GraphDef, from which shapes are inferred.

    Placeholders stand for the weights. The shapes that a loop declares for its results are left
    out, as no kernel checks them.
    """
    from tf1 import tf

    skeleton = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        if tensor and tensor.dtype not in _SHAPE_TYPES and tensor.ByteSize() > LARGEST_VALUE:
            weight = skeleton.node.add(op="Placeholder", name=node.name, input=node.input)
            weight.attr["dtype"].type = tensor.dtype
            weight.attr["shape"].shape.CopyFrom(tensor.tensor_shape)
            continue
        copy = skeleton.node.add()
        copy.CopyFrom(node)
        if node.op == "StatelessWhile":
            claimed = copy.attr["output_shapes"].list.shape
            del claimed[:]
            for _ in node.attr["T"].list.type:
                claimed.add(unknown_rank=True)
    return skeleton


def _bound_lists(graph):
    """Bounds the length of each list by LONGEST_LIST: where memory runs out, the process ends."""
    from tf1 import tf

    main = _scope("", graph.node, ())
    for node in main.nodes.values():
        if node.op != "TensorListReserve" or len(node.input) < 2 or _is_bounded(main, node):
            continue
        most = graph.node.add(op="Const", name=f"{node.name}/most")
        most.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(LONGEST_LIST, tf.int32))
        least = graph.node.add(op="Minimum", name=f"{node.name}/bounded")
        least.input.extend([node.input[1], most.name])
        most.attr["dtype"].type = least.attr["T"].type = _INT32
        node.input[1] = least.name


def _is_bounded(scope, node):
    """Whether the length of a list is bounded already, by an export or a transformation."""
    size = scope.producer(node.input[1])
    if getattr(size, "op", "") != "Minimum" or len(size.input) < 2:
        return False
    numbers = _constant_integers(scope.producer(size.input[1]))
    return bool(numbers) and len(numbers) == 1 and numbers[0] <= LONGEST_LIST


def _refused(scope, node, what):
    where = f" of function {scope.name}" if scope.name else ""
    return Refused(f"node {node.name} ({node.op}){where}: {what}")


def _scope(name, nodes, args):
    by_name, places = {}, {}
    for arg in args:
        if not _NAME.fullmatch(arg.name) or arg.name in places:
            raise Refused("an argument's name is not one, or stands twice")
        places[arg.name] = len(places)
    for node in nodes:
        if not _NAME.fullmatch(node.name) or node.name in by_name or node.name in places:
            raise Refused("a node's name is not one, or stands twice")
        by_name[node.name] = node
    return _Scope(name, by_name, places)


def _check_signature(function, scope, allowed):
    """Raises Refused unless each argument has one fixed type, and a node or argument gives each
    result.
    """
    signature = function.signature
    plain = not (signature.attr or function.control_ret or function.resource_arg_unique_id)
    for arg in (*signature.input_arg, *signature.output_arg):
        plain &= arg.type in _SIZES or arg.type in _HANDLES
        plain &= not (arg.type_attr or arg.number_attr or arg.type_list_attr or arg.is_ref)
    names = {arg.name for arg in signature.output_arg}
    plain &= len(names) == len(signature.output_arg) and names == set(function.ret)
    for given in function.ret.values():
        match = _INPUT_IN_FUNCTION.fullmatch(given)
        plain &= bool(match) and (match[1] in scope.nodes or match[1] in scope.args)
    for attributes in (function.attr, *(arg.attr for arg in function.arg_attr.values())):
        plain &= all(name in allowed and _is_plain(attributes[name]) for name in attributes)
    if not plain:
        raise Refused(f"function {scope.name}: its arguments or results are not plain")


def _check_node(scope, node, allowed, functions):
    """Checks a node's op, inputs and attributes. Returns the bytes of its tensors."""
    if node.op not in allowed:
        op = node.op if _NAME.fullmatch(node.op) and len(node.op) < 100 else "?"
        raise Refused(
            f"node {node.name}: op {op} is none that etagger's graphs have "
            "(see inference/graph_ops.txt)"
        )
    if node.op == "ImmutableConst":
        raise _refused(scope, node, "reads a file, which only a memory-mapped graph does")
    pattern = _INPUT_IN_FUNCTION if scope.name else _INPUT
    for given in node.input:
        match = pattern.fullmatch(given)
        if not match or not (match[1] in scope.nodes or match[1] in scope.args):
            raise _refused(scope, node, "one of its inputs is none of the graph's")
    size = 0
    for name, value in node.attr.items():
        if name.startswith("_") and name not in allowed or not _NAME.fullmatch(name.lstrip("_")):
            raise _refused(scope, node, "an attribute that etagger's graphs do not have")
        if value.WhichOneof("value") == "func":
            if value.func.name not in functions or value.func.attr:
                raise _refused(scope, node, f"attribute {name} names no function of the graph")
        elif value.WhichOneof("value") == "tensor":
            size += _tensor_size(scope, node, value.tensor)
        elif not _is_plain(value) or not _is_count(node, name, value):
            raise _refused(scope, node, f"attribute {name} has a value out of bounds")
    _check_declared(scope, node)
    return size + (_check_constant(scope, node) if node.op == "Const" else 0)


def _check_declared(scope, node):
    """Raises Refused where the op's declaration does not allow the value of an attribute."""
    from tensorflow.python.framework import op_def_registry

    for declared in op_def_registry.get(node.op).attr:
        if declared.name in node.attr and not _is_allowed(declared, node.attr[declared.name]):
            raise _refused(
                scope, node, f"attribute {declared.name} has a value that its op does not allow"
            )


def _is_allowed(declared, value):
    """Whether an AttrValue is of the kind that an OpDef.AttrDef declares, and within its bounds."""
    which, kind = value.WhichOneof("value"), declared.type
    if not kind.startswith("list("):
        field = _FIELDS[kind]
        if which != field or declared.has_minimum and value.i < declared.minimum:
            return False
        values = [getattr(value, field)]
    else:
        field = _FIELDS[kind.removeprefix("list(").removesuffix(")")]
        if which != "list" or any(known.name != field for known, _ in value.list.ListFields()):
            return False
        values = getattr(value.list, field)
        if declared.has_minimum and len(values) < declared.minimum:
            return False
    if not declared.HasField("allowed_values"):
        return True
    allowed = getattr(declared.allowed_values.list, field)
    return all(element in allowed for element in values)


def _is_count(node, name, value):
    """Whether an attribute, if it counts inputs or outputs, has a possible value."""
    if name == "N":
        return 1 <= value.i <= len(node.input)
    return name not in ("num", "num_split") or value.i >= 0


def _is_plain(value):
    """Whether TensorFlow can read an attribute safely. False for a function and for a tensor."""
    which = value.WhichOneof("value")
    if which is None or which in ("placeholder", "func", "tensor"):
        return False
    if which == "list":
        parts = value.list
        if parts.func or parts.tensor:
            return False
        integers, types, shapes = parts.i, parts.type, parts.shape
    else:
        integers = [value.i] if which == "i" else []
        types = [value.type] if which == "type" else []
        shapes = [value.shape] if which == "shape" else []
    return (
        all(abs(number) <= LARGEST_ATTRIBUTE for number in integers)
        and all(kind in _SIZES or kind in _HANDLES for kind in types)
        and all(_is_shape(shape) for shape in shapes)
    )


def _is_shape(shape):
    """Whether each dimension is a size or -1 (unknown), and the product of the sizes fits."""
    sizes = [dim.size for dim in shape.dim]
    return (
        len(sizes) <= 8
        and not (shape.unknown_rank and sizes)
        and all(-1 <= size < 1 << 31 for size in sizes)
        and math.prod(max(size, 1) for size in sizes) < 1 << 40
    )


def _check_constant(scope, node):
    """Raises Refused unless a Const has a value of its own type, whose integers are at most
    LARGEST_INTEGER in magnitude.
    """
    value, kind = node.attr.get("value"), node.attr.get("dtype")
    if not value or not kind or value.WhichOneof("value") != "tensor":
        raise _refused(scope, node, "a constant without a value")
    if kind.type != value.tensor.dtype:
        raise _refused(scope, node, "a constant whose value is of another type")
    numbers = _integers(node)
    if numbers is not None and any(abs(number) > LARGEST_INTEGER for number in numbers):
        raise _refused(scope, node, f"a whole number above {LARGEST_INTEGER}")
    return 0


def _tensor_size(scope, node, tensor):
    """The bytes that a TensorProto takes in memory. Raises Refused where it is incomplete."""
    if tensor.dtype not in _SIZES or not _is_shape(tensor.tensor_shape):
        raise _refused(scope, node, "a tensor of a type or shape that etagger's graphs do not have")
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise _refused(scope, node, "a tensor of unknown shape")
    count, (size, field) = math.prod(sizes), _SIZES[tensor.dtype]
    given, content = len(getattr(tensor, field)), tensor.tensor_content
    whole = tensor.dtype != _STRING and len(content) == count * size if content else given <= count
    if not whole:
        raise _refused(scope, node, "a tensor whose values do not fill its shape")
    return count * size


def _integers(node):
    """The numbers of a Const of int32 or int64 as a flat list; None for any other type."""
    tensor = node.attr["value"].tensor
    if tensor.dtype not in (_INT32, _INT64):
        return None
    if tensor.tensor_content:
        kind = "<i4" if tensor.dtype == _INT32 else "<i8"
        return np.frombuffer(tensor.tensor_content, kind).tolist()
    return list(getattr(tensor, _SIZES[tensor.dtype][1]))


def _check_order(scope):
    """Raises Refused where the nodes form a cycle (topological sort)."""
    waits = dict.fromkeys(scope.nodes, 0)
    readers = {name: [] for name in scope.nodes}
    for name, node in scope.nodes.items():
        for given in node.input:
            source = given.removeprefix("^").partition(":")[0]
            if source in readers:
                readers[source].append(name)
                waits[name] += 1
    ready = [name for name, count in waits.items() if not count]
    for name in ready:  # the loop itself appends to this list
        for reader in readers[name]:
            waits[reader] -= 1
            if not waits[reader]:
                ready.append(reader)
    if len(ready) < len(scope.nodes):
        raise Refused("the nodes wait for each other in a circle")


def _check_calls(main, scopes):
    """Raises Refused where functions call each other in a cycle, too deeply or too often."""
    calls = {
        name: [
            value.func.name
            for node in scope.nodes.values()
            for value in node.attr.values()
            if value.WhichOneof("value") == "func"
        ]
        for name, scope in (("", main), *scopes.items())
    }
    expanded = {}
    for _ in range(DEEPEST):
        for name in [name for name in calls if name not in expanded]:
            if all(called in expanded for called in calls[name]):
                own = len(scopes[name].nodes) if name else len(main.nodes)
                expanded[name] = own + sum(expanded[called] for called in calls[name])
    if len(expanded) < len(calls) or max(expanded.values()) > LARGEST_EXPANDED:
        raise Refused("the functions call each other in a circle, or too deep, or too often")


def _check_operands(scope, node, functions, scopes):
    """Raises Refused where an op gets an input that its kernel should check, but does not."""
    if node.op in _SIZE_OPERANDS and len(node.input) > _SIZE_OPERANDS[node.op]:
        size = scope.producer(node.input[_SIZE_OPERANDS[node.op]])
        numbers = _constant_integers(size)
        if numbers and math.prod(max(number, 1) for number in numbers) > LARGEST_FILLED:
            raise _refused(scope, node, f"makes more than {LARGEST_FILLED} elements")
    if node.op == "TensorListReserve" and scope.name:
        raise _refused(scope, node, "makes a list within a function")
    if node.op == "TensorListGetItem" and not scope.name:
        raise _refused(scope, node, "reads an element of a list outside of a function")
    if node.op in _RANKED_OPERANDS and scope.name:
        raise _refused(scope, node, "stands in a function, where shapes are not known")
    if node.op == "Conv2D" and _attribute(node, "explicit_paddings").list.i:
        raise _refused(scope, node, "pads by numbers of its own")
    if node.op == "TensorListSetItem" and _attribute(node, "resize_if_index_out_of_bounds").b:
        raise _refused(scope, node, "may make a list of any length")
    if not scope.name and not _is_list_index_scalar(scope, node, None):
        raise _refused(scope, node, "the place in a list is not a single number")
    if node.op == "BlockLSTM" and not _reads_its_own_length(scope, node):
        raise _refused(scope, node, "its seq_len_max is not the number of its steps")
    if node.op == "StatelessWhile":
        counter = _counter(scope, node, functions, scopes)
        if counter is None:
            raise _refused(scope, node, "a loop that may not end")
        for inside in (scopes[node.attr[name].func.name] for name in ("cond", "body")):
            for inner in inside.nodes.values():
                if not _is_list_index_scalar(inside, inner, counter):
                    raise _refused(inside, inner, "the place in a list is not a single number")


def _attribute(node, name):
    """The value of a node's attribute; an empty one where the node lacks it."""
    return node.attr[name] if name in node.attr else type(node).AttrEntry().value


def _constant_integers(node):
    """The integers of a constant node; None for any other node and for the index of an argument."""
    return _integers(node) if hasattr(node, "op") and node.op == "Const" else None


def _reads_its_own_length(scope, node):
    """Whether a BlockLSTM's seq_len_max is tf.shape(x)[0] of its own input x; with a larger number
    the kernel reads out of bounds, and the process ends.
    """
    if len(node.input) < 2:
        return False
    x, size = scope.producer(node.input[1]), scope.producer(node.input[0])
    if getattr(size, "op", "") == "Cast" and size.input:
        size = scope.producer(size.input[0])
    if getattr(size, "op", "") != "StridedSlice" or len(size.input) < 2:
        return False
    shape, begin = scope.producer(size.input[0]), scope.producer(size.input[1])
    if getattr(shape, "op", "") != "Shape" or _constant_integers(begin) != [0]:
        return False
    port = lambda given: given.partition(":")[2] or "0"
    own = scope.producer(shape.input[0]) if shape.input else None
    return x is not None and own is x and port(shape.input[0]) == port(node.input[1])


def _is_list_index_scalar(scope, node, counter):
    """Whether a node that reads or writes an element of a list has a scalar as the index: anything
    else ends the process. True for all other nodes. counter: index of the argument that counts the
    steps of a loop.
    """
    if node.op not in ("TensorListGetItem", "TensorListSetItem"):
        return True
    return len(node.input) > 1 and _is_scalar(scope, node.input[1], counter)


def _is_scalar(scope, given, counter, depth=8):
    """Whether an input is certainly a scalar: the counter of a loop, a constant, an element of a
    shape, or a sum or difference of such.
    """
    node = scope.producer(given)
    if isinstance(node, int) or node is None or not depth:
        return isinstance(node, int) and node == counter
    if node.op == "Const":
        return not node.attr["value"].tensor.tensor_shape.dim
    if node.op in ("AddV2", "Sub"):
        return len(node.input) > 1 and all(
            _is_scalar(scope, term, counter, depth - 1) for term in node.input[:2]
        )
    if node.op != "StridedSlice" or len(node.input) < 2:
        return False
    shape, begin = scope.producer(node.input[0]), scope.producer(node.input[1])
    one = _constant_integers(begin) is not None and len(_constant_integers(begin)) == 1
    mask = {name: value.i for name, value in node.attr.items() if name.endswith("_mask")}
    shrinks = mask.pop("shrink_axis_mask", 0) == 1 and not any(mask.values())
    return getattr(shape, "op", "") == "Shape" and one and shrinks


def _counter(scope, node, functions, scopes):
    """The index of the argument that counts the steps of a loop; None where the loop may not end.

    The loop must run while the counter is below (or above) a bound, must not change the bound, and
    must move the counter towards it in each step.
    """
    cond, body = (functions.get(_attribute(node, name).func.name) for name in ("cond", "body"))
    if not cond or not body or len(cond.signature.output_arg) != 1:
        return None
    inside, turn = scopes[cond.signature.name], scopes[body.signature.name]
    given = [name for name in node.input if not name.startswith("^")]
    outputs = [arg.name for arg in body.signature.output_arg]
    if not len(given) == len(inside.args) == len(turn.args) == len(outputs):
        return None
    test = inside.producer(cond.ret[cond.signature.output_arg[0].name])
    if getattr(test, "op", "") not in ("Less", "Greater") or len(test.input) < 2:
        return None
    counter, bound = inside.producer(test.input[0]), inside.producer(test.input[1])
    if not isinstance(counter, int):
        return None
    if isinstance(bound, int):
        is_fixed = turn.producer(body.ret[outputs[bound]]) == bound
    else:
        is_fixed = _constant_integers(bound) is not None
    step = turn.producer(body.ret[outputs[counter]])
    moves = _moves(step, turn, counter, test.op == "Less", scope.producer(given[counter]))
    return counter if is_fixed and moves else None


def _moves(step, turn, counter, upwards, start):
    """Whether a loop moves its counter towards the bound: it adds or subtracts a constant, or it
    multiplies a counter that starts at 1 or more by 2 or more.
    """
    if getattr(step, "op", "") not in ("AddV2", "Sub", "Mul") or len(step.input) < 2:
        return False
    one, other = turn.producer(step.input[0]), turn.producer(step.input[1])
    if step.op != "Sub" and not isinstance(one, int):
        one, other = other, one  # addition and multiplication are commutative
    numbers = _constant_integers(other)
    if one != counter or not numbers or len(numbers) != 1:
        return False
    if step.op == "Mul":
        begin = _constant_integers(start)
        return upwards and numbers[0] >= 2 and bool(begin) and begin[0] >= 1
    return (numbers[0] > 0) == (upwards == (step.op == "AddV2")) and numbers[0] != 0
