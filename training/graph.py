"""TrainingGraph: the model in a TensorFlow graph, and a session that trains and evaluates it."""

import contextlib
import hashlib
import os
from typing import NamedTuple

import numpy as np

import checkpoint
import schemes
from cli import UserError
from features import pretrained
from training import warm_start
from training.data import check_dev_loss, epoch_batches


class StepResult(NamedTuple):
    """What a training step measured."""

    loss: float  # of the batch, before the step
    rate: float  # the learning rate; NaN where the optimizer has its own
    norm: float  # of the gradient, before it is clipped


class TrainingGraph:
    """The model, its optimizer and the session in which they run.

    graph: tf.Graph. session: tf.Session. model: model.Model. The variables have their initial
    values at first; load_pretrained, restore_model and restore_state give them others.

    Inputs of `step`, `tags_and_loss` and `tags` are what features.feed.Feeder.batch returns:
    {name: array}.
    """

    def __init__(self, config, data, optimizer=None, prefix=""):
        """data: training.data.Data. optimizer: see training.optimizer.training_op. prefix: the
        checkpoint that is restored next; no memory is taken where it does not fit.

        Raises UserError where the checkpoint does not fit, where --train_vars leaves nothing to
        train, where save_by loss has no loss to go by, and where this machine has too little
        memory.
        """
        check_dev_loss(config, data)  # before TensorFlow is imported
        from model import Model
        from tf1 import new_session, quiet, tf
        from training.optimizer import training_op

        self.config = config
        self.graph = tf.Graph()
        with self.graph.as_default(), quiet():
            tf.set_random_seed(config.seed)
            legal = None
            if config.constrained:
                legal = schemes.legal_transitions(data.tags, data.tag_scheme)
            self.model = Model(config, data.feeder.sizes(), training=True, legal=legal)
            warm_start.freeze(config)
            self._rate_factor = 1.0
            if config.lr_schedule == "plateau":
                self._rate_factor = tf.get_variable("plateau", initializer=1.0, trainable=False)
            self._train_op, self._rate, self._norm, average = training_op(
                self.model, config, _total_steps(config, data), self._rate_factor, optimizer
            )
            self._model_saver = tf.train.Saver(self.model.variables)
            self._state_saver = tf.train.Saver(tf.global_variables())
            self._use_averages, self._use_weights = _swap_ops(average)
            if config.use_word:
                self._vectors = tf.placeholder(tf.float32, self.model.word_table.shape)
                self._put_vectors = self.model.word_table.assign(self._vectors)
            if prefix:
                checkpoint.check_shapes(prefix, self.graph)
            _check_memory(tf.global_variables())
            self.session = new_session(config.threads)
            self.session.run(tf.global_variables_initializer())
            self._make_calls(data.feeder)
        if warm_start.is_partial(config):
            warm_start.tell_trained(self.model, self.graph)

    def _make_calls(self, feeder):
        """Makes the functions of the graph. compute_vectors: {"elmo_vectors" or "bert_vectors": a
        function from inputs to what the cache stores, float32 (batch, sentence, layers, dim)}.
        """
        from tf1 import callable_of

        cached = self.cached_vectors()
        targets = {"target_tag_ids": self.model.targets}
        words = {name: node for name, node in self.model.inputs.items() if name not in targets}
        self.compute_vectors = {
            name: callable_of(self.session, tensor, words) for name, tensor in cached.items()
        }
        inputs = {**words, **cached}
        smallest = feeder.smallest()
        for name, tensor in cached.items():
            smallest[name] = np.zeros([1, 1, *tensor.shape[2:]])
        self._run_tags = callable_of(self.session, self.model.logits_indices, inputs, smallest)
        self._run_tags_and_loss = callable_of(
            self.session,
            [self.model.logits_indices, self.model.loss],
            {**inputs, **targets},
            smallest,
        )
        self._run_step = callable_of(
            self.session,
            [self._train_op, self.model.loss, self._rate, self._norm],
            {**inputs, **targets, "is_train": self.model.is_train},
        )

    # ------------------------------------------------------------ train and evaluate

    def step(self, inputs):
        """Trains on a batch. Returns its StepResult."""
        _, *measured = self._run_step({**inputs, "is_train": True})
        return StepResult(*map(float, measured))

    def tags_and_loss(self, inputs):
        """Returns (predicted tag ids, int32 (batch, sentence); mean loss, float32 ())."""
        return self._run_tags_and_loss(inputs)

    def tags(self, inputs):
        """Predicted tag ids, int32 (batch, sentence)."""
        return self._run_tags(inputs)

    @contextlib.contextmanager
    def averaged_weights(self):
        """A context in which the moving averages, with ema_decay, stand in for the weights."""
        if self._use_averages is None:
            yield
            return
        self.session.run(self._use_averages)
        try:
            yield
        finally:
            self.session.run(self._use_weights)

    def scale_rate(self, factor):
        """Multiplies the learning rate of all further steps by `factor` (lr_schedule plateau)."""
        with self.graph.as_default():
            self._rate_factor.load(self.session.run(self._rate_factor) * factor, self.session)

    def steps_done(self):
        """Training steps that the weights have gone through, as the graph counts them."""
        return int(self.session.run(self.model.step))

    # ------------------------------------------------------------ weights

    def save_model(self, prefix, meta, emb):
        """Writes the model's (averaged) weights as a checkpoint, see checkpoint.save."""
        with self.averaged_weights():
            checkpoint.save(prefix, self.session, self._model_saver, meta, emb)

    def save_state(self, prefix, meta, emb):
        """Writes all variables as a checkpoint, those of the optimizer too."""
        checkpoint.save(prefix, self.session, self._state_saver, meta, emb)

    def restore_model(self, prefix):
        """Reads the model's weights from a checkpoint. Raises UserError."""
        checkpoint.restore(self.session, self._model_saver, prefix)

    def restore_state(self, prefix):
        """Reads all variables from a checkpoint that save_state wrote. Raises UserError."""
        checkpoint.restore(self.session, self._state_saver, prefix)

    def load_pretrained(self, emb):
        """Puts the word vectors of an EmbVec into the graph, and the published weights of ELMo and
        BERT. emb loses its vectors, which would lie in memory twice.
        """
        from tf1 import put

        if emb.vectors is not None and self.config.use_word:
            self.session.run(self._put_vectors, {self._vectors: emb.vectors})
        emb.vectors = None
        for scope, used, about in (
            ("elmo/", self.config.use_elmo, emb.elmo),
            ("bert/", self.config.use_bert, emb.bert),
        ):
            if used:
                read = pretrained.open_weights(scope, about)
                variables = self._published(scope)
                put(self.session, variables, [read(variable.op.name) for variable in variables])

    def _published(self, scope):
        """The variables that a language model's own files hold. scope: 'elmo/' or 'bert/'."""
        return [
            variable
            for variable in self.model.variables
            if variable.op.name.startswith(scope)
            and not variable.op.name.startswith(f"{scope}mix/")
        ]

    # ------------------------------------------------------------ the vector cache

    def cached_vectors(self):
        """The tensors that vector_cache feeds with stored vectors, {name: tensor}."""
        if not self.config.vector_cache:
            return {}
        vectors = dict(self.model.vectors)
        if self.config.train_bert:
            vectors.pop("bert_vectors", None)
        return vectors

    def hash_of_weights(self, scope):
        """sha256 in hexadecimal of a language model's weights as they are now: a checkpoint may
        have changed them. scope: 'elmo/' or 'bert/'.
        """
        digest = hashlib.sha256()
        for value in self.session.run(self._published(scope)):
            digest.update(np.ascontiguousarray(value))
        return digest.hexdigest()


def _total_steps(config, data):
    """Steps of all epochs where the learning rate depends on them, else 0."""
    from training.optimizer import TO_ZERO

    if config.lr_schedule not in TO_ZERO or config.lr_total_steps:
        return 0
    lengths = [len(example) for example in data.train]
    return sum(len(epoch_batches(lengths, config, epoch)) for epoch in range(config.epoch))


def _swap_ops(average):
    """Returns two ops: one puts the moving averages in the place of the weights, the other puts the
    weights back. (None, None) where average, a tf.train.ExponentialMovingAverage, is None.
    """
    from tf1 import tf
    from training.optimizer import averaged_variables

    if average is None:
        return None, None
    with tf.variable_scope("averages"):
        aside = {
            variable: tf.get_variable(
                f"aside/{variable.op.name}",
                variable.shape,
                trainable=False,
                initializer=tf.zeros_initializer(),
                collections=[tf.GraphKeys.LOCAL_VARIABLES],
            )
            for variable in averaged_variables()
        }
    keep = [copy.assign(variable) for variable, copy in aside.items()]
    with tf.control_dependencies(keep):
        use_averages = tf.group(*(variable.assign(average.average(variable)) for variable in aside))
    use_weights = tf.group(*(variable.assign(copy) for variable, copy in aside.items()))
    return use_averages, use_weights


def _check_memory(variables):
    """Raises UserError where TensorFlow variables need more bytes than this machine has."""
    needed = sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise UserError(
            f"the model and its optimizer need {needed / 1e9:,.1f} GB, this machine has "
            f"{there / 1e9:,.1f}; give it fewer or smaller layers"
        )
