// What the text of a run says: bytes -> sentences, and sentences with their tags -> bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tagging/html.h"
#include "tagging/tagger.h"
#include "text/blocks.h"
#include "text/columns.h"
#include "text/tokenizer.h"

namespace etagger {

// The views are of the run.
struct RunText {
  // Columns: a block each sentence, and those that are a blank line alone.
  std::vector<Block> blocks;
  // Or raw text: the line, or the part of one, that each sentence is, and how many sentences it
  // became; one, unless it is too long.
  std::vector<std::string_view> lines;
  std::vector<size_t> line_pieces;

  // The run's own sentences, and before and after them those that are only context.
  std::vector<Sentence> sentences;
  size_t sentences_before = 0, sentences_after = 0;

  size_t count() const { return sentences.size() - sentences_before - sentences_after; }
  const Sentence& own(size_t i) const { return sentences[sentences_before + i]; }  // i < count()
};

// Reads a run of columns. A bad row throws Error; the sentences before it are in `text`. bad_bytes:
// the number of bytes that are not UTF-8 is added.
void read_columns(const Run& run, SentenceParser* parser, RunText* text, size_t* bad_bytes);

// Reads a run of raw text: a sentence a line; or with `split` the sentences of each line, see
// sentences.h, without the white space around them. tokenizer: the model's.
void read_lines(const Run& run, Tokenizer tokenizer, bool split, RunText* text, size_t* bad_bytes);

// How many sentences of more than kMostRows rows or words were cut, counted by their cuts.
size_t count_pieces(const RunText& text);

// What the model says of the run's own sentences: one of these.
struct Answers {
  Tags tags;
  std::vector<Confident> confident;
  std::vector<Readings> readings;
};

// Makes one sentence of each line again, once its pieces have tags.
void join_pieces(RunText* text, Answers* answers);

// Append the run's own sentences. Columns: the rows as they are, and after each token's its tag; or
// besides its probability and that of the entity that it is in, else _; or all of it for each of
// the readings. Lines: as line mode of inference.py writes them. JSON and HTML: see
// entities.h and html.h; scheme: of the tags.
void write_columns(const RunText& text, const Answers& answers, std::string* out);
void write_readings(const RunText& text, const std::vector<Readings>& readings, std::string* out);
void write_lines(const RunText& text, const Answers& answers, std::string* out);
void write_json(const RunText& text, const Answers& answers, const std::string& scheme,
                std::string* out);
void write_html(const RunText& text, const Answers& answers, const std::string& scheme,
                const HtmlWriter& html, std::string* out);

}  // namespace etagger
