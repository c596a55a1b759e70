// Documents in a stream: sentences together with the words around them.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "text/blocks.h"
#include "text/columns.h"

namespace etagger {

// Holds the sentences of Runs back until the words around each are known: `words` on each side, or
// fewer where its document begins or ends. With 0 it lets all pass.
class DocumentReader {
 public:
  // parser: counts tokens.
  DocumentReader(size_t words, SentenceParser parser) : words_(words), parser_(std::move(parser)) {}

  // Takes the next Run, and puts in its place the sentences that are ready, with those around them.
  // Returns false where none is ready.
  bool feed(Run* run);
  // The same at the end of the stream: all that are left.
  void close(Run* run);

 private:
  struct Held {  // a sentence, and the blank lines after it
    size_t blocks, bytes, words;
    bool is_docstart;
  };
  void add(const Run& run);
  Run take(size_t ready);

  size_t words_;
  SentenceParser parser_;
  std::string text_;  // of what is held
  size_t line_ = 1;   // number of its first line
  std::vector<Held> held_;
  size_t out_ = 0;  // how many of them, from the first, are out: only what follows needs them
};

}  // namespace etagger
