#include "tagging/scheme.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"

namespace etagger {
namespace {

constexpr std::string_view kOutside = "O";

// For a chunk of one token; for the first, inner and last token of a longer one.
std::string prefixes_of(const std::string& scheme) {
  static const std::unordered_map<std::string, std::string> known = {
      {"bio", "BBII"},   {"iob1", "IIII"}, {"ioe2", "EIIE"}, {"ioe1", "IIII"},
      {"iobes", "SBIE"}, {"bmes", "SBME"}, {"bilou", "UBIL"}};
  auto found = known.find(scheme);
  if (found == known.end()) throw Error("unknown tag scheme " + scheme);
  return found->second;
}

}  // namespace

Tag split_tag(std::string_view tag) {
  return {tag.empty() ? 'O' : tag[0], tag.size() > 2 ? tag.substr(2) : std::string_view()};
}

TagConverter::TagConverter(const std::vector<std::string>& tags, const std::string& source,
                           const std::string& target)
    : tags_(tags), source_(source), target_(target) {
  if (source == target) return;
  std::string prefixes = prefixes_of(target);
  std::map<std::string_view, size_t> types;  // a tree: a stranger's tags cannot collide in it
  for (const std::string& tag : tags_) {
    auto [prefix, type] = split_tag(tag);
    auto [place, is_new] = types.emplace(type, types.size());
    split_.push_back({prefix, place->second});
    if (!is_new) continue;
    std::string ending = type.empty() ? "" : "-" + std::string(type);
    char touching = prefixes[1];
    if (target == "iob1") touching = 'B';
    if (target == "ioe1") touching = 'E';
    names_.push_back({prefixes[0] + ending, prefixes[1] + ending, prefixes[2] + ending,
                      prefixes[3] + ending, touching + ending});
  }
}

std::vector<std::string_view> TagConverter::tags() const {
  if (source_ == target_) return {tags_.begin(), tags_.end()};
  std::vector<std::string_view> out = {kOutside};
  std::vector<bool> seen(names_.size());
  for (const ModelTag& tag : split_) {
    if (tag.prefix == 'O' || seen[tag.type]) continue;
    seen[tag.type] = true;
    const Names& names = names_[tag.type];
    const size_t first = out.size();
    for (const std::string* name :
         {&names.first, &names.inner, &names.last, &names.single, &names.touching})
      if (std::find(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), *name) ==
          out.end())
        out.push_back(*name);
  }
  return out;
}

std::vector<std::string_view> TagConverter::convert(const int* ids, size_t count) const {
  std::vector<std::string_view> out(count, kOutside);
  if (source_ == target_) {
    for (size_t i = 0; i < count; ++i) out[i] = tags_[static_cast<size_t>(ids[i])];
    return out;
  }
  std::vector<Chunk> chunks;
  for_each_chunk(
      count, [&](size_t i) { return split_[static_cast<size_t>(ids[i])]; },
      [&](size_t start, size_t end, size_t type) { chunks.push_back({start, end, type}); });
  for (size_t k = 0; k < chunks.size(); ++k)
    name(k > 0 ? &chunks[k - 1] : nullptr, chunks[k],
         k + 1 < chunks.size() ? &chunks[k + 1] : nullptr, out.data());
  return out;
}

// Names the tags of a chunk between its neighbours.
void TagConverter::name(const Chunk* before, const Chunk& chunk, const Chunk* after,
                        std::string_view* tags) const {
  auto [start, end, type] = chunk;
  const Names& names = names_[type];
  std::fill(tags + start, tags + end, names.inner);
  tags[start] = names.first;
  tags[end - 1] = names.last;
  if (end - start == 1) tags[start] = names.single;
  if (target_ == "iob1" && before && before->end == start && before->type == type)
    tags[start] = names.touching;
  if (target_ == "ioe1" && after && after->start == end && after->type == type)
    tags[end - 1] = names.touching;
}

}  // namespace etagger
