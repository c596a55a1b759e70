"""Config: every hyper-parameter in one dataclass; a file, then flags, override the defaults.

The defaults are the published etagger model: GloVe, character CNN, POS and chunk embeddings, a
highway network, two BiLSTM layers of 200 and a CRF.
"""

import argparse
import contextlib
import dataclasses
import math
import os
import re
import typing
from dataclasses import dataclass, field

import registry
from cli import MAX_THREADS, UserError, __version__, compile_regex, parse_bool, suggest
from conll import DELIMITERS
from features.tokenizer import TOKENIZERS
from files.structured import PathText, conforms, load_json, load_yaml, shortened
from files.text import read_text

ANY = "any"
KEEP = ("model", "free", "training", "run")


def option(default, help, keep="training", engine=(), **rules):
    """A hyper-parameter: a field of Config.

    keep: what keeps its value after the training run that it is given to.
        "model": part of the trained model. A checkpoint and an exported graph keep it, `--restore`
            takes it over, and no flag may change it there.
        "free": the same, but a flag may change it under `--restore`.
        "training": `--resume` keeps it; `--restore` starts with the value of its own flags.
        "run": nothing keeps it, and it may change under `--resume`.
    engine: the values with which the C++ engine computes a model: a tuple of them, or ANY, also
        where a model that the engine computes does not use it; (): it must be off.
    rules: low, high (inclusive bounds), above (exclusive lower bound), choices, numbers (a str that
        may be a whole number, because YAML reads one as int).
    """
    assert keep in KEEP, keep
    metadata = {"help": help, "keep": keep, "engine": engine, **rules}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


# No model needs more than this; a file that asks for more would take all memory or time.
MOST_UNITS = 1 << 16  # of a layer
MOST_LAYERS = 100
MOST_WIDTH = 1024  # of a filter, in words or characters, and of a word, in characters
MOST_NUMBER = 2**31 - 1  # of every whole number that has no bound of its own

CONFIGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "configs")
ENCODERS = (  # each one a function of this name in encoders.py
    "bilstm",
    "bigru",
    "biqrnn",
    "cnn_lstm",
    "transformer",
    "bilstm_transformer",
    "bilstm_attention",
    "none",
)

BERT_LAYERS = ("top", "last4", "mix")


@dataclass
class Config:
    # Data
    train_path: list[str] = option(["data/train.txt"], "training files")
    dev_path: list[str] = option(
        ["data/dev.txt"], "development files: early stopping and the best model go by them"
    )
    dev_fraction: float = option(
        0.0,
        "cut the development set off the training files instead, this part of them",
        low=0.0,
        high=0.9,
    )
    columns: str = option(
        "",
        "columns in order, such as 'word pos chunk tag', _ to ignore one; default: by their number",
    )
    delimiter: str = option(
        "",
        "tab: each single tab separates columns, for tokens with spaces and empty fields; default: "
        "spaces and tabs do, runs count as one",
        choices=("", *DELIMITERS),
    )
    tokenizer: str = option(
        "auto",
        "how the model's text is split into tokens where it comes as text: words; characters, each "
        "one that is no white space; auto: characters where every token of the training files is "
        "one character",
        choices=("auto", *TOKENIZERS),
    )
    tag_scheme: str = option(
        "",
        "scheme in which the model learns; default: the data's own",
        choices=("", "bio", "iob1", "ioe1", "ioe2", "iobes", "bmes", "bilou"),
        keep="model",
        engine=ANY,
    )
    emb_path: str = option(
        "", "EmbVec file that embvec.py wrote; default: vocabularies from the training files"
    )
    checkpoint_dir: str = option(
        "checkpoint", "folder for the best model, the last state and the history", keep="run"
    )
    summary_dir: str = option("runs/summaries", "folder for TensorBoard; '' for none", keep="run")

    # Features
    use_word: bool = option(True, "word embeddings", keep="model", engine=ANY)
    wrd_dim: int = option(
        0,
        "size of a word embedding; 0: that of the EmbVec file, or 50",
        low=0,
        high=MOST_UNITS,
        keep="free",
        engine=ANY,
    )
    train_wrd: typing.Optional[bool] = option(
        None,
        "train the word embeddings; default: only where they start at random",
        keep="free",
        engine=ANY,
    )
    lowercase: bool = option(
        True, "without --emb_path: lowercase the words of the vocabulary", keep="model", engine=ANY
    )
    use_chr: bool = option(True, "character CNN", keep="model", engine=ANY)
    chr_dim: int = option(
        25, "size of a character embedding", low=1, high=MOST_UNITS, keep="model", engine=ANY
    )
    chr_conv_type: str = option(
        "conv1d",
        "conv1d: one filter width, masked; conv2d: several filter widths",
        choices=("conv1d", "conv2d"),
        keep="model",
        engine=("conv1d", "conv2d"),
    )
    chr_filter_widths: list[int] = option(
        [3],
        "filter widths of the character CNN, in characters (conv1d: one)",
        low=1,
        high=MOST_WIDTH,
        keep="model",
        engine=ANY,
    )
    num_filters: int = option(
        53, "filters of each width", low=1, high=MOST_UNITS, keep="model", engine=ANY
    )
    word_length: int = option(
        15, "characters of a word that count", low=1, high=MOST_WIDTH, keep="free", engine=ANY
    )
    use_pos: bool = option(
        True, "POS embeddings, where the training data has the column", keep="model", engine=ANY
    )
    pos_dim: int = option(
        7, "size of a POS embedding", low=1, high=MOST_UNITS, keep="model", engine=ANY
    )
    use_chk: bool = option(
        True, "chunk embeddings, where the training data has the column", keep="model", engine=ANY
    )
    chk_dim: int = option(
        10, "size of a chunk embedding", low=1, high=MOST_UNITS, keep="model", engine=ANY
    )
    use_shape: bool = option(
        False, "word shape embeddings: upper case, digits, punctuation", keep="model", engine=ANY
    )
    shape_dim: int = option(
        5, "size of a word shape embedding", low=1, high=MOST_UNITS, keep="model", engine=ANY
    )
    gazetteer: str = option(
        "",
        "file of names, `TYPE word word ...` a line: a feature for each type; '' for none",
        keep="model",
        engine=ANY,
    )

    # Pre-trained language models
    use_elmo: typing.Optional[bool] = option(
        None, "ELMo; default: where the EmbVec file names one", keep="model"
    )
    elmo_keep_prob: float = option(
        0.5, "share of units that dropout keeps of ELMo's vectors", above=0.0, high=1.0
    )
    elmo_layer_norm: bool = option(
        False,
        "normalize ELMo's layers before they are mixed, sentence by sentence",
        keep="model",
        engine=ANY,
    )
    elmo_stateful: bool = option(
        False,
        "in training, each of ELMo's sentences starts from the LSTM states that the batch before "
        "left, as bilm-tf has it; evaluation and tagging always start from zeros",
    )
    use_bert: typing.Optional[bool] = option(
        None, "BERT; default: where the EmbVec file names one", keep="model"
    )
    bert_layers: str = option(
        "top",
        "which of BERT's layers: top; last4: the last four side by side; mix: all of them, their "
        "weights trained; or one by its number, 0 being the embeddings",
        numbers=True,
        keep="model",
        engine=ANY,
    )
    bert_pooling: str = option(
        "first",
        "a word's vector: that of its first piece, or the mean of its pieces",
        choices=("first", "mean"),
        keep="model",
        engine=ANY,
    )
    bert_context: bool = option(
        False, "neighbouring sentences of the document fill BERT's window", keep="model", engine=ANY
    )
    train_bert: bool = option(False, "fine-tune BERT; otherwise its weights stay as they are")
    bert_learning_rate: float = option(
        0.00005, "learning rate of BERT's top layer where it is fine-tuned", above=0.0
    )
    bert_layer_decay: float = option(
        1.0, "factor on BERT's learning rate from each layer to the one below", above=0.0, high=1.0
    )
    vector_cache: str = option(
        "",
        "folder where the vectors that ELMo and a frozen BERT have for the corpus are kept, so "
        "that they are computed once and not in each epoch; '' for none",
    )

    # Network
    use_highway: bool = option(
        True, "highway network over the concatenated features", keep="model", engine=ANY
    )
    highway_layers: int = option(
        2, "layers of the highway network", low=1, high=MOST_LAYERS, keep="model", engine=ANY
    )
    encoder: str = option(
        "bilstm",
        f"{', '.join(ENCODERS)}, or "
        "one of your own: module.function, or the name that it is registered under",
        keep="model",
        engine=("bilstm",),
    )
    rnn_type: str = option(
        "fused",
        "LSTM; fused: BlockLSTM; normal: a cell in a loop",
        choices=("fused", "normal"),
        keep="free",
        engine=("fused", "normal"),
    )
    rnn_size: int = option(
        200,
        "hidden size of a recurrent layer, in each direction",
        low=1,
        high=MOST_UNITS,
        keep="model",
        engine=ANY,
    )
    rnn_layers: int = option(
        2,
        "recurrent layers; from the second on with residual connections",
        low=1,
        high=MOST_LAYERS,
        keep="model",
        engine=ANY,
    )
    qrnn_width: int = option(
        2,
        "biqrnn: words that a gate sees, up to its own",
        low=1,
        high=MOST_WIDTH,
        keep="model",
        engine=ANY,
    )
    cnn_width: int = option(
        3, "cnn_lstm: filter width, in words", low=1, high=MOST_WIDTH, keep="model", engine=ANY
    )
    cnn_filters: int = option(
        200, "cnn_lstm: filters", low=1, high=MOST_UNITS, keep="model", engine=ANY
    )
    transformer_layers: int = option(
        4, "blocks of the Transformer", low=1, high=MOST_LAYERS, keep="model", engine=ANY
    )
    attention_size: int = option(
        64,
        "units of self-attention's queries, keys and values, all heads together",
        low=1,
        high=MOST_UNITS,
        keep="model",
        engine=ANY,
    )
    attention_heads: int = option(
        4, "heads of self-attention", low=1, high=MOST_UNITS, keep="model", engine=ANY
    )
    ffn_size: int = option(
        256,
        "inner size of the Transformer's feed-forward layers",
        low=1,
        high=MOST_UNITS,
        keep="model",
        engine=ANY,
    )
    ffn_kernel: int = option(
        3,
        "width of their convolutions, in words; 1: each word alone",
        low=1,
        high=MOST_WIDTH,
        keep="model",
        engine=ANY,
    )
    transformer_keep_prob: float = option(
        0.9, "share of units that dropout keeps within the Transformer", above=0.0, high=1.0
    )
    use_crf: bool = option(
        True, "linear-chain CRF; otherwise a softmax for each token", keep="model", engine=ANY
    )
    constrained: bool = option(
        False, "decode well-formed tag sequences only", keep="free", engine=ANY
    )

    # Regularization
    keep_prob: float = option(
        0.7,
        "share of units that dropout keeps, on the inputs and outputs of the encoder",
        above=0.0,
        high=1.0,
    )
    feature_drop: float = option(
        0.0,
        "chance that a training sentence loses its POS, and independently its chunk, column",
        low=0.0,
        high=1.0,
    )
    unk_replace: typing.Optional[float] = option(
        None,
        "chance that a word seen once in training is fed as unknown; "
        "default: 0.5 where word embeddings are trained, else 0",
        low=0.0,
        high=1.0,
    )

    # Partial training
    train_vars: str = option(
        "",
        "train only the variables that this regular expression matches from their name's beginning "
        "on, such as projection/|crf/ (word vectors with train_wrd only); default: all",
    )
    fine_tune: bool = option(
        False, "train only embeddings/, projection/ and crf/ (word vectors with train_wrd only)"
    )

    # Optimization
    batch_size: int = option(20, "sentences in a batch, at most", low=1, high=MOST_UNITS)
    max_batch_tokens: int = option(
        4000, "padded tokens in a batch, at most (a longer sentence is a batch alone)", low=1
    )
    epoch: int = option(70, "epochs, at most", low=1, high=1_000_000, keep="run")
    patience: int = option(
        10, "stop after this many epochs without a better score; 0: never", low=0, keep="run"
    )
    loss: str = option(
        "",
        "function (logits, targets, mask, config) -> scalar in place of the softmax's loss: "
        "module.function, or a registered name; '' for the model's own",
    )
    optimizer: str = option(
        "adam",
        "sgd with momentum, or adam, adamw, radam, each of them lazy on embeddings",
        choices=("adam", "sgd", "adamw", "radam"),
    )
    learning_rate: float = option(0.001, "learning rate after warm-up, before decay", above=0.0)
    momentum: float = option(0.9, "momentum of sgd", low=0.0, high=1.0)
    weight_decay: float = option(
        0.01, "adamw: share of the learning rate by which kernels shrink at each step", low=0.0
    )
    lr_schedule: str = option(
        "exponential",
        "constant; exponential: in stairs; cosine, linear: to 0 at the last step; plateau: "
        "lowered when dev scores stand still",
        choices=("constant", "exponential", "cosine", "linear", "plateau"),
    )
    lr_decay_rate: float = option(
        0.9, "factor on the learning rate each lr_decay_steps (staircase)", above=0.0, high=1.0
    )
    lr_decay_steps: int = option(12000, "steps between two decays", low=1)
    lr_total_steps: int = option(0, "cosine, linear: steps until 0; 0: those of all epochs", low=0)
    lr_factor: float = option(0.5, "plateau: factor on the learning rate", above=0.0, high=1.0)
    lr_patience: int = option(
        3, "plateau: evaluations without a better score before the learning rate is lowered", low=1
    )
    warmup_steps: int = option(0, "steps over which the learning rate rises from 0", low=0)
    clip_norm: float = option(10.0, "the gradient's global norm, at most", above=0.0)
    ema_decay: float = option(
        0.0,
        "decay of the moving average of the weights that is evaluated and kept; 0: none",
        low=0.0,
        high=0.99999,
    )

    # The run
    save_by: str = option(
        "chunk", "dev score by which the best model is kept", choices=("chunk", "token", "loss")
    )
    metric: str = option(
        "",
        "function (gold, predicted), lists of tags by sentence, -> a score in place of save_by's: "
        "module.function, or a registered name",
    )
    eval_every: int = option(1, "epochs between two evaluations", low=1)
    run_every_secs: float = option(
        0.0,
        "evaluate within epochs, too, when so many seconds have passed; 0: never",
        low=0.0,
        keep="run",
    )
    max_steps_without_increase: int = option(
        0, "stop after this many steps without a better score; 0: never", low=0, keep="run"
    )
    min_steps: int = option(0, "max_steps_without_increase counts from here on", low=0, keep="run")
    hooks: list[dict] = option(
        [],
        "functions that training calls, after each epoch or each N steps: module.function, or "
        "'{call: module.function, every: N, parameter: value, ...}'",
        keep="run",
    )
    seed: int = option(1, "seed of every random number", low=0, high=2**31 - 1)
    threads: int = option(
        0, "threads of TensorFlow; 0: one for each core", low=0, high=MAX_THREADS, keep="run"
    )
    max_train_steps_per_epoch: int = option(0, "cut an epoch short; 0: never", low=0)
    max_eval_steps: int = option(0, "evaluate on so many batches only; 0: on all", low=0)

    def check(self, training=True):
        """Raises UserError for the first value out of its bounds. Returns self.

        training: loss, metric and hooks must be known, which tagging does not need.
        """
        for hyper in dataclasses.fields(self):
            value = getattr(self, hyper.name)
            for item in value if isinstance(value, list) else [value]:
                _check_rules(hyper.name, item, hyper.metadata)
        if self.use_chr and self.chr_conv_type == "conv1d" and len(self.chr_filter_widths) != 1:
            raise UserError(
                f"chr_filter_widths: {self.chr_filter_widths}, conv1d takes one width; "
                "give one, or set chr_conv_type to conv2d"
            )
        if self.use_chr and self.chr_conv_type == "conv2d":
            self._check_widths()
        self._check_encoder()
        self._check_custom(training)
        compile_regex(self.train_vars, "train_vars")
        if self.fine_tune and self.train_vars:
            raise UserError(
                "fine_tune and train_vars are both given, expected one of them: "
                "fine_tune is a choice of train_vars"
            )
        self._check_language_models()
        if not (
            self.use_word
            or self.use_chr
            or self.use_elmo is not False
            or self.use_bert is not False
        ):
            raise UserError(
                "use_word, use_chr, use_elmo and use_bert are all off, "
                "expected one of them at least"
            )
        return self

    def _check_language_models(self):
        number = self.bert_layers.isdecimal() and len(self.bert_layers) < 5
        if self.bert_layers not in BERT_LAYERS and not number:
            raise UserError(
                f"bert_layers: {self.bert_layers!r}{suggest(self.bert_layers, BERT_LAYERS)}, "
                f"expected one of {', '.join(BERT_LAYERS)} or a layer's number"
            )
        if self.elmo_stateful and self.vector_cache:
            raise UserError(
                "elmo_stateful and vector_cache are both given, expected one of them: what ELMo "
                "gives depends on the batch before, and cannot be kept"
            )

    def _check_encoder(self):
        if self.encoder not in ENCODERS and not registry.is_known("encoder", self.encoder):
            raise UserError(
                f"encoder: {self.encoder!r}{suggest(self.encoder, ENCODERS)}, expected one of "
                f"{', '.join(ENCODERS)}, module.function or a registered name"
            )
        if self.attention_size % self.attention_heads:
            raise UserError(
                f"attention_size: {self.attention_size}, expected a multiple of attention_heads "
                f"{self.attention_heads}"
            )

    def custom(self):
        """Code of the user's own that is named as module.function: [(kind, name)]."""
        names = [(kind, getattr(self, kind)) for kind in ("encoder", "loss", "metric")]
        names += [("hook", hook["call"]) for hook in self.hooks]
        return [(kind, name) for kind, name in names if "." in name]

    def _check_custom(self, training):
        """Functions of the user: their names alone, see registry.import_custom."""
        if self.loss and self.use_crf:
            raise UserError(
                f"loss: {self.loss!r} does not see the CRF's transitions, which nothing would "
                "train; set use_crf to False"
            )
        for hook in self.hooks:
            call, every = hook.get("call"), hook.get("every", 1)
            sound = isinstance(call, str) and all(isinstance(name, str) for name in hook)
            if not sound or not call or type(every) is not int or every < 1:
                raise UserError(
                    f"hooks: {shortened(hook)}, expected {{call: module.function}}, and `every` "
                    "to be a number of steps from 1 on"
                )
        names = [("loss", self.loss), ("metric", self.metric)]
        for kind, name in names + [("hook", hook["call"]) for hook in self.hooks]:
            if training and name and not registry.is_known(kind, name):
                registry.find(kind, name)

    def _check_widths(self):
        widths = self.chr_filter_widths
        if len(set(widths)) < len(widths):
            raise UserError(f"chr_filter_widths: {widths}, expected each width once")
        if not widths or max(widths) > self.word_length:
            raise UserError(
                f"chr_filter_widths: {widths}, expected one at least and none above word_length "
                f"{self.word_length}"
            )

    def to_dict(self):
        return dataclasses.asdict(self)


def _check_rules(name, value, rules):
    if value is None:
        return
    if "choices" in rules and value not in rules["choices"]:
        known = ", ".join(repr(choice) for choice in rules["choices"])
        raise UserError(
            f"{name}: {value!r}{suggest(str(value), rules['choices'])}, expected one of {known}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{name}: {value}, expected a finite number")
    if "low" in rules and value < rules["low"]:
        raise UserError(f"{name}: {shortened(value)}, expected at least {rules['low']}")
    if "above" in rules and not value > rules["above"]:
        raise UserError(f"{name}: {shortened(value)}, expected more than {rules['above']}")
    high = rules.get("high", MOST_NUMBER if type(value) is int else math.inf)
    if not isinstance(value, (str, dict)) and value > high:
        raise UserError(f"{name}: {shortened(value)}, expected at most {high}")


_FIELDS = {hyper.name: hyper for hyper in dataclasses.fields(Config)}
_TYPES = typing.get_type_hints(Config)


def _fields_kept(*keep):
    return tuple(name for name, hyper in _FIELDS.items() if hyper.metadata["keep"] in keep)


MODEL_FIELDS = _fields_kept("model", "free")  # what --restore takes over from a checkpoint
FREE_FIELDS = _fields_kept("free")  # what a flag may change of that
RUN_FIELDS = _fields_kept("run")  # what may change under --resume
ENGINE_FIELDS = {  # {hyper-parameter: the values that the C++ engine computes, or ANY}
    name: hyper.metadata["engine"] for name, hyper in _FIELDS.items() if hyper.metadata["engine"]
}

_ALIASES = {"threads": ["-j"]}


def _scalar_type(name):
    """(type of one value, whether the field is a list of them)."""
    kind = _TYPES[name]
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is list:
        return arguments[0], True
    return (arguments[0] if arguments else kind), False


def add_flags(parser):
    """A flag for each hyper-parameter; one that is not given leaves no trace in the parsed
    arguments.
    """
    for name, hyper in _FIELDS.items():
        kind, several = _scalar_type(name)
        has_default = hyper.default not in (None, "", dataclasses.MISSING)
        default = f" (default {hyper.default})" if has_default else ""
        parser.add_argument(
            f"--{name}",
            *_ALIASES.get(name, []),
            type=_PARSERS.get(kind, kind),
            nargs="+" if several else None,
            default=argparse.SUPPRESS,
            metavar={bool: "TRUE|FALSE", dict: "CALL"}.get(kind, kind.__name__.upper()),
            help=(hyper.metadata["help"] + default).replace("%", "%%"),
        )


def _parse_call(text):
    """A flag's 'module.function' or '{call: module.function, ...}', as it would stand in a YAML
    file -> dict.
    """
    try:
        value = load_yaml(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{shortened(text)}: {error}, expected module.function or "
            "{call: module.function, ...}"
        ) from None
    if not isinstance(value, (str, dict)):
        raise argparse.ArgumentTypeError(
            f"{shortened(text)}: expected module.function or {{call: module.function, ...}}"
        )
    return value if isinstance(value, dict) else {"call": value}


_PARSERS = {bool: parse_bool, dict: _parse_call}


def load_config(path="", flags=None, base=None):
    """Config from `base` (a dict, such as a checkpoint's), then a YAML or JSON file, then flags.
    Raises UserError.
    """
    values = {name: value for name, value in (base or {}).items() if name in _FIELDS}
    values.update(read_config(path))
    values.update({name: value for name, value in (flags or {}).items() if name in _FIELDS})
    return Config(**values).check()


def model_names():
    """The ready-made files of configs/, without their ending."""
    return sorted(name[: -len(".yaml")] for name in os.listdir(CONFIGS) if name.endswith(".yaml"))


def model_path(name):
    """configs/NAME.yaml. Raises UserError."""
    if name not in model_names():
        raise UserError(
            f"--model {name}{suggest(name, model_names())}: expected one of "
            f"{', '.join(model_names())}"
        )
    return os.path.join(CONFIGS, name + ".yaml")


def read_config(path):
    """What a YAML or JSON file says, {name: value}; '' says nothing. Raises UserError."""
    if not path:
        return {}
    text = read_text(path, "--config_path", "YAML or JSON")
    try:
        values = load_json(text) if path.endswith(".json") else load_yaml(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise UserError(
            f"{path}:{line}: {str(error).splitlines()[0]}, expected YAML (.yaml) or JSON (.json)"
        ) from None
    if not isinstance(values or {}, dict):
        raise UserError(f"{path}:1: expected `key: value` lines")
    return {
        name: _coerce(f"{path}:{_line_of(text, name)}", name, value)
        for name, value in (values or {}).items()
    }


def typed(values, where="hyper-parameters"):
    """Hyper-parameters given in Python or in `where`, {name: value}, in the types of their fields.
    Raises UserError.
    """
    return {name: _coerce(where, name, value) for name, value in values.items()}


def _line_of(text, name):
    key = re.compile(rf"""[\s{{"',]*{re.escape(str(name))}["']?\s*:""")
    return next((i for i, line in enumerate(text.splitlines(), 1) if key.match(line)), 1)


def _coerce(where, name, value):
    """A value in the type of its field. Raises UserError for an unknown key or a wrong type."""
    if name not in _FIELDS:
        raise UserError(
            f"{where}: unknown key {name!r}{suggest(str(name), _FIELDS)}; see train.py --help"
        )
    kind, several = _scalar_type(name)
    if several:
        items = value if isinstance(value, list) else [value]
        return [_coerce_scalar(where, name, item, kind) for item in items]
    if value is None and _FIELDS[name].default is None:
        return None
    return _coerce_scalar(where, name, value, kind)


def _coerce_scalar(where, name, value, kind):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # YAML 1.1 reads 1e-3, without a point, as a string.
    if kind is float and (number or isinstance(value, str)):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)
    if kind is dict and isinstance(value, str):
        return {"call": value}
    if type(value) is int and _FIELDS[name].metadata.get("numbers"):
        return str(value) if abs(value) < MOST_NUMBER else shortened(value)
    if isinstance(value, kind) and kind is not float and (kind is bool) == isinstance(value, bool):
        return value
    raise UserError(f"{where}: {name}: {shortened(value)}, expected {kind.__name__}")


# ---------------------------------------------------------------- the config of a trained model

# Text may be a path, which need not be UTF-8; what is no path is looked up or parsed.
_TEXT_OF_PATHS = {str: PathText, list[str]: list[PathText]}


def of_model(values, where, names=None, version=__version__):
    """The Config that a checkpoint or a graph holds as a dict: the same checks as for a user's own,
    types as they are written, and nothing that training leaves to the data. Raises UserError.

    where: the file, for messages. names: the hyper-parameters that it must hold; default: all.
    version: of etagger, that wrote it; what another one did not know has its default.
    """
    mend = "it is damaged, or of another version; train again, or restore it from a copy"
    if type(values) is not dict:
        raise UserError(f"{where}: config is {shortened(values)}, expected an object; {mend}")
    for name in values:
        if name not in _FIELDS:
            raise UserError(
                f"{where}: config has the unknown key {shortened(name)}{suggest(name, _FIELDS)}, "
                f"perhaps of a newer etagger than {__version__}; update etagger, or train again"
            )
    for name in names or _FIELDS:
        if name not in values and version == __version__:
            raise UserError(f"{where}: config lacks {name}; {mend}")
    for name, value in values.items():
        if not conforms(value, _TEXT_OF_PATHS.get(_TYPES[name], _TYPES[name])):
            kind = _scalar_type(name)[0].__name__
            raise UserError(f"{where}: {name}: {shortened(value)}, expected {kind}; {mend}")
    off = {name: False for name in ("use_elmo", "use_bert") if values.get(name) is None}
    try:
        config = Config(**{**values, **off}).check(training=False)
    except UserError as error:
        raise UserError(f"{where}: {error}; {mend}") from None
    if config.use_word and not config.wrd_dim:
        raise UserError(f"{where}: wrd_dim: 0, expected at least 1 of a trained model; {mend}")
    return config
