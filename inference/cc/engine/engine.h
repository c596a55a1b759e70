// The engine: tags with an .etagger file, without TensorFlow.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/model_file.h"
#include "tagging/tagger.h"

namespace etagger {

class Engine : public Tagger {
 public:
  // Emission scores of each sentence, (tokens, tags) in row-major order; batches are those of
  // tag().
  virtual std::vector<std::vector<float>> emissions(const std::vector<Sentence>& sentences,
                                                    size_t batch_size) const = 0;

  // The best tag ids (tokens,) for such emission scores of a sentence, whatever they come from.
  virtual std::vector<int32_t> decode(const std::vector<float>& emissions) const = 0;
};

// Maps the file; nothing that grows with the vocabulary is read. instructions: see kernels_for().
// Throws Error.
std::unique_ptr<Engine> open_engine(const std::string& path, const std::string& instructions = "");

// The same of a file that is open already.
std::unique_ptr<Engine> open_engine(ModelFile file, const std::string& instructions = "");

// Checks every byte of the file, and that it opens. Returns its size. Throws Error.
size_t verify_engine_file(const std::string& path);

}  // namespace etagger
