// The engine's arithmetic, compiled once for each instruction set; kernels_for() picks the best
// that the machine has.
//
// engine_file.py packs matrices as (groups, dim, 4, 16) floats: a group has 64 columns, 4 vectors
// of 16 lanes, and a product reads the whole from front to back. In an LSTM a group is a block of
// 16 hidden units, and its 4 vectors are the gates i, c, f, o.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etagger {

constexpr size_t kLanes = 16;
constexpr size_t kGroup = 4 * kLanes;  // columns of a group

// The filters of one width in a character CNN. Character vectors and filters are multiplied
// beforehand: `taps` has what each character adds at each tap of each filter.
struct CharacterFilter {
  const float* taps;  // (characters, width, padded)
  const float* bias;  // (padded,)
  size_t characters, width;
  size_t padded;  // number of filters, rounded up to a multiple of 16
  // Of a conv1d: there are as many positions as characters, and the maximum leaves out those of
  // padding. Else a conv2d's.
  bool same;
};

// One direction of an LSTM layer.
struct Recurrence {
  // The recurrent kernel, (blocks, size, 4, 16). The lowest byte of each float is 0.
  const float* w;
  const uint8_t* packed;  // the upper 3 bytes of each float of w, then 16 bytes that can be read
  size_t size, blocks;    // hidden size; the number of blocks of 16 that hold it
  bool backward;          // from the last step to the first
};

// A sentence of a batch: its first row, and its number of rows.
struct Stretch {
  size_t begin, length;
};

struct Kernels {
  const char* name;

  // y = x w + bias. x: (rows, dim), whose rows are x_stride floats apart. w: (groups, dim, 4, 16).
  // bias: (groups, 4, 16). y: for each row where its result is written, `columns` floats, rounded
  // up to a multiple of 16.
  void (*dense)(const float* x, size_t x_stride, size_t rows, size_t dim, const float* w,
                size_t columns, const float* bias, float* const* y);

  // An LSTM over one sentence. inputs: for each row the address of x w + bias of its gates,
  // (blocks, 4, 16). h: the hidden states; that of row t is at h + t * h_stride, blocks * 16
  // floats. cell: blocks * 16 floats of scratch memory.
  void (*lstm)(const Recurrence& lstm, const float* const* inputs, size_t length, float* h,
               size_t h_stride, float* cell);

  // The same over several sentences at once, the longest first, so that w is read once for all.
  // cell: count * blocks * 16 floats.
  void (*lstm_batch)(const Recurrence& lstm, const float* const* inputs, const Stretch* sentences,
                     size_t count, float* h, size_t h_stride, float* cell);

  // x = g * relu(t) + (1 - g) * x with g = sigmoid(gate), over count floats, a multiple of 16.
  void (*highway)(const float* transform, const float* gate, float* x, size_t count);

  // The character CNN of one word. ids: `length` of them, padding (id 0) included, of which the
  // first `count` are characters; with filter.same, count is at least 1. to: for each of `padded`
  // filters the maximum over the word's positions.
  void (*characters)(const CharacterFilter& filter, const int32_t* ids, size_t count, size_t length,
                     float* to);

  // A step of the Viterbi algorithm: from the scores of one token's tags, (tags), to those of the
  // next token's, next (width), and to the tags before them, pointers (width). transitions: (tags,
  // width), a row for each tag before; width: tags, rounded up to a multiple of 16. emission:
  // (width). Of equal scores the lowest tag before wins.
  void (*viterbi)(const float* scores, size_t tags, const float* transitions, size_t width,
                  const float* emission, float* next, int32_t* pointers);

  // to = e^x, relative error below 4e-16; 0 for x below -690, and x above 700 count as 700. count:
  // a multiple of 8.
  void (*exponentials)(const double* from, size_t count, double* to);

  // One step of the forward or the backward algorithm: to[j] is after[j] times the sum over i of
  // from[i] * before[i] * factors[i][j]; then all of them are divided by their largest, which is
  // returned; 0 where one of them is then above 0 and below kLeastSum, or all are 0. before, after:
  // nullptr where they are 1. factors: (tags, width). to: (width,). width: a multiple of 8.
  double (*chain_step)(const double* from, const double* before, const double* after, size_t tags,
                       const double* factors, size_t width, double* to);
};

constexpr double kLeastSum = 1e-150;

// The kernels of an instruction set: "avx512vbmi", "avx512", "avx2", "neon" or "portable"; "" is
// the best that the machine has. nullptr where this machine or build lacks it.
const Kernels* kernels_for(const char* name);

}  // namespace etagger
