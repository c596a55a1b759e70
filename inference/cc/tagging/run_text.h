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

namespace etagger {

// The views are of the run.
struct RunText {
  // Columns: a block each sentence, and those that are a blank line alone.
  std::vector<Block> blocks;
  // Or raw text: a line each sentence, and how many sentences it became; one, unless it is too
  // long.
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

// Reads a run of raw text, a sentence a line.
void read_lines(const Run& run, RunText* text, size_t* bad_bytes);

// How many sentences of more than kMostRows rows or words were cut, counted by their cuts.
size_t count_pieces(const RunText& text);

// Makes one sentence of each line again, once its pieces are tagged.
void join_pieces(RunText* text, Tags* tags);

// Append the run's own sentences with their tags. Columns: the rows as they are, and a tag after
// each token's. Lines: as line mode of inference.py writes them. JSON and HTML: see entities.h and
// html.h; scheme: of the tags.
void write_columns(const RunText& text, const Tags& tags, std::string* out);
void write_lines(const RunText& text, const Tags& tags, std::string* out);
void write_json(const RunText& text, const Tags& tags, const std::string& scheme, std::string* out);
void write_html(const RunText& text, const Tags& tags, const std::string& scheme,
                const HtmlWriter& html, std::string* out);

}  // namespace etagger
