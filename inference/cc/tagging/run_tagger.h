// Tags the runs of a stream, one after the other or on several threads.
#pragma once

#include <string>

#include "tagging/html.h"
#include "tagging/job.h"
#include "tagging/run_text.h"
#include "tagging/stream.h"
#include "tagging/tagger.h"
#include "text/columns.h"

namespace etagger {

// Parses the columns as the user says, or else as the model was trained. name: of the input, in
// messages.
SentenceParser parser_for(const Tagger& tagger, const StreamOptions& options,
                          const std::string& name);

// tag_first() runs alone, as long as needs_first(); after that, threads may call tag() at the same
// time. Both fill what Job holds of the output.
class RunTagger {
 public:
  // tagger and options must outlive it. name: of the input, in messages.
  RunTagger(const Tagger& tagger, const StreamOptions& options, const std::string& name)
      : tagger_(tagger),
        options_(options),
        parser_(parser_for(tagger, options, name)),
        html_(tagger.settings().types()) {}

  // The first sentence that the model is asked for pays for the start: it is tagged alone and left
  // out of the figures. Its columns are those of the whole stream.
  void tag_first(Job* job);
  // Whether no sentence has come yet that the model was asked for.
  bool needs_first() const { return needs_first_; }

  void tag(Job* job) const;

 private:
  void read(Job* job, SentenceParser* parser, RunText* text) const;
  void answer(const RunText& text, size_t begin, size_t count, std::vector<Timing>* timings,
              Answers* answers) const;
  void write(RunText* text, Answers* answers, Job* job) const;
  void warn(const Sentence& sentence) const;

  const Tagger& tagger_;
  const StreamOptions& options_;
  SentenceParser parser_;
  HtmlWriter html_;
  bool needs_first_ = true;
};

}  // namespace etagger
