// Writes sentences as a page of HTML in which the entities are marked: the same bytes as
// tagging/html.py, which explains the page.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tagging/entities.h"

namespace etagger {

// The page before its sentences, with a legend of the types, and the page after them.
std::string html_head(const std::vector<std::string>& types);
std::string html_foot();

// Writes sentences, each as a paragraph. Several threads may use one writer at the same time.
class HtmlWriter {
 public:
  // types: all types of entities, sorted; the index of a type decides its colour.
  explicit HtmlWriter(std::vector<std::string> types) : types_(std::move(types)) {}

  // Appends a sentence. words: its tokens in order, views into `text`. entities: their places
  // count words. scores: the entities' probabilities, or empty. Takes linear time.
  void append(std::string_view text, const std::vector<std::string_view>& words,
              const std::vector<Entity>& entities, const std::vector<double>& scores,
              std::string* out) const;

  // The same for words of a column file, which are joined by single spaces.
  void append(const std::vector<std::string_view>& words, const std::vector<Entity>& entities,
              const std::vector<double>& scores, std::string* out) const;

 private:
  std::vector<std::string> types_;
};

}  // namespace etagger
