// Tags a stream: sentences in, the same with tags out, in their order, by one thread or many, in
// constant memory.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "text/columns.h"
#include "base/durations.h"
#include "base/files.h"
#include "base/stop.h"
#include "tagging/tagger.h"

namespace etagger {

struct StreamOptions {
  std::vector<std::string> columns;  // none: by their number
  Delimiter delimiter = Delimiter::kUnsaid;
  size_t batch_size = 64;  // sentences, at most
  size_t threads = 1;      // that tag
  bool lines = false;      // the input is raw text, a sentence a line
  bool split = false;      // or several sentences a line, see text/sentences.h
  bool json = false;       // the output is a line of JSON each sentence, see entities.h
  bool html = false;       // or it is a page, see html.h
  // Besides the tags, probabilities of tags and entities; or so many tag sequences, 0: none. Of
  // confidence, nbest and json or html with nbest one alone. temperature: see Tagger::confident.
  bool confidence = false;
  size_t nbest = 0;
  double temperature = 1;
  // Called, in the caller's thread, with a line about columns that the model wants and the input
  // lacks.
  std::function<void(const std::string& text)> warn;
  Stop stop;  // ends it, with Error
};

struct StreamReport {
  size_t sentences = 0, tokens = 0, bad_bytes = 0;
  size_t pieces = 0;   // of sentences of more than kMostRows rows, each tagged alone
  double seconds = 0;  // in the network, without the first sentence
  Durations waits;     // of each sentence for the batch that it was tagged in, without the first
};

// Tags all of `input`. A bad row throws Error once the sentences before it are out. Throws
// ReaderGone, too.
StreamReport tag_stream(const Tagger& tagger, const StreamOptions& options, Source* input,
                        Sink* output);

}  // namespace etagger
