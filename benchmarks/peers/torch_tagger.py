"""etagger's default architecture in PyTorch, the peer of train_speed.py, written to be as fast as
we know how on a CPU.

Everything but the LSTM and the CRF is computed for real tokens only, without padding, in the order
of packed sequences. The weights are those of our graph (load), so that both compute the same
function.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence


class PackedBiLSTM(nn.Module):
    """A BiLSTM layer over packed sequences, the usual way in PyTorch."""

    def __init__(self, dim, size):
        super().__init__()
        self.lstm = nn.LSTM(dim, size, bidirectional=True)
        self.directions = [(self.lstm, "l0"), (self.lstm, "l0_reverse")]

    def forward(self, x, inside, places):
        """x: (tokens, dim). inside: bool (sentence, batch), False for padding. places: (tokens,),
        the indices of the tokens in the flattened `inside`. Returns (tokens, 2 * size).
        """
        return self.lstm(PackedSequence(x, inside.sum(1)))[0].data


class PaddedBiLSTM(nn.Module):
    """The same function over padded sequences, for which PyTorch uses oneDNN's LSTM: one LSTM for
    each direction. For the backward one, each sentence is reversed within its own length.
    """

    def __init__(self, dim, size):
        super().__init__()
        self.ahead, self.back = nn.LSTM(dim, size), nn.LSTM(dim, size)
        self.directions = [(self.ahead, "l0"), (self.back, "l0")]

    def forward(self, x, inside, places):
        """As PackedBiLSTM."""
        steps, batch = inside.shape
        t, lengths = torch.arange(steps)[:, None], inside.sum(0)
        turned = (torch.where(inside, lengths - 1 - t, t) * batch + torch.arange(batch)).flatten()
        padded = _spread(x, places, inside)
        back = self.back(padded.flatten(0, 1).index_select(0, turned).view(padded.shape))[0]
        both = [self.ahead(padded)[0].flatten(0, 1), back.flatten(0, 1).index_select(0, turned)]
        return torch.cat(both, dim=1).index_select(0, places)


class TorchTagger(nn.Module):
    def __init__(self, config, sizes, bilstm):
        """config: a Config. sizes: those that Model takes. bilstm: PackedBiLSTM or PaddedBiLSTM."""
        super().__init__()
        size, tags = config.rnn_size, sizes["tag"]
        self.keep_prob, self.word_length = config.keep_prob, config.word_length
        self.word = nn.Embedding(sizes["word"], config.wrd_dim)
        self.word.weight.requires_grad_(config.train_wrd)
        self.chr = nn.Embedding(sizes["chr"], config.chr_dim, padding_idx=0)
        self.pos = nn.Embedding(sizes["pos"], config.pos_dim)
        self.chk = nn.Embedding(sizes["chk"], config.chk_dim)
        width = config.chr_filter_widths[0]
        self.conv = nn.Conv1d(config.chr_dim, config.num_filters, width, padding=width // 2)
        dim = config.wrd_dim + config.num_filters + config.pos_dim + config.chk_dim
        self.transforms = nn.ModuleList(nn.Linear(dim, dim) for _ in range(config.highway_layers))
        self.gates = nn.ModuleList(nn.Linear(dim, dim) for _ in range(config.highway_layers))
        self.lstms = nn.ModuleList(
            bilstm(width, size) for width in [dim] + [2 * size] * (config.rnn_layers - 1)
        )
        for name, parameter in self.lstms.named_parameters():
            if "bias_hh" in name:  # PyTorch adds two biases where one is enough
                nn.init.zeros_(parameter).requires_grad_(False)
        self.projection = nn.Linear(2 * size, tags)
        self.transitions = nn.Parameter(torch.zeros(tags, tags))

    def forward(self, inputs):
        """inputs: those of our graph, longest sentence first. Returns the emission scores,
        (sentence, batch, tags), and the mask of tokens, bool (sentence, batch).
        """
        ids = {
            name: torch.from_numpy(inputs[f"input_data_{name}_ids"]).transpose(0, 1)
            for name in ("word", "wordchr", "pos", "chk")
        }
        inside = ids["word"] > 0
        places = inside.flatten().nonzero()[:, 0]  # in the order of a PackedSequence
        word, chr, pos, chk = (
            ids[name].flatten(0, 1)[places] for name in ("word", "wordchr", "pos", "chk")
        )
        x = torch.cat([self.word(word), self._characters(chr), self.pos(pos), self.chk(chk)], dim=1)
        for transform, gate in zip(self.transforms, self.gates):
            x = torch.lerp(x, torch.relu(transform(x)), torch.sigmoid(gate(x)))
        x = self._dropout(x)
        for layer, lstm in enumerate(self.lstms):
            y = lstm(x, inside, places)
            x = x + y if layer else y
        return _spread(self.projection(self._dropout(x)), places, inside), inside

    def _characters(self, ids):
        """The character CNN: a convolution, and the maximum over real characters. ids: (tokens,
        word_length). Returns (tokens, filters).
        """
        scores = self.conv(self.chr(ids).transpose(1, 2))  # (tokens, filters, word_length)
        return scores.masked_fill((ids == 0)[:, None], -torch.inf).amax(dim=2)

    def _dropout(self, x):
        return nn.functional.dropout(x, 1.0 - self.keep_prob, self.training)

    def loss(self, inputs):
        """Mean negative log-likelihood of the CRF."""
        emissions, inside = self(inputs)
        tags = torch.from_numpy(inputs["target_tag_ids"]).long().T  # (sentence, batch)
        emitted = emissions.gather(2, tags[:, :, None])[:, :, 0]
        moved = self.transitions[tags[:-1], tags[1:]]
        score = (emitted * inside).sum(0) + (moved * inside[1:]).sum(0)
        return (self._log_partition(emissions, inside) - score).mean()

    def _log_partition(self, emissions, inside):
        """log Z of each sentence by the forward algorithm, (batch,)."""
        alpha, *rest = emissions.unbind()
        for emission, mask in zip(rest, inside[1:, :, None]):
            alpha = torch.where(
                mask, torch.logsumexp(alpha[:, :, None] + self.transitions, dim=1) + emission, alpha
            )
        return torch.logsumexp(alpha, dim=1)

    @torch.inference_mode()
    def decode(self, inputs):
        """The best tag ids by the Viterbi algorithm, (batch, sentence). Those after the end of a
        sentence are meaningless.
        """
        emissions, inside = self(inputs)
        score, pointers = emissions[0], []
        stay = torch.arange(emissions.shape[2]).expand(score.shape)
        for emission, mask in zip(emissions[1:], inside[1:, :, None]):
            best, origin = (score[:, :, None] + self.transitions).max(dim=1)
            score = torch.where(mask, best + emission, score)
            pointers.append(torch.where(mask, origin, stay))
        path = [score.argmax(dim=1, keepdim=True)]
        for origin in reversed(pointers):
            path.append(origin.gather(1, path[-1]))
        return torch.cat(path[::-1], dim=1)

    def trained(self):
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    @torch.no_grad()
    def load(self, weights):
        """Copies the variables of our graph into this model. weights: {name: array}."""
        for name in ("word", "chr", "pos", "chk"):
            _put(getattr(self, name).weight, weights[f"embeddings/{name}"])
        self.chr.weight[0] = 0.0  # our graph masks the padding instead
        _put(self.conv.weight, weights["char_cnn/conv1d/kernel"].transpose(2, 1, 0))
        _put(self.conv.bias, weights["char_cnn/conv1d/bias"])
        for kind, layers in (("transform", self.transforms), ("gate", self.gates)):
            for i, layer in enumerate(layers):
                _put(layer.weight, weights[f"highway/layer_{i}/{kind}/kernel"].T)
                _put(layer.bias, weights[f"highway/layer_{i}/{kind}/bias"])
        for i, layer in enumerate(self.lstms):
            for direction, (lstm, ending) in zip(("forward", "backward"), layer.directions):
                scope = f"encoder/bilstm_{i}/{direction}"
                _put_lstm(lstm, ending, weights[f"{scope}/kernel"], weights[f"{scope}/bias"])
        _put(self.projection.weight, weights["projection/kernel"].T)
        _put(self.projection.bias, weights["projection/bias"])
        _put(self.transitions, weights["crf/transitions"])


def _spread(x, places, inside):
    """(tokens, dim) -> (sentence, batch, dim), with zeros for padding."""
    return x.new_zeros(inside.numel(), x.shape[1]).index_copy(0, places, x).view(*inside.shape, -1)


def _put(parameter, array):
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)).view(parameter.shape))


def _put_lstm(lstm, ending, kernel, bias):
    """Copies the weights of an LSTM. Our gates are in the order i, g, f, o, with a forget bias of 1
    that is added; PyTorch's are in the order i, f, g, o, without it.
    """
    i, g, f, o = np.split(np.arange(len(bias)), 4)
    order, one = np.concatenate([i, f, g, o]), np.zeros_like(bias)
    one[f] = 1.0
    _put(getattr(lstm, f"weight_ih_{ending}"), kernel[: lstm.input_size, order].T)
    _put(getattr(lstm, f"weight_hh_{ending}"), kernel[lstm.input_size :, order].T)
    _put(getattr(lstm, f"bias_ih_{ending}"), (bias + one)[order])
