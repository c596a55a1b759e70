// Entities of a tagged sentence, and a sentence as a line of JSON:
//
//   {"text": "Sumogetti left Vremland.",
//    "entities": [{"text": "Sumogetti", "type": "PER", "start": 0, "end": 9}, ...]}
//
// start and end count characters (code points) of "text", end exclusive, so that in Python
// text[start:end] is the entity's text. Programs whose strings are UTF-16 (JavaScript, Java, C#)
// count a character above U+FFFF twice and must convert.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace etagger {

// Tokens start .. end - 1 of a sentence.
struct Entity {
  size_t start, end;
  std::string_view type;  // a part of a tag; it lives as long as that
};

// The chunks of a sentence's tags, well-formed or not, from left to right: as conll.chunks reads
// them in every scheme, and where `scheme` is "raw" (tags without prefixes) each token that is not
// O alone, its tag the type.
std::vector<Entity> entities(const std::vector<std::string_view>& tags, std::string_view scheme);

// Appends a sentence as one line of JSON, line end included. text: as it is, so that what was white
// space counts in the offsets. words: its tokens, views into `text`, in order. entities: as
// entities() gives them for the tags of these words. scores: a probability for each, written with
// six digits after the point, or none. A byte that is not UTF-8 becomes U+FFFD, one
// character. The time is linear in the text.
void append_json(std::string_view text, const std::vector<std::string_view>& words,
                 const std::vector<Entity>& entities, std::string* out,
                 const std::vector<double>& scores = {});

// The same where there is no text but columns: words joined by single spaces.
void append_json(const std::vector<std::string_view>& words, const std::vector<Entity>& entities,
                 std::string* out, const std::vector<double>& scores = {});

// Appends words joined by single spaces to `text`, which is empty. Returns where they are in it.
std::vector<std::string_view> join(const std::vector<std::string_view>& words, std::string* text);

}  // namespace etagger
