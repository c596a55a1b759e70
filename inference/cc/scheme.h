// Tag schemes: from the one in which a model has learned to the one of its training data, as conll.py converts them.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace etagger {

// Tag ids of a model -> tags of the data's scheme. The views live as long as the converter.
class TagConverter {
 public:
  // Throws Error for an unknown scheme.
  TagConverter(const std::vector<std::string>& tags, const std::string& source, const std::string& target);

  // Every tag that convert() may give, as conll.scheme_tags orders them; the views end in NUL and live as long as the converter.
  std::vector<std::string_view> tags() const;

  // ids: those of one sentence, each below tags.size().
  std::vector<std::string_view> convert(const int* ids, size_t count) const;

 private:
  struct Tag {
    char prefix;                // O, B, I, E, S, M, L or U
    int kind;                   // index of its type
  };
  struct Chunk {
    size_t start, end;          // end exclusive
    int kind;
  };
  std::vector<Chunk> chunks(const int* ids, size_t count) const;
  std::string_view name(char prefix, int kind) const { return names_[static_cast<size_t>(kind)].at(prefix); }

  std::vector<std::string> tags_;
  std::string source_, target_;
  std::string prefixes_;        // of the target: for a chunk of one token; first, inner, last token of a longer one
  std::vector<Tag> split_;
  std::vector<std::unordered_map<char, std::string>> names_;      // of each type, by prefix
};

}  // namespace etagger
