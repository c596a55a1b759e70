// The engine's arithmetic, compiled once for each instruction set; kernels_for() picks the best
// that the machine has.
//
// Matrices are packed by engine_file.py: columns in groups of 64 (4 vectors of 16 lanes), (groups,
// dim, 4, 16) floats, so that a product reads them from front to back. An LSTM's groups are blocks
// of 16 hidden units, its 4 vectors the gates i, c, f, o.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etagger {

constexpr size_t kLanes = 16;
constexpr size_t kGroup = 4 * kLanes;  // columns of a group

// One filter width of a character CNN: what each character gives to each tap of each filter.
struct CharacterFilter {
  const float *taps,
      *bias;  // (characters, width, padded), (padded,); padded: filters, up to a multiple of 16
  size_t characters, width, padded;
  bool same;  // conv1d: as many positions as characters, those of padding are no maximum; else
              // conv2d
};

// One direction of an LSTM layer.
struct Recurrence {
  const float*
      w;  // the recurrent kernel: (blocks, size, 4, 16); the lowest byte of each float is 0
  const uint8_t* packed;  // the upper 3 bytes of each, and 16 bytes after them that can be read
  size_t size, blocks;    // hidden size; the same in blocks of 16
  bool backward;          // from the last step to the first
};

// A sentence of a batch: its first row, and its rows.
struct Stretch {
  size_t begin, length;
};

struct Kernels {
  const char* name;

  // y = x w + bias. x: (rows, dim), a row each x_stride floats. w: (groups, dim, 4, 16). bias:
  // (groups, 4, 16). y: where each row goes; it gets the first `columns` columns, up to a multiple
  // of 16.
  void (*dense)(const float* x, size_t x_stride, size_t rows, size_t dim, const float* w,
                size_t columns, const float* bias, float* const* y);

  // An LSTM over one sentence. inputs: for each row where what x and the biases give to its gates
  // lies, (blocks, 4, 16). h: row t at h + t * h_stride, blocks * 16 floats. cell: blocks * 16
  // floats of scratch memory.
  void (*lstm)(const Recurrence& lstm, const float* const* inputs, size_t length, float* h,
               size_t h_stride, float* cell);

  // The same over several sentences at once, the longest first, so that w is read once for all.
  // cell: count * blocks * 16 floats.
  void (*lstm_batch)(const Recurrence& lstm, const float* const* inputs, const Stretch* sentences,
                     size_t count, float* h, size_t h_stride, float* cell);

  // x = g * relu(t) + (1 - g) * x with g = sigmoid(gate), over count floats, a multiple of 16.
  void (*highway)(const float* transform, const float* gate, float* x, size_t count);

  // The character CNN of one word of `length` ids, padding (id 0) included, `count` without (with
  // filter.same at least 1): the maximum over its positions of each of `padded` filters.
  void (*characters)(const CharacterFilter& filter, const int32_t* ids, size_t count, size_t length,
                     float* to);

  // Viterbi's step: from scores (tags) to scores and pointers of the next token. transitions:
  // (tags, width), rows `from`, padded to a multiple of 16; emission: (width). Of equals the lowest
  // `from` wins. next: (width). pointers: (width).
  void (*viterbi)(const float* scores, size_t tags, const float* transitions, size_t width,
                  const float* emission, float* next, int32_t* pointers);

  // to = e^x, x below 1e-299 become 0; relative error some 1e-16. count: a multiple of 8. Of x in
  // between only those below 700.
  void (*exponentials)(const double* from, size_t count, double* to);

  // One step of the forward or the backward algorithm: to[j] is after[j] times the sum over i of
  // from[i] * before[i] * factors[i][j]; then all of them are divided by their largest, which is
  // returned; 0 where one of them is then above 0 and below kLeastSum, or all are 0. before, after:
  // nullptr where they are 1. factors: (tags, width). to: (width,). width: a multiple of 8.
  double (*chain_step)(const double* from, const double* before, const double* after, size_t tags,
                       const double* factors, size_t width, double* to);
};

constexpr double kLeastSum = 1e-150;

// The kernels of an instruction set, "avx512vbmi", "avx512", "avx2", "neon" or "portable", or
// nullptr where this machine or build lacks it.
// "": the best that there is.
const Kernels* kernels_for(const char* name);

}  // namespace etagger
