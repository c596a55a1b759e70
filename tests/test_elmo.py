"""ELMo against the results of bilm-tf and AllenNLP, and against plain numpy; the scalar mix; its
files; test_bilm.py.
"""

import json

import h5py
import numpy as np
import pytest

from cli import UserError
from features.elmo_bytes import elmo_byte_ids, elmo_ids
from features.pretrained import elmo_shapes, elmo_weights, read_elmo_options, read_elmo_vocab
from freeze import freeze
from layers.elmo import elmo_layers, elmo_state, update_elmo_state
from layers.scalar_mix import scalar_mix
from support.commands import ROOT
from support.elmo import random_weights, small_options
from support.numeric import check, evaluate, put
from support.serving import run_binary, succeed
from test_bilm import layers_of
from tf1 import new_session, tf

SENTENCES = {"bilm": "lm_embeddings_sentences.json", "allennlp": "sentences.json"}
TEXT = [
    text.split()
    for text in (
        "Einstein 's letters were sold in Zürich for 1,234.50 francs .",
        "Yes .",
        "北京 is 北京",
        "a word of more than fifty bytes is "
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    )
]


@pytest.fixture(params=["bilm", "allennlp"])
def published(request, shared):
    """A conformance model: (folder, options, weights, three streams of ten sentences)."""
    folder = shared(f"conformance/elmo/{request.param}")
    options = read_elmo_options(f"{folder}/options.json")
    with open(f"{folder}/{SENTENCES[request.param]}", encoding="utf-8") as stream:
        streams = [[words.split(" ") for words in sentences] for sentences in json.load(stream)]
    return folder, options, elmo_weights(options, f"{folder}/lm_weights.hdf5"), streams


def published_options(**size):
    """The options with dim, projection_dim and n_highway as published."""
    filters = [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]
    options = small_options(cell_clip=3, proj_clip=3, filters=filters, **size)
    options["char_cnn"]["embedding"]["dim"] = 16
    return options


# ---------------------------------------------------------------- the references


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def clip(x, bound):
    return x if bound is None else np.minimum(np.maximum(x, -bound), bound)


def reference_token(ids, options, weights):
    """The token layer for one word: (50,) -> (projection_dim,)."""
    characters = np.concatenate(
        [np.zeros((1, options["embedding"]["dim"])), weights["char_embed"]]
    )[ids]
    activation = np.tanh
    if options["activation"] == "relu":
        activation = lambda x: np.maximum(x, 0)
    parts = []
    for i, (width, _) in enumerate(options["filters"]):
        kernel, bias = weights[f"CNN/W_cnn_{i}"][0], weights[f"CNN/b_cnn_{i}"]
        responses = [
            np.einsum("wd,wdf->f", characters[t : t + width], kernel, optimize=True) + bias
            for t in range(len(ids) - width + 1)
        ]
        parts.append(activation(np.max(responses, axis=0)))
    x = np.concatenate(parts)
    for k in range(options["n_highway"]):
        gate, transform = (
            x @ weights[f"CNN_high_{k}/W_{part}"] + weights[f"CNN_high_{k}/b_{part}"]
            for part in ("carry", "transform")
        )
        x = sigmoid(gate) * np.maximum(transform, 0) + (1 - sigmoid(gate)) * x
    return (
        x @ weights["CNN_proj/W_proj"] + weights["CNN_proj/b_proj"]
        if "CNN_proj/W_proj" in weights
        else x
    )


def reference_lstm(xs, options, weights):
    """One direction over one sentence, from a state of zeros."""
    c, h, outputs = np.zeros(options["dim"]), np.zeros(options["projection_dim"]), []
    for x in xs:
        i, j, f, o = np.split(np.concatenate([x, h]) @ weights["W_0"] + weights["B"], 4)
        c = clip(sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j), options["cell_clip"])
        h = sigmoid(o) * np.tanh(c)
        if "W_P_0" in weights:
            h = clip(h @ weights["W_P_0"], options["proj_clip"])
        outputs.append(h)
    return np.array(outputs)


def reference(words, options, weights):
    """The layers of one sentence, in float64: (sentence, n_layers + 1, 2 * projection_dim)."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    tokens = np.array(
        [reference_token(ids, options["char_cnn"], weights) for ids in elmo_ids(words)]
    )
    sides = []
    for direction, order in enumerate((slice(None), slice(None, None, -1))):
        layers = [tokens[order]]
        for k in range(options["lstm"]["n_layers"]):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell/"
            own = {
                name[len(cell) :]: value for name, value in weights.items() if name.startswith(cell)
            }
            y = reference_lstm(layers[-1], options["lstm"], own)
            layers.append(layers[-1] + y if k and options["lstm"]["use_skip_connections"] else y)
        sides.append(np.stack([layer[order] for layer in layers], axis=1))
    return np.concatenate(sides, axis=-1)[1:-1]


# ---------------------------------------------------------------- the layers


def test_top_layer_as_published(published):
    """Ten batches of three sentences with carried state are compared with the results of bilm-tf
    and AllenNLP.
    """
    folder, options, weights, streams = published
    batches = [sentence for together in zip(*streams) for sentence in together]
    got = list(layers_of(batches, options, weights, batch_size=3, stateful=True))
    for stream in range(3):
        with h5py.File(f"{folder}/lm_embeddings_{stream}.hdf5", "r") as file:
            for i in range(10):
                expected = np.concatenate(list(file[str(i)]), axis=-1)
                np.testing.assert_allclose(
                    got[3 * i + stream][:, -1], expected, atol=1e-6, rtol=1e-5
                )


def test_token_layer_as_published(shared):
    """AllenNLP's vectors of a whole vocabulary, <S>, </S> and <UNK> included."""
    folder = shared("conformance/elmo/allennlp")
    words = read_elmo_vocab(f"{folder}/vocab_test.txt")
    options = read_elmo_options(f"{folder}/options.json")
    [got] = layers_of(
        [words], options, elmo_weights(options, f"{folder}/lm_weights.hdf5"), batch_size=1
    )
    with h5py.File(f"{folder}/elmo_token_embeddings.hdf5", "r") as file:
        expected = file["embedding"][...]
    assert {"<S>", "</S>", "<UNK>"} < set(words) and len(words) == len(expected)
    np.testing.assert_allclose(
        got[:, 0], np.concatenate([expected, expected], axis=-1), atol=1e-6, rtol=1e-5
    )


def test_all_layers_of_the_published_weights(published):
    _, options, weights, streams = published
    sentences = streams[0][:3] + TEXT
    for words, got in zip(
        sentences, layers_of(sentences, options, weights, batch_size=4), strict=True
    ):
        np.testing.assert_allclose(got, reference(words, options, weights), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use_skip_connections": False},
        {"cell_clip": None},
        {"proj_clip": None},
        {"n_layers": 1},
        {"n_layers": 3},
        {"activation": "tanh"},
        {"n_highway": 0},
        {"n_highway": 3},
        {"projection_dim": 7, "dim": 9},
        {"projection_dim": 6},
        {"max_characters_per_token": 50, "filters": [[50, 9]]},
    ],
    ids=str,
)
def test_all_layers(changes):
    """With and without each part; 7: as many as filters, no projection of the token layer; 6: as
    many as cells, none of the LSTM.
    """
    options = small_options(**changes)
    weights = random_weights(options)
    for words, got in zip(TEXT, layers_of(TEXT, options, weights, batch_size=3), strict=True):
        np.testing.assert_allclose(got, reference(words, options, weights), atol=2e-6, rtol=1e-5)


def test_small_published_shape():
    """elmo_2x1024_128_2048cnn_1xhighway."""
    options = published_options(dim=1024, projection_dim=128, n_highway=1)
    weights = random_weights(options)
    for words, got in zip(
        TEXT[:2], layers_of(TEXT[:2], options, weights, batch_size=2), strict=True
    ):
        np.testing.assert_allclose(got, reference(words, options, weights), atol=1e-5, rtol=1e-5)


def test_stateless_sentences_do_not_see_each_other():
    options = small_options()
    weights = random_weights(options)
    alone = [reference(words, options, weights) for words in TEXT]
    for order, batch_size in (([0, 1, 2, 3], 4), ([3, 2, 1, 0], 2), ([1, 1, 3, 0, 2], 1)):
        among = layers_of([TEXT[i] for i in order], options, weights, batch_size)
        for i, got in zip(order, among, strict=True):
            np.testing.assert_allclose(got, alone[i], atol=1e-6)


def graph(options, weights, max_batch=0):
    """A session, and the tensors ids, layers, state and the op that updates it, as a model builds
    them in the scope elmo.
    """
    ids = tf.placeholder(tf.int32, [None, None, 50], "ids")
    with tf.variable_scope("elmo"):
        state = elmo_state(options, max_batch) if max_batch else []
        layers, final = elmo_layers(
            ids, options, [layer[: tf.shape(ids)[0]] for layer in state] or None
        )
    session = new_session(1)
    session.run(tf.global_variables_initializer())
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    put(session, [variables[f"elmo/{name}"] for name in weights], weights.values())
    return session, ids, layers, state, update_elmo_state(state, final)


def test_states_of_rows_beyond_the_batch_stay():
    options = small_options()
    batch = lambda *sentences: np.stack(
        [np.pad(elmo_ids(words), [[0, 16 - len(words)], [0, 0]]) for words in sentences]
    )
    with tf.Graph().as_default():
        session, ids, layers, state, update = graph(options, random_weights(options), max_batch=4)
        names = [
            f"elmo/state/RNN_{direction}/Cell{k}/{part}"
            for direction in range(2)
            for k in range(2)
            for part in "ch"
        ]
        assert [variable.op.name for variable in state] == names
        fresh, _ = session.run([layers, update], {ids: batch(*TEXT[:3])})
        first = session.run(state)
        carried, _ = session.run([layers, update], {ids: batch(*TEXT[:2])})
        second = session.run(state)
    for before, after in zip(first, second):
        assert (before[:3] != 0).all() and (before[3:] == 0).all()
        assert (after[:2] != before[:2]).any() and (after[2:] == before[2:]).all()
    np.testing.assert_array_equal(carried[:, :, 0], fresh[:2, :, 0])
    assert (
        np.abs(carried - fresh[:2])[:, 0, 1:].max(axis=-1) > 1e-3
    ).all()  # the first word of both, in every layer


def test_rows_without_a_sentence():
    """Rows of padding alone are 0, change nothing, and keep their state."""
    options = small_options()
    rows = np.stack([elmo_ids(TEXT[1]), np.zeros((4, 50), np.int32)])
    with tf.Graph().as_default():
        session, ids, layers, state, update = graph(options, random_weights(options), max_batch=2)
        both, _ = session.run([layers, update], {ids: rows})
        assert all((layer[1] == 0).all() and (layer[0] != 0).any() for layer in session.run(state))
    assert (both[1] == 0).all()
    np.testing.assert_allclose(
        both[0], reference(TEXT[1], options, random_weights(options)), atol=2e-6, rtol=1e-5
    )


def test_variables_and_gradient():
    """Names and shapes are those of the weights file; no variable is trained, and no gradient flows
    through.
    """
    for options in (small_options(), small_options(projection_dim=6, n_highway=0, n_layers=1)):
        with tf.Graph().as_default():
            layers, _ = elmo_layers(tf.zeros([1, 3, 50], tf.int32), options)
            assert {
                variable.op.name: tuple(variable.shape.as_list())
                for variable in tf.global_variables()
            } == elmo_shapes(options)
            assert tf.trainable_variables() == []
            assert tf.gradients(layers, tf.global_variables()) == [None] * len(
                tf.global_variables()
            )


@pytest.mark.parametrize(
    "dim, projection_dim, n_highway, millions",
    [(1024, 128, 1, 13.6), (2048, 256, 1, 28.0), (4096, 512, 2, 93.6)],
)
def test_published_numbers_of_weights(dim, projection_dim, n_highway, millions):
    shapes = elmo_shapes(
        published_options(dim=dim, projection_dim=projection_dim, n_highway=n_highway)
    )
    assert round(sum(np.prod(shape) for shape in shapes.values()) / 1e6, 1) == millions


def test_frozen_graph_gives_the_same():
    options = small_options()
    feed = {"ids:0": elmo_ids(TEXT[0])[None]}
    with tf.Graph().as_default():
        session, _, layers, _, _ = graph(options, random_weights(options))
        tf.identity(layers, "layers")
        expected, frozen = session.run("layers:0", feed), freeze(session, ["layers"])
    assert not any("Variable" in node.op for node in frozen.node)
    with tf.Graph().as_default(), new_session(1) as session:
        tf.import_graph_def(frozen, name="")
        np.testing.assert_array_equal(session.run("layers:0", feed), expected)


def test_a_frozen_graph_is_mapped(tmp_path):
    """Weights whose rows are read in two halves, too: all matrices of 10,000 bytes and more."""
    options = small_options(dim=128, projection_dim=20, filters=[[2, 60], [7, 120]])
    weights = random_weights(options)
    with tf.Graph().as_default():
        session, _, layers, _, _ = graph(options, weights)
        (tmp_path / "frozen.pb").write_bytes(freeze(session, [layers.op.name]).SerializeToString())
    done = succeed(
        run_binary(
            "convert_graphdef_memmapped_format",
            f"--in_graph={tmp_path / 'frozen.pb'}",
            f"--out_graph={tmp_path / 'mapped'}",
        )
    )
    large = [
        value.nbytes for name, value in weights.items() if "/W_" in name and value.nbytes >= 10_000
    ]
    assert len(large) == 12 and f": {len(large)} regions, {sum(large):,} bytes" in done.err


# ---------------------------------------------------------------- byte ids


def test_byte_ids():
    ids = elmo_byte_ids("né")
    assert ids.dtype == np.int32 and ids.tolist() == [259, 111, 196, 170, 260] + [261] * 45
    assert elmo_byte_ids("<S>").tolist() == [259, 257, 260] + [261] * 47
    assert elmo_byte_ids("</S>").tolist() == [259, 258, 260] + [261] * 47
    assert elmo_byte_ids("<UNK>").tolist()[:8] == [259, *(ord(c) + 1 for c in "<UNK>"), 260, 261]
    assert elmo_byte_ids("").tolist() == [259, 260] + [261] * 48
    assert elmo_byte_ids("ab", 4).tolist() == elmo_byte_ids("abc", 4).tolist() == [259, 98, 99, 260]


def test_byte_ids_of_long_words():
    """48 bytes fit; a character may be cut in two."""
    for word in ("x" * 48, "x" * 49, "x" * 500):
        assert elmo_byte_ids(word).tolist() == [259] + [121] * 48 + [260]
    assert elmo_byte_ids("é" * 30).tolist() == [259] + [196, 170] * 24 + [260]
    assert elmo_byte_ids("x" + "é" * 30).tolist() == [259, 121] + [196, 170] * 23 + [196, 260]


def test_byte_ids_of_bytes_that_are_not_utf8():
    raw = b"a\xff\xc3"
    assert elmo_byte_ids(raw.decode(errors="surrogateescape")).tolist()[:5] == [
        259,
        98,
        256,
        196,
        260,
    ]


def test_ids_of_a_sentence():
    ids = elmo_ids(["a", "<S>"])
    assert ids.dtype == np.int32 and ids.shape == (4, 50)
    assert ids[:, 1].tolist() == [257, 98, 257, 258] and (ids > 0).all()


# ---------------------------------------------------------------- scalar mix

MASK = np.array([[1, 1, 1], [1, 0, 0]], np.float32)


def normalized(layers):
    """Each layer of each sentence, normalized to mean 0 and variance 1 over its tokens; 0 at
    padding.
    """
    out = np.zeros(layers.shape)
    for b, length in enumerate(MASK.sum(axis=1).astype(int)):
        for k in range(layers.shape[2]):
            own = layers[b, :length, k]
            out[b, :length, k] = (own - own.mean()) / np.sqrt(own.var() + 1e-12)
    return out


@pytest.mark.parametrize("layer_norm", [False, True])
def test_scalar_mix(layer_norm):
    """Values and gradients, those of the layers included."""

    def mix(layers, variables):
        exponentials = np.exp(variables["weights"])
        layers = normalized(layers) if layer_norm else layers
        return variables["gamma"] * sum(
            weight * layers[:, :, k] for k, weight in enumerate(exponentials / exponentials.sum())
        )

    layers = np.random.default_rng(0).normal(1, 2, (2, 3, 3, 4)).astype(np.float32)
    check(lambda x: scalar_mix(x, tf.constant(MASK), layer_norm), mix, layers)


def test_scalar_mix_starts_as_the_mean():
    layers = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(
        evaluate(lambda x: scalar_mix(x, tf.constant(MASK)), layers), layers.mean(axis=2), atol=1e-6
    )


def test_layer_norm_does_not_see_the_neighbours():
    """Other sentences and padding do not matter; a row without a token is 0."""
    layers = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype(np.float32)
    mix = lambda x, mask: scalar_mix(x, mask, layer_norm=True)
    both, alone = evaluate(mix, layers, MASK), evaluate(mix, layers[1:, :1], MASK[1:, :1])
    np.testing.assert_allclose(both[1, :1], alone[0], atol=1e-6)
    assert (evaluate(mix, layers, MASK * np.array([[1], [0]], np.float32))[1] == 0).all()


# ---------------------------------------------------------------- files


@pytest.fixture
def files(tmp_path):
    """A small model's files: (folder, options)."""
    options = small_options()
    (tmp_path / "options.json").write_text(json.dumps(options))
    with h5py.File(tmp_path / "weights.hdf5", "w") as file:
        for name, value in random_weights(options).items():
            file[name] = value
    return tmp_path, options


def mistake(function, *args):
    """The one line of a UserError."""
    with pytest.raises(UserError) as caught:
        function(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_are_read(files):
    folder, options = files
    assert read_elmo_options(str(folder / "options.json")) == options
    weights = elmo_weights(options, str(folder / "weights.hdf5"))
    assert {name: value.shape for name, value in weights.items()} == elmo_shapes(options)
    for name, value in random_weights(options).items():
        np.testing.assert_array_equal(weights[name], value)


def test_options_left_out(files):
    """Options that are missing have the defaults of bilm-tf; options that we do not use are
    allowed.
    """
    folder, options = files
    for part, name in (
        ("lstm", "n_layers"),
        ("lstm", "cell_clip"),
        ("lstm", "proj_clip"),
        ("char_cnn", "n_highway"),
    ):
        del options[part][name]
    (folder / "options.json").write_text(
        json.dumps({**options, "bidirectional": True, "n_epochs": 10})
    )
    defaults = small_options(n_layers=1, cell_clip=None, proj_clip=None, n_highway=0)
    assert read_elmo_options(str(folder / "options.json")) == defaults


@pytest.mark.parametrize(
    "part, name, value, message",
    [
        (
            "char_cnn",
            "n_characters",
            261,
            "char_cnn.n_characters is 261, expected 262 (training writes 261: set it to 262)",
        ),
        (
            "char_cnn",
            "n_characters",
            None,
            "char_cnn.n_characters is missing, expected 262 (training writes 261: set it to 262)",
        ),
        (
            "char_cnn",
            "activation",
            "gelu",
            'char_cnn.activation is "gelu", expected "relu" or "tanh"',
        ),
        (
            "char_cnn",
            "filters",
            [[1, 2], [3]],
            "char_cnn.filters is [[1, 2], [3]], expected a list of [width, filters]",
        ),
        (
            "char_cnn",
            "filters",
            [[51, 2]],
            "char_cnn.filters has a width of 51, but a word has at most 50 characters "
            "(max_characters_per_token)",
        ),
        (
            "char_cnn",
            "embedding",
            {},
            "char_cnn.embedding.dim is missing, expected a whole number, at least 1",
        ),
        (
            "char_cnn",
            "n_highway",
            -1,
            "char_cnn.n_highway is -1, expected a whole number, at least 0",
        ),
        ("lstm", "dim", "64", 'lstm.dim is "64", expected a whole number, at least 1'),
        (
            "lstm",
            "projection_dim",
            7,
            "lstm.projection_dim 7 is above lstm.dim 6, expected at most that",
        ),
        ("lstm", "cell_clip", -3, "lstm.cell_clip is -3, expected a number above 0"),
        (
            "lstm",
            "use_skip_connections",
            1,
            "lstm.use_skip_connections is 1, expected true or false",
        ),
    ],
)
def test_options_refused(files, part, name, value, message):
    folder, options = files
    options[part][name] = value
    path = folder / "options.json"
    path.write_text(json.dumps(options))
    assert mistake(read_elmo_options, str(path)) == f"{path}: {message}"


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[1]", b"null", b'{"lstm": 3}'])
def test_options_that_are_none(files, text):
    path = files[0] / "options.json"
    path.write_bytes(text)
    assert mistake(read_elmo_options, str(path)).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda file: replace(file, "CNN/W_cnn_1", np.zeros((1, 3, 3, 4))),
            "CNN/W_cnn_1 is (1, 3, 3, 4), the options want (1, 3, 3, 5)",
        ),
        (
            lambda file: replace(file, "char_embed", np.zeros((262, 3))),
            "char_embed is (262, 3), the options want (261, 3)",
        ),
        (
            lambda file: file.pop("CNN_proj/b_proj"),
            "there is no CNN_proj/b_proj, the options want (4,)",
        ),
        (
            lambda file: file.pop("RNN_1"),
            "there is no RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell/W_0, the options want (8, 24)",
        ),
        (
            lambda file: replace(file, "CNN_high_1/b_carry", np.zeros(7)),
            "CNN_high_1/b_carry is (7,), the options want none",
        ),
    ],
)
def test_weights_that_do_not_belong_to_the_options(files, change, message):
    folder, options = files
    path = str(folder / "weights.hdf5")
    with h5py.File(path, "r+") as file:
        change(file)
    assert (
        mistake(elmo_weights, options, path)
        == f"{path}: {message}; options and weights do not belong together"
    )


def replace(file, name, value):
    file.pop(name, None)
    file[name] = value


def test_weights_that_are_no_numbers(files):
    folder, options = files
    path = str(folder / "weights.hdf5")
    with h5py.File(path, "r+") as file:
        file["CNN_proj/b_proj"][2] = np.nan
    assert mistake(elmo_weights, options, path).startswith(
        f"{path}: CNN_proj/b_proj has values that are not finite numbers"
    )
    with h5py.File(path, "r+") as file:
        replace(file, "CNN_proj/b_proj", [b"one"] * 4)
    assert mistake(elmo_weights, options, path).startswith(f"{path}: ")


def test_damaged_weights(files):
    """A truncated file is refused in one line with its name."""
    folder, options = files
    whole, path = (folder / "weights.hdf5").read_bytes(), folder / "damaged.hdf5"
    for length in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert mistake(elmo_weights, options, str(path)).startswith(f"{path}: ")


def test_vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("</S>\r\n<S>\nZürich\n\n<UNK>".encode())
    assert read_elmo_vocab(str(path)) == ["</S>", "<S>", "Zürich", "<UNK>"]
    path.write_bytes(b"<S>\nword\n")
    assert (
        mistake(read_elmo_vocab, str(path))
        == f"{path}: there is no line </S>, expected one word a line, <S> and </S> among them"
    )
    path.write_bytes(b"<S>\n</S>\n\xff\n")
    assert mistake(read_elmo_vocab, str(path)).startswith(f"{path}:3: not UTF-8")


# ---------------------------------------------------------------- the command


def test_command(files, zygote):
    folder, options = files
    (folder / "text.txt").write_bytes("a b\r\n\n Zürich\tis \n".encode() + b"\xff\n")
    flags = [
        "--elmo_options_path",
        folder / "options.json",
        "--elmo_weight_path",
        folder / "weights.hdf5",
    ]
    done = zygote.run("test_bilm.py", *flags, "--input", folder / "text.txt")
    assert done.code == 0, done.err
    expected = []
    for number, words in enumerate(
        [["a", "b"], ["Zürich", "is"], [b"\xff".decode(errors="surrogateescape")]], 1
    ):
        layers = reference(words, options, random_weights(options))
        expected.append(
            f"sentence {number}: {len(words)} tokens: {' '.join(words)}".encode(
                errors="replace"
            ).decode()
        )
        expected += [
            (
                k,
                layers[:, k].shape,
                layers[:, k].mean(),
                np.sqrt((layers[:, k] ** 2).sum(axis=-1)).mean(),
            )
            for k in range(3)
        ]
    lines = done.out.decode().splitlines()
    for line, want in zip(lines, expected, strict=True):
        if isinstance(want, tuple):
            head, mean, norm = line.rsplit(", ", 2)
            assert head == f"  layer {want[0]}: shape {want[1]}"
            assert (
                abs(float(mean.split()[1]) - want[2]) < 2e-6
                and abs(float(norm.split()[1]) - want[3]) < 5e-6
            )
        else:
            assert line == want
    carried = (
        zygote.run(
            "test_bilm.py", *flags, "--input", folder / "text.txt", "--batch_size", 1, "--stateful"
        )
        .out.decode()
        .splitlines()
    )
    assert carried[:4] == lines[:4] and carried[5] == lines[5] and carried[6] != lines[6]
    assert len(zygote.run("test_bilm.py", *flags).out.splitlines()) == 8


@pytest.mark.parametrize(
    "flag, value, message",
    [
        ("--elmo_weight_path", "options.json", "options.json: not an HDF5 file"),
        ("--elmo_options_path", "weights.hdf5", "weights.hdf5: not JSON"),
        (
            "--elmo_weight_path",
            "nowhere.hdf5",
            "nowhere.hdf5: no such file; check --elmo_weight_path",
        ),
        ("--elmo_vocab_path", "options.json", "options.json: there is no line <S>"),
        ("--input", "empty.txt", "empty.txt: no sentence"),
        ("--batch_size", "0", "--batch_size 0: expected at least 1"),
        ("--batchsize", "0", "unknown argument --batchsize (did you mean --batch_size?)"),
    ],
)
def test_command_told_wrong(files, bare_zygote, flag, value, message):
    """The mistakes are found before TensorFlow is imported, which is impossible here."""
    folder, _ = files
    (folder / "empty.txt").write_bytes(b" \n\n")
    flags = {
        "--elmo_options_path": "options.json",
        "--elmo_weight_path": "weights.hdf5",
        flag: value,
    }
    told = bare_zygote.mistake(
        "test_bilm.py",
        *[argument for pair in flags.items() for argument in pair],
        folder=folder,
        path=[ROOT],
    )
    assert told == f"test_bilm.py: {message}" + told[len(message) + 14 :]
