// Tag schemes: how tags are read as chunks, and converted from the scheme in which a model has
// learned to the one of its training data, as conll.py does both.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace etagger {

// A tag in two: `B-PER` is B and PER, `O` is O and nothing.
struct Tag {
  char prefix;  // O, B, I, E, S, M, L or U
  std::string_view type;
};
Tag split_tag(std::string_view tag);

// Calls found(start, end, type), end exclusive, for each chunk of `count` tags in any scheme,
// well-formed or not, from left to right. One reading serves all schemes: B, S and U begin a chunk,
// E, S, L and U end it; besides, it begins where the tag before is O or of another type. tag_at(i):
// a tag with `prefix` and `type`; of the type only == counts.
template <class TagAt, class Found>
void for_each_chunk(size_t count, TagAt tag_at, Found found) {
  auto is_start = [](char prefix) { return prefix == 'B' || prefix == 'S' || prefix == 'U'; };
  auto is_end = [](char prefix) {
    return prefix == 'E' || prefix == 'S' || prefix == 'L' || prefix == 'U';
  };
  bool open = false;
  size_t start = 0;
  decltype(tag_at(0).type) type{};
  for (size_t i = 0; i < count; ++i) {
    auto tag = tag_at(i);
    if (open && (tag.prefix == 'O' || is_start(tag.prefix) || !(tag.type == type))) {
      found(start, i, type);
      open = false;
    }
    if (tag.prefix == 'O') continue;
    if (!open) {
      start = i;
      type = tag.type;
    }
    open = !is_end(tag.prefix);
    if (!open) found(start, i + 1, type);
  }
  if (open) found(start, count, type);
}

// Tag ids of a model -> tags of the data's scheme. The views live as long as the converter.
class TagConverter {
 public:
  // Throws Error for an unknown scheme.
  TagConverter(const std::vector<std::string>& tags, const std::string& source,
               const std::string& target);

  // Every tag that convert() may give, as conll.scheme_tags orders them; the views end in NUL and
  // live as long as the converter.
  std::vector<std::string_view> tags() const;

  // ids: those of one sentence, each below tags.size().
  std::vector<std::string_view> convert(const int* ids, size_t count) const;

 private:
  struct ModelTag {
    char prefix;
    size_t type;  // index of its type
  };
  struct Chunk {
    size_t start, end, type;  // end exclusive
  };
  struct Names {                             // a type's tags in the target
    std::string single, first, inner, last;  // of a chunk of one token; of a longer one
    std::string touching;  // where a chunk touches another of its type: its first token in IOB1,
                           // its last in IOE1
  };
  void name(const Chunk* before, const Chunk& chunk, const Chunk* after,
            std::string_view* tags) const;

  std::vector<std::string> tags_;
  std::string source_, target_;
  std::vector<ModelTag> split_;
  std::vector<Names> names_;
};

}  // namespace etagger
