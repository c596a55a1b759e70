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

constexpr std::string_view kRaw = "raw";  // tags without prefixes: each but O is an entity's

// Whether a chunk ends and whether one starts between two neighbouring tags, well-formed or not.
// One reading serves all schemes: B, S and U begin a chunk, E, S, L and U end it; besides, it
// begins where the tag before is O or of another type. Of the types only == counts.
struct Boundary {
  bool ends, starts;
};
template <class AnyTag>
Boundary boundary(const AnyTag& before, const AnyTag& after) {
  auto is_start = [](char prefix) { return prefix == 'B' || prefix == 'S' || prefix == 'U'; };
  auto is_end = [](char prefix) {
    return prefix == 'E' || prefix == 'S' || prefix == 'L' || prefix == 'U';
  };
  const bool changes = before.prefix == 'O' || is_end(before.prefix) || after.prefix == 'O' ||
                       is_start(after.prefix) || !(before.type == after.type);
  return {changes && before.prefix != 'O', changes && after.prefix != 'O'};
}

// Calls found(start, end, type), end exclusive, for each chunk of `count` tags in any scheme, from
// left to right, as boundary() reads them. tag_at(i): a tag with `prefix` and `type`.
template <class TagAt, class Found>
void for_each_chunk(size_t count, TagAt tag_at, Found found) {
  using AnyTag = decltype(tag_at(0));
  const AnyTag outside{'O', {}};
  AnyTag before = outside;
  size_t start = 0;
  for (size_t i = 0; i <= count; ++i) {
    const AnyTag tag = i < count ? tag_at(i) : outside;
    const Boundary between = boundary(before, tag);
    if (between.ends) found(start, i, before.type);
    if (between.starts) start = i;
    before = tag;
  }
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
