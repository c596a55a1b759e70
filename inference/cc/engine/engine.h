// The engine: tags with an .etagger file, without TensorFlow.
#pragma once

#include <memory>
#include <string>

#include "model_file.h"
#include "tagger.h"

namespace etagger {

// Maps the file; nothing that grows with the vocabulary is read. instructions: see kernels_for(). Throws Error.
std::unique_ptr<Tagger> open_engine(const std::string& path, const std::string& instructions = "");

// The same of a file that is open already.
std::unique_ptr<Tagger> open_engine(ModelFile file, const std::string& instructions = "");

// Checks every byte of the file, and that it opens. Returns its size. Throws Error.
size_t verify_engine_file(const std::string& path);

}  // namespace etagger
