#include "tagging/run_tagger.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "tagging/settings.h"

namespace etagger {
namespace {

// Where the first sentence stands that the model is asked for, among the run's own; count() if none
// does.
size_t first_for_model(const RunText& text) {
  size_t i = 0;
  while (i < text.count() && (text.own(i).is_docstart() || text.own(i).words.empty())) ++i;
  return i;
}

}  // namespace

SentenceParser parser_for(const Tagger& tagger, const StreamOptions& options,
                          const std::string& name) {
  const Settings& settings = tagger.settings();
  Delimiter delimiter =
      options.delimiter == Delimiter::kUnsaid ? settings.delimiter : options.delimiter;
  return SentenceParser(name, options.columns, settings.columns, delimiter);
}

void RunTagger::tag_first(Job* job) {
  RunText text;
  read(job, &parser_, &text);
  const size_t first = first_for_model(text);
  size_t alone = 0;  // how many sentences are tagged without being timed
  if (first < text.count()) {
    warn(text.own(first));
    alone = first + 1;
    needs_first_ = false;
  }
  Answers answers;
  answer(text, 0, alone, nullptr, &answers);
  answer(text, alone, text.count() - alone, &job->timings, &answers);
  write(&text, &answers, job);
}

void RunTagger::tag(Job* job) const {
  SentenceParser parser = parser_;
  RunText text;
  read(job, &parser, &text);
  Answers answers;
  answer(text, 0, text.count(), &job->timings, &answers);
  write(&text, &answers, job);
}

// Adds what the model says of `count` of the run's own sentences.
void RunTagger::answer(const RunText& text, size_t begin, size_t count,
                       std::vector<Timing>* timings, Answers* answers) const {
  const std::vector<Sentence>& all = text.sentences;
  const size_t first = text.sentences_before + begin, size = options_.batch_size;
  auto add = [](auto more, auto* to) {
    std::move(more.begin(), more.end(), std::back_inserter(*to));
  };
  if (options_.nbest)
    add(tagger_.nbest(all, first, count, options_.nbest, size, options_.temperature, timings,
                      options_.stop),
        &answers->readings);
  else if (options_.confidence)
    add(tagger_.confident(all, first, count, size, options_.temperature, timings, options_.stop),
        &answers->confident);
  else
    add(tagger_.tag(all, first, count, size, timings, options_.stop), &answers->tags);
}

// A bad row ends the run; the sentences before it are tagged.
void RunTagger::read(Job* job, SentenceParser* parser, RunText* text) const {
  try {
    if (options_.lines)
      read_lines(job->run, tagger_.settings().tokenizer, options_.split, text, &job->bad_bytes);
    else
      read_columns(job->run, parser, text, &job->bad_bytes);
  } catch (const Error&) {
    job->error = std::current_exception();
  }
}

void RunTagger::write(RunText* text, Answers* answers, Job* job) const {
  job->pieces = count_pieces(*text);
  if (options_.lines) join_pieces(text, answers);
  if (options_.json)
    write_json(*text, *answers, tagger_.settings().data_scheme, &job->out);
  else if (options_.html)
    write_html(*text, *answers, tagger_.settings().data_scheme, html_, &job->out);
  else if (options_.lines)
    write_lines(*text, *answers, &job->out);
  else if (options_.nbest)
    write_readings(*text, answers->readings, &job->out);
  else
    write_columns(*text, *answers, &job->out);
  for (size_t i = 0; i < text->count(); ++i) {
    job->sentences += !text->own(i).words.empty();
    job->tokens += text->own(i).words.size();
  }
}

// Says what the columns of the stream, those of its first sentence, lack or may hide.
void RunTagger::warn(const Sentence& sentence) const {
  if (!options_.warn) return;
  std::string missing =
      tagger_.settings().missing_columns(sentence.has_pos, sentence.has_chunks, parser_.name());
  if (!missing.empty()) options_.warn(missing);
  auto has_space = [](std::string_view word) { return word.find(' ') != word.npos; };
  if (!options_.lines && parser_.is_one_tabbed_column() &&
      std::any_of(sentence.words.begin(), sentence.words.end(), has_space))
    options_.warn(parser_.name() +
                  " has no tabs: each row is one token, its spaces included; --delimiter space "
                  "reads columns that spaces separate");
}

}  // namespace etagger
