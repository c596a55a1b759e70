// Sentences as a page of HTML with their entities marked: the same bytes as tagging/html.py, which
// explains them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tagging/entities.h"

namespace etagger {

// The page before its sentences, with a legend of the types, and after them.
std::string html_head(const std::vector<std::string>& types);
std::string html_foot();

// Writes sentences, each as a paragraph. Threads may use one at the same time.
class HtmlWriter {
 public:
  // types: those that entities may have, sorted; a type's place decides its colour.
  explicit HtmlWriter(std::vector<std::string> types) : types_(std::move(types)) {}

  // Appends a sentence. text: as it is. words: its tokens, views into `text`, in order. entities:
  // of these words. scores: their probabilities, or nothing. The time is linear in the text.
  void append(std::string_view text, const std::vector<std::string_view>& words,
              const std::vector<Entity>& entities, const std::vector<double>& scores,
              std::string* out) const;

  // The same where there is no text but columns: words joined by single spaces.
  void append(const std::vector<std::string_view>& words, const std::vector<Entity>& entities,
              const std::vector<double>& scores, std::string* out) const;

 private:
  std::vector<std::string> types_;
};

}  // namespace etagger
