// The engine's arithmetic, compiled once for each instruction set; kernels_for() picks the best that the machine has.
//
// Matrices are packed by engine_file.py: columns in groups of 64 (4 vectors of 16 lanes), (groups, dim, 4, 16) floats, so that a
// product reads them from front to back. An LSTM's groups are blocks of 16 hidden units, its 4 vectors the gates i, c, f, o.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etagger {

constexpr size_t kLanes = 16;
constexpr size_t kGroup = 4 * kLanes;        // columns of a group

struct Kernels {
  const char* name;

  // y = x w + bias. x: (rows, dim), a row each x_stride floats. w: (groups, dim, 4, 16). bias: (groups, 4, 16). y: (rows, groups * 64), a
  // row each y_stride floats.
  void (*dense)(const float* x, size_t x_stride, size_t rows, size_t dim, const float* w, size_t groups, const float* bias, float* y, size_t y_stride);

  // One direction of an LSTM over a sentence. inputs: (steps, blocks, 4, 16), what x and the biases give each gate. w: (blocks, size, 4, 16),
  // the recurrent kernel. h: row t at h + t * h_stride, blocks * 16 floats; backward: from the last step to the first. cell: blocks * 16
  // floats of scratch memory.
  void (*lstm)(const float* inputs, size_t steps, bool backward, size_t size, size_t blocks, const float* w, float* h, size_t h_stride, float* cell);

  // The same over several sentences at once, so that w is read once for all: sentence i has lengths[i] rows from row begins[i] on, in inputs
  // and in h; the longest first. cell: count * blocks * 16 floats.
  void (*lstm_batch)(const float* inputs, const size_t* begins, const size_t* lengths, size_t count, bool backward, size_t size, size_t blocks,
                     const float* w, float* h, size_t h_stride, float* cell);

  // x = g * relu(t) + (1 - g) * x with g = sigmoid(gate), over count floats, a multiple of 16.
  void (*highway)(const float* transform, const float* gate, float* x, size_t count);

  // Viterbi's step: from scores (tags) to scores and pointers of the next token. transitions: (tags, width), rows `from`, padded to a multiple
  // of 16; emission: (width). Of equals the lowest `from` wins. next: (width). pointers: (width).
  void (*viterbi)(const float* scores, size_t tags, const float* transitions, size_t width, const float* emission, float* next, int32_t* pointers);
};

// The kernels of an instruction set, "avx512", "avx2", "neon" or "portable", or nullptr where this machine or build lacks it.
// "": the best that there is.
const Kernels* kernels_for(const char* name);

}  // namespace etagger
