"""Graphs and TensorFlow checkpoints from a stranger: a graph that etagger would not write is
refused before TensorFlow sees it, by the same rules in Python and C++, and no file ends the
process.
"""

import importlib.util
import os
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

import checkpoint
import graph_check
import graph_files
from cli import UserError
from config import ENCODERS
from features import pretrained
from features.vocabulary import EmbVec
from files import tensor_bundle
from support.commands import ROOT, SMALL, write_sample
from support.graph_mutants import OUTPUTS, exported, frozen, mutant, node_of, scopes
from support.serving import INFERENCE, binary, binary_mistake, run_binary, succeed, untrained
from tf1 import new_session, quiet, tf

KINDS = {
    **{encoder: {"encoder": encoder} for encoder in ENCODERS},
    "cell in a loop": {"rnn_type": "normal"},
    "conv2d": {"chr_conv_type": "conv2d", "chr_filter_widths": [2, 3], "encoder": "none"},
    "all features": {"use_shape": True, "gazetteer": "names", "encoder": "none"},
    "softmax": {"use_crf": False, "use_highway": False, "encoder": "none"},
    "constrained": {"constrained": True, "encoder": "none"},
    "constrained softmax": {"constrained": True, "use_crf": False, "encoder": "none"},
    "ELMo": {"use_elmo": True, "encoder": "none"},
    "ELMo alone": {"use_elmo": True, "elmo_layer_norm": True, "use_word": False, "use_chr": False},
    "BERT": {"use_bert": True, "encoder": "none"},
    "BERT, mean": {"use_bert": True, "bert_pooling": "mean", "encoder": "none"},
    "BERT, mix": {"use_bert": True, "bert_layers": "mix", "encoder": "none"},
    "BERT alone": {"use_bert": True, "use_word": False, "use_chr": False, "use_crf": False},
}
QUICK = ["biqrnn", "all features", "ELMo", "BERT, mean"]
PLAIN = {"encoder": "bilstm", "use_chr": False, "use_highway": False, "rnn_layers": 1}


@pytest.fixture(scope="module")
def plain():
    """The frozen GraphDef of a small BiLSTM with a CRF."""
    return frozen(**PLAIN)


@pytest.fixture
def altered(plain):
    """A copy of the plain graph, to be changed."""
    graph = tf.GraphDef()
    graph.CopyFrom(plain)
    return graph


def write(path, graph):
    path.write_bytes(graph.SerializeToString())
    return str(path)


def in_cc(paths, what="open"):
    """The answers of tests/graphs.cc for each graph, in one process."""
    lines = "".join(f"{path}\n" for path in paths).encode()
    return succeed(run_binary("graphs", what, stdin=lines)).out.decode().splitlines()


# ---------------------------------------------------------------- what etagger writes is taken


@pytest.mark.parametrize(
    "kind",
    [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS],
)
def test_the_list_covers_every_kind_of_model(tmp_path, kind):
    """All kinds are exported, frozen, transformed and memory-mapped."""
    from freeze import freeze

    binary("graphs")
    graph, session = exported(**KINDS[kind])
    graph_check.check_graph(graph, graph.ByteSize())
    path = write(tmp_path / "frozen.pb", freeze(session, OUTPUTS))
    session.close()
    graph_files.load_frozen(path).close()
    assert in_cc([path], "transform") == ["ran"]
    shutil.move(f"{path}.out", tmp_path / "transformed.pb")
    assert in_cc([tmp_path / "transformed.pb"], "convert") == ["ran"]
    shutil.move(tmp_path / "transformed.pb.out", tmp_path / "x.memmapped")
    paths = [path, tmp_path / "transformed.pb", tmp_path / "x.memmapped"]
    assert in_cc(paths) == ["ran"] * 3


def test_each_op_of_the_list_is_one_that_keeps_to_itself():
    """No op has a state or touches files, except for those of variables and mapped constants, which
    are checked separately.
    """
    from tensorflow.python.framework import op_def_registry

    ops = {name for name in graph_check.allowed_names() if not name.startswith("_")}
    stateful = {op for op in ops if op_def_registry.get(op).is_stateful}
    assert stateful == {"ReadVariableOp", "ResourceGather", "VarHandleOp"}
    assert not any(word in op for op in ops for word in ("File", "Print", "Py", "Save", "Restore"))


# ---------------------------------------------------------------- what it does not write is refused


def add(graph, op, name, inputs=(), **attributes):
    """Adds a node to the graph or to a function's nodes."""
    node = (graph.node if hasattr(graph, "node") else graph).add(op=op, name=name)
    node.input.extend(inputs)
    for key, value in attributes.items():
        node.attr[key].CopyFrom(value)
    return node


def of_type(dtype):
    return tf.AttrValue(type=dtype)


def constant(graph, name, value, dtype=None, shape=None):
    tensor = tf.make_tensor_proto(value, dtype)
    if shape is not None:
        tensor.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    value = tf.AttrValue(tensor=tensor)
    return add(graph, "Const", name, dtype=of_type(tensor.dtype), value=value)


def write_file(nodes, port=""):
    constant(nodes, "to", b"evil.txt")
    constant(nodes, "what", b"written")
    add(nodes, "WriteFile", "evil", ["to" + port, "what" + port])


def behind(graph):
    write_file(graph)
    node_of(graph, "logits_indices").input.append("^evil")


def in_a_function(graph):
    write_file(graph.library.function[0].node_def, ":output:0")


def in_an_unused_function(graph):
    function = graph.library.function.add()
    function.signature.name = "unused"
    write_file(function.node_def, ":output:0")


def through_no_op(graph):
    write_file(graph)
    add(graph, "NoOp", "group", ["^evil"])
    node_of(graph, "logits_indices").input.append("^group")


def mapped_constant(graph):
    shape = tf.AttrValue(shape=tf.TensorShape([4]).as_proto())
    region = tf.AttrValue(s=b"/etc/passwd")
    add(graph, "ImmutableConst", "evil", dtype=of_type(4), shape=shape, memory_region_name=region)


def named_as_an_op(graph):
    graph.library.function[0].signature.name = "MatMul"


def circle(graph):
    add(graph, "Identity", "one", ["two"], T=of_type(1))
    add(graph, "Identity", "two", ["one"], T=of_type(1))


def circle_of_control(graph):
    add(graph, "NoOp", "one", ["^two"])
    add(graph, "NoOp", "two", ["^one"])


def calls_itself(graph):
    loop = next(node for node in graph.node if node.op == "StatelessWhile")
    body = next(
        function
        for function in graph.library.function
        if function.signature.name == loop.attr["body"].func.name
    )
    inner = body.node_def.add()
    inner.CopyFrom(loop)
    inner.name = "inner"
    del inner.input[:]
    inner.input.extend(arg.name for arg in body.signature.input_arg)


def many_calls(graph):
    """Each function calls the next one twice: 2**7 * 10,000 nodes."""
    last = 7
    for k in range(last + 1):
        function = graph.library.function.add()
        function.signature.name = f"f{k}"
        for i in range(10_000 if k == last else 2):
            node = function.node_def.add(op="NoOp", name=f"n{i}")
            if k < last:
                node.attr["f"].func.name = f"f{k + 1}"


def unending(graph):
    cond = next(node for node in graph.node if node.op == "StatelessWhile").attr["cond"].func.name
    function = next(known for known in graph.library.function if known.signature.name == cond)
    constant(function.node_def, "always", True)
    function.ret[function.signature.output_arg[0].name] = "always:output:0"


def standing_still(graph):
    for function in graph.library.function:
        for node in function.node_def:
            if node.op in ("AddV2", "Sub") and function.signature.name.startswith("while_body"):
                for given in node.input:
                    for other in function.node_def:
                        if given.startswith(other.name + ":") and other.op == "Const":
                            other.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0))


def no_body(graph):
    loop = next(node for node in graph.node if node.op == "StatelessWhile")
    del loop.attr["body"]


def filled(graph):
    constant(graph, "dims", [1 << 20, 1 << 20])
    constant(graph, "zero", 0.0)
    add(graph, "Fill", "evil", ["dims", "zero"], T=of_type(1), index_type=of_type(3))


def one_value(graph):
    constant(graph, "evil", 0.0, shape=[1 << 19, 1 << 20])


def cut_short(graph):
    tensor = node_of(graph, "embeddings/word").attr["value"].tensor
    tensor.tensor_content = tensor.tensor_content[:-4]


def resized(shape):
    def change(graph):
        tensor = node_of(graph, "embeddings/word").attr["value"].tensor
        del tensor.tensor_shape.dim[:]
        for size in shape:
            tensor.tensor_shape.dim.add().size = size

    return change


def no_value(graph):
    del node_of(graph, "embeddings/word").attr["value"]


def too_many_steps(graph):
    constant(graph, "steps", 1 << 20, tf.int64)
    next(node for node in graph.node if node.op == "BlockLSTM").input[0] = "steps"


def whole_list_as_place(graph):
    for function in graph.library.function:
        for node in function.node_def:
            if node.op == "TensorListSetItem":
                constant(function.node_def, "places", [0, 1])
                node.input[1] = "places:output:0"
                return


def count_of_inputs(graph):
    next(node for node in graph.node if node.op == "Pack").attr["N"].i = -1


def twice(graph):
    graph.node.add().CopyFrom(graph.node[0])


def no_input(graph):
    next(node for node in graph.node if node.op == "MatMul").input[0] = "nowhere"


def padded(graph):
    constant(graph, "image", np.ones([1, 4, 4, 1], np.float32))
    constant(graph, "filter", np.ones([1, 1, 1, 1], np.float32))
    paddings = tf.AttrValue()
    paddings.list.i.extend([0, 0, 65000, 65000, 65000, 65000, 0, 0])
    attributes = {"T": of_type(1), "explicit_paddings": paddings}
    add(graph, "Conv2D", "evil", ["image", "filter"], **attributes)


def of_shape(shape):
    return tf.AttrValue(shape=tf.TensorShape(shape).as_proto())


def convolution(graph, image, port=""):
    """A convolution of `image`, a node of int32 with any shape."""
    add(graph, "Cast", "evil_image", [image], SrcT=of_type(3), DstT=of_type(1))
    constant(graph, "evil_filter", np.ones([1, 1, 1, 1], np.float32))
    strides = tf.AttrValue()
    strides.list.i.extend([1, 1, 1, 1])
    inputs = [f"evil_image{port and ':y:0'}", f"evil_filter{port and ':output:0'}"]
    padding = tf.AttrValue(s=b"SAME")
    return add(graph, "Conv2D", "evil", inputs, T=of_type(1), strides=strides, padding=padding)


def hidden_rank(graph):
    add(graph, "Placeholder", "any", dtype=of_type(3))
    convolution(graph, "any")


def claimed_rank(graph):
    hidden_rank(graph)
    shapes = tf.AttrValue()
    shapes.list.shape.add().CopyFrom(tf.TensorShape([1, 1, 1, 1]).as_proto())
    node_of(graph, "evil_image").attr["_output_shapes"].CopyFrom(shapes)


def rank_that_a_loop_claims(graph):
    loop = next(node for node in graph.node if node.op == "StatelessWhile")
    place = list(loop.attr["T"].list.type).index(3)
    convolution(graph, f"{loop.name}:{place}")
    shapes = loop.attr["output_shapes"].list.shape
    shapes[place].CopyFrom(tf.TensorShape([1, 1, 1, 1]).as_proto())


def rank_in_a_function(graph):
    nodes = graph.library.function[0].node_def
    constant(nodes, "evil_ids", np.ones([1, 1, 1, 1], np.int32))
    convolution(nodes, "evil_ids:output:0", ":0")


def element_outside(graph):
    constant(graph, "sizes", [1])
    constant(graph, "count", 3)
    kind = {"element_dtype": of_type(1), "shape_type": of_type(3)}
    add(graph, "TensorListReserve", "list", ["sizes", "count"], **kind)
    constant(graph, "place", 0)
    inputs = ["list", "place", "sizes"]
    add(graph, "TensorListGetItem", "evil", inputs, element_dtype=of_type(1))


def hidden_bounds(graph):
    constant(graph, "bytes", np.ones(4, np.uint8))
    node_of(graph, "bytes").attr["value"].tensor.dtype = 12  # quint8
    node_of(graph, "bytes").attr["dtype"].type = 12
    add(graph, "Placeholder", "any", dtype=of_type(3))
    add(graph, "Cast", "bound", ["any"], SrcT=of_type(3), DstT=of_type(1))
    mode = tf.AttrValue(s=b"SCALED")
    add(graph, "Dequantize", "evil", ["bytes", "bound", "bound"], T=of_type(12), mode=mode)


def empty_bytes(graph):
    hidden_bounds(graph)
    node_of(graph, "bytes").attr["value"].tensor.CopyFrom(
        tf.make_tensor_proto(np.ones([2, 0], np.uint8))
    )
    node_of(graph, "bytes").attr["value"].tensor.dtype = 12
    constant(graph, "zero", 0.0)
    node_of(graph, "evil").input[1:] = ["zero", "zero"]


def data_format(graph):
    constant(graph, "ids", np.ones([1, 1, 1, 1], np.int32))
    convolution(graph, "ids").attr["data_format"].s = b"x"


def padding(graph):
    constant(graph, "ids", np.ones([1, 1, 1, 1], np.int32))
    convolution(graph, "ids").attr["padding"].s = b""


def attribute_in_a_function(graph):
    for node in graph.library.function[0].node_def:
        if "T" in node.attr:
            node.attr["T"].CopyFrom(tf.AttrValue(b=True))


def no_types(graph):
    node = add(graph, "IdentityN", "evil")
    node.attr["T"].list.Clear()
    node.attr["T"].list.SetInParent()


def wide(graph):
    constant(graph, "one", [[1.0]])
    constant(graph, "paddings", [[0, 1 << 20], [0, 1 << 20]])
    kind = {"T": of_type(1), "Tpaddings": of_type(3)}
    add(graph, "Pad", "evil", ["one", "paddings"], **kind)


def compiled(graph):
    graph.node[0].attr["_XlaMustCompile"].b = True


NOT_OURS = "op WriteFile is none that etagger's graphs have"
REFUSED = [
    (behind, f"node evil: {NOT_OURS}"),
    (in_a_function, f"node evil: {NOT_OURS}"),
    (in_an_unused_function, f"node evil: {NOT_OURS}"),
    (through_no_op, f"node evil: {NOT_OURS}"),
    (mapped_constant, "node evil (ImmutableConst): reads a file"),
    (named_as_an_op, "a function's name is not one, or stands twice, or is that of an op"),
    (circle, "the nodes wait for each other in a circle"),
    (circle_of_control, "the nodes wait for each other in a circle"),
    (calls_itself, "the functions call each other in a circle"),
    (many_calls, "or too often"),
    (unending, "a loop that may not end"),
    (standing_still, "a loop that may not end"),
    (no_body, "a loop that may not end"),
    (filled, "node evil (Fill): makes more than"),
    (one_value, "node evil (Const): the constants are far larger than the file"),
    (cut_short, "a tensor whose values do not fill its shape"),
    (resized([-20, 6]), "a tensor of a type or shape that etagger's graphs do not have"),
    (resized([-1, -120]), "a tensor of a type or shape that etagger's graphs do not have"),
    (resized([1 << 62, 1 << 62]), "a tensor of a type or shape that etagger's graphs do not have"),
    (resized([1 << 30, 1 << 30]), "a tensor of a type or shape that etagger's graphs do not have"),
    (resized([1] * 300), "a tensor of a type or shape that etagger's graphs do not have"),
    (no_value, "node embeddings/word (Const): a constant without a value"),
    (too_many_steps, "its seq_len_max is not the number of its steps"),
    (whole_list_as_place, "the place in a list is not a single number"),
    (padded, "pads by numbers of its own"),
    (count_of_inputs, "attribute N has a value out of bounds"),
    (twice, "a node's name is not one, or stands twice"),
    (no_input, "one of its inputs is none of the graph's"),
    (compiled, "an attribute that etagger's graphs do not have"),
    (hidden_rank, "node evil (Conv2D): the rank of its input 0 is not known"),
    (claimed_rank, "node evil (Conv2D): the rank of its input 0 is not known"),
    (rank_that_a_loop_claims, "node evil (Conv2D): the rank of its input 0 is not known"),
    (rank_in_a_function, "stands in a function, where shapes are not known"),
    (element_outside, "node evil (TensorListGetItem): reads an element of a list outside"),
    (hidden_bounds, "node evil (Dequantize): the rank of its input 1 is not known"),
    (empty_bytes, "node evil (Dequantize): its input may be empty"),
    (data_format, "node evil (Conv2D): attribute data_format has a value that its op does not"),
    (padding, "node evil (Conv2D): attribute padding has a value that its op does not"),
    (attribute_in_a_function, "attribute T has a value that its op does not allow"),
    (no_types, "node evil (IdentityN): attribute T has a value that its op does not allow"),
    (wide, "node evil (Pad): makes more than"),
]


def test_what_etagger_does_not_write_is_refused(plain, tmp_path):
    """The message names node and op, and is the same in both languages; nothing is written, and the
    process goes on.
    """
    binary("graphs")
    paths = []
    for k, (change, _) in enumerate(REFUSED):
        graph = tf.GraphDef()
        graph.CopyFrom(plain)
        change(graph)
        paths.append(write(tmp_path / f"{k}.pb", graph))
    for what in ("open", "transform", "convert"):
        for path, line, (change, message) in zip(paths, in_cc(paths, what), REFUSED):
            assert line.startswith(f"{path}: ") and message in line, (change, line)
            assert "--trust" in line
    for path, (_, message) in zip(paths, REFUSED):
        with pytest.raises(UserError) as refused:
            graph_files.load_frozen(path)
        assert message in str(refused.value) and "--trust" in str(refused.value)
    assert not os.path.exists("evil.txt")


def test_shapes_that_do_not_fit(tmp_path):
    """Convolutions whose images have one dimension too few or too many, for which TensorFlow's
    kernel would end the process.
    """
    binary("graphs")
    graph, paths = frozen(**KINDS["softmax"]), []
    for k, shape in enumerate([[-1], [-1, 15], [-1, 1, 1, 15, 25]]):
        changed = tf.GraphDef()
        changed.CopyFrom(graph)
        constant(changed, "another", shape)
        for node in changed.node:
            if node.op == "Reshape":
                node.input[1] = "another"
        paths.append(write(tmp_path / f"{k}.pb", changed))
    for path, line in zip(paths, in_cc(paths), strict=True):
        assert line.startswith(f"{path}: ") and "rank" in line, line
        with pytest.raises(UserError, match="rank"):
            graph_files.load_frozen(path)


def test_placeholders_take_what_they_declare(altered, tmp_path):
    """The inferred shapes depend on the placeholders, and TensorFlow does not check the shapes that
    C++ feeds.
    """
    binary("graphs")
    add(altered, "Placeholder", "input_data_shape_ids", dtype=of_type(3), shape=of_shape([1] * 4))
    convolution(altered, "input_data_shape_ids")
    node_of(altered, "logits_indices").input.append("^evil")
    path = write(tmp_path / "fed.pb", altered)
    (line,) = in_cc([path])
    assert line.startswith(f"{path}: its placeholder input_data_shape_ids has the shape [1,1,1,1]")
    with tf.Graph().as_default() as graph:
        tf.placeholder(tf.float32, [None, 1], "x")
        tf.constant([1.0], name="y")
        path = write(tmp_path / "sample.pb", graph.as_graph_def())
    line = binary_mistake("inference_sample", "--graph", path)
    assert f"{path}: its placeholder x has the shape [?,1]" in line
    with tf.Graph().as_default() as graph:
        tf.identity(tf.constant([1.0], name="x"), name="y")
        path = write(tmp_path / "sample.pb", graph.as_graph_def())
    line = binary_mistake("inference_sample", "--graph", path)
    assert f"{path}: its placeholder x is missing" in line


def test_a_trusted_graph_may_do_what_it_likes(altered, tmp_path):
    """A graph with WriteFile after the sample's line is refused by default, and runs with --trust,
    in both languages.
    """
    binary("inference_sample")
    graph = tf.GraphDef()
    with tf.Graph().as_default() as default:
        x = tf.placeholder(tf.float32, [None], "x")
        out = tmp_path / "out"
        with tf.control_dependencies([tf.io.write_file(str(out), "written")]):
            tf.add(x, 1.0, name="y")
        graph.CopyFrom(default.as_graph_def())
    path = write(tmp_path / "sample.pb", graph)
    with pytest.raises(UserError, match="op WriteFile is none"):
        graph_files.load_frozen(path)
    assert "op WriteFile is none" in binary_mistake("inference_sample", "--graph", path)
    assert not out.exists()
    succeed(run_binary("inference_sample", "--graph", path, "--trust"))
    assert out.read_text() == "written"
    out.unlink()
    session = graph_files.load_frozen(path, trust=True)
    assert graph_files.run_once(session, path, "y", {"x": [1.0]}, (1,)) == [2.0]
    assert out.exists()


def test_long_lists(tmp_path):
    """A list of 2**30 elements, for which TensorFlow would end the process."""
    binary("graphs")
    with tf.Graph().as_default() as graph:
        words = tf.placeholder(tf.int32, [None, None], "input_data_word_ids")
        shape, count = tf.constant([1], tf.int32), tf.shape(words)[1] * (1 << 24) * (1 << 4)
        handle = tf.raw_ops.TensorListReserve(
            element_shape=shape, num_elements=count, element_dtype=tf.int32
        )
        items = tf.raw_ops.TensorListStack(
            input_handle=handle, element_shape=shape, element_dtype=tf.int32
        )
        tf.add(words, items[0], name="logits_indices")
        tf.constant("{}", name="model_config")
        path = write(tmp_path / "long.pb", graph.as_graph_def())
    assert in_cc([path]) == ["ran"]
    assert in_cc([path], "transform") == ["ran"]
    shutil.move(f"{path}.out", tmp_path / "again.pb")  # its lists are bounded already
    assert in_cc([tmp_path / "again.pb"]) == ["ran"]
    session = graph_files.load_frozen(path)
    assert session.run("logits_indices:0", {"input_data_word_ids:0": [[1, 2, 3, 4]]}).tolist() == [
        [1, 2, 3, 4]
    ]


def test_a_run_ends():
    """A loop that counts for longer than anyone waits is stopped."""
    with tf.Graph().as_default(), quiet():
        count = tf.while_loop(lambda i: i < 2**31 - 1, lambda i: i + 1, [0], back_prop=False)
        with pytest.raises(tf.errors.DeadlineExceededError):
            new_session(1, rewrite=False, seconds=1).run(count)


def test_damaged_bytes(plain, tmp_path):
    """Files are cut at every hundredth, and nested deeper than protobuf reads."""
    binary("graphs")
    data = plain.SerializeToString()
    cut = [data[: k * len(data) // 100] for k in range(100)]
    deep = b""
    for _ in range(200):  # an attribute's function, whose attribute is a function, and so on
        for tag in (b"\x12", b"\x12", b"\x52"):
            deep = tag + _varint(len(deep)) + deep
    for tag in (b"\x12", b"\x2a", b"\x0a"):  # the value of an attribute of a node of the graph
        deep = tag + _varint(len(deep)) + deep
    paths = []
    for k, content in enumerate([*cut, data + deep]):
        paths.append(tmp_path / f"{k}.pb")
        paths[-1].write_bytes(content)
    for path, line in zip(paths, in_cc(paths), strict=True):
        assert line.startswith(f"{path}: "), line
        with pytest.raises(UserError):
            graph_files.load_frozen(str(path))


# ---------------------------------------------------------------- what TensorFlow itself says no to


def other_type(graph):
    node = node_of(graph, "logits_indices")
    node.input[0], node.attr["T"].type = "logits", 1


def other_rank(graph):
    node_of(graph, "logits_indices").input[0] = "sentence_lengths"


def fed_floats(graph):
    node_of(graph, "input_data_word_ids").attr["dtype"].type = 1


def fed_another(graph):
    add(graph, "Placeholder", "extra", dtype=of_type(3))
    node = node_of(graph, "logits_indices")
    add(graph, "AddV2", "sum", [node.input[0], "extra"], T=of_type(3))
    node.input[0] = "sum"


def small_table(graph):
    node = node_of(graph, "embeddings/word")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.zeros([1, 6], np.float32)))


def no_outputs(graph):
    node_of(graph, "logits_indices").name = "elsewhere"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model's checkpoint, exported and frozen: (folder, frozen GraphDef)."""
    import export
    from freeze import freeze

    folder = tmp_path_factory.mktemp("model")
    flags = [*SMALL, "--use_chr", "False", "--use_highway", "False"]
    prefix = untrained(folder / "ner_model", *write_sample(folder), *flags)
    session, graph, emb = export.build(prefix)
    os.mkdir(folder / "exported")
    export.write(session, graph, str(folder / "exported" / "ner_model"))
    (folder / "vocab.txt").write_bytes(emb.vocab_text())
    with quiet():
        graph_def = tf.graph_util.extract_sub_graph(
            graph.as_graph_def(), ["logits_indices", "model_config"]
        )
    write(folder / "ner_graph.pb", graph_def)
    return folder, freeze(session, ["logits_indices", "logits", "sentence_lengths"])


CANNOT_TAG = [other_type, other_rank, fed_floats, fed_another, small_table, no_outputs]


def test_graphs_that_cannot_tag(model, zygote, tmp_path):
    """A word that the table lacks, or an output of another type, is an error in both languages,
    with one line and exit code 2 from the commands.
    """
    folder, graph = model
    paths = []
    for change in CANNOT_TAG:
        changed = tf.GraphDef()
        changed.CopyFrom(graph)
        change(changed)
        paths.append(write(tmp_path / f"{change.__name__}.pb", changed))
    for path, line in zip(paths, in_cc(paths), strict=True):
        assert line.startswith(f"{path}: ")
        with pytest.raises(UserError, match=path):
            emb = EmbVec.from_vocab_text(str(folder / "vocab.txt"))
            on_graphs().load(path, True, emb, threads=1)
    for path in (paths[0], paths[-2]):
        words = b"A NN B-NP O\nword NN B-NP O\n\n"
        assert path in binary_mistake("inference", path, folder / "vocab.txt", stdin=words)
    script = os.path.join(INFERENCE, "python", "inference.py")
    given = ("--frozen_path", path, "--vocab_path", folder / "vocab.txt")
    assert path in zygote.mistake(script, *given, stdin=words)


def on_graphs():
    """The module inference/python/inference.py, whose name is also that of another module."""
    path = os.path.join(INFERENCE, "python", "inference.py")
    spec = importlib.util.spec_from_file_location("inference_on_graphs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_library(model, tmp_path):
    """etagger_open gives an error for a graph with other ops, and etagger_open_trusted runs it."""
    binary("libetagger.so")
    folder, graph = model
    changed = tf.GraphDef()
    changed.CopyFrom(graph)
    behind(changed)
    write(tmp_path / "ner_frozen.pb", changed)
    shutil.copy(folder / "vocab.txt", tmp_path)
    code = """
import os, sys, etagger
try:
    etagger.load(sys.argv[1])
except etagger.Error as error:
    print(error)
print(os.path.exists("evil.txt"))
print(len(etagger.load(sys.argv[1], trust=True).tag(["a", "word"])))
print(os.path.exists("evil.txt"))
"""
    python = os.path.join(INFERENCE, "python")
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": python},
    )
    line, *rest = done.stdout.decode().splitlines()
    assert f"node evil: {NOT_OURS}" in line and rest == ["False", "2", "True"], done


# ---------------------------------------------------------------- memory-mapped graphs


@pytest.fixture(scope="module")
def mapped(plain, tmp_path_factory):
    """The path of a memory-mapped graph with regions."""
    binary("graphs")
    path = tmp_path_factory.mktemp("mapped") / "plain.pb"
    write(path, plain)
    assert in_cc([path], "convert") == ["ran"]
    return f"{path}.out"


def reassemble(path, to, change):
    """Writes a memory-mapped file after `change` has altered its directory and graph."""
    from tensorflow.core.util.memmapped_file_system_pb2 import MemmappedFileSystemDirectory

    with open(path, "rb") as stream:
        data = stream.read()
    begin = struct.unpack("<Q", data[-8:])[0]
    directory = MemmappedFileSystemDirectory.FromString(data[begin:-8])
    (place,) = (element for element in directory.element if element.name == "memmapped_package://.")
    graph = tf.GraphDef.FromString(data[place.offset : place.offset + place.length])
    change(graph, directory)
    new = graph.SerializeToString()
    place.length = len(new)
    body = data[: place.offset] + new
    to.write_bytes(body + directory.SerializeToString() + struct.pack("<Q", len(body)))
    return to


def region(directory):
    return next(element for element in directory.element if element.name.endswith("region_1"))


def mapped_node(graph):
    return next(node for node in graph.node if node.op == "ImmutableConst")


def longer_region(graph, directory):
    region(directory).length = 1 << 40


def overflowing_region(graph, directory):
    region(directory).offset = (1 << 64) - 64


def unaligned_region(graph, directory):
    region(directory).offset += 4


def larger_constant(graph, directory):
    mapped_node(graph).attr["shape"].shape.dim[0].size *= 1 << 20


def huge_constant(graph, directory):
    for dim in mapped_node(graph).attr["shape"].shape.dim:
        dim.size = 1 << 62


def unknown_constant(graph, directory):
    for dim in mapped_node(graph).attr["shape"].shape.dim:
        dim.size = -1


def constant_of_strings(graph, directory):
    mapped_node(graph).attr["dtype"].type = 7


def constant_of_a_file(graph, directory):
    mapped_node(graph).attr["memory_region_name"].s = b"/etc/passwd"


def constant_without(graph, directory):
    del mapped_node(graph).attr["shape"]


def written_constant(graph, directory):
    name = mapped_node(graph).name
    add(graph, "AddV2", "writer", [name, name], T=of_type(1))


def mapped_write_file(graph, directory):
    behind(graph)


MAPPED = [
    (longer_region, "a region that the file does not have"),
    (overflowing_region, "a region that the file does not have"),
    (unaligned_region, "a region that the file does not have"),
    (larger_constant, "larger than its region"),
    (huge_constant, "out of bounds"),
    (unknown_constant, "a tensor of unknown shape"),
    (constant_of_strings, "a tensor of a type or shape that no region holds"),
    (constant_of_a_file, "its region is not in the file"),
    (constant_without, "a constant without a value"),
    (written_constant, "read by a node that may write to it"),
    (mapped_write_file, NOT_OURS),
]


def test_memory_mapped_graphs(mapped, tmp_path):
    paths = [
        reassemble(mapped, tmp_path / f"{k}.memmapped", change)
        for k, (change, _) in enumerate(MAPPED)
    ]
    for path, line, (change, message) in zip(paths, in_cc(paths), MAPPED):
        assert line.startswith(f"{path}: ") and message in line, (change, line)


def test_damaged_memory_mapped_graphs(mapped, tmp_path):
    """Files are cut anywhere, or their last bytes, which hold the offset of the directory, are
    changed.
    """
    with open(mapped, "rb") as stream:
        data = stream.read()
    rng, paths = np.random.default_rng(0), []
    contents = [data[: k * len(data) // 50] for k in range(50)]
    contents += [data[:-8] + struct.pack("<Q", 1 << k) for k in range(64)]
    for _ in range(100):
        begin = struct.unpack("<Q", data[-8:])[0]
        changed = bytearray(data)
        changed[rng.integers(begin, len(data))] ^= 1 << rng.integers(8)
        contents.append(bytes(changed))
    for k, content in enumerate(contents):
        paths.append(tmp_path / f"{k}.memmapped")
        paths[-1].write_bytes(content)
    lines = in_cc(paths)
    assert all(line == "ran" or line.startswith(str(path)) for path, line in zip(paths, lines))
    assert lines[:114].count("ran") == 0 and len(lines) == len(paths)


# ---------------------------------------------------------------- mutants


def agree(graph, seeds, folder, what):
    """Writes a mutant for each seed. Checks that Python and C++ refuse the same ones, by our rules
    and by the shapes that TensorFlow infers, and that the process that opens them goes on. Returns
    the share of mutants that reach TensorFlow.
    """
    paths, refused, fitting = [], [], []
    for seed in seeds:
        changed = mutant(graph, seed)
        paths.append(write(folder / f"{seed}.pb", changed))
        refused.append(False)
        try:
            size = changed.ByteSize()
            graph_check.check_graph(changed, size)
            graph_check.normalize(changed)
            graph_check.check_shapes(changed, size)
            fitting.append(True)
        except graph_check.Refused:
            refused[-1] = True
        except Exception:  # TensorFlow's, which have no common base
            pass
        fitting += [False] * (len(refused) - len(fitting))
    lines = in_cc(paths, what)
    assert len(lines) == len(paths)
    assert ["--trust" in line for line in lines] == refused
    assert all(fits or line != "ran" for line, fits in zip(lines, fitting))
    assert all(
        line == "ran" or line.startswith((path, "--transforms: "))
        for path, line in zip(paths, lines)
    )
    return 1 - np.mean(refused)


def test_mutants(plain, tmp_path):
    binary("graphs")
    assert 0.3 < agree(plain, range(60), tmp_path, "open") < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("what", ["open", "transform", "convert"])
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutants(tmp_path, kind, what):
    binary("graphs")
    agree(frozen(**KINDS[kind]), range(1000, 1300), tmp_path, what)


@pytest.mark.slow
@pytest.mark.parametrize("kind", QUICK)
def test_mutants_in_python(tmp_path, kind):
    """Each mutant is opened and run by Python, in one process that must go on."""
    path = write(tmp_path / "frozen.pb", frozen(**KINDS[kind]))
    code = f"""
import sys
sys.path[:0] = [{INFERENCE!r}, {ROOT!r}, {os.path.join(ROOT, "tests")!r}]
import graph_files
from cli import UserError
from support.graph_mutants import mutant
from tf1 import tf
graph = tf.GraphDef.FromString(open({path!r}, "rb").read())
for seed in range(2000, 2150):
    open({path!r}, "wb").write(mutant(graph, seed).SerializeToString())
    try:
        session = graph_files.load_frozen({path!r}, threads=1)
        shapes = {{"input_data_wordchr_ids": [2, 4, 15], "input_data_gazetteer": [2, 4, 2],
                   "elmo_input_data_wordchr_ids": [2, 6, 50]}}
        feeds = {{}}
        for op in session.graph.get_operations():
            if op.type == "Placeholder":
                shape = [] if op.name == "sentence_length" else shapes.get(op.name, [2, 4])
                feeds[op.outputs[0]] = __import__("numpy").full(shape, 4 if not shape else 1)
        session.run("logits_indices:0", feeds)
    except (UserError, tf.errors.OpError, ValueError, TypeError, KeyError, MemoryError):
        pass
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=900)
    assert done.stdout == b"alive\n", done.stderr[-2000:]


# ---------------------------------------------------------------- checkpoints


def _varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def write_index(path, entries):
    """An index of one block, of sorted (key, value), with its checksums."""
    out = b""

    def block(pairs):
        nonlocal out
        body = b"".join(
            _varint(0) + _varint(len(key)) + _varint(len(value)) + key + value
            for key, value in pairs
        ) + struct.pack("<II", 0, 1)
        handle = _varint(len(out)) + _varint(len(body))
        out += body + b"\0" + struct.pack("<I", _masked_crc32c(body + b"\0"))
        return handle

    data = block(entries)
    meta = block([])
    index = block([(entries[-1][0] + b"x", data)])
    out += (meta + index).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    with open(path, "wb") as stream:
        stream.write(out)


def alter_index(prefix, name, **changes):
    """Changes an entry of PREFIX.index: shape, dtype, size, offset or shard_id."""
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto

    with open(f"{prefix}.index", "rb") as stream:
        table = dict(tensor_bundle._table(stream.read()))
    entry = BundleEntryProto.FromString(table[name.encode()])
    for key, value in changes.items():
        if key == "shape":
            del entry.shape.dim[:]
            for size in value:
                entry.shape.dim.add().size = size
        else:
            setattr(entry, key, value)
    table[name.encode()] = entry.SerializeToString()
    write_index(f"{prefix}.index", sorted(table.items()))


CHANGES = [
    {"shape": [-3, 4]},
    {"shape": [1 << 62, 1 << 62]},
    {"shape": [1 << 31, 1 << 10], "size": 1 << 43},
    {"shape": [1 << 40]},
    {"shape": [1] * 300},
    {"shape": [2, 2]},
    {"shape": [2, 2], "size": 16},
    {"dtype": 3},
    {"dtype": 7},
    {"dtype": 21},
    {"dtype": 99},
    {"offset": 1 << 50},
    {"offset": -4},
    {"size": 1 << 50},
    {"shard_id": 7},
    {"shard_id": -1},
]


@pytest.fixture
def copied(model, tmp_path):
    """A copy of the model's folder."""
    shutil.copytree(model[0], tmp_path / "model")
    return tmp_path / "model"


def test_an_index_as_tensorflow_reads_it(model, shared):
    prefixes = [model[0] / "ner_model", model[0] / "exported" / "ner_model"]
    prefixes += [
        shared(f"conformance/bert/{name}/bert_model.ckpt.index").removesuffix(".index")
        for name in ("pretraining_ckpt", "random_cased")
    ]
    for prefix in map(str, prefixes):
        entries = tensor_bundle.read_index(prefix)
        reader = tf.train.load_checkpoint(prefix)
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        assert {name: list(entry.shape) for name, entry in entries.items()} == shapes
        assert {name: entry.dtype for name, entry in entries.items()} == {
            name: dtype.name for name, dtype in dtypes.items()
        }


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_checkpoint_that_is_none(copied, change):
    """Every command that reads weights refuses it in one line."""
    prefix, name = str(copied / "exported" / "ner_model"), "embeddings/word"
    shape = tensor_bundle.read_index(prefix)[name].shape
    alter_index(prefix, name, **change)
    with pytest.raises(UserError):
        graph_files.load_exported(prefix, ["logits_indices"])
    with tf.Graph().as_default(), quiet():
        saver = tf.train.Saver([tf.get_variable(name, shape)])
        with pytest.raises(UserError):
            checkpoint.restore(new_session(1), saver, prefix)
    if change != {"shape": [2, 2], "size": 16}:  # a shape is compared by open_bert
        with pytest.raises(UserError):
            pretrained._TensorFlowWeights(prefix).shape(name)
    line = binary_mistake(
        "convert_graphdef_memmapped_format",
        f"--in_graph={copied / 'ner_graph.pb'}",
        f"--in_checkpoint={prefix}",
        f"--out_graph={copied / 'out'}",
    )
    assert prefix in line and not os.path.exists(copied / "out")


def test_damaged_indices(copied):
    """Each byte of an index is flipped, and the index is cut anywhere: the result is an error, or
    an index whose shapes fit the data.
    """
    prefix = str(copied / "exported" / "ner_model")
    with open(f"{prefix}.index", "rb") as stream:
        data = stream.read()
    rng = np.random.default_rng(0)
    contents = [data[:k] for k in range(0, len(data), 7)]
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.integers(8)
        contents.append(bytes(changed))
    total = os.path.getsize(f"{prefix}.data-00000-of-00001")
    for content in contents:
        with open(f"{prefix}.index", "wb") as out:
            out.write(content)
        try:
            entries = tensor_bundle.read_index(prefix)
        except UserError as error:
            assert str(error).startswith(f"{prefix}: ")
            continue
        assert all(np.prod(entry.shape) * 4 <= total + 4 for entry in entries.values())


def test_meta_graphs_are_checked(copied, zygote):
    """freeze.py runs neither the ops of the .meta file nor its way to restore."""
    path, out = copied / "exported" / "ner_model.meta", copied / "written"
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    constant(meta.graph_def, "to", str(out).encode())
    constant(meta.graph_def, "what", b"written")
    add(meta.graph_def, "WriteFile", "evil", ["to", "what"])
    node_of(meta.graph_def, meta.saver_def.restore_op_name).input.append("^evil")
    path.write_bytes(meta.SerializeToString())
    freeze = [os.path.join(INFERENCE, "freeze.py"), "--model_dir", copied / "exported"]
    succeed(zygote.run(*freeze))
    assert not out.exists()
    node_of(meta.graph_def, "logits_indices").input.append("^evil")
    path.write_bytes(meta.SerializeToString())
    assert f"node evil: {NOT_OURS}" in zygote.mistake(*freeze)
    assert not out.exists()
    succeed(zygote.run(*freeze, "--trust"))
    assert out.exists()


def test_every_scope_is_looked_at(plain):
    """Tests the helper scopes(), on which the other tests rely: it has the graph and its
    functions.
    """
    assert len(scopes(plain)) == 1 + len(plain.library.function) > 1
